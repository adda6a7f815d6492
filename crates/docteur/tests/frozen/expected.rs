//! What frozen images hold, path by path in their order. It is never changed: images of it are committed.
#![allow(dead_code, reason = "each test uses some of it")]

use sha2::{Digest, Sha256};

pub(crate) enum What {
    Folder,
    File(Vec<u8>),
    Link(Vec<u8>),
}

pub(crate) struct Expected {
    pub(crate) path: Vec<u8>,
    pub(crate) what: What,
    pub(crate) mode: u16,
    /// Seconds and nanoseconds.
    pub(crate) time: (i64, u32),
    /// Names and values, by ascending name.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) link: Option<u64>,
    pub(crate) media_type: Option<String>,
}

/// Whose mode and time say nothing.
fn plain(path: &[u8], what: What) -> Expected {
    let mode = if matches!(what, What::Folder) { 0o755 } else { 0o644 };
    Expected { path: path.to_vec(), what, mode, time: (0, 0), attributes: Vec::new(), link: None, media_type: None }
}

fn file(path: &str, bytes: Vec<u8>) -> Expected {
    plain(path.as_bytes(), What::File(bytes))
}

fn folder(path: &str) -> Expected {
    plain(path.as_bytes(), What::Folder)
}

fn link(path: &str, target: &[u8]) -> Expected {
    Expected { mode: 0o777, ..plain(path.as_bytes(), What::Link(target.to_vec())) }
}

fn attribute(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

/// Bytes that nothing makes smaller.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len.div_ceil(32) as u32).flat_map(|n| Sha256::digest(n.to_le_bytes())).collect();
    bytes.truncate(len);
    bytes
}

/// 4,000 digits that files have in common.
pub(crate) fn shared() -> Vec<u8> {
    noise(2_000).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn lines(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| format!("line {n}, {} of a thousand\n", n * 7919 % 1000).into_bytes()).collect()
}

/// All that a tree can hold; with a base of [`shared`], in segments of 4,096 bytes, of which there are more than two pages.
pub(crate) fn everything() -> Vec<Expected> {
    let long_type = format!("text/{}", "t".repeat(250));
    let first = Expected {
        mode: 0o4755,
        time: (1_700_000_001, 1),
        attributes: vec![
            attribute(b"user.a", b""),
            attribute(b"user.b", b"the value of b"),
            attribute(b"user.\xFF\xFE", b"\0\x01\xFF"),
        ],
        link: Some(0),
        media_type: Some("text/x-first".into()),
        ..file("hard-1", b"the first of the hard links\n".to_vec())
    };
    let second = Expected { time: (5, 0), link: Some(1), ..file("hard-2", b"the second\n".to_vec()) };
    let again = |path: &str, of: &Expected| {
        let What::File(bytes) = &of.what else { return folder(path) };
        Expected {
            mode: of.mode,
            time: of.time,
            attributes: of.attributes.clone(),
            link: of.link,
            media_type: of.media_type.clone(),
            ..file(path, bytes.clone())
        }
    };
    let (third, fourth) = (again("hard-3", &first), again("hard-4", &second));
    let mut all = vec![
        Expected {
            mode: 0o1755,
            time: (-1, 999_999_999),
            attributes: vec![attribute(b"user.root", b"of the root")],
            ..folder("")
        },
        Expected { time: (-2_000_000_000, 0), ..folder("a") },
        Expected { mode: 0, time: (-2_000_000_001, 500_000_000), ..file("a/b", b"a/b comes before a-b\n".to_vec()) },
        Expected { mode: 0o7777, time: (i64::MIN, 0), ..file("a\x01", Vec::new()) },
        Expected { time: (i64::MAX, 7), ..link("a-b", b"a/b") },
        Expected {
            mode: 0o700,
            time: (4_102_444_800, 20),
            attributes: vec![attribute(b"user.empty", b"")],
            ..folder("empty")
        },
        first,
        second,
        third,
        fourth,
        file("long", [lines(500), shared(), lines(30)].concat()),
        file("noise", noise(4_096)),
        file("noise-again", noise(4_096)),
        folder("pages"),
    ];
    let (outer, inner) = ("v".repeat(200), "w".repeat(200));
    all.push(folder(&format!("pages/{outer}")));
    all.push(folder(&format!("pages/{outer}/{inner}")));
    let text = shared();
    for n in 0..130 {
        let page = [&text[n * 11..n * 11 + 2_100], format!("page {n}\n").as_bytes()].concat();
        all.push(Expected {
            time: (1_600_000_000 - 1_000 * n as i64, n as u32 % 3),
            attributes: vec![attribute(b"user.note", &b"the same for all pages\n".repeat(15))],
            ..file(&format!("pages/{outer}/{inner}/page-{n:03}"), page)
        });
    }
    all.extend([
        Expected { time: (9, 9), link: Some(2), ..link("soft-1", b"\xFF nowhere\n") },
        Expected { time: (9, 9), link: Some(2), ..link("soft-2", b"\xFF nowhere\n") },
        Expected { attributes: vec![attribute(b"trusted.x", b"of a link")], ..link("target", &b"x/".repeat(2_048)) },
        Expected { media_type: Some(long_type), ..file("type", b"a type of 255 bytes\n".to_vec()) },
        file(&"z".repeat(255), b"a name of 255 bytes\n".to_vec()),
        plain(b"\xFF\xFE\n'\\", What::File(b"an odd name\n".to_vec())),
    ]);
    all
}

/// What the metadata of [`everything`] are.
pub(crate) fn metadata() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("git.author", b"Ada <ada@example.org> 1000000000 +0200".to_vec()),
        ("git.commit", b"0123456789abcdef0123456789abcdef01234567".to_vec()),
        ("git.committer", b"Bob <bob@example.org> 1700000000 -0500".to_vec()),
        ("git.encoding", b"latin1".to_vec()),
        ("git.message", [&b"what\xE9 was done\n\n"[..], &b"and why it was done\n".repeat(20)].concat()),
        ("git.submodule.vendor/sub", b"89abcdef0123456789abcdef0123456789abcdef".to_vec()),
        ("git.tree", b"fedcba9876543210fedcba9876543210fedcba98".to_vec()),
        ("x", Vec::new()),
    ]
}

/// A web site, which has types and encodings; two of its files are one.
pub(crate) fn site() -> Vec<Expected> {
    let style = |path: &str| Expected {
        mode: 0o755,
        time: (-7, 8),
        attributes: vec![attribute(b"user.a", b"1"), attribute(b"user.b", b"2")],
        link: Some(0),
        media_type: Some("text/css; charset=utf-8".into()),
        ..file(path, b"p { color: green }\n".repeat(60))
    };
    let of = |name: &str, path: &str, bytes: Vec<u8>| Expected { media_type: Some(name.into()), ..file(path, bytes) };
    vec![
        folder(""),
        style("a.css"),
        style("b.css"),
        of("text/plain; charset=utf-8", "empty.txt", Vec::new()),
        of("text/html; charset=utf-8", "index.html", lines(90)),
        of("application/octet-stream", "noise", noise(300)),
        of("text/plain; charset=utf-8", "tiny.txt", b"the time of the year\n".to_vec()),
    ]
}

/// A folder with nothing in it.
pub(crate) fn nothing() -> Vec<Expected> {
    vec![Expected { mode: 0o750, time: (1, 0), ..folder("") }]
}
