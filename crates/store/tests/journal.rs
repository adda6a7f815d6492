//! Two disks on one supply: the power goes at every write and every flush of either, and what was not flushed is
//! dropped, kept or torn. What the journal held and the database did not is there again; a torn record is none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use common::disks::{Disks, cut_both};
use common::run;
use device::Timestamp;
use device::sim::{Cut, SimBlock, SimClock, Unflushed};
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, Result, State, Store};

const START: Timestamp = Timestamp(1_700_000_000);
const CLAIM: Claim = Claim { lease_hash: [9; 32], until: Timestamp(1_800_000_000) };
/// Of a journal, at most.
const LENGTH: usize = 17 << 20;
const LENGTHS: [usize; 4] = [300, 9_000, 70_000, 0];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Create(u64),
    Claim(u64),
    Renew(u64),
    Burn(u64),
    Delete(u64),
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Absent,
    Open,
    Claimed,
    Burnt,
}

fn script() -> Vec<Op> {
    let mut ops: Vec<_> = (0..4).map(Op::Create).collect();
    ops.extend([Op::Claim(0), Op::Renew(0), Op::Delete(1), Op::Create(5), Op::Delete(2), Op::Burn(0), Op::Create(4)]);
    ops.extend([Op::Claim(5), Op::Sweep, Op::Create(8), Op::Create(9), Op::Delete(4), Op::Claim(8), Op::Create(12)]);
    ops
}

fn body(n: u64) -> Bytes {
    content(n, LENGTHS[(n % 4) as usize])
}

async fn perform(store: &Embedded, op: Op) -> Result<Option<(u64, Known)>> {
    Ok(Some(match op {
        Op::Create(n) => put(store, paste(n, None), &body(n), 400_000).await.map(|()| (n, Known::Open))?,
        Op::Claim(n) => store.claim(&id(n), CLAIM).await.map(|()| (n, Known::Claimed))?,
        Op::Burn(n) => store.burn(&id(n)).await.map(|()| (n, Known::Burnt))?,
        Op::Delete(n) => store.delete(&id(n)).await.map(|()| (n, Known::Absent))?,
        Op::Renew(n) => {
            store.renew(&id(n), &CLAIM.lease_hash, CLAIM.until.after(5)).await?;
            return Ok(None);
        }
        Op::Sweep => {
            store.sweep().await?;
            return Ok(None);
        }
    }))
}

type Model = BTreeMap<u64, Known>;

/// Runs `ops` until the power goes; gives what was answered, and the operation that was not.
async fn until_cut(store: Embedded, disks: &Disks, ops: &[Op]) -> (Model, Option<Op>) {
    let mut model = Model::new();
    for op in ops {
        match perform(&store, *op).await {
            Ok(known) => model.extend(known),
            Err(e) => {
                assert!(disks.is_off(), "{op:?} failed with the power on: {e}");
                return (model, Some(*op));
            }
        }
    }
    (model, None)
}

async fn check(store: &Embedded, model: &Model, open: Option<Op>) {
    for (n, known) in model {
        let found = match store.find(&id(*n)).await {
            Err(Error::NotFound) => Known::Absent,
            Err(Error::Burnt) => Known::Burnt,
            Err(e) => panic!("paste {n}: {e}"),
            Ok(record) => {
                assert_eq!(get(store, &id(*n), 0..u64::MAX).await.unwrap(), body(*n), "paste {n}");
                if record.state == State::Open { Known::Open } else { Known::Claimed }
            }
        };
        let other = match open {
            Some(Op::Claim(m)) if m == *n => Some(Known::Claimed),
            Some(Op::Burn(m)) if m == *n => Some(Known::Burnt),
            Some(Op::Delete(m)) if m == *n => Some(Known::Absent),
            _ => None,
        };
        assert!(found == *known || Some(found) == other, "paste {n} is {found:?} and not {known:?}; {open:?} was open");
    }
    loop {
        let audit = store.audit().await.unwrap();
        if audit.orphans == 0 {
            let usage = store.usage().await.unwrap();
            assert_eq!((usage.pastes, usage.bytes), (audit.pastes, audit.bytes));
            break;
        }
        std::thread::yield_now();
    }
}

/// Cuts the power at the `n`th call, then again at the `again`th of the opening that follows.
fn cut_at(kind: fn(u64) -> Cut, n: u64, again: Option<u64>, unflushed: Unflushed) -> bool {
    let (disks, clock) = (Disks::new(), SimClock::new(START));
    run(async {
        let (model, open) = match disks.open(&clock, Some((kind(n), unflushed))) {
            Ok(store) => until_cut(store, &disks, &script()).await,
            Err(_) => (Model::new(), None),
        };
        let was_cut = disks.is_off();
        disks.restore();
        if let Some(again) = again {
            if let Ok(store) = disks.open(&clock, Some((Cut::Write(again), unflushed))) {
                cut_both(&disks.0, unflushed);
                drop(store);
            }
            disks.restore();
        }
        let store = disks.open(&clock, None).unwrap();
        check(&store, &model, open).await;
        put(&store, paste(100, None), &body(100), 400_000).await.unwrap();
        store.close().await.unwrap();
        // A store that was closed is whole without its journal.
        let store = Embedded::open(disks.0[0].clone(), Options::default(), Arc::new(clock.clone())).unwrap();
        check(&store, &model, open).await;
        was_cut
    })
}

fn everywhere(unflushed: impl Fn(u64) -> Unflushed) {
    for kind in [Cut::Write as fn(u64) -> Cut, Cut::Flush] {
        let cuts = (1..).take_while(|n| cut_at(kind, *n, None, unflushed(*n))).count();
        assert!(cuts > 20, "only {cuts} cuts");
    }
}

#[test]
fn unflushed_writes_are_dropped() {
    everywhere(|_| Unflushed::Dropped);
}

#[test]
fn unflushed_writes_are_kept() {
    everywhere(|_| Unflushed::Kept);
}

#[test]
fn unflushed_writes_are_torn() {
    everywhere(Unflushed::Torn);
}

/// Adding the journal to the database is interrupted at each of its writes.
#[test]
fn recovery_is_interrupted() {
    for n in [12, 18, 25] {
        for again in 1..30 {
            cut_at(Cut::Flush, n, Some(again), Unflushed::Torn(n * 100 + again));
        }
    }
}

#[test]
fn a_store_that_needs_its_journal_says_so() {
    run(async {
        let (disks, clock) = (Disks::new(), SimClock::new(START));
        let store = disks.open(&clock, None).unwrap();
        for n in 0..3 {
            put(&store, paste(n, None), &body(0), 1000).await.unwrap();
        }
        cut_both(&disks.0, Unflushed::Kept);
        drop(store);
        disks.restore();
        let e = Embedded::open(disks.0[0].clone(), Options::default(), Arc::new(clock.clone())).err().unwrap();
        assert!(matches!(&e, Error::Format(what) if what.contains("journal")), "{e}");
        let other = Disks([disks.0[0].clone(), SimBlock::new()]);
        let e = other.open(&clock, None).err().unwrap();
        assert!(matches!(&e, Error::Format(what) if what.contains("missing or empty")), "{e}");
        let store = disks.open(&clock, None).unwrap();
        for n in 0..3 {
            assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap(), body(0));
        }
    });
}

#[test]
fn what_is_no_journal_is_left_alone() {
    let (disks, clock) = (Disks::new(), SimClock::new(START));
    let bytes = b"a letter to a friend".to_vec();
    let other = Disks([disks.0[0].clone(), SimBlock::holding(bytes.clone())]);
    let e = other.open(&clock, None).err().unwrap();
    assert!(matches!(&e, Error::Format(what) if what.contains("something else")), "{e}");
    assert_eq!(other.0[1].contents(), bytes);
}

/// One call of either disk fails, whichever it is: what was answered holds, over a loss of power, too, and what failed
/// left nothing.
#[test]
fn a_failing_call_fails_its_task_alone() {
    run(async {
        let mut failures = 0;
        for (which, after) in (0..2).flat_map(|which| (0..40).map(move |after| (which, after))) {
            let (disks, clock) = (Disks::new(), SimClock::new(START));
            let store = disks.open(&clock, None).unwrap();
            let mut model = Model::new();
            for (n, op) in script().into_iter().enumerate() {
                if n == 2 {
                    disks.0[which].fail(after, 1, io::ErrorKind::TimedOut);
                }
                match perform(&store, op).await {
                    Ok(known) => model.extend(known),
                    Err(Error::Io(_)) => {
                        failures += 1;
                        check(&store, &model, Some(op)).await;
                        match perform(&store, op).await {
                            Ok(known) => model.extend(known),
                            // What takes something away may have been done.
                            Err(e) => {
                                assert!(matches!(e, Error::NotFound | Error::Burnt), "{op:?} again is {e}");
                                model.extend(match op {
                                    Op::Delete(n) => Some((n, Known::Absent)),
                                    Op::Burn(n) => Some((n, Known::Burnt)),
                                    _ => panic!("{op:?} failed and was done"),
                                });
                            }
                        }
                    }
                    Err(e) => panic!("{op:?} is {e}"),
                }
            }
            disks.0[which].fail(0, 0, io::ErrorKind::TimedOut);
            check(&store, &model, None).await;
            cut_both(&disks.0, Unflushed::Dropped);
            drop(store);
            disks.restore();
            check(&disks.open(&clock, None).unwrap(), &model, None).await;
        }
        assert!(failures > 20, "only {failures} calls failed");
    });
}

/// More than a round holds, so that rounds follow each other, and the journal keeps its size.
#[test]
fn rounds_follow_each_other() {
    run(async {
        let (disks, clock) = (Disks::new(), SimClock::new(START));
        let store = disks.open(&clock, None).unwrap();
        let data = content(1, 60_000);
        for n in 0..600 {
            put(&store, paste(n, None), &data, 60_000).await.unwrap();
        }
        assert!(disks.0[1].contents().len() <= LENGTH);
        cut_both(&disks.0, Unflushed::Dropped);
        drop(store);
        disks.restore();
        let store = disks.open(&clock, None).unwrap();
        for n in 0..600 {
            assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap(), data, "paste {n}");
        }
        assert_eq!(store.audit().await.unwrap().pastes, 600);
    });
}
