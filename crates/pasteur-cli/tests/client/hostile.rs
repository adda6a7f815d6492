//! Names, texts and contents that mean harm.

use std::fs;

use envelope::plain::{Boundary, Contents, Meta, NewFile, Step, Writer};
use envelope::{Keys, LinkSecret};

use crate::world::{World, names};

/// A paste whose file names are a stranger's choice: made here, by the format alone.
fn craft(world: &World, files: &[&str]) -> String {
    let new = |name: &&str| NewFile { name: (*name).into(), media_type: String::new(), size: Some(4) };
    let contents = Contents { meta: Meta::default(), paste: None, files: files.iter().map(new).collect() };
    let mut writer = Writer::new(Boundary::from_random(&[9; 18]), contents).unwrap();
    let mut plain = Vec::new();
    loop {
        let due = match writer.next().unwrap() {
            None => break,
            Some(Step::Bytes(bytes)) => {
                plain.extend_from_slice(bytes);
                false
            }
            Some(_) => true,
        };
        if due {
            plain.extend_from_slice(b"evil");
            writer.sent(4).unwrap();
        }
    }
    send(world, &plain, |_| {})
}

/// Seals a plaintext, spoils the ciphertext, and sends it by the API.
fn send(world: &World, plain: &[u8], spoil: impl FnOnce(&mut Vec<u8>)) -> String {
    let secret = LinkSecret::from_bytes([3; 32]);
    let keys = Keys::derive(&secret, None);
    let header = api::PublicHeader { v: 1, kdf: None, burn: false, comments: false }.encode();
    let mut sealed = Vec::new();
    let mut reader = envelope::io::SealReader::new(plain, keys.content_key(), header.as_bytes(), [1; 32], [2; 7]);
    std::io::Read::read_to_end(&mut reader, &mut sealed).unwrap();
    spoil(&mut sealed);
    let mut body = Vec::new();
    let read = api::Token::encode_hash(&keys.read_token().hash());
    for (name, value) in
        [("header", header.as_bytes()), ("read", read.as_bytes()), ("expires_in", b"3600"), ("content", &sealed)]
    {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes());
        body.extend(value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let created = ureq::post(format!("{}/api/v1/pastes", world.base))
        .header("Content-Type", "multipart/form-data; boundary=b")
        .send(&body[..])
        .unwrap()
        .into_body()
        .read_to_vec()
        .unwrap();
    let created: api::Created = serde_json::from_slice(&created).unwrap();
    format!("{}/{}#{}", world.base, created.id, *secret.fragment())
}

#[test]
fn a_name_never_leads_outside_the_folder() {
    let world = World::new();
    let hostile = [
        "../escape",
        "/abs",
        "..",
        ".",
        "",
        "a/../../escape",
        "..\\escape",
        "C:\\escape",
        "con",
        "a\u{1}b\x1b[2J",
        "x\u{202e}gpj.exe",
        ".bashrc",
        "sub/name",
    ];
    let link = craft(&world, &hostile);
    fs::create_dir(world.path("box")).unwrap();
    let before = names(world.dir.path());
    let got = world.run(&["get", &link, "-o", "box/out"]).ok();
    assert_eq!(names(world.dir.path()), before);
    assert_eq!(names(&world.path("box")), ["out"]);
    let saved = names(&world.path("box/out"));
    assert_eq!(saved.len(), hostile.len(), "{saved:?}");
    for name in &saved {
        assert!(!name.contains(['/', '\\', '\u{1}', '\x1b', '\u{202e}']), "{name:?}");
        assert_eq!(fs::read(world.path("box/out").join(name)).unwrap(), b"evil");
    }
    assert!(!got.err().contains(['\u{1}', '\x1b', '\u{202e}']), "{:?}", got.err());
}

#[test]
fn nothing_is_overwritten_silently() {
    let world = World::new();
    fs::create_dir(world.path("out")).unwrap();
    world.file("out/a", "mine");
    let link = craft(&world, &["a", "a"]);
    world.run(&["get", &link, "-o", "out"]).ok();
    assert_eq!(fs::read(world.path("out/a")).unwrap(), b"mine");
    assert_eq!(names(&world.path("out")), ["a", "a (1)", "a (2)"]);
    world.run(&["get", &link, "-o", "out", "--force"]).ok();
    assert_eq!(fs::read(world.path("out/a")).unwrap(), b"evil");
}

#[test]
fn altered_and_cut_content_leaves_no_file() {
    let world = World::new();
    let new = NewFile { name: "f".into(), media_type: String::new(), size: Some(3_000_000) };
    let contents = Contents { meta: Meta::default(), paste: None, files: vec![new] };
    let mut writer = Writer::new(Boundary::from_random(&[9; 18]), contents).unwrap();
    let mut plain = Vec::new();
    loop {
        match writer.next().unwrap() {
            None => break,
            Some(Step::Bytes(bytes)) => plain.extend_from_slice(bytes),
            Some(_) => {
                plain.resize(plain.len() + 3_000_000, 7);
                writer.sent(3_000_000).unwrap();
            }
        }
    }
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 5] = [
        ("flipped", |s| s[2_500_000] ^= 1),
        ("last bit", |s| *s.last_mut().unwrap() ^= 0x80),
        ("cut at a segment", |s| s.truncate(1 << 20)),
        ("cut in the header", |s| s.truncate(20)),
        ("longer", |s| s.push(0)),
    ];
    for (case, spoil) in cases {
        let link = send(&world, &plain, spoil);
        world.run(&["get", &link, "-o", "out"]).fails(8, &["damaged"]);
        assert_eq!(names(&world.path("out")), [""; 0], "{case}");
    }
    let link = send(&world, &plain, |_| {});
    world.run(&["get", &link, "-o", "out"]).ok();
    assert_eq!(names(&world.path("out")), ["f"]);
    // What is sealed, and yet no form.
    let link = send(&world, b"no form at all", |_| {});
    world.run(&["get", &link, "-o", "none"]).fails(8, &["damaged"]);
}
