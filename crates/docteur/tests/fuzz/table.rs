//! Target: any segment table, the hashes of whose pages are right.

use docteur::layout::{Head, PAGE, RecordWriter, SEGMENT, Stored, Superblock};
use docteur::{Cache, Codec, Content, Entry, Error, Image, Kind, Limits, Memory, Time};

/// Two bytes for how long the longest segment is said to be, one for how many bytes of segments there are, and the table.
pub(crate) fn run(data: &[u8]) {
    let Some(([low, high, stored], table)) = data.split_first_chunk() else { return };
    let table = &table[..table.len() / SEGMENT * SEGMENT];
    let bytes = image(table, u16::from_le_bytes([*low, *high]).into(), &vec![b'a'; usize::from(*stored)]);
    let Ok(image) = Image::open(Memory(&bytes[..]), &Limits::default()) else { return };
    let segments = image.superblock().segments;
    let mut cache = Cache::new(0);
    for segment in (0..segments).rev().chain(0..segments).chain([segments, u32::MAX]) {
        match image.segment(&mut cache, segment) {
            Ok((said, _)) => {
                assert!(segment < segments && said.len > 0 && said.len <= image.superblock().segment_max);
                let content = Content { size: said.len.into(), segment, offset: 0 };
                if let Ok(read) = image.read_all(&mut cache, &content, 1 << 16) {
                    assert!(read.len() == said.len as usize && said.stored <= said.len);
                }
            }
            Err(Error::Image { at, .. }) => assert!(at <= bytes.len() as u64),
            Err(error) => panic!("{error}"),
        }
    }
    let _ = image.verify(&mut cache, |done, all| assert!(done <= all));
}

fn image(table: &[u8], segment_max: u32, segments: &[u8]) -> Vec<u8> {
    let stored = |bytes: &[u8]| Stored::of(Codec::Stored, bytes, bytes.len());
    let mut records = RecordWriter::default();
    let (attributes, encodings, modified) = (Vec::new(), Vec::new(), Time::default());
    let (path, kind) = (Vec::new(), Kind::Directory);
    records.push(&Entry { path, kind, mode: 0, modified, attributes, link: None, media_type: None, encodings });
    let mut superblock = Superblock {
        entries: 1,
        bytes: 0,
        base: stored(b""),
        segments: (table.len() / SEGMENT) as u32,
        segments_stored: segments.len() as u64,
        segment_max,
        blocks_stored: records.bytes().len() as u64,
        block_max: records.bytes().len() as u32,
        metadata: stored(b""),
        head: stored(b""),
    };
    let mut head = Head::default();
    head.push_block(stored(records.bytes()), 1, b"");
    let mut at = superblock.segments_at();
    for page in table.chunks(PAGE as usize * SEGMENT) {
        head.push_page(stored(page).hash, at.min(superblock.pages_at()));
        let lengths = page.chunks_exact(SEGMENT).filter_map(|said| said.get(1..5)?.first_chunk::<4>());
        at = lengths.fold(at, |at, len| at.saturating_add(u32::from_le_bytes(*len).into()));
    }
    let head = head.write(superblock.pages_at());
    superblock.head = stored(&head);
    [&superblock.write().0[..], segments, table, records.bytes(), &head].concat()
}
