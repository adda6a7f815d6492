//! Target: what one of the structures is read as is written as something that reads the same.

use docteur::Metadata;
use docteur::layout::{Head, RecordWriter, Records, SUPERBLOCK, Stored, Superblock, is_path, order};

/// A byte for which structure, and its bytes; a head follows the superblock that it has to agree with.
pub(crate) fn run(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    match which % 3 {
        0 => records(data),
        1 => {
            if let Some(metadata) = Metadata::read(data) {
                assert_eq!(metadata.write(), data);
            }
        }
        _ => head(data),
    }
}

fn records(data: &[u8]) {
    let mut records = Records::new(data);
    let (mut writer, mut entries) = (RecordWriter::default(), Vec::new());
    while let Some(entry) = (!records.is_empty()).then(|| records.read()).flatten() {
        assert!(is_path(&entry.path) && entry.mode <= 0o7777 && entry.modified.nanoseconds < 1_000_000_000);
        writer.push(&entry);
        entries.push(entry);
    }
    assert!(entries.windows(2).all(|pair| order(&pair[0].path, &pair[1].path).is_lt()));
    let mut again = Records::new(writer.bytes());
    for entry in &entries {
        assert_eq!(again.read().as_ref(), Some(entry));
    }
    assert!(again.is_empty());
}

fn head(data: &[u8]) {
    let Some((superblock, head)) = data.split_at_checked(SUPERBLOCK) else { return };
    let mut superblock = superblock.to_vec();
    let root = Stored::of(docteur::Codec::Stored, &superblock[..docteur::layout::ROOTED], 0).hash;
    superblock[docteur::layout::ROOTED..].copy_from_slice(&root);
    let len = u64::from_le_bytes(superblock[16..24].try_into().unwrap());
    let Ok((read, root)) = Superblock::read(&superblock, len) else { return };
    assert_eq!((&read.write().0[..], read.write().1), (&superblock[..], root));
    let Some(head) = Head::read(head, &read) else { return };
    assert_eq!(Head::read(&head.write(read.pages_at()), &read), Some(head.clone()));
    for block in 0..head.blocks().len() {
        assert_eq!(head.block_of(head.path(block)), Some(block));
    }
}
