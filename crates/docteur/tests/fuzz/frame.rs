//! Target: any zstd frame over a base, as a segment whose hash is right: the decoder alone.

use docteur::layout::{Head, RecordWriter, Stored, Superblock};
use docteur::{Cache, Codec, Content, Entry, Image, Kind, Limits, Memory, Time};

/// Two bytes for the length that the frame is said to decode to, a byte for how much of that is read at once, and the frame. However it is
/// read it is the same, or an error.
pub(crate) fn run(data: &[u8]) {
    let Some(([low, high, step], frame)) = data.split_first_chunk() else { return };
    let len = usize::from(u16::from_le_bytes([*low, *high]));
    // No segment is empty.
    if len == 0 {
        return;
    }
    let bytes = image(frame, len);
    let Ok(image) = Image::open(Memory(&bytes[..]), &Limits::default()) else { return };
    let content = Content { size: len as u64, segment: 0, offset: 0 };
    let whole = image.read_all(&mut Cache::new(0), &content, len);
    let is_whole = whole.is_ok();
    let (mut cache, mut pieces) = (Cache::new(0), Vec::new());
    let end = loop {
        if pieces.len() == len {
            break Ok(());
        }
        match image.piece_of(&mut cache, &content, pieces.len() as u64, usize::from(*step) + 1) {
            Ok(piece) => pieces.extend_from_slice(piece),
            Err(error) => break Err(error),
        }
    };
    match whole {
        Ok(whole) => assert!(end.is_ok() && pieces == whole && whole.len() == len),
        // Who takes all bytes in pieces does not see what is behind the last of them.
        Err(error) => assert!(end.is_ok() || end == Err(error)),
    }
    assert_eq!(image.verify(&mut Cache::new(0), |_, _| {}).is_ok(), is_whole);
}

/// What a frame can copy from.
pub(crate) fn base() -> Vec<u8> {
    (0..500_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect()
}

fn image(frame: &[u8], len: usize) -> Vec<u8> {
    let (base, stored) = (base(), |bytes: &[u8]| Stored::of(Codec::Stored, bytes, bytes.len()));
    let segment = Stored::of(Codec::ZstdBase, frame, len);
    let mut records = RecordWriter::default();
    for (path, kind) in
        [(&b""[..], Kind::Directory), (b"f", Kind::File(Content { size: len as u64, segment: 0, offset: 0 }))]
    {
        let (attributes, encodings, modified) = (Vec::new(), Vec::new(), Time::default());
        let path = path.to_vec();
        records.push(&Entry { path, kind, mode: 0, modified, attributes, link: None, media_type: None, encodings });
    }
    let mut table = Vec::new();
    segment.write_segment(&mut table);
    let mut superblock = Superblock {
        entries: 2,
        bytes: len as u64,
        base: stored(&base),
        segments: 1,
        segments_stored: frame.len() as u64,
        segment_max: segment.len,
        blocks_stored: records.bytes().len() as u64,
        block_max: records.bytes().len() as u32,
        metadata: stored(b""),
        head: stored(b""),
    };
    let mut head = Head::default();
    head.push_block(stored(records.bytes()), 2, b"");
    head.push_page(stored(&table).hash, superblock.segments_at());
    let head = head.write(superblock.pages_at());
    superblock.head = stored(&head);
    [&superblock.write().0[..], &base, frame, &table, records.bytes(), &head].concat()
}
