//! Target: a plaintext reads the same in any split, each file it lists reads alone as it does among the others, and what
//! it holds is within the limits.

use std::mem::discriminant;

use envelope::plain::{Event, FileReader, Hint, MAX_FILES, MAX_NAME, MAX_TYPE, PlainError, Reader, file_range};

use crate::input::{Input, Numbers};

#[derive(Debug, Default, PartialEq)]
struct Read {
    text: Option<Vec<u8>>,
    files: Vec<(String, String, Vec<u8>)>,
    hints: Vec<Hint>,
    anchor: Option<(envelope::plain::Boundary, u64)>,
}

/// A seed for splits, a plaintext.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut numbers = Numbers::new(u64::from(input.byte()));
    let plain = input.0;
    let whole = read(&[plain]);
    let pieces = read(&numbers.pieces(plain));
    match (&whole, &pieces) {
        (Ok(a), Ok(b)) => assert!(a == b, "another split reads otherwise"),
        (Err(a), Err(b)) => assert_eq!(discriminant(a), discriminant(b), "{a} or {b}"),
        _ => panic!("one split reads, another does not"),
    }
    let Ok(Read { files, hints, anchor: Some((boundary, meta_end)), .. }) = whole else { return };
    assert!(files.len() <= MAX_FILES && (hints.is_empty() || hints.len() == files.len()));
    for (index, (hint, (name, media_type, body))) in hints.into_iter().zip(files).enumerate() {
        assert!(name.len() <= MAX_NAME && media_type.len() <= MAX_TYPE);
        assert_eq!((&hint.name, hint.size), (&name, body.len() as u64));
        // No writer frames such a name, or a file so long.
        let Ok(range) = file_range(&boundary, meta_end, &hint) else { continue };
        let from = usize::try_from(range.start).unwrap();
        let mut alone = FileReader::new(&boundary, index, hint);
        let mut got = Vec::new();
        for mut piece in numbers.pieces(&plain[from..]) {
            while let Some(event) = alone.next(&mut piece).unwrap() {
                if let Event::FileData(bytes) = event {
                    got.extend_from_slice(bytes);
                }
            }
        }
        alone.close().unwrap();
        assert!(got == body, "file {index} alone is another");
    }
}

fn read(pieces: &[&[u8]]) -> Result<Read, PlainError> {
    let mut reader = Reader::new();
    let mut read = Read::default();
    for &piece in pieces {
        let mut input = piece;
        while let Some(event) = reader.next(&mut input)? {
            match event {
                Event::Meta(meta) => read.hints = meta.files.unwrap_or_default(),
                Event::PasteBegin => read.text = Some(Vec::new()),
                Event::PasteData(bytes) => read.text.as_mut().unwrap().extend_from_slice(bytes),
                Event::FileBegin(head) => read.files.push((head.name, head.media_type, Vec::new())),
                Event::FileData(bytes) => read.files.last_mut().unwrap().2.extend_from_slice(bytes),
                _ => {}
            }
        }
        assert!(input.is_empty());
    }
    reader.close()?;
    read.anchor = reader.anchor().map(|(boundary, at)| (boundary.clone(), at));
    Ok(read)
}
