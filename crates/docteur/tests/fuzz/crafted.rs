//! Target: an image of any records, segments and base, every hash of which is right: what a hostile maker can write.

use docteur::layout::{Head, Records, Stored, Superblock};
use docteur::{Codec, Kind};

use crate::reading;

/// A byte for each piece's codec; lengths in two bytes each of base, segment and records, the former two decoded and stored; then these
/// in their order, and what is left is a second segment.
pub(crate) fn run(data: &[u8]) {
    let Some((head, mut rest)) = data.split_at_checked(13) else { return };
    let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let mut take = |len: usize| {
        let (taken, left) = rest.split_at(len.min(rest.len()));
        rest = left;
        taken
    };
    let (base, segment, records) = (take(number(5)), take(number(9)), take(number(11)));
    let last = take(usize::MAX);
    let piece = |codec: u8, bytes: &[u8], len: usize| match codec & 3 {
        1 => Stored::of(Codec::Zstd, bytes, len),
        2 => Stored::of(Codec::ZstdBase, bytes, len),
        _ => Stored::of(Codec::Stored, bytes, bytes.len()),
    };
    let base_piece = piece(head[0] & 1, base, number(3));
    let segments = [piece(head[1], segment, number(7)), piece(0, last, 0)];
    reading::all(&image(&[base, segment, last], base_piece, &segments, records, head[2]));
}

fn image(parts: &[&[u8]; 3], base: Stored, segments: &[Stored], records: &[u8], lie: u8) -> Vec<u8> {
    let (mut entries, mut bytes, mut first) = (0, 0_u64, None);
    let mut reader = Records::new(records);
    while let Some(entry) = (!reader.is_empty()).then(|| reader.read()).flatten() {
        if let Kind::File(content) = entry.kind {
            bytes = bytes.wrapping_add(content.size);
        }
        first.get_or_insert(entry.path);
        entries += 1;
    }
    let entries = (entries + u32::from(lie & 1)).max(1);
    let mut table = Vec::new();
    segments.iter().for_each(|segment| segment.write_segment(&mut table));
    let stored = |bytes: &[u8]| Stored::of(Codec::Stored, bytes, bytes.len());
    let mut superblock = Superblock {
        entries: entries.into(),
        bytes,
        base,
        segments: segments.len() as u32,
        segments_stored: segments.iter().map(|segment| u64::from(segment.stored)).sum(),
        segment_max: segments.iter().map(|segment| segment.len).max().unwrap_or(0),
        blocks_stored: records.len() as u64,
        block_max: records.len() as u32,
        metadata: stored(b""),
        head: stored(b""),
    };
    let mut head = Head::default();
    head.push_block(stored(records), entries, &first.unwrap_or_default());
    head.push_page(stored(&table).hash, superblock.segments_at());
    let head = head.write(superblock.pages_at());
    superblock.head = stored(&head);
    let (superblock, _) = superblock.write();
    [&superblock[..], parts[0], parts[1], parts[2], &table, records, &head].concat()
}
