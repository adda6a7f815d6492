//! Google's Tink opens what we seal, and we open what it seals. It is Tink's Python package, in a virtual environment of the
//! test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use envelope::io::{OpenReader, SealReader};
use envelope::{ContentKey, HEADER_LEN, SEGMENT_LEN, TAG_LEN};

const VERSION: &str = "1.16.1";
const KEY: [u8; 32] = *b"a key of thirty-two bytes, yes!!";
const AD: &[u8] = br#"{"v":1,"kdf":null,"burn":false,"comments":false}"#;

/// The environment's Python, which has Tink.
fn python() -> PathBuf {
    // A lock, since cargo may run this beside another of its kind; the mark is written last.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tink-{VERSION}"));
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (venv, done) = (folder.join("venv"), folder.join("done"));
    let python = venv.join("bin/python");
    if !done.is_file() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "Debian: python3-venv");
        let package = format!("tink=={VERSION}");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "5", &package];
        run(Command::new(&python).args(pip), "it comes from the Python package index");
        File::create(&done).unwrap();
    }
    python
}

fn run(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e} ({hint})"));
    assert!(output.status.success(), "{command:?} ({hint}): {}", String::from_utf8_lossy(&output.stderr));
}

fn tink(python: &Path, verb: &str, ad: &[u8], input: &[u8]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tink/stream.py");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut child = Command::new(python)
        .arg(script)
        .args([verb, &hex(&KEY), &hex(ad)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i % 251) as u8).collect()
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    SealReader::new(plain, &ContentKey::from_bytes(KEY), AD, [7; 32], [9; 7]).read_to_end(&mut sealed).unwrap();
    sealed
}

#[test]
fn needs_tink_each_opens_what_the_other_sealed() {
    let python = python();
    let first = SEGMENT_LEN - HEADER_LEN - TAG_LEN;
    let second = first + SEGMENT_LEN - TAG_LEN;
    for len in [0, 1, first - 1, first, first + 1, second - 1, second, second + 1, 3 << 20] {
        let plain = plain(len);
        let opened = tink(&python, "open", AD, &seal(&plain));
        assert!(opened.status.success(), "{len}: {}", String::from_utf8_lossy(&opened.stderr));
        assert!(opened.stdout == plain, "Tink opens {len} bytes otherwise");

        let sealed = tink(&python, "seal", AD, &plain);
        assert!(sealed.status.success(), "{len}: {}", String::from_utf8_lossy(&sealed.stderr));
        assert_eq!(sealed.stdout.len() as u64, envelope::sealed_len(len as u64), "{len}");
        let mut opened = Vec::new();
        OpenReader::new(&sealed.stdout[..], &ContentKey::from_bytes(KEY), AD).read_to_end(&mut opened).unwrap();
        assert!(opened == plain, "we open {len} of Tink's bytes otherwise");
    }
    // That Tink took the associated data seriously, and not only the key.
    let refused = tink(&python, "open", b"another header", &seal(b"x"));
    assert!(!refused.status.success() && refused.stdout.is_empty());
}
