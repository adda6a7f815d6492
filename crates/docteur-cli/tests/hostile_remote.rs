//! Repositories elsewhere that mean no good: what they send ends with an error that names the limit, in bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod elsewhere;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use elsewhere::{http, listen, make_with};
use support::repository::git;

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");
const ID: &str = "1234567890123456789012345678901234567890";

/// `docteur make` of what is at a port, in 1.5 GiB of address space: what went wrong.
fn told(port: u16, options: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let temporary = home.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 1500000; exec \"$@\"", "sh", DOCTEUR, "make"]);
    command.arg(format!("git://127.0.0.1:{port}/r")).arg(home.path().join("made.img")).args(options);
    command.env("HOME", home.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.env("TMPDIR", &temporary).stdin(Stdio::null()).output().unwrap();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "what was fetched is removed");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    told
}

fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

/// A packet of the pack (1) or of what is told about it (2).
fn band(number: u8, bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 5).as_bytes(), &[number], bytes].concat()
}

/// Reads packets up to one that ends a request.
fn request(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let len = usize::from_str_radix(std::str::from_utf8(&len).unwrap(), 16).unwrap();
        if len == 0 {
            return Ok(());
        }
        io::copy(&mut stream.take(len.saturating_sub(4) as u64), &mut io::sink())?;
    }
}

/// Leads a client to its request for a pack, by version 2 of the protocol, and begins to answer it.
fn up_to_the_pack(stream: &mut TcpStream) -> io::Result<()> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u64::from_str_radix(std::str::from_utf8(&len).unwrap(), 16).unwrap();
    io::copy(&mut stream.take(len - 4), &mut io::sink())?;
    for text in ["version 2\n", "ls-refs=unborn\n", "fetch=shallow\n", "object-format=sha1\n"] {
        stream.write_all(&line(text))?;
    }
    stream.write_all(b"0000")?;
    request(stream)?;
    stream.write_all(&line(&format!("{ID} HEAD symref-target:refs/heads/main\n")))?;
    stream.write_all(&line(&format!("{ID} refs/heads/main\n")))?;
    stream.write_all(b"0000")?;
    request(stream)?;
    stream.write_all(&line("packfile\n"))
}

/// The port of a server that leads clients to the pack, and then does something.
fn serving(then: impl Fn(&mut TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    listen(move |mut stream| {
        // It ends when the client goes away.
        let _ = up_to_the_pack(&mut stream).and_then(|()| then(&mut stream));
        let _ = io::copy(&mut stream, &mut io::sink());
    })
}

fn pack(objects: u32) -> Vec<u8> {
    [b"PACK\0\0\0\x02", &objects.to_be_bytes()[..]].concat()
}

/// A blob of 100 bytes, stored as zlib (RFC 1950) does without compressing; its size may be said to be another.
fn blob(size: u64) -> Vec<u8> {
    let bytes = [b'a'; 100];
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let mut out = vec![0x30 | (size & 15) as u8 | if size > 15 { 0x80 } else { 0 }];
    let mut rest = size >> 4;
    while rest > 0 {
        out.push((rest & 127) as u8 | if rest > 127 { 0x80 } else { 0 });
        rest >>= 7;
    }
    out.extend_from_slice(&[0x78, 0x01, 0x01, 100, 0, !100, 255]);
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&(b << 16 | a).to_be_bytes());
    out
}

#[test]
fn an_endless_pack_is_cut_off() {
    let port = serving(|stream| {
        stream.write_all(&band(1, &pack(1_000_000)))?;
        let blobs = band(1, &blob(100).repeat(400));
        loop {
            stream.write_all(&blobs)?;
        }
    });
    let told = told(port, &["--fetch-bytes", "3000000"]);
    assert!(told.contains("more than 3000000 bytes"), "{told}");
}

#[test]
fn endless_words_about_a_pack_are_cut_off() {
    let port = serving(|stream| {
        let words = band(2, &b"Compressing objects\r".repeat(1_000));
        loop {
            stream.write_all(&words)?;
        }
    });
    let told = told(port, &["--fetch-bytes", "3000000"]);
    assert!(told.contains("more than 3000000 bytes"), "{told}");
}

#[test]
fn endless_references_are_cut_off() {
    for version in [1, 2] {
        let port = listen(move |mut stream| {
            let answer = |stream: &mut TcpStream| -> io::Result<()> {
                let mut begin = vec![0; 4];
                stream.read_exact(&mut begin)?;
                if version == 2 {
                    for text in ["version 2\n", "ls-refs\n", "fetch=shallow\n"] {
                        stream.write_all(&line(text))?;
                    }
                    stream.write_all(b"0000")?;
                } else {
                    stream.write_all(&line(&format!("{ID} HEAD\0shallow side-band-64k ofs-delta\n")))?;
                }
                for n in 0_u64.. {
                    stream.write_all(&line(&format!("{ID} refs/heads/{n}\n")).repeat(100))?;
                }
                Ok(())
            };
            let _ = answer(&mut stream);
        });
        let told = told(port, &["--fetch-bytes", "3000000"]);
        assert!(told.contains("more than 3000000 bytes"), "version {version}: {told}");
    }
}

#[test]
fn sizes_that_are_lies_are_refused() {
    for size in [99, 101, 1 << 20, 1 << 31, 1 << 45, u64::MAX] {
        let port = serving(move |stream| one(stream, size));
        let told = told(port, &["--fetch-seconds", "60"]);
        assert!(told.contains("127.0.0.1") && !told.contains("seconds"), "{size}: {told}");
    }
    // More objects than there are.
    let port = serving(|stream| {
        stream.write_all(&band(1, &[pack(u32::MAX), blob(100)].concat()))?;
        stream.shutdown(std::net::Shutdown::Write)
    });
    let told = told(port, &["--fetch-seconds", "60"]);
    assert!(told.contains("127.0.0.1") && !told.contains("seconds"), "{told}");
}

/// A pack of one blob, with no right end.
fn one(stream: &mut TcpStream, size: u64) -> io::Result<()> {
    stream.write_all(&band(1, &[pack(1), blob(size), vec![0; 20]].concat()))?;
    stream.write_all(b"0000")?;
    stream.shutdown(std::net::Shutdown::Write)
}

#[test]
fn who_is_silent_or_slow_is_left() {
    let silent = listen(|mut stream| _ = io::copy(&mut stream, &mut io::sink()));
    let stalled = serving(|stream| {
        stream.write_all(&band(1, &pack(1000)))?;
        Ok(())
    });
    let slow = serving(|stream| {
        stream.write_all(&band(1, &pack(1000)))?;
        loop {
            for byte in band(1, &blob(100)) {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(50));
            }
        }
    });
    for port in [silent, stalled, slow] {
        let told = told(port, &["--fetch-seconds", "1"]);
        assert!(told.contains("more than 1 seconds"), "{told}");
    }
}

#[test]
fn needs_git_the_bounds_are_of_what_comes_over_http_too() {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("r");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    fs::write(repository.join("noise"), support::noise(1, 100_000)).unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "all"]);
    let root = place.path().to_path_buf();
    let port = listen(move |stream| _ = http(stream, &root));
    let made =
        |at: &Path, bytes: &str| make_with(at, &format!("http://127.0.0.1:{port}/r"), &["--fetch-bytes", bytes], &[]);
    let told = made(place.path(), "99999").unwrap_err();
    assert!(told.contains("more than 99999 bytes"), "{told}");
    made(place.path(), "110000").unwrap();
    let silent = listen(|mut stream| _ = io::copy(&mut stream, &mut io::sink()));
    let source = format!("http://127.0.0.1:{silent}/r");
    let told = make_with(place.path(), &source, &["--fetch-seconds", "1"], &[]).unwrap_err();
    assert!(told.contains("more than 1 seconds"), "{told}");
}
