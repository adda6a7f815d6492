//! The form comes back as it was written, in any split; what is not as it says is refused.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml's exception does not reach")]

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn boundary() -> Boundary {
    Boundary::from_random(&[7; 18])
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Paste {
    meta: Meta,
    paste: Option<Vec<u8>>,
    files: Vec<(String, String, Vec<u8>)>,
}

fn file(name: &str, media_type: &str, body: &[u8]) -> (String, String, Vec<u8>) {
    (name.to_owned(), media_type.to_owned(), body.to_owned())
}

fn example() -> Paste {
    Paste {
        meta: Meta { title: Some("Ein Titel".into()), language: Some("rust".into()), ..Meta::default() },
        paste: Some(b"fn main() {}\r\n--\r\n".to_vec()),
        files: vec![
            file("a.txt", "text/plain", b"hello"),
            file("naïve \"quoted\"\r\n%22.bin", BINARY, &[0; 3000]),
            file("", "image/png; x=\"y\"", b""),
        ],
    }
}

fn writer(paste: &Paste, sized: bool) -> Result<Writer, PlainError> {
    let size = |b: &Vec<u8>| sized.then_some(b.len() as u64);
    Writer::new(
        boundary(),
        Contents {
            meta: paste.meta.clone(),
            paste: paste.paste.as_ref().map(size),
            files: paste
                .files
                .iter()
                .map(|(name, media_type, body)| NewFile {
                    name: name.clone(),
                    media_type: media_type.clone(),
                    size: size(body),
                })
                .collect(),
        },
    )
}

fn write(paste: &Paste, sized: bool) -> Vec<u8> {
    let mut writer = writer(paste, sized).unwrap();
    let mut out = Vec::new();
    loop {
        let body = match writer.next().unwrap() {
            None => break,
            Some(Step::Bytes(bytes)) => {
                out.extend_from_slice(bytes);
                continue;
            }
            Some(Step::Paste { .. }) => paste.paste.as_ref().unwrap(),
            Some(Step::File { index, .. }) => &paste.files[index].2,
        };
        for piece in body.chunks(1000) {
            out.extend_from_slice(piece);
            writer.sent(piece.len() as u64).unwrap();
        }
    }
    assert!(writer.next().unwrap().is_none());
    if sized {
        assert_eq!(writer.total_len(), Some(out.len() as u64));
    }
    assert_eq!(padded_len(out.len() as u64), out.len() as u64);
    out
}

fn read(plain: &[u8], split: usize) -> Result<(Paste, bool), PlainError> {
    let mut reader = Reader::new();
    let (mut paste, mut done) = (Paste::default(), false);
    let mut take = |event: Event<'_>| match event {
        Event::Meta(meta) => paste.meta = meta,
        Event::PasteBegin => paste.paste = Some(Vec::new()),
        Event::PasteData(bytes) => paste.paste.as_mut().unwrap().extend_from_slice(bytes),
        Event::FileBegin(head) => {
            assert_eq!(head.index, paste.files.len());
            paste.files.push((head.name, head.media_type, Vec::new()));
        }
        Event::FileData(bytes) => paste.files.last_mut().unwrap().2.extend_from_slice(bytes),
        Event::PasteEnd | Event::FileEnd => {}
        Event::Done => done = true,
    };
    for mut input in plain.chunks(split) {
        while let Some(event) = reader.next(&mut input)? {
            take(event);
        }
        assert!(input.is_empty());
    }
    reader.close()?;
    Ok((paste, done))
}

/// What a reader makes of it: names it has no hints for come with their escapes decoded.
fn expected(paste: &Paste, sized: bool) -> Paste {
    let mut expected = paste.clone();
    for file in &mut expected.files {
        if !sized {
            file.0 = as_read(&file.0).into_owned();
        }
        if file.1.is_empty() {
            file.1 = BINARY.to_owned();
        }
    }
    expected
}

#[test]
fn is_written_as_pinned() {
    let paste = Paste {
        meta: Meta { title: Some("t".into()), ..Meta::default() },
        paste: Some(b"hi".to_vec()),
        files: vec![file("a", "text/css", b"b{}")],
    };
    let b = "------FormBoundaryBwcHBwcHBwcHBwcHBwcHBwcH";
    let text = format!(
        "Content-Type: multipart/form-data; boundary=----FormBoundaryBwcHBwcHBwcHBwcHBwcHBwcH\r\n\r\n\
         {b}\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n\
         {{\"title\":\"t\",\"files\":[{{\"name\":\"a\",\"type\":\"text/css\",\"size\":3,\"at\":139}}]}}\r\n\
         {b}\r\nContent-Disposition: form-data; name=\"paste\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhi\r\n\
         {b}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: text/css\r\n\r\nb{{}}\r\n\
         {b}--\r\n"
    );
    let padded = padded_len(text.len() as u64) as usize;
    assert_eq!(String::from_utf8(write(&paste, true)).unwrap(), format!("{text:padded$}"));
}

#[test]
fn comes_back_in_every_split() {
    for sized in [true, false] {
        for paste in [Paste::default(), example(), Paste { paste: Some(vec![]), ..Paste::default() }] {
            let plain = write(&paste, sized);
            for split in [1, 2, 3, 7, 64, 1000, usize::MAX] {
                let (mut got, done) = read(&plain, split.min(plain.len())).unwrap();
                assert!(done);
                assert_eq!(got.meta.files.is_some(), sized && !paste.files.is_empty());
                got.meta.files = None;
                assert!(got == expected(&paste, sized), "{split}");
            }
        }
    }
}

#[test]
fn each_file_can_be_read_alone() {
    let paste = example();
    let plain = write(&paste, true);
    let mut reader = Reader::new();
    let Some(Event::Meta(meta)) = reader.next(&mut &plain[..]).unwrap() else { panic!("meta comes first") };
    let (boundary, meta_end) = reader.anchor().unwrap();
    let hints = meta.files.unwrap();
    for (index, hint) in hints.iter().enumerate() {
        let range = file_range(boundary, meta_end, hint).unwrap();
        let bytes = &plain[range.start as usize..range.end as usize];
        for split in [1, 5, bytes.len()] {
            let mut file = FileReader::new(boundary, index, hint.clone());
            let mut body = Vec::new();
            let mut events = String::new();
            assert_eq!(file.close(), Err(PlainError::Cut));
            for mut input in bytes.chunks(split) {
                while let Some(event) = file.next(&mut input).unwrap() {
                    match event {
                        Event::FileBegin(head) => {
                            events.push('b');
                            assert_eq!((&head.name, &head.media_type), (&paste.files[index].0, &paste.files[index].1));
                        }
                        Event::FileData(data) => body.extend_from_slice(data),
                        Event::FileEnd => events.push('e'),
                        Event::Done => events.push('d'),
                        other => panic!("{other:?}"),
                    }
                }
            }
            file.close().unwrap();
            assert_eq!((events.as_str(), &body), ("bed", &paste.files[index].2));
        }

        let outcome = |at: u64, hint: Hint| {
            let mut file = FileReader::new(boundary, index, hint);
            let mut input = &plain[at as usize..];
            loop {
                match file.next(&mut input) {
                    Ok(Some(Event::Done)) => return Ok(()),
                    Ok(Some(_)) => {}
                    Ok(None) => return file.close(),
                    Err(error) => {
                        assert_eq!(file.next(&mut input).unwrap_err(), error, "errors stick");
                        return Err(error);
                    }
                }
            }
        };
        let good = || hint.clone();
        assert_eq!(outcome(range.start, good()), Ok(()));
        for at in [0, meta_end, range.start - 1, range.start + 1, range.start + 20] {
            assert!(outcome(at, good()).is_err(), "{at}");
        }
        let wrong = PlainError::Hint { file: index };
        assert_eq!(outcome(range.start, Hint { name: "x".into(), ..good() }), Err(wrong.clone()));
        assert_eq!(outcome(range.start, Hint { media_type: "x/y".into(), ..good() }), Err(wrong));
        for size in [hint.size + 1, hint.size.wrapping_sub(1), u64::MAX] {
            let error = outcome(range.start, Hint { size, ..good() }).err();
            assert!(matches!(error, Some(PlainError::Size { .. })) || size == hint.size, "{error:?}");
        }
    }
}

#[test]
fn a_list_of_files_that_is_not_so_is_refused() {
    let paste = Paste { files: vec![file("a", "b/c", b"12345"), file("d", "e/f", b"")], ..Paste::default() };
    let plain = String::from_utf8(write(&paste, true)).unwrap();
    for (from, to) in [
        (r#""name":"a""#, r#""name":"b""#),
        (r#""type":"b/c""#, r#""type":"b/d""#),
        (r#""size":5"#, r#""size":4"#),
        (r#""size":5"#, r#""size":6"#),
        (r#""at":2"#, r#""at":3"#),
        (r#",{"name":"d""#, r#"],"x":[{"name":"d""#),
        (r#""files":[{"#, r#""files":[{"name":"","type":"","size":0,"at":0},{"#),
        (r#""size":5"#, r#""size":-1"#),
        (r#""size":5"#, r#""size":18446744073709551615"#),
        (r#""files":[{"#, r#""files":[{"name":1},{"#),
        (r#"{"name":"a","type":"b/c","size":5,"at":2}"#, r#"["a","b/c",5,2]"#),
    ] {
        assert!(plain.contains(from), "{from}");
        let bad = plain.replacen(from, to, 1);
        for split in [1, bad.len()] {
            assert!(read(bad.as_bytes(), split).is_err(), "{to}");
        }
    }
    let unknown = plain.replacen(r#"{"files""#, r#"{"later":[1,{"x":2.5}],"files""#, 1);
    assert!(read(unknown.as_bytes(), 9).is_ok(), "fields of later versions are passed over");
}

#[test]
fn parts_out_of_order_are_refused() {
    let b = boundary();
    let head = format!("Content-Type: multipart/form-data; boundary={b}\r\n\r\n");
    let part = |disposition: &str, body: &str| {
        format!("--{b}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{body}\r\n")
    };
    let (meta, paste) = (part("name=\"meta\"", "{}"), part("name=\"paste\"", "x"));
    let (file, end) = (part("name=\"file\"; filename=\"x\"", "y"), format!("--{b}--\r\n"));
    let form = |parts: &[&str]| format!("{head}{}{end}", parts.concat());
    assert!(read(form(&[&meta, &paste, &file, &file]).as_bytes(), 11).is_ok());
    assert!(read(form(&[&meta]).as_bytes(), 11).is_ok());
    for parts in [
        &[][..],
        &[&paste],
        &[&file],
        &[&paste, &meta],
        &[&meta, &meta],
        &[&meta, &paste, &paste],
        &[&meta, &file, &paste],
        &[&meta, &paste, &file, &meta],
        &[&meta, &part("name=\"other\"", "")],
        &[&meta, &part("name=\"file\"", "no file name")],
        &[&meta, &part("name=\"paste\"; filename=\"x\"", "")],
        &[&part("name=\"meta\"", "")],
        &[&part("name=\"meta\"", "[]")],
        &[&part("name=\"meta\"", "{\"title\":1}")],
    ]
    .map(<[&String]>::to_vec)
    {
        let text: String = parts.into_iter().cloned().collect();
        let text = format!("{head}{text}{end}");
        for split in [1, text.len()] {
            assert!(read(text.as_bytes(), split).is_err(), "{text}");
        }
    }
    for bad in [
        "\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
        "Content-Type: multipart/form-data\r\n\r\n",
        "Content-Type: text/plain\r\n\r\n",
        "\u{e9}\r\n\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Type: multipart/form-data; boundary=y\r\n\r\n",
    ] {
        assert_eq!(read(bad.as_bytes(), 5).unwrap_err(), PlainError::Entity, "{bad}");
    }
    assert_eq!(read(&[b'a'; 2000], 100).unwrap_err(), PlainError::Limit(Limit::Entity));
    let before = form(&[&meta]).replacen("\r\n\r\n", "\r\n\r\npreamble\r\n", 1);
    assert!(matches!(read(before.as_bytes(), 11).unwrap_err(), PlainError::Form(_)));
}

#[test]
fn every_cut_is_told_until_the_form_is_complete() {
    let plain = write(&example(), true);
    let complete = plain.len() - plain.iter().rev().take_while(|&&b| b == b' ').count() - 2;
    for cut in 0..complete {
        assert_eq!(read(&plain[..cut], 4096).err(), Some(PlainError::Cut), "{cut} of {complete}");
    }
}

#[test]
fn limits_say_which() {
    let limit = |paste: &Paste| writer(paste, true).err();
    let base = Paste::default;
    let title = |n: usize| Meta { title: Some("x".repeat(n)), ..Meta::default() };
    assert_eq!(limit(&Paste { meta: title(MAX_META), ..base() }), Some(PlainError::Limit(Limit::Meta)));
    assert_eq!(
        limit(&Paste { files: vec![file(&"x".repeat(MAX_NAME + 1), "a/b", b"")], ..base() }),
        Some(PlainError::Limit(Limit::Name))
    );
    assert_eq!(
        limit(&Paste { files: vec![file("x", &"x".repeat(MAX_TYPE + 1), b"")], ..base() }),
        Some(PlainError::Limit(Limit::Type))
    );
    assert_eq!(
        limit(&Paste { files: vec![file("x", "a/b", b""); MAX_FILES + 1], ..base() }),
        Some(PlainError::Limit(Limit::Files))
    );
    for (name, media_type) in [("a\0", "a/b"), ("a", "a/b\r\nX: y"), ("a", " a/b"), ("a", "\u{e9}/b"), ("a", "a\tb")] {
        assert_eq!(limit(&Paste { files: vec![file(name, media_type, b"")], ..base() }), Some(PlainError::Name));
    }
    let huge = NewFile { name: "x".into(), media_type: String::new(), size: Some(u64::MAX) };
    let contents = Contents { files: vec![huge.clone(), huge], ..Contents::default() };
    assert_eq!(Writer::new(boundary(), contents).err(), Some(PlainError::Limit(Limit::Total)));
}

#[test]
fn the_most_files_and_the_longest_names_pass() {
    let quotes = "\"".repeat(MAX_NAME);
    let paste = Paste { files: vec![file(&quotes, &"x".repeat(MAX_TYPE), b"1")], ..Paste::default() };
    let (got, _) = read(&write(&paste, true), 999).unwrap();
    assert_eq!(got.files, paste.files);
    let paste = Paste { files: vec![file("n", "a/b", b""); MAX_FILES], ..Paste::default() };
    let plain = write(&paste, true);
    let (got, _) = read(&plain, 1 << 16).unwrap();
    assert_eq!((got.files.len(), got.meta.files), (MAX_FILES, None), "so long a list is left out");
    let more = String::from_utf8(plain).unwrap();
    let at = more.rfind("--\r\n").unwrap();
    let part = format!("\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n\"\r\n\r\n\r\n--{}", boundary());
    let more = format!("{}{}{}", &more[..at], part, &more[at..]);
    assert_eq!(read(more.as_bytes(), 1 << 16).err(), Some(PlainError::Limit(Limit::Files)));
}

#[test]
fn bodies_that_are_not_as_long_as_declared_are_told() {
    let contents = || Contents {
        files: vec![NewFile { name: "x".into(), media_type: String::new(), size: Some(5) }],
        ..Contents::default()
    };
    let mut writer = Writer::new(boundary(), contents()).unwrap();
    assert!(matches!(writer.sent(1), Err(PlainError::Misuse(_))));
    while !matches!(writer.next().unwrap(), Some(Step::File { index: 0, len: Some(5) })) {}
    writer.sent(4).unwrap();
    assert_eq!(writer.next().err(), Some(PlainError::Size { file: Some(0), declared: 5, came: 4 }));
    assert_eq!(writer.sent(2).err(), Some(PlainError::Size { file: Some(0), declared: 5, came: 6 }));
    writer.sent(1).unwrap();
    while writer.next().unwrap().is_some() {}
}

#[test]
fn nothing_of_a_paste_is_shown() {
    let paste = example();
    let secret = format!("{:?} {:?}", paste.meta, writer(&paste, true).unwrap());
    assert!(!secret.contains("Titel") && !secret.contains("a.txt"), "{secret}");
}

prop_compose! {
    fn pastes()(
        title in proptest::option::of(".{0,40}"),
        paste in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        files in proptest::collection::vec(("[^\u{0}]{0,30}", "([!-~]( ?[!-~]){0,20})?", proptest::collection::vec(any::<u8>(), 0..300)), 0..5),
    ) -> Paste {
        Paste { meta: Meta { title, ..Meta::default() }, paste, files }
    }
}

proptest! {
    #[test]
    fn any_paste_comes_back(paste in pastes(), sized: bool, split in 1usize..500) {
        let (mut got, done) = read(&write(&paste, sized), split).unwrap();
        prop_assert!(done);
        got.meta.files = None;
        prop_assert_eq!(got, expected(&paste, sized));
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        paste in pastes(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..30, proptest::collection::vec(any::<u8>(), 0..30)), 0..4),
        split in 1usize..500,
    ) {
        let mut plain = write(&paste, true);
        for (at, cut, put) in edits {
            let at = at.index(plain.len() + 1);
            let end = (at + cut).min(plain.len());
            plain.splice(at..end, put);
        }
        let whole = plain.len().max(1);
        prop_assert_eq!(read(&plain, split).ok(), read(&plain, whole).ok());
    }
}
