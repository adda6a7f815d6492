//! Images as web sites, asked over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod process;
#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use docteur::{Cache, Image, Kind, Limits, Source};
use process::{DOCTEUR, Running, make};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use support::{noise, text};

/// An image that is served.
struct Server {
    process: Running,
    address: String,
}

impl Server {
    fn new(image: &Path) -> Self {
        let more = ["--listen", "127.0.0.1:0", "--cache", "4"].map(OsStr::new);
        let (process, line) = Running::start(&[&["serve".as_ref(), image.as_ref()], &more[..]].concat());
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Self { process, address }
    }

    fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(&self.address).unwrap())
    }

    /// A client for which little may be on its way.
    fn connect_slowly(&self) -> TcpStream {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 4096).unwrap();
        connect(&socket, &self.address.parse::<SocketAddr>().unwrap()).unwrap();
        TcpStream::from(socket)
    }

    fn get(&self, path: &str, lines: &str) -> Answer {
        ask(&mut self.connect(), "GET", path, lines)
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn said(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn send(flow: &mut BufReader<TcpStream>, method: &str, path: &str, lines: &str) {
    flow.get_mut().write_all(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{lines}\r\n").as_bytes()).unwrap();
}

fn head(flow: &mut impl BufRead) -> Answer {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        flow.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let status = lines.remove(0).split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.iter().map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: Vec::new() }
}

fn ask(flow: &mut BufReader<TcpStream>, method: &str, path: &str, lines: &str) -> Answer {
    send(flow, method, path, lines);
    let mut answer = head(flow);
    if method != "HEAD" && answer.status != 304 {
        answer.body = vec![0; answer.said("content-length").parse().unwrap()];
        flow.read_exact(&mut answer.body).unwrap();
    }
    answer
}

#[test]
fn a_site_is_served_as_it_was_packed() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("source/deep/er")).unwrap();
    fs::write(at("source/index.html"), text(1, 9_000)).unwrap();
    fs::write(at("source/404.html"), b"<p>not here").unwrap();
    fs::write(at("source/deep/index.html"), text(2, 20_000)).unwrap();
    fs::write(at("source/deep/er/a b\u{e9}.css"), text(3, 500)).unwrap();
    fs::write(at("source/deep/empty"), b"").unwrap();
    fs::write(at("source/long"), noise(4, 3_000_000)).unwrap();
    make(&at("source"), &at("image"), &["--web", "--segment", "65536"]);
    let server = Server::new(&at("image"));

    for (path, file, media_type) in [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html", "index.html", "text/html; charset=utf-8"),
        ("/deep/", "deep/index.html", "text/html; charset=utf-8"),
        ("/deep/er/a%20b%C3%A9.css?x=y", "deep/er/a b\u{e9}.css", "text/css; charset=utf-8"),
        ("/deep/empty", "deep/empty", "application/octet-stream"),
        ("/long", "long", "application/octet-stream"),
    ] {
        let (answer, wanted) = (server.get(path, ""), fs::read(at("source").join(file)).unwrap());
        assert_eq!((answer.status, answer.said("content-type")), (200, media_type), "{path}");
        assert!(answer.body == wanted, "{path}");
        let head = ask(&mut server.connect(), "HEAD", path, "");
        assert_eq!(head.said("content-length"), wanted.len().to_string());
        let again = server.get(path, &format!("if-none-match: {}\r\n", answer.said("etag")));
        assert_eq!(again.status, 304, "{path}");
    }

    let moved = server.get("/deep?q=1", "");
    assert_eq!((moved.status, moved.said("location")), (301, "/deep/?q=1"));
    for path in [
        "/missing",
        "/deep/er/",
        "/deep/index.html/",
        "//index.html",
        // In a Location this would be another host's.
        "//deep",
        "/../index.html",
        "/%",
        "/deep/%2e%2e/index.html",
    ] {
        let missing = server.get(path, "");
        assert_eq!((missing.status, missing.body.as_slice()), (404, &b"<p>not here"[..]), "{path}");
    }
    let refused = ask(&mut server.connect(), "DELETE", "/", "");
    assert_eq!((refused.status, refused.said("allow")), (405, "GET, HEAD"));

    let part = server.get("/long", "range: bytes=1234567-2345678\r\n");
    assert_eq!((part.status, part.said("content-range")), (206, "bytes 1234567-2345678/3000000"));
    assert!(part.body == noise(4, 3_000_000)[1_234_567..=2_345_678]);
    assert_eq!(server.get("/long", "range: bytes=3000000-\r\n").status, 416);

    let packed = server.get("/deep/", "accept-encoding: gzip\r\n");
    assert_eq!((packed.said("content-encoding"), packed.said("vary")), ("gzip", "accept-encoding"));
    let mut unpack = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    unpack.stdin.take().unwrap().write_all(&packed.body).unwrap();
    assert!(unpack.wait_with_output().unwrap().stdout == text(2, 20_000));
    assert_eq!(server.get("/deep/", "accept-encoding: br\r\n").said("content-encoding"), "br");
    assert_ne!(packed.said("etag"), server.get("/deep/", "").said("etag"));

    server.process.stop();
    assert_eq!(server.process.end(), (Some(0), String::new()));
}

/// An image on a server that gives parts of files.
struct Remote<'a> {
    server: &'a Server,
    path: &'a str,
    len: u64,
    asked: Cell<u64>,
}

impl Source for Remote<'_> {
    type Error = u16;

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), u16> {
        if buffer.is_empty() {
            return Ok(());
        }
        let range = format!("range: bytes={offset}-{}\r\n", offset + buffer.len() as u64 - 1);
        let answer = self.server.get(self.path, &range);
        if answer.status != 206 || answer.body.len() != buffer.len() {
            return Err(answer.status);
        }
        buffer.copy_from_slice(&answer.body);
        self.asked.set(self.asked.get() + answer.body.len() as u64);
        Ok(())
    }
}

#[test]
fn an_image_is_read_over_http_by_parts() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("source/deep")).unwrap();
    fs::create_dir_all(at("outer")).unwrap();
    fs::write(at("source/deep/page"), text(1, 30_000)).unwrap();
    fs::write(at("source/long"), noise(2, 2_000_000)).unwrap();
    make(&at("source"), &at("outer/inner.img"), &["--segment", "65536"]);
    make(&at("outer"), &at("image"), &[]);
    let server = Server::new(&at("image"));
    let head = ask(&mut server.connect(), "HEAD", "/inner.img", "");
    let len = head.said("content-length").parse().unwrap();
    let remote = Remote { server: &server, path: "/inner.img", len, asked: Cell::new(0) };
    let image = Image::open(&remote, &Limits::default()).unwrap();
    let read = |path: &[u8]| {
        let mut cache = Cache::new(0);
        let Kind::File(content) = image.find(&mut cache, path).unwrap().unwrap().kind else { panic!() };
        image.read_all(&mut cache, &content, 1 << 24).unwrap()
    };
    assert!(read(b"deep/page") == text(1, 30_000));
    // Of two megabytes no more than what is needed for that.
    assert!(remote.asked.get() < 100_000, "{}", remote.asked.get());
    assert!(read(b"long") == noise(2, 2_000_000));
    let gone = Remote { path: "/gone", asked: Cell::new(0), ..remote };
    assert!(matches!(Image::open(&gone, &Limits::default()), Err(docteur::Error::Source(404))));
}

#[test]
fn many_clients_at_once_get_long_files_in_little_memory() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    for n in 0..200 {
        fs::write(at(&format!("source/{n}")), text(n, 3_000 + n as usize * 97)).unwrap();
    }
    let long = [text(7, 1_000_000), noise(8, 100_000)].concat().repeat(10);
    fs::write(at("source/long"), &long).unwrap();
    fs::File::create(at("source/huge")).unwrap().set_len(120 << 20).unwrap();
    make(&at("source"), &at("image"), &["--segment", "262144"]);
    let server = Server::new(&at("image"));
    thread::scope(|scope| {
        for client in 0..64_u64 {
            let (server, long) = (&server, &long);
            scope.spawn(move || {
                let mut flow = server.connect();
                for n in (0..40).map(|n| (n * 37 + client * 11) % 200) {
                    let answer = ask(&mut flow, "GET", &format!("/{n}"), "");
                    assert!(answer.status == 200 && answer.body == text(n, 3_000 + n as usize * 97), "{n}");
                }
                if client % 8 == 0 {
                    assert!(ask(&mut flow, "GET", "/long", "").body == *long);
                    assert_eq!(ask(&mut flow, "GET", "/huge", "range: bytes=-70000000\r\n").body.len(), 70_000_000);
                }
            });
        }
    });
    // Of 8 times 81 MB, a cache of 4 MiB, the program itself and what is on its way.
    let peak = server.process.peak().unwrap();
    assert!(peak < 64 << 10, "{peak} KiB");

    // Who is being answered when it is told to stop gets the rest.
    let mut flow = server.connect();
    send(&mut flow, "GET", "/long", "");
    let answer = head(&mut flow);
    assert_eq!(answer.said("content-length"), long.len().to_string());
    server.process.stop();
    let mut all = Vec::new();
    flow.read_to_end(&mut all).unwrap();
    assert!(all == long);
    assert_eq!(server.process.end(), (Some(0), String::new()));
}

#[test]
fn an_answer_that_is_not_taken_holds_little() {
    const FILES: u64 = 40;
    const LEN: usize = 250_000;
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    for n in 0..FILES {
        fs::write(at(&format!("source/{n}")), noise(n, LEN)).unwrap();
    }
    make(&at("source"), &at("image"), &["--segment", "65536"]);
    let server = Server::new(&at("image"));
    // In an order in which nothing is still kept when it is asked for again: so no two answers share their bytes.
    let clients: Vec<_> = (0..400_u64)
        .map(|n| {
            let mut flow = server.connect_slowly();
            flow.write_all(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", n % FILES).as_bytes()).unwrap();
            let mut start = [0; 15];
            assert_eq!((flow.peek(&mut start).unwrap(), &start), (15, b"HTTP/1.1 200 OK"));
            flow
        })
        .collect();
    // As whole files they would be 98,000 KiB, beside the program itself and a cache of 4 MiB.
    let peak = server.process.peak().unwrap();
    assert!(peak < 80 << 10, "{peak} KiB");

    let mut last = BufReader::new(clients.into_iter().next_back().unwrap());
    assert_eq!(head(&mut last).said("content-length"), LEN.to_string());
    let mut body = vec![0; LEN];
    last.read_exact(&mut body).unwrap();
    assert!(body == noise(399 % FILES, LEN));
}

#[test]
fn a_long_file_that_was_asked_for_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    // More than is kept of segments: what comes first in it is in no segment any more when all of it was sent.
    let long = noise(1, 1_500_000);
    fs::write(at("source/long"), &long).unwrap();
    fs::write(at("source/other"), noise(2, 20_000)).unwrap();
    make(&at("source"), &at("image"), &["--segment", "4096", "--no-arrange"]);
    let server = Server::new(&at("image"));
    assert!(server.get("/long", "").body == long);

    // Noise is stored as it is.
    let bytes = fs::read(at("image")).unwrap();
    let image = fs::OpenOptions::new().write(true).open(at("image")).unwrap();
    for wanted in [&long[..20], &noise(2, 20_000)[..20]] {
        let found = bytes.windows(20).position(|window| window == wanted).unwrap();
        image.write_all_at(&[!wanted[0]], found as u64).unwrap();
    }
    assert_eq!(server.get("/other", "").status, 500);
    let again = server.get("/long", "");
    assert!(again.status == 200 && again.body == long, "{}", again.status);
}

#[test]
fn another_image_has_other_tags() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let tags = [("old", 1), ("new", 2)].map(|(version, seed)| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("page.html"), noise(seed, 9_000)).unwrap();
        let image = at(&format!("{version}.img"));
        make(&at(version), &image, &[]);
        let server = Server::new(&image);
        server.get("/page.html", "").said("etag").to_owned()
    });
    // The page's place in the image is the same.
    let [old, new] = tags.each_ref().map(|tag| tag.split_once('-').unwrap());
    assert!(old.1 == new.1 && old.0 != new.0, "{tags:?}");
    let answer = Server::new(&at("new.img")).get("/page.html", &format!("if-none-match: {}\r\n", tags[0]));
    assert!(answer.status == 200 && answer.body == noise(2, 9_000), "{}", answer.status);
}

#[test]
fn the_page_of_what_is_missing_is_sent_whole_whatever_is_asked() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    fs::write(at("source/404.html"), b"<p>not here").unwrap();
    make(&at("source"), &at("image"), &[]);
    let server = Server::new(&at("image"));
    let tag = server.get("/404.html", "").said("etag").to_owned();
    assert_eq!(server.get("/404.html", &format!("if-none-match: {tag}\r\n")).status, 304);
    for lines in [
        format!("if-none-match: {tag}\r\n"),
        "if-match: \"other\"\r\n".to_owned(),
        "range: bytes=0-3\r\n".to_owned(),
        "range: bytes=1000-\r\n".to_owned(),
    ] {
        let mut flow = server.connect();
        send(&mut flow, "GET", "/missing", &lines);
        let answer = head(&mut flow);
        assert_eq!((answer.status, answer.said("content-length")), (404, "11"), "{lines}");
        assert_eq!(answer.said("content-range"), "", "{lines}");
        let mut body = [0; 11];
        flow.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"<p>not here", "{lines}");
    }
}

#[test]
fn damage_is_told_and_never_a_wrong_byte() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    fs::write(at("source/good"), text(1, 3_000)).unwrap();
    fs::write(at("source/short"), noise(2, 9_000)).unwrap();
    fs::write(at("source/long"), noise(3, 900_000)).unwrap();
    make(&at("source"), &at("image"), &["--segment", "4096", "--no-arrange"]);
    let mut bytes = fs::read(at("image")).unwrap();
    for (wanted, from) in [(noise(2, 9_000), 5_000), (noise(3, 900_000), 600_000)] {
        // Noise is stored as it is.
        let found = bytes.windows(20).position(|window| *window == wanted[from..from + 20]).unwrap();
        bytes[found] ^= 1;
    }
    fs::write(at("image"), &bytes).unwrap();
    let server = Server::new(&at("image"));
    assert_eq!(server.get("/good", "").body, text(1, 3_000));
    let refused = server.get("/short", "");
    assert_eq!((refused.status, refused.body.len()), (500, 0));

    // What was sent already cannot be taken back: the connection ends before the length that was said.
    let mut flow = server.connect();
    send(&mut flow, "GET", "/long", "");
    assert_eq!(head(&mut flow).said("content-length"), "900000");
    let mut got = Vec::new();
    let _ = flow.read_to_end(&mut got);
    assert!(got.len() < 600_000 && noise(3, 900_000).starts_with(&got), "{}", got.len());
    server.process.stop();
    let (code, told) = server.process.end();
    assert_eq!(code, Some(0));
    let line = format!("docteur: {}: ", at("image").display());
    assert_eq!((told.matches(&line).count(), told.matches("the image is damaged at byte").count()), (2, 2), "{told}");
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    fs::write(at("source/file"), b"file").unwrap();
    make(&at("source"), &at("image"), &[]);
    let address = taken.local_addr().unwrap().to_string();
    for (image, why) in [("image", "in use"), ("source/file", "magic")] {
        let out = Command::new(DOCTEUR).arg("serve").arg(at(image)).args(["--listen", &address]).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && told.contains(why), "{told}");
    }
}
