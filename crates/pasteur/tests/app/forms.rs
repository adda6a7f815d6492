//! Forms that are wrong: each is told what and where, and none leaves anything behind.

use api::{Kind, MAX_HEADER};

use crate::world::{Form, World, post};

const FORM: &str = "multipart/form-data; boundary=b";

/// Sends a creation that has to fail: its problem must say all of `says`.
async fn refused(world: &World, request: Vec<u8>, kind: Kind, says: &[&str]) {
    let said = world.ask(&request).await;
    let shown = String::from_utf8_lossy(&request[..request.len().min(600)]).into_owned();
    assert_eq!(said.status, kind.facts().1, "{}\n{shown}", said.text());
    let problem = said.problem(kind).to_string();
    for word in says {
        assert!(problem.contains(word), "{problem:?} does not say {word:?}\n{shown}");
    }
}

#[tokio::test]
async fn parts_that_are_missing_repeated_strange_or_out_of_order() {
    let world = World::new().await;
    let good = Form::new(b"content", false);
    for at in 0..4 {
        let name = good.parts[at].0;
        let mut without = good.clone();
        without.parts.remove(at);
        refused(&world, without.request(), Kind::Malformed, &[name]).await;
        let mut twice = good.clone();
        twice.parts.insert(at, good.parts[at].clone());
        refused(&world, twice.request(), Kind::Malformed, &[name, "twice"]).await;
        let mut strange = good.clone();
        strange.parts[at].0 = "title";
        refused(&world, strange.request(), Kind::Malformed, &["title", "header, read, expires_in, content"]).await;
    }
    for (a, b) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
        let mut swapped = good.clone();
        swapped.parts.swap(a, b);
        refused(&world, swapped.request(), Kind::Malformed, &["order", good.parts[a].0, good.parts[b].0]).await;
    }
    let mut more = good.clone();
    more.parts.push(("comment", b"no".to_vec()));
    refused(&world, more.request(), Kind::Malformed, &[]).await;
    refused(&world, post(FORM, b"--b--\r\n"), Kind::Malformed, &["header"]).await;
    let nameless = b"--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n";
    refused(&world, post(FORM, nameless), Kind::Malformed, &["name"]).await;
    assert_eq!(world.metric("pasteur_pastes").await, 0);
    assert_eq!(world.metric("pasteur_stored_bytes").await, 0);
    world.end().await;
}

#[tokio::test]
async fn parts_that_say_something_wrong() {
    let world = World::with(|config| config.max_expiry = Some(86400), None).await;
    let good = Form::new(b"content", false).part("expires_in", "86400");
    assert_eq!(world.ask(good.request()).await.status, 201);
    for (name, value, says) in [
        ("header", "", "header"),
        ("header", "{}", "header"),
        ("header", "[1,2", "header"),
        ("header", r#"{"v":2,"kdf":null,"burn":false,"comments":false}"#, "version"),
        ("header", r#"{"v":1,"kdf":null,"burn":false,"comments":false,"title":"x"}"#, "title"),
        ("read", "", "read"),
        ("read", "c2hvcnQ", "43 characters"),
        ("read", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "43 characters"),
        ("expires_in", "", "number of seconds"),
        ("expires_in", "0", "number of seconds"),
        ("expires_in", "-5", "number of seconds"),
        ("expires_in", "1d", "number of seconds"),
        ("expires_in", "86401", "max_expiry is 86400"),
        ("expires_in", "never", "max_expiry is 86400"),
    ] {
        refused(&world, good.clone().part(name, value).request(), Kind::Malformed, &[name, says]).await;
    }
    refused(
        &world,
        good.clone().part("header", b"\xff\xfe".as_slice()).request(),
        Kind::Malformed,
        &["header", "UTF-8"],
    )
    .await;
    let text = Form { part_lines: "content-type: text/plain\r\n", ..good.clone() };
    refused(&world, text.request(), Kind::UnsupportedType, &["content", "application/octet-stream"]).await;
    let encoded = Form { part_lines: "Content-Transfer-Encoding: base64\r\n", ..good.clone() };
    refused(&world, encoded.request(), Kind::Malformed, &["content", "Content-Transfer-Encoding"]).await;
    let octets =
        Form { part_lines: "Content-Type: Application/Octet-Stream\r\nContent-Transfer-Encoding: binary\r\n", ..good };
    assert_eq!(world.ask(octets.request()).await.status, 201);
    world.end().await;
}

#[tokio::test]
async fn parts_that_are_too_large() {
    let world = World::with(|config| config.max_paste = 100_000, None).await;
    let good = Form::new(&[b'x'; 100_000], false);
    assert_eq!(world.ask(good.request()).await.status, 201);
    let over = Form::new(&[b'x'; 100_001], false);
    refused(&world, over.request(), Kind::TooLarge, &["content", "max_paste is 100000"]).await;
    // One whose announced length alone is too much is refused before its body is sent.
    let mut client = world.connect();
    let head = "POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9000000000\r\n";
    client.send(format!("{head}content-type: {FORM}\r\n\r\n")).await.unwrap();
    let problem = client.read().await.problem(Kind::TooLarge);
    assert_eq!((problem.limit.as_deref(), problem.value), (Some("max_paste"), Some(100_000)));
    for (name, most) in [("header", MAX_HEADER), ("read", 43), ("expires_in", 20)] {
        let long = Form::new(b"", false).part(name, vec![b'1'; most + 1]);
        refused(&world, long.request(), Kind::TooLarge, &[name, &format!("is {most}")]).await;
    }
    let head = Form { part_lines: long_lines(), ..Form::new(b"", false) };
    refused(&world, head.request(), Kind::TooLarge, &["header_bytes is 4096"]).await;
    let lines = Form { part_lines: Box::leak("x: y\r\n".repeat(17).into_boxed_str()), ..Form::new(b"", false) };
    refused(&world, lines.request(), Kind::TooLarge, &["too many header fields", "headers is 16"]).await;
    let preamble = [vec![b'x'; 2000], Form::new(b"", false).body()].concat();
    refused(&world, post(FORM, &preamble), Kind::TooLarge, &["preamble_bytes is 1024"]).await;
    world.end().await;
}

/// Header lines of a part, more than are allowed.
fn long_lines() -> &'static str {
    Box::leak(format!("x-filler: {}\r\n", "y".repeat(5000)).into_boxed_str())
}

#[tokio::test]
async fn bodies_that_are_no_form() {
    let world = World::new().await;
    let body = Form::new(b"content", false).body();
    for (content_type, kind, says) in [
        ("application/json", Kind::UnsupportedType, "multipart/form-data"),
        ("multipart/mixed; boundary=b", Kind::UnsupportedType, ""),
        ("multipart/form-data", Kind::Malformed, "boundary"),
        ("multipart/form-data; boundary=", Kind::Malformed, "boundary"),
        ("multipart/form-data; boundary=\"b", Kind::Malformed, ""),
    ] {
        refused(&world, post(content_type, &body), kind, &[says]).await;
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(5000));
    refused(&world, post(&long, &body), Kind::Malformed, &[]).await;
    let none = "POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    refused(&world, none.into(), Kind::UnsupportedType, &["multipart/form-data"]).await;
    refused(&world, post(FORM, b""), Kind::Malformed, &[]).await;
    let packed = post(&format!("{FORM}\r\ncontent-encoding: gzip"), &body);
    refused(&world, packed, Kind::UnsupportedType, &["Content-Encoding"]).await;
    let two = post(&format!("{FORM}\r\ncontent-type: {FORM}"), &body);
    refused(&world, two, Kind::Malformed, &["content-type"]).await;
    let chunked = "POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: ";
    let chunked = format!("{chunked}{FORM}\r\n\r\n");
    refused(&world, format!("{chunked}3\r\n--b\r\nfive\r\n").into(), Kind::Malformed, &["chunks are malformed"]).await;
    refused(&world, post(FORM, b"just text"), Kind::Malformed, &[]).await;
    refused(&world, post("multipart/form-data; boundary=c", &body), Kind::Malformed, &[]).await;
    // The end of the form is missing, though all that was announced came.
    for cut in [1, 5, 20, body.len() / 2, body.len() - 20] {
        let cut = &body[..body.len() - cut.max(5)];
        refused(&world, post(FORM, cut), Kind::Malformed, &[]).await;
    }
    assert_eq!(world.metric("pasteur_pastes").await, 0);
    world.end().await;
}
