//! Stores on disks, which have the length they have: the bytes are those of a file, and all of the disk is used, to where what
//! makes room still has some.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::sync::Arc;

use common::disks::Disks;
use common::run;
use device::sim::{SimBlock, SimClock, Unflushed};
use device::{Block, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, Result, Store};

const MIB: usize = 1 << 20;
const START: Timestamp = Timestamp(1_700_000_000);
const LEASE: Claim = Claim { lease_hash: [7; 32], until: Timestamp(1_800_000_000) };

fn open(disk: &SimBlock) -> Result<Embedded> {
    Embedded::open(disk.clone(), Options::default(), Arc::new(SimClock::new(START)))
}

fn blank(len: usize) -> SimBlock {
    SimBlock::fixed(vec![0; len])
}

/// A disk of this length that begins with these bytes.
fn disk_of(mut bytes: Vec<u8>, len: usize) -> SimBlock {
    assert!(bytes.len() <= len);
    bytes.resize(len, 0);
    SimBlock::fixed(bytes)
}

async fn settle(store: &Embedded) {
    while store.audit().await.unwrap().orphans > 0 {
        std::thread::yield_now();
    }
}

async fn holds(store: &Embedded, numbers: impl IntoIterator<Item = u64>, len: usize) {
    for n in numbers {
        assert_eq!(get(store, &id(n), 0..u64::MAX).await.unwrap(), content(n, len), "paste {n}");
    }
}

/// Publishes pastes, numbered from `first`, until the store is full; gives the number of the first that did not fit. One upload may be
/// under way when the database takes the rest of the disk.
async fn fill(store: &Embedded, first: u64, len: usize) -> u64 {
    let mut stretched = false;
    for n in first.. {
        let mut result = put(store, paste(n, None), &content(n, len), MIB).await;
        if matches!(result, Err(Error::Io(_))) && !stretched {
            stretched = true;
            result = put(store, paste(n, None), &content(n, len), MIB).await;
        }
        match result {
            Ok(()) => {}
            Err(Error::Full) => return n,
            Err(e) => panic!("a full disk is {e:?}"),
        }
    }
    unreachable!("the disk has an end")
}

#[test]
fn a_file_is_a_disk_and_a_disk_is_a_file() {
    run(async {
        let file = SimBlock::new();
        let store = open(&file).unwrap();
        for (n, len) in [(1, 100), (2, 9000), (3, 3 * MIB)] {
            put(&store, paste(n, None), &content(n, len), MIB).await.unwrap();
        }
        store.close().await.unwrap();
        for (odd, closed) in [(0, true), (0, false), (512, true), (4095, false)] {
            let disk = disk_of(file.contents(), 24 * MIB + odd);
            let store = open(&disk).unwrap();
            holds(&store, [1], 100).await;
            holds(&store, [2], 9000).await;
            holds(&store, [3], 3 * MIB).await;
            put(&store, paste(4, None), &content(4, 5 * MIB), MIB).await.unwrap();
            store.delete(&id(3)).await.unwrap();
            if closed {
                store.close().await.unwrap();
            } else {
                disk.cut_power_now(Unflushed::Dropped);
                drop(store);
                disk.restore_power();
            }
            let file = SimBlock::holding(disk.contents());
            let store = open(&file).unwrap();
            holds(&store, [1], 100).await;
            holds(&store, [4], 5 * MIB).await;
            assert!(matches!(store.find(&id(3)).await, Err(Error::NotFound)));
            put(&store, paste(5, None), &content(5, 30 * MIB), MIB).await.unwrap();
            settle(&store).await;
        }
    });
}

/// A server that was killed leaves its newest pastes in its journal: that comes as a second disk, and the first is whole then.
#[test]
fn a_store_that_was_killed_needs_its_journal_once() {
    run(async {
        let disks = Disks::new();
        let store = disks.open(&SimClock::new(START), None).unwrap();
        for n in 0..40 {
            put(&store, paste(n, None), &content(n, 2000), MIB).await.unwrap();
        }
        common::disks::cut_both(&disks.0, Unflushed::Dropped);
        drop(store);
        disks.restore();
        let disk = disk_of(disks.0[0].contents(), 16 * MIB);
        let alone = open(&disk).err().unwrap();
        assert!(matches!(alone, Error::Format(_)) && alone.to_string().contains("journal"), "{alone}");
        let mut options = Options::default();
        options.journal = Some(Arc::new(SimBlock::fixed(disks.0[1].contents())));
        let store = Embedded::open(disk.clone(), options, Arc::new(SimClock::new(START))).unwrap();
        put(&store, paste(40, None), &content(40, 2000), MIB).await.unwrap();
        disk.cut_power_now(Unflushed::Dropped);
        drop(store);
        disk.restore_power();
        let store = open(&disk).unwrap();
        holds(&store, 0..41, 2000).await;
    });
}

#[test]
fn a_blank_disk_becomes_a_store_and_another_is_left_alone() {
    run(async {
        for len in [MIB, 5 * MIB + 512, 20 * MIB] {
            let disk = blank(len);
            let store = open(&disk).unwrap();
            put(&store, paste(1, None), &content(1, 100), 100).await.unwrap();
            store.close().await.unwrap();
            holds(&open(&disk).unwrap(), [1], 100).await;
        }
        assert!(matches!(open(&blank(64 << 10)), Err(Error::Full)));
        for (at, what) in [(510, &[0x55, 0xaa][..]), (1080, &[0x53, 0xef]), (20 * MIB - 512, b"EFI PART")] {
            let disk = blank(20 * MIB);
            disk.write(at as u64, what).unwrap();
            let before = disk.contents();
            let error = open(&disk).err().unwrap();
            assert!(matches!(error, Error::Format(_)), "{error}");
            assert!(before == disk.contents(), "a disk of something else was written to");
        }
    });
}

/// Its end is on another disk, perhaps: nothing is written, and the longer one goes on.
#[test]
fn a_disk_that_is_shorter_than_its_store_is_told_and_left_alone() {
    run(async {
        let disk = blank(20 * MIB);
        let store = open(&disk).unwrap();
        put(&store, paste(1, None), &content(1, 6 * MIB), MIB).await.unwrap();
        let killed = disk.contents();
        store.close().await.unwrap();
        let closed = disk.contents();
        for (bytes, len) in [(&closed, 2 * MIB), (&closed, 4096), (&killed, 2 * MIB)] {
            let short = SimBlock::fixed(bytes[..len].to_vec());
            let error = open(&short).err().unwrap().to_string();
            let told = error.starts_with("the store is damaged: its device is shorter than the store: that has ");
            assert!(told && error.ends_with(&format!(" bytes, and the device {len}")), "{error}");
            assert!(short.contents() == bytes[..len], "it was written to");
        }
        for bytes in [killed, closed] {
            holds(&open(&SimBlock::fixed(bytes)).unwrap(), [1], 6 * MIB).await;
        }
    });
}

#[test]
fn a_full_disk_is_used_to_its_end_and_lets_things_go() {
    run(async {
        for (len, size, least) in
            [(1000, 6 * MIB, 20), (8000, 12 * MIB, 35), (100_000, 20 * MIB, 65), (3 * MIB, 60 * MIB, 75)]
        {
            let disk = blank(size);
            let store = open(&disk).unwrap();
            let end = fill(&store, 0, len).await;
            settle(&store).await;
            let used = 100 * end as usize * len / size;
            println!("{end} of {len} bytes, {used}% of {size}");
            assert!(used >= least, "only {used}% of {size} bytes hold content of {len} bytes each");
            // It says so again, and after it was opened again; whatever removes goes on, as claims do.
            assert_eq!(fill(&store, end, len).await, end);
            drop(store);
            let store = open(&disk).unwrap();
            fill(&store, 10_000, len).await;
            holds(&store, 0..end, len).await;
            store.claim(&id(0), LEASE).await.unwrap();
            store.burn(&id(0)).await.unwrap();
            for n in 1..end / 2 {
                store.delete(&id(n)).await.unwrap();
            }
            store.sweep().await.unwrap();
            settle(&store).await;
            let again = fill(&store, 50_000, len).await - 50_000;
            assert!(again > 0 && again >= end / 5, "{end} fitted, half went, and {again} fit again");
            holds(&store, end / 2..end, len).await;
            holds(&store, 50_000..50_000 + again, len).await;
            settle(&store).await;
        }
    });
}

/// Whatever is removed finds its room, in whatever state the disk became full, with a crash in between or not.
#[test]
fn removals_always_find_room() {
    run(async {
        for seed in 0..5 {
            let disk = blank(4 * MIB + 4096 * seed as usize);
            let mut store = open(&disk).unwrap();
            let (mut first, mut end) = (0, 0);
            for round in 0..4 {
                let len = [200, 3000, 8100, 700, 20_000][(seed as usize + round) % 5];
                end = fill(&store, end, len).await;
                if (seed as usize + round).is_multiple_of(3) {
                    disk.cut_power_now(Unflushed::Torn(seed));
                    drop(store);
                    disk.restore_power();
                    store = open(&disk).unwrap();
                }
                let upto = first + (end - first) / 2;
                for n in first..upto {
                    store.delete(&id(n)).await.unwrap();
                }
                first = upto;
                settle(&store).await;
            }
            assert!(end > 100, "{end} pastes");
            assert_eq!(store.usage().await.unwrap().pastes, end - first);
        }
    });
}
