//! Stores that an earlier release wrote are opened by this one: `frozen/N.store` is a store of format N, with its journal
//! from format 2 on, and is never written anew. What [`fresh`] gives is a store of the present format, held to the same; a new format's file is made of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::sync::Arc;

use common::run;
use device::sim::{SimBlock, SimClock, Unflushed};
use device::{Block, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, State, Store};

const THEN: Timestamp = Timestamp(1_700_000_000);
const CLAIM: Claim = Claim { lease_hash: [5; 32], until: Timestamp(1_700_000_600) };
/// Inline, and in pieces of whole pages and less.
const LENGTHS: [usize; 4] = [0, 100, 9_000, 70_000];

/// How long a journal is. Nearly all of it is zero: the file has the other pages, each behind its offset (u64, little-endian).
const JOURNAL: usize = 4096 + (8 << 20);

#[test]
fn format_1_is_read() {
    holds(include_bytes!("frozen/1.store").to_vec(), None);
}

/// A store that knew no journal is taken up with one.
#[test]
fn format_1_takes_a_journal() {
    holds(include_bytes!("frozen/1.store").to_vec(), Some(Vec::new()));
}

#[test]
fn format_2_is_read() {
    let mut journal = vec![0; JOURNAL];
    for page in include_bytes!("frozen/2.journal").chunks(8 + 4096) {
        let (at, page) = page.split_first_chunk().unwrap();
        let at = usize::try_from(u64::from_le_bytes(*at)).unwrap();
        journal[at..at + 4096].copy_from_slice(page);
    }
    holds(include_bytes!("frozen/2.store").to_vec(), Some(journal));
}

#[test]
fn what_is_written_now_is_read_alike() {
    let [store, _] = fresh(false);
    holds(store, None);
    let [store, journal] = fresh(true);
    assert_eq!(journal.len(), JOURNAL);
    holds(store, Some(journal));
}

fn open(disk: &SimBlock, journal: Option<&SimBlock>, clock: &SimClock) -> Embedded {
    let mut options = Options::default();
    options.journal = journal.map(|journal| -> Arc<dyn Block> { Arc::new(journal.clone()) });
    Embedded::open(disk.clone(), options, Arc::new(clock.clone())).unwrap()
}

/// Checks that a store's bytes hold what [`fresh`] puts there.
fn holds(bytes: Vec<u8>, journal: Option<Vec<u8>>) {
    run(async {
        let (disk, journal) = (SimBlock::holding(bytes), journal.map(SimBlock::holding));
        let clock = SimClock::new(THEN);
        let store = open(&disk, journal.as_ref(), &clock);
        let audit = store.audit().await.unwrap();
        assert_eq!((audit.pastes, audit.tombstones, audit.orphans), (5, 1, 0));
        for (n, len) in (0..).zip(LENGTHS) {
            assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap(), content(n, len));
            let (record, new) = (store.find(&id(n)).await.unwrap(), paste(n, expires(n)));
            assert_eq!((record.paste.header, record.paste.burn), (new.header, new.burn));
            assert_eq!((record.paste.read_hash, record.paste.delete_hash), (new.read_hash, new.delete_hash));
            assert_eq!((record.paste.expires_at, record.created_at), (expires(n), THEN));
            assert_eq!(record.state, State::Open);
        }
        assert_eq!(store.find(&id(10)).await.unwrap().state, State::Claimed(CLAIM));
        assert!(matches!(store.find(&id(11)).await, Err(Error::Burnt)));
        assert!(matches!(store.find(&id(12)).await, Err(Error::NotFound)));
        clock.advance(600);
        assert!(matches!(store.find(&id(10)).await, Err(Error::Burnt)));
        put(&store, paste(20, None), &content(20, 50_000), 4096).await.unwrap();
        assert_eq!(store.sweep().await.unwrap().burnt, 1);
        store.close().await.unwrap();
    });
}

/// A store with pastes of each kind, as this version writes it: whole, or as a crash leaves it, with its journal.
fn fresh(journaled: bool) -> [Vec<u8>; 2] {
    let (disk, journal) = (SimBlock::new(), SimBlock::new());
    run(async {
        let clock = SimClock::new(THEN);
        let store = open(&disk, journaled.then_some(&journal), &clock);
        for (n, len) in (0..).zip(LENGTHS) {
            put(&store, paste(n, expires(n)), &content(n, len), 4096).await.unwrap();
        }
        for n in [10, 11, 12] {
            put(&store, paste(n, None), &content(n, 200), 4096).await.unwrap();
        }
        store.claim(&id(10), CLAIM).await.unwrap();
        store.claim(&id(11), CLAIM).await.unwrap();
        store.burn(&id(11)).await.unwrap();
        store.delete(&id(12)).await.unwrap();
        if journaled {
            for disk in [&disk, &journal] {
                disk.cut_power_now(Unflushed::Dropped);
            }
            store.close().await.unwrap_err();
            disk.restore_power();
            journal.restore_power();
        } else {
            store.close().await.unwrap();
        }
    });
    [disk.contents(), journal.contents()]
}

fn expires(n: u64) -> Option<Timestamp> {
    (n % 2 == 1).then(|| THEN.after(1000 + n))
}
