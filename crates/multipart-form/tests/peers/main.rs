//! Differential runs: what other readers make of the cases, and of generated forms. Where a peer reads a case as we do not,
//! `docs/multipart-disagreements.md` says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "../support/install.rs"]
mod install;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use multipart_form::{Boundary, Encoder, Event, Limits, Parser, PartHead};
use serde_json::{Value, json};

/// busboy's reading of the folders it is given, as `read.py` has it.
const BUSBOY: &str = r#"
const fs = require('fs'), busboy = require('busboy');
async function read(folder) {
    const headers = { 'content-type': fs.readFileSync(folder + '/content-type.txt', 'utf8') };
    const parts = [];
    await new Promise((resolve, reject) => {
        const limits = { fieldSize: Infinity, fieldNameSize: 16384, headerPairs: 32 };
        const parser = busboy({ headers, limits, preservePath: true, defParamCharset: 'utf8' });
        parser.on('field', (name, value, info) => parts.push([name ?? null, null, Buffer.from(value)]));
        parser.on('file', (name, file, info) => {
            const part = [name ?? null, info.filename ?? null, Buffer.alloc(0)];
            parts.push(part);
            file.on('data', bytes => { part[2] = Buffer.concat([part[2], bytes]); });
            file.on('error', reject);
        });
        parser.on('error', reject);
        parser.on('close', resolve);
        parser.end(fs.readFileSync(folder + '/input.bin'));
    });
    return parts.map(([name, file, body]) => [name, file, body.toString('base64')]);
}
(async () => {
    for (const folder of process.argv.slice(2)) {
        const told = await read(folder).catch(error => ({ error: String(error) }));
        console.log(JSON.stringify(told));
    }
})();
"#;

type Read = fn(&[PathBuf]) -> Vec<Value>;
const PEERS: [(&str, Read); 4] = [
    ("multer", |folders| folders.iter().map(|folder| multer(folder)).collect()),
    ("multipart", |folders| python("multipart", folders)),
    ("python-multipart", |folders| python("python_multipart", folders)),
    ("busboy", busboy),
];

fn python(package: &str, folders: &[PathBuf]) -> Vec<Value> {
    let python = install::python("peers", &["multipart==2.0.1", "python-multipart==0.0.34"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/read.py");
    lines(&install::run(Command::new(python).arg(script).arg(package).args(folders), package))
}

fn busboy(folders: &[PathBuf]) -> Vec<Value> {
    let modules = install::node_modules("peers-node", &["busboy@1.6.0"]);
    let mut node = Command::new("node");
    node.env("NODE_PATH", modules).args(["--eval", BUSBOY, "--"]).arg("-").args(folders);
    lines(&install::run(&mut node, "Debian: nodejs"))
}

fn lines(output: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(folder: &Path) -> (String, Vec<u8>) {
    let content_type = fs::read(folder.join("content-type.txt")).unwrap();
    (String::from_utf8_lossy(&content_type).into_owned(), fs::read(folder.join("input.bin")).unwrap())
}

fn part(name: Option<&str>, filename: Option<&str>, body: &[u8]) -> Value {
    json!([name, filename, Base64::encode_string(body)])
}

fn multer(folder: &Path) -> Value {
    let (content_type, body) = files(folder);
    let all = async {
        let boundary = multer::parse_boundary(content_type)?;
        let mut form = multer::Multipart::new(stream::iter([Ok::<_, Infallible>(Bytes::from(body))]), boundary);
        let mut parts = Vec::new();
        while let Some(field) = form.next_field().await? {
            let (name, filename) = (field.name().map(String::from), field.file_name().map(String::from));
            parts.push(part(name.as_deref(), filename.as_deref(), &field.bytes().await?));
        }
        Ok::<_, multer::Error>(Value::from(parts))
    };
    all.now_or_never().unwrap().unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

fn ours(folder: &Path) -> Value {
    let (content_type, body) = files(folder);
    let all = || {
        let limits = Limits::unbounded();
        let mut parser = Parser::new(Boundary::from_form_content_type(content_type.as_bytes())?, limits);
        let (mut parts, mut input) = (Vec::new(), &body[..]);
        let mut open = (None, None, Vec::new());
        while let Some(event) = parser.next(&mut input)? {
            match event {
                Event::Part(head) => {
                    open.0 = head.name().map(|name| name.into_owned());
                    open.1 = head.filename().map(|name| name.into_owned());
                    open.2.clear();
                }
                Event::Data(bytes) => open.2.extend_from_slice(bytes),
                Event::End => parts.push(part(open.0.as_deref(), open.1.as_deref(), &open.2)),
                _ => {}
            }
        }
        parser.close()?;
        Ok::<_, multipart_form::Error>(Value::from(parts))
    };
    all().unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Whether both refuse, or read the same.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a["error"].is_string() && b["error"].is_string()
}

/// What the page says: for each peer the cases it reads otherwise.
fn explained() -> BTreeMap<String, Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/multipart-disagreements.md");
    let page = fs::read_to_string(page).unwrap();
    let mut explained = BTreeMap::<String, Vec<String>>::new();
    let mut peer = String::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            peer = heading.split(' ').next().unwrap().to_owned();
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let cases = row.split(" |").next().unwrap().split(", ").map(|case| case.trim_matches('`').to_owned());
        explained.entry(peer.clone()).or_default().extend(cases);
    }
    explained.values_mut().for_each(|cases| cases.sort());
    explained
}

#[test]
fn needs_peers_and_every_disagreement_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let ours: Vec<Value> = folders.iter().map(|folder| ours(folder)).collect();
    let explained = explained();
    let mut told = String::new();
    for (peer, read) in PEERS {
        let theirs = read(&folders);
        assert_eq!(theirs.len(), ours.len());
        let explained = explained.get(peer).cloned().unwrap_or_default();
        for ((folder, ours), theirs) in folders.iter().zip(&ours).zip(&theirs) {
            let case = folder.file_name().unwrap().to_string_lossy().into_owned();
            if same(ours, theirs) == explained.contains(&case) {
                told += &format!("{peer} {case}\n  ours   {ours:.300}\n  theirs {theirs:.300}\n");
            }
        }
    }
    assert!(told.is_empty(), "not as docs/multipart-disagreements.md has it:\n{told}");
}

/// Forms as this crate writes them, with the bytes in names and bodies that trip readers up, are read by every peer as they
/// were meant.
#[test]
fn needs_peers_that_read_what_is_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-forms");
    let (mut folders, mut meant) = (Vec::new(), Vec::new());
    for seed in 0..60_usize {
        let case = folder.join(format!("{seed:02}"));
        fs::create_dir_all(&case).unwrap();
        let (content_type, body, parts) = form(seed);
        fs::write(case.join("content-type.txt"), content_type).unwrap();
        fs::write(case.join("input.bin"), body).unwrap();
        folders.push(case);
        meant.push(Value::from(parts));
    }
    let ours: Vec<Value> = folders.iter().map(|folder| ours(folder)).collect();
    assert_eq!(ours, meant);
    for (peer, read) in PEERS {
        for ((folder, meant), theirs) in folders.iter().zip(&meant).zip(read(&folders)) {
            assert_eq!(theirs, *meant, "{peer}: {}", folder.display());
        }
    }
}

fn form(seed: usize) -> (String, Vec<u8>, Vec<Value>) {
    // Nothing that readers are known to disagree on: no `%22`, no backslash before a quote's place, no empty file name.
    const NAMES: [&str; 6] = ["a", "field name", "n\u{e4}me", "a;b=c", "x.y[0]", "percent % sign"];
    const BODIES: [&[u8]; 7] =
        [b"", b"text", b"\r\n", b"\r\n--", b"\r\n--b\r\n", b"--boundary", b"\0\xff\r\r\n\n\r\n-\r\n--boundar"];
    let mut encoder = Encoder::new(Boundary::new(format!("boundary{seed}")).unwrap()).unwrap();
    let (mut out, mut parts) = (Vec::new(), Vec::new());
    for n in 0..1 + seed % 9 {
        let pick = seed * 31 + n * 17;
        let name = NAMES[pick % NAMES.len()];
        // Text has to be text: busboy decodes fields.
        let file = pick.is_multiple_of(2);
        let body = BODIES[pick % if file { BODIES.len() } else { 6 }];
        let mut head = PartHead::new(name);
        if file {
            head = head.filename(NAMES[(pick / 2) % 5]).content_type("application/octet-stream").unwrap();
        }
        encoder.begin(&head, &mut out).unwrap();
        out.extend_from_slice(body);
        encoder.end(&mut out).unwrap();
        parts.push(part(Some(name), file.then_some(NAMES[(pick / 2) % 5]), body));
    }
    encoder.close(&mut out).unwrap();
    (encoder.content_type(), out, parts)
}
