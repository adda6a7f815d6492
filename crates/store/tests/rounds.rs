//! Many small pastes at once, over several rounds of the journal: they are answered before the database has them. The
//! power goes at any moment, the device fills up, and the journal is damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use common::disks::{Disks, cut_both};
use common::run;
use device::sim::{Cut, SimBlock, SimClock, Unflushed};
use device::{Block, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Embedded, Error, Options, Store};

const START: Timestamp = Timestamp(1_700_000_000);
const CLIENTS: u64 = 32;
const PASTES: u64 = 1500;
/// The longest that goes the short way: rounds are soon over.
const LEN: usize = 8 << 10;
/// How long a record's head is, and where the first begins.
const HEAD: usize = 80;
const FIRST: usize = 4096;

/// What was answered: pastes that are there, and pastes that were deleted.
#[derive(Debug, Default)]
struct Answered {
    there: BTreeSet<u64>,
    gone: BTreeSet<u64>,
    /// Deleted, perhaps: nobody was answered.
    open: BTreeSet<u64>,
}

/// Creates pastes from many clients, each of which deletes one now and then, until all are there or a call fails.
async fn crowd(store: &Embedded) -> Answered {
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let store = store.clone();
        clients.push(tokio::spawn(async move {
            let mut answered = Answered::default();
            for n in (client..PASTES).step_by(CLIENTS as usize) {
                if put(&store, paste(n, None), &content(n, LEN), LEN).await.is_err() {
                    break;
                }
                assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap_or(content(n, LEN).into()), content(n, LEN));
                answered.there.insert(n);
                if n % 97 == 3 {
                    answered.there.remove(&n);
                    if store.delete(&id(n)).await.is_err() {
                        answered.open.insert(n);
                        break;
                    }
                    answered.gone.insert(n);
                }
            }
            answered
        }));
    }
    let mut all = Answered::default();
    for client in clients {
        let mut answered = client.await.unwrap();
        all.there.append(&mut answered.there);
        all.gone.append(&mut answered.gone);
        all.open.append(&mut answered.open);
    }
    all
}

async fn check(store: &Embedded, answered: &Answered) {
    for n in &answered.there {
        assert_eq!(get(store, &id(*n), 0..u64::MAX).await.unwrap(), content(*n, LEN), "paste {n}");
    }
    for n in &answered.gone {
        assert!(matches!(store.find(&id(*n)).await, Err(Error::NotFound)), "paste {n} is back");
    }
    let (audit, usage) = (store.audit().await.unwrap(), store.usage().await.unwrap());
    assert_eq!((usage.pastes, usage.bytes), (audit.pastes, audit.bytes));
    assert!(audit.pastes >= answered.there.len() as u64);
    // Each client had one in its hands at most.
    assert!(audit.pastes <= answered.there.len() as u64 + CLIENTS);
}

#[test]
fn what_was_answered_survives_a_cut_at_any_time() {
    let writes = run(async {
        let (disks, clock) = (Disks::new(), SimClock::new(START));
        let (store, writes) = disks.open_counting(&clock, None).unwrap();
        let answered = crowd(&store).await;
        assert!(answered.open.is_empty() && answered.there.len() + answered.gone.len() == PASTES as usize);
        check(&store, &answered).await;
        writes()
    });
    let mut cuts = 0;
    for n in 1..=24 {
        let unflushed = [Unflushed::Dropped, Unflushed::Kept, Unflushed::Torn(n)][n as usize % 3];
        let (disks, clock) = (Disks::new(), SimClock::new(START));
        if n % 2 == 0 {
            // The journal is left on the way, as room becomes scarce.
            disks.0[0].set_capacity(Some(72 << 20));
        }
        run(async {
            // Recovery is not to begin before the first commit.
            let store = disks.open(&clock, Some((Cut::Write(20 + writes * n / 25), unflushed))).unwrap();
            let answered = crowd(&store).await;
            cuts += u32::from(disks.is_off());
            cut_both(&disks.0, unflushed);
            drop(store);
            disks.restore();
            // The power goes while the journal is done again, too.
            if let Ok(store) = disks.open(&clock, Some((Cut::Write(5 * n), unflushed))) {
                cut_both(&disks.0, unflushed);
                drop(store);
            }
            disks.restore();
            let store = disks.open(&clock, None).unwrap();
            check(&store, &answered).await;
            put(&store, paste(9999, None), &content(1, 100), 100).await.unwrap();
            store.close().await.unwrap();
        });
    }
    assert!(cuts > 12, "the power went {cuts} times");
}

/// The database's device fails while it takes over what was answered: nobody who was answered notices.
#[test]
fn a_database_that_fails_behind_an_answer_is_opened_again() {
    run(async {
        for after in [0, 3, 10, 40, 150, 400] {
            let (disks, clock) = (Disks::new(), SimClock::new(START));
            let store = disks.open(&clock, None).unwrap();
            put(&store, paste(9000, None), &content(1, 100), 100).await.unwrap();
            disks.0[0].fail(after, 1, io::ErrorKind::TimedOut);
            let mut answered = crowd(&store).await;
            answered.there.extend(crowd_again(&store, &answered).await);
            for n in &answered.there {
                assert_eq!(
                    get(&store, &id(*n), 0..u64::MAX).await.unwrap(),
                    content(*n, LEN),
                    "paste {n} after {after}"
                );
            }
            cut_both(&disks.0, Unflushed::Dropped);
            drop(store);
            disks.restore();
            let store = disks.open(&clock, None).unwrap();
            for n in &answered.there {
                assert_eq!(
                    get(&store, &id(*n), 0..u64::MAX).await.unwrap(),
                    content(*n, LEN),
                    "paste {n} after {after}"
                );
            }
            store.audit().await.unwrap();
        }
    });
}

/// What failed, or was not tried any more, succeeds now.
async fn crowd_again(store: &Embedded, answered: &Answered) -> BTreeSet<u64> {
    let mut more = BTreeSet::new();
    for n in (0..PASTES).filter(|n| !answered.there.contains(n) && n % 97 != 3) {
        put(store, paste(n, None), &content(n, LEN), LEN).await.unwrap();
        more.insert(n);
    }
    more
}

/// The smallest pastes weigh most: each changes pages of its own. The rest is filled with long ones.
#[test]
fn a_device_that_becomes_full_takes_in_what_the_journal_has_and_is_used_to_its_end() {
    run(async {
        for small in [1, 2000] {
            let len = |n| if n < 1500 { small } else { 60_000 };
            let (disks, clock) = (Disks::new(), SimClock::new(START));
            disks.0[0].set_capacity(Some(72 << 20));
            let store = disks.open(&clock, None).unwrap();
            let mut count = 0;
            loop {
                match put(&store, paste(count, None), &content(count, len(count)), len(count)).await {
                    Ok(()) => count += 1,
                    Err(Error::Full) => break,
                    Err(e) => panic!("a full device is {e:?}"),
                }
            }
            assert!(count > 1500, "only {count} of {small} bytes fit");
            let used = disks.0[0].contents().len();
            assert!(used > 64 << 20, "{used} bytes are used");
            let alone = SimBlock::holding(disks.0[0].contents());
            let alone = Embedded::open(alone, Options::default(), Arc::new(clock.clone())).unwrap();
            assert_eq!(alone.audit().await.unwrap().pastes, count, "it needs no journal");
            cut_both(&disks.0, Unflushed::Dropped);
            drop(store);
            disks.restore();
            let store = disks.open(&clock, None).unwrap();
            for n in 0..count {
                assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap(), content(n, len(n)), "paste {n}");
            }
            assert_eq!(store.audit().await.unwrap().pastes, count);
            assert!(matches!(
                put(&store, paste(1 << 40, None), &content(1, small), small).await,
                Ok(()) | Err(Error::Full)
            ));
            disks.0[0].set_capacity(Some(80 << 20));
            put(&store, paste(1 << 41, None), &content(1, small), small).await.unwrap();
        }
    });
}

/// A store that lost its power with `count` records in its journal; and what the journal holds.
async fn journaled(count: u64) -> (Disks, SimClock, Vec<u8>) {
    let (disks, clock) = (Disks::new(), SimClock::new(START));
    let store = disks.open(&clock, None).unwrap();
    for n in 0..=count {
        put(&store, paste(n, None), &content(n, 100), 100).await.unwrap();
    }
    cut_both(&disks.0, Unflushed::Dropped);
    drop(store);
    disks.restore();
    let journal = disks.0[1].contents();
    (disks, clock, journal)
}

#[test]
fn a_damaged_journal_is_told_with_its_place_and_left_alone() {
    run(async {
        let (disks, clock, whole) = journaled(5).await;
        let with = |journal: Vec<u8>| {
            let disks = Disks([SimBlock::holding(disks.0[0].contents()), SimBlock::holding(journal.clone())]);
            let opened = disks.open(&clock, None);
            if opened.is_err() {
                assert_eq!(disks.0[1].contents(), journal);
            }
            opened
        };
        for record in 0..4 {
            for at in [0, 8, 24, 40, HEAD - 1, HEAD, HEAD + 50] {
                let mut journal = whole.clone();
                let place = FIRST + 4096 * record;
                journal[place + at] ^= 1;
                let e = with(journal).err().unwrap();
                let expected = format!("its journal is damaged at byte {place}:");
                assert!(matches!(&e, Error::Damaged(what) if what.contains(&expected)), "{record}, {at}: {e}");
            }
        }
        // The last one may never have been answered.
        let mut journal = whole.clone();
        journal[FIRST + 4 * 4096 + HEAD] ^= 1;
        let store = with(journal).unwrap();
        assert_eq!(store.audit().await.unwrap().pastes, 5);
        let e = with(whole[..whole.len() - 1].to_vec()).err().unwrap();
        assert!(matches!(&e, Error::Damaged(what) if what.contains("cut short")), "{e}");
        let mut journal = whole.clone();
        journal[17] ^= 1;
        let e = with(journal).err().unwrap();
        assert!(matches!(&e, Error::Format(what) if what.contains("this is not it")), "{e}");
        assert_eq!(with(whole).unwrap().audit().await.unwrap().pastes, 6);
    });
}

/// A database that was copied together with its journal is the same store; and a store that was closed needs none.
#[test]
fn copies_of_both_files_are_a_store() {
    run(async {
        let (disks, clock, journal) = journaled(5).await;
        let copy = Disks([SimBlock::holding(disks.0[0].contents()), SimBlock::holding(journal)]);
        let store = copy.open(&clock, None).unwrap();
        assert_eq!(store.audit().await.unwrap().pastes, 6);
        store.close().await.unwrap();
        assert!(!copy.0[0].is_empty().unwrap());
        let alone = Embedded::open(copy.0[0].clone(), Options::default(), Arc::new(clock)).unwrap();
        assert_eq!(alone.audit().await.unwrap().pastes, 6);
    });
}
