//! The format, frozen: pastes sealed once, whose bytes no version may change, and which every version opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read;
use std::path::Path;

use api::{Kdf, PublicHeader};
use envelope::io::{OpenReader, SealReader};
use envelope::plain::{Boundary, Contents, Event, Meta, NewFile, Reader, Step, Writer};
use envelope::{Keys, Link, LinkSecret, SEGMENT_LEN, Stretched};
use sha2::{Digest, Sha256};

const SALT: [u8; 32] = [0x51; 32];
const PREFIX: [u8; 7] = [0x72; 7];

/// One frozen paste.
struct Frozen {
    name: &'static str,
    password: Option<&'static str>,
    burn: bool,
    text: Option<&'static str>,
    files: &'static [(&'static str, &'static str, &'static [u8])],
}

const FROZEN: [Frozen; 3] = [
    Frozen { name: "text", password: None, burn: false, text: Some("Hello, Louis.\n"), files: &[] },
    Frozen {
        name: "password",
        // Typed as A and a combining ring, it is the same password.
        password: Some("\u{c5}ngstr\u{f6}m"),
        burn: true,
        text: Some("grüße"),
        files: &[("a \"quoted\" name.txt", "text/plain", b"one"), ("empty", "", b"")],
    },
    Frozen { name: "empty", password: None, burn: false, text: None, files: &[] },
];

impl Frozen {
    fn keys(&self, header: &PublicHeader, password: Option<&str>) -> (LinkSecret, Keys) {
        let secret = LinkSecret::from_bytes(core::array::from_fn(|i| i as u8 ^ self.name.len() as u8));
        let stretched = password.map(|p| Stretched::argon2id(p, header.kdf.as_ref().unwrap()).unwrap());
        let keys = Keys::derive(&secret, stretched.as_ref());
        (secret, keys)
    }

    fn header(&self) -> PublicHeader {
        PublicHeader { v: 1, kdf: self.password.map(|_| Kdf::v1([0x13; 16])), burn: self.burn, comments: false }
    }

    fn plain(&self) -> Vec<u8> {
        let new = |file: &(&str, &str, &[u8])| NewFile {
            name: file.0.into(),
            media_type: file.1.into(),
            size: Some(file.2.len() as u64),
        };
        let contents = Contents {
            meta: Meta { title: Some("A title".into()), language: Some("plain".into()), formatter: None, files: None },
            paste: self.text.map(|text| Some(text.len() as u64)),
            files: self.files.iter().map(new).collect(),
        };
        let mut writer = Writer::new(Boundary::from_random(&[0x2a; 18]), contents).unwrap();
        let mut plain = Vec::new();
        loop {
            let body = match writer.next().unwrap() {
                None => return plain,
                Some(Step::Bytes(bytes)) => {
                    plain.extend_from_slice(bytes);
                    continue;
                }
                Some(Step::Paste { .. }) => self.text.unwrap().as_bytes(),
                Some(Step::File { index, .. }) => self.files[index].2,
            };
            plain.extend_from_slice(body);
            writer.sent(body.len() as u64).unwrap();
        }
    }

    fn seal(&self) -> (String, String, Vec<u8>) {
        let header = self.header();
        let (secret, keys) = self.keys(&header, self.password);
        let header = header.encode();
        let mut sealed = Vec::new();
        let plain = self.plain();
        SealReader::new(&plain[..], keys.content_key(), header.as_bytes(), SALT, PREFIX)
            .read_to_end(&mut sealed)
            .unwrap();
        let link = Link { base: "https://paste.example".into(), id: "abcdefghijkm".parse().unwrap(), secret };
        let about = format!("{}\n{}\n{}\n", *link.to_url(), *keys.read_token().encode(), header);
        (about, header, sealed)
    }

    fn path(&self, ending: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen").join(format!("{}.{ending}", self.name))
    }
}

#[test]
fn what_was_sealed_once_is_sealed_the_same_for_ever() {
    for frozen in &FROZEN {
        let (about, _, sealed) = frozen.seal();
        assert_eq!(about, fs::read_to_string(frozen.path("txt")).unwrap(), "{}", frozen.name);
        assert!(sealed == fs::read(frozen.path("bin")).unwrap(), "{}", frozen.name);
    }
}

#[test]
fn what_was_sealed_once_is_opened_for_ever() {
    for frozen in &FROZEN {
        let about = fs::read_to_string(frozen.path("txt")).unwrap();
        let [url, read, header]: [&str; 3] = about.lines().collect::<Vec<_>>().try_into().unwrap();
        let link = Link::parse(url).unwrap();
        let public = PublicHeader::decode(header).unwrap();
        let stretched = frozen.password.map(|_| "A\u{30a}ngstro\u{308}m");
        let stretched = stretched.map(|p| Stretched::argon2id(p, public.kdf.as_ref().unwrap()).unwrap());
        let keys = Keys::derive(&link.secret, stretched.as_ref());
        assert_eq!(*keys.read_token().encode(), read);
        let mut plain = Vec::new();
        let sealed = fs::read(frozen.path("bin")).unwrap();
        OpenReader::new(&sealed[..], keys.content_key(), header.as_bytes()).read_to_end(&mut plain).unwrap();
        let (mut text, mut files) = (None, Vec::new());
        let (mut reader, mut input) = (Reader::new(), &plain[..]);
        while let Some(event) = reader.next(&mut input).unwrap() {
            match event {
                Event::Meta(meta) => assert_eq!(meta.title.as_deref(), Some("A title")),
                Event::PasteBegin => text = Some(Vec::new()),
                Event::PasteData(bytes) => text.as_mut().unwrap().extend_from_slice(bytes),
                Event::FileBegin(head) => files.push((head.name, head.media_type, Vec::new())),
                Event::FileData(bytes) => files.last_mut().unwrap().2.extend_from_slice(bytes),
                _ => {}
            }
        }
        reader.close().unwrap();
        assert_eq!(text, frozen.text.map(|text| text.as_bytes().to_vec()));
        let binary = |t: &str| if t.is_empty() { "application/octet-stream".to_owned() } else { t.to_owned() };
        let expected: Vec<_> = frozen.files.iter().map(|f| (f.0.to_owned(), binary(f.1), f.2.to_vec())).collect();
        assert_eq!(files, expected);
    }
}

#[test]
fn long_streams_keep_their_bytes_at_every_edge_of_a_segment() {
    let key = envelope::ContentKey::from_bytes([3; 32]);
    let first = SEGMENT_LEN - 40 - 16;
    let second = first + SEGMENT_LEN - 16;
    let sums: Vec<String> = [first - 1, first, first + 1, second - 1, second, second + 1]
        .into_iter()
        .map(|len| {
            let plain: Vec<u8> = (0..len).map(|i| (i * i % 251) as u8).collect();
            let mut sealed = Vec::new();
            SealReader::new(&plain[..], &key, b"{}", SALT, PREFIX).read_to_end(&mut sealed).unwrap();
            let hex: String = Sha256::digest(&sealed).iter().map(|b| format!("{b:02x}")).collect();
            format!("{len} {} {hex}", sealed.len())
        })
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/long.txt");
    assert_eq!(sums.join("\n") + "\n", fs::read_to_string(path).unwrap());
}
