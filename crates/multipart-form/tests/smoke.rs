//! scratch
#![allow(missing_docs, clippy::unwrap_used)]
use base64ct::{Base64, Encoding};
use multipart_form::*;
use serde_json::{Value, json};

fn parts(ct: &[u8], input: &[u8], o: &Value, nested: bool, cuts: &dyn Fn(usize) -> usize) -> Result<Value, Error> {
    let mut limits = Limits::unbounded();
    if let Some(n) = o["max_parts"].as_u64() {
        limits = limits.parts(n)
    }
    if let Some(n) = o["max_part_bytes"].as_u64() {
        limits = limits.part_bytes(n)
    }
    if let Some(n) = o["max_headers"].as_u64() {
        limits = limits.headers(n)
    }
    if let Some(n) = o["max_header_bytes"].as_u64() {
        limits = limits.header_bytes(n)
    }
    if let Some(n) = o["max_depth"].as_u64() {
        limits = limits.depth(n)
    }
    let mut p = Parser::new(boundary_of(ct)?, limits).nested(nested);
    let mut stack: Vec<(Value, Vec<Value>)> = vec![(Value::Null, vec![])];
    let mut cur = Value::Null;
    let mut body = vec![];
    let head = |h: Head<'_>| {
        json!({"name": h.name(), "filename": h.filename(), "content_type": h.content_type_raw().map(String::from_utf8_lossy),
        "headers": h.fields().map(|f| json!([f.name(), f.text()])).collect::<Vec<_>>()})
    };
    let mut at = 0;
    let mut done = false;
    while at < input.len() {
        let n = cuts(at).min(input.len() - at);
        let mut s = &input[at..at + n];
        at += n;
        while let Some(e) = p.next(&mut s)? {
            match e {
                Event::Part(h) => {
                    cur = head(h);
                    body.clear();
                }
                Event::Data(d) => {
                    assert!(!d.is_empty());
                    body.extend_from_slice(d)
                }
                Event::End => {
                    cur["body_base64"] = Base64::encode_string(&body).into();
                    stack.last_mut().unwrap().1.push(cur.take());
                }
                Event::Enter(h) => stack.push((head(h), vec![])),
                Event::Leave => {
                    let (mut h, c) = stack.pop().unwrap();
                    h["children"] = c.into();
                    stack.last_mut().unwrap().1.push(h);
                }
                Event::Done => {
                    assert!(!done);
                    done = true
                }
                _ => {}
            }
        }
        assert!(s.is_empty());
    }
    p.close()?;
    assert!(done);
    Ok(stack.pop().unwrap().1.into())
}

fn strip(v: &mut Value, raw: bool) {
    if let Some(a) = v.as_array_mut() {
        for p in a {
            let o = p.as_object_mut().unwrap();
            for k in ["decoded_base64", "text", "filename_base"] {
                o.remove(k);
            }
            if raw {
                o.remove("children");
            } else if o.contains_key("children") {
                o.remove("body_base64");
                strip(o.get_mut("children").unwrap(), raw)
            }
        }
    }
}

#[test]
fn all() {
    let mut bad = 0;
    let mut n = 0;
    for d in std::fs::read_dir("tests/cases").unwrap() {
        let d = d.unwrap().path();
        let rd = |f: &str| std::fs::read(d.join(f));
        let (ct, input) = (rd("content-type.txt").unwrap(), rd("input.bin").unwrap());
        let o: Value = rd("options.json").map_or(json!({}), |b| serde_json::from_slice(&b).unwrap());
        let e: Value = serde_json::from_slice(&rd("expected.json").unwrap()).unwrap();
        let nested = o["nested"].as_bool().unwrap_or(false);
        n += 1;
        for nest in [false, true] {
            if nest && !nested {
                continue;
            }
            if !nest && nested && e.get("error").is_some() {
                continue;
            }
            let mut want = e["parts"].clone();
            strip(&mut want, !nest);
            let mut first: Option<Result<Value, String>> = None;
            let check = |cuts: &dyn Fn(usize) -> usize, first: &mut Option<Result<Value, String>>, w: String| {
                let r = parts(&ct, &input, &o, nest, cuts).map_err(|e| format!("{e:?}"));
                if let Some(f) = first {
                    if *f != r {
                        println!("{d:?} split {w}: {f:?}\n   {r:?}");
                        return false;
                    }
                    true
                } else {
                    let ok = match &r {
                        Ok(v) => *v == want,
                        Err(x) => {
                            let w = e["error"].as_str().unwrap_or("-");
                            let code = parts(&ct, &input, &o, nest, cuts).unwrap_err().code();
                            let soft = |s: &str| s.starts_with("malformed") || s == "unexpected_eof";
                            let _ = x;
                            code == w || soft(code) && soft(w)
                        }
                    };
                    if !ok {
                        println!("{d:?}: {r:?}\n  want {e}")
                    }
                    *first = Some(r);
                    ok
                }
            };
            if !check(&|_| usize::MAX, &mut first, "whole".into()) {
                bad += 1;
                continue;
            }
            for c in [1usize, 2, 3, 5, 7, 16, 64, 4096] {
                if !check(&|_| c, &mut first, format!("{c}")) {
                    bad += 1;
                    break;
                }
            }
            if input.len() <= 4096 {
                for c in 1..input.len() {
                    if !check(&|at| if at == 0 { c } else { usize::MAX }, &mut first, format!("at {c}")) {
                        bad += 1;
                        break;
                    }
                }
            }
        }
    }
    println!("{n} cases");
    assert_eq!(bad, 0);
}
