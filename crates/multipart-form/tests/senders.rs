//! Forms of real senders, recorded as they are sent and read under several splits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "support/install.rs"]
mod install;
#[path = "support/recorder.rs"]
mod recorder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use multipart_form::{Charsets, Event, Limits, Parser};
use recorder::{Recorder, Sent};

const TEXT: &str = "h\u{e4}llo w\u{f6}rld";

/// What trips readers up: every byte, and beginnings of delimiters.
fn bytes() -> Vec<u8> {
    (0..=255).chain(*b"\r\n--\r\n------WebKitFormBoundary\r\n--").collect()
}

/// A file of [`bytes`].
fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("senders").join(name);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("file.bin");
    fs::write(&path, bytes()).unwrap();
    path
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    body: Vec<u8>,
}

fn part(name: &str, file: Option<(&str, &str)>, body: impl AsRef<[u8]>) -> Part {
    Part {
        name: name.into(),
        filename: file.map(|file| file.0.into()),
        content_type: file.map(|file| file.1.into()),
        body: body.as_ref().to_vec(),
    }
}

/// Reads it strictly, and in pieces of each of these sizes.
fn read(sent: &Sent) -> Vec<Part> {
    let mut readings: Vec<_> = [usize::MAX, 1, 2, 3, 7, 100].iter().map(|&size| read_by(sent, size)).collect();
    let first = readings.swap_remove(0);
    assert!(readings.iter().all(|reading| *reading == first));
    first
}

fn read_by(sent: &Sent, size: usize) -> Vec<Part> {
    let mut parser = Parser::strict(sent.content_type.as_bytes(), Limits::default()).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    for mut piece in sent.body.chunks(size) {
        while let Some(event) = parser.next(&mut piece).unwrap() {
            match event {
                Event::Part(head) => parts.push(Part {
                    name: head.name().unwrap().into_owned(),
                    filename: head.filename().map(|name| name.into_owned()),
                    content_type: head.content_type_raw().map(|value| String::from_utf8_lossy(value).into_owned()),
                    body: Vec::new(),
                }),
                Event::Data(bytes) => parts.last_mut().unwrap().body.extend_from_slice(bytes),
                _ => {}
            }
        }
    }
    parser.close().unwrap();
    parts
}

#[test]
fn needs_peers_curl() {
    let recorder = Recorder::start("");
    let file = file("curl");
    let upload = format!("f=@{};type=application/x-thing;filename=\"na\\\"me \u{e4}.bin\"", file.display());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--form-string", &format!("text={TEXT}")]);
    curl.args(["--form-string", "a \"quoted\" name=\r\n", "--form", &upload, "--form-string", "empty="]);
    install::run(curl.arg(recorder.url()), "Debian: curl");
    let expected = [
        part("text", None, TEXT),
        part("a \"quoted\" name", None, "\r\n"),
        part("f", Some(("na\"me \u{e4}.bin", "application/x-thing")), bytes()),
        part("empty", None, ""),
    ];
    assert_eq!(read(&recorder.next()), expected);
}

const REQUESTS: &str = r#"
import pathlib, requests, sys
session = requests.Session()
session.trust_env = False
data = {"text": sys.argv[3], 'a "quoted" name': "\r\n"}
files = [("f", ('na"me.bin', pathlib.Path(sys.argv[2]).read_bytes(), "application/x-thing")),
         ("f", ("sec\u00f6nd.bin", b"", "text/plain"))]
session.post(sys.argv[1], data=data, files=files).raise_for_status()
"#;

#[test]
fn needs_peers_python_requests() {
    let recorder = Recorder::start("");
    let python = install::python("senders", &["requests==2.34.2"]);
    let mut command = Command::new(python);
    command.args(["-c", REQUESTS, recorder.url()]).arg(file("requests")).arg(TEXT);
    install::run(&mut command, "requests");
    let expected = [
        part("text", None, TEXT),
        part("a \"quoted\" name", None, "\r\n"),
        part("f", Some(("na\"me.bin", "application/x-thing")), bytes()),
        part("f", Some(("sec\u{f6}nd.bin", "text/plain")), ""),
    ];
    assert_eq!(read(&recorder.next()), expected);
}

const FETCH: &str = r#"
const [url, path, text] = process.argv.slice(1);
const form = new FormData();
form.append('text', text);
form.append('a "quoted" name', '\r\n');
const bytes = require('fs').readFileSync(path);
form.append('f', new Blob([bytes], { type: 'application/x-thing' }), 'na"me \u00e4.bin');
fetch(url, { method: 'POST', body: form }).then(answer => process.exit(answer.ok ? 0 : 1));
"#;

/// What a browser's FormData becomes, and node's.
fn form_data() -> [Part; 3] {
    [
        part("text", None, TEXT),
        part("a \"quoted\" name", None, "\r\n"),
        part("f", Some(("na\"me \u{e4}.bin", "application/x-thing")), bytes()),
    ]
}

#[test]
fn needs_peers_node_fetch() {
    let recorder = Recorder::start("");
    let mut node = Command::new("node");
    node.args(["--eval", FETCH, "--", recorder.url()]).arg(file("node")).arg(TEXT);
    install::run(&mut node, "Debian: nodejs");
    assert_eq!(read(&recorder.next()), form_data());
}

#[tokio::test]
async fn reqwest_sends() {
    let recorder = Recorder::start("");
    let file =
        reqwest::multipart::Part::bytes(bytes()).file_name("na\"me.bin").mime_str("application/x-thing").unwrap();
    let form = reqwest::multipart::Form::new().text("text", TEXT).part("f", file).text("empty", "");
    // Another crate of the workspace may have it speak TLS; nothing here does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(recorder.url()).multipart(form).send().await.unwrap();
    assert!(answer.status().is_success());
    let expected = [
        part("text", None, TEXT),
        part("f", Some(("na\"me.bin", "application/x-thing")), bytes()),
        part("empty", None, ""),
    ];
    assert_eq!(read(&recorder.next()), expected);
}

/// Lets Chromium open `page`, until it has sent a form.
fn chromium(page: &'static str, name: &str) -> Vec<Part> {
    let recorder = Recorder::start(page);
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("senders").join(name);
    let mut chromium = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--no-proxy-server", "--disable-background-networking", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(recorder.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Debian: chromium");
    let sent = recorder.next();
    chromium.kill().unwrap();
    chromium.wait().unwrap();
    read(&sent)
}

const FORM_DATA: &str = r"<!doctype html><meta charset=utf-8><script>
const tail = '\r\n--\r\n------WebKitFormBoundary\r\n--';
const bytes = Uint8Array.from([...Array(256).keys(), ...[...tail].map(c => c.charCodeAt(0))]);
const form = new FormData();
form.append('text', 'h\u00e4llo w\u00f6rld');
form.append('a \x22quoted\x22 name', '\r\n');
form.append('f', new Blob([bytes], { type: 'application/x-thing' }), 'na\x22me \u00e4.bin');
fetch('/', { method: 'POST', body: form });
</script>";

#[test]
fn needs_chromium_form_data() {
    assert_eq!(chromium(FORM_DATA, "chromium-form-data"), form_data());
}

const PLAIN: &str = r"<!doctype html><meta charset=utf-8>
<form method=post enctype=multipart/form-data action=/ accept-charset=iso-8859-1>
<input type=hidden name=_charset_><textarea name=text></textarea><input type=checkbox name=on checked>
<input type=file name=none><input type=file name=one></form><script>
const form = document.forms[0];
form.text.value = 'h\u00e4llo\nw\u00f6rld';
const files = new DataTransfer();
files.items.add(new File(['one'], 'f\u00e4 \x22q\x22.txt', { type: 'text/plain' }));
form.one.files = files.files;
form.submit();
</script>";

#[test]
fn needs_chromium_plain_form() {
    let mut parts = chromium(PLAIN, "chromium-plain-form");
    let mut charsets = Charsets::default();
    charsets.observe_label(&parts[0].body);
    let text = parts.remove(1);
    assert_eq!(text.name, "text");
    // A form's lines end in CR LF, and its charset is what it says of itself.
    assert_eq!(text.body, b"h\xe4llo\r\nw\xf6rld");
    let empty = "application/octet-stream";
    let filename = parts[3].filename.take().unwrap();
    assert!(filename.ends_with(" \"q\".txt"), "{filename}");
    parts[3].filename = Some("one.txt".into());
    let expected = [
        part("_charset_", None, "windows-1252"),
        part("on", None, "on"),
        part("none", Some(("", empty)), ""),
        part("one", Some(("one.txt", "text/plain")), "one"),
    ];
    assert_eq!(parts, expected);
    assert_eq!(
        multipart_form::Charset::of_label(b"windows-1252").unwrap().decode(&text.body),
        "h\u{e4}llo\r\nw\u{f6}rld"
    );
}
