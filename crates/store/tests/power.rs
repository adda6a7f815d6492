//! Power is lost at every write and at every flush of a workload, and what was not flushed is dropped, kept or torn:
//! no answered paste is lost, no removed one comes back, claims hold, and no space leaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::collections::BTreeMap;
use std::panic::RefUnwindSafe;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use common::run;
use device::sim::{Cut, SimBlock, SimClock, Unflushed};
use device::{Clock, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, Result, State, Store, Upload};

const START: Timestamp = Timestamp(1_700_000_000);
/// Of the lease that workloads claim with.
const LEASE: [u8; 32] = [9; 32];
const LENGTHS: [usize; 5] = [300, 0, 9_000, 70_000, 1_060_000];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Create {
        n: u64,
        expires: Option<u64>,
    },
    Claim(u64),
    Renew(u64),
    Burn(u64),
    Delete(u64),
    /// An upload that is given up after 1.1 MB.
    Abandon,
    /// So many seconds pass, and a sweep comes.
    Pass(u64),
}

/// What a paste is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Absent,
    Open(Option<u64>),
    Claimed(Option<u64>),
    Burnt,
}

/// What a store should hold: for each paste, what it may be. More than one is possible only for the operation that
/// was under way when the power went.
#[derive(Default)]
struct Model(BTreeMap<u64, Vec<Known>>);

impl Model {
    fn get(&self, n: u64) -> Known {
        self.0.get(&n).map_or(Known::Absent, |known| known[0])
    }

    /// What `op` makes of the paste it is about.
    fn after(&self, op: Op) -> Option<(u64, Known)> {
        let claimed = |known| match known {
            Known::Open(expires) => Known::Claimed(expires),
            other => other,
        };
        match op {
            Op::Create { n, expires } => Some((n, Known::Open(expires))),
            Op::Claim(n) => Some((n, claimed(self.get(n)))),
            Op::Burn(n) => Some((n, Known::Burnt)),
            Op::Delete(n) => Some((n, Known::Absent)),
            Op::Renew(_) | Op::Abandon | Op::Pass(_) => None,
        }
    }
}

async fn perform(store: &Embedded, clock: &SimClock, op: Op) -> Result<()> {
    match op {
        Op::Create { n, expires } => {
            let expires = expires.map(|t| START.after(t));
            put(store, paste(n, expires), &body(n), 400_000).await
        }
        Op::Claim(n) => store.claim(&id(n), Claim { lease_hash: LEASE, until: START.after(1_000_000) }).await,
        Op::Renew(n) => store.renew(&id(n), &LEASE, START.after(2_000_000)).await,
        Op::Burn(n) => store.burn(&id(n)).await,
        Op::Delete(n) => store.delete(&id(n)).await,
        Op::Abandon => {
            let mut upload = store.begin().await?;
            upload.write(long()).await
        }
        Op::Pass(seconds) => {
            clock.advance(seconds);
            store.sweep().await.map(drop)
        }
    }
}

fn body(n: u64) -> Bytes {
    /// Making them takes longer than all else, unoptimised.
    static BODIES: LazyLock<Vec<Bytes>> =
        LazyLock::new(|| (0..20).map(|n| content(n, LENGTHS[(n % 5) as usize])).collect());
    BODIES[n as usize].clone()
}

/// A content of two pieces.
fn long() -> Bytes {
    static LONG: LazyLock<Bytes> = LazyLock::new(|| content(1000, 1_100_000));
    LONG.clone()
}

/// Every kind of operation on every size, some before and some after others.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for n in 0..5 {
        ops.push(Op::Create { n, expires: (n % 2 == 0).then_some(100 + n) });
    }
    ops.extend([Op::Claim(0), Op::Claim(4), Op::Renew(4), Op::Abandon, Op::Delete(1), Op::Delete(2)]);
    ops.extend([Op::Burn(4), Op::Create { n: 9, expires: Some(50) }, Op::Create { n: 6, expires: None }]);
    ops.extend([Op::Pass(60), Op::Create { n: 14, expires: None }, Op::Claim(14), Op::Burn(0), Op::Burn(14)]);
    ops.extend([Op::Delete(3), Op::Pass(60), Op::Create { n: 7, expires: Some(500) }]);
    ops
}

/// Valid operations as `seed` says.
fn seeded(seed: u64, count: usize) -> Vec<Op> {
    let random = device::sim::SimRandom::new(seed);
    let mut model = Model::default();
    let mut ops = Vec::new();
    let (mut next, mut passed) = (0, 0);
    while ops.len() < count {
        let r = random.number().unwrap();
        let n = (r >> 8) % (next + 1);
        let op = match (r % 8, model.get(n)) {
            (0..=2, _) => {
                next += 1;
                Op::Create { n: next - 1, expires: (r & 64 == 0).then_some(passed + 20 + (r >> 32) % 200) }
            }
            (3, Known::Open(None)) => Op::Claim(n),
            (4, Known::Claimed(None)) => Op::Burn(n),
            (5, Known::Open(None) | Known::Claimed(None)) => Op::Delete(n),
            (6, _) => Op::Abandon,
            (7, _) => {
                passed += r >> 59;
                Op::Pass(r >> 59)
            }
            _ => continue,
        };
        if let Some((n, known)) = model.after(op) {
            model.0.insert(n, vec![known]);
        }
        ops.push(op);
    }
    ops
}

fn open(disk: &SimBlock, clock: &SimClock) -> Result<Embedded> {
    Embedded::open(disk.clone(), Options::default(), Arc::new(clock.clone()))
}

/// Runs `ops` until the power goes; gives what should be there, or nothing where all went through.
async fn until_cut(disk: &SimBlock, clock: &SimClock, ops: &[Op]) -> (Model, bool) {
    let mut model = Model::default();
    let Ok(store) = open(disk, clock) else {
        assert!(disk.is_off(), "opening failed with the power on");
        return (model, true);
    };
    for op in ops {
        let result = perform(&store, clock, *op).await;
        let after = model.after(*op);
        match result {
            Ok(()) => drop(after.map(|(n, known)| model.0.insert(n, vec![known]))),
            Err(e) => {
                assert!(disk.is_off(), "{op:?} failed with the power on: {e}");
                if let Some((n, known)) = after {
                    model.0.insert(n, vec![model.get(n), known]);
                }
                return (model, true);
            }
        }
    }
    // The last clone closes the store: the cut may come there.
    drop(store);
    (model, disk.is_off())
}

async fn check(disk: &SimBlock, clock: &SimClock, model: &Model) {
    let store = open(disk, clock).unwrap();
    let now = clock.now().0 - START.0;
    for (n, known) in &model.0 {
        let found = match store.find(&id(*n)).await {
            Err(Error::NotFound) => Known::Absent,
            Err(Error::Burnt) => Known::Burnt,
            Err(e) => panic!("paste {n}: {e}"),
            Ok(record) => {
                let expires = record.paste.expires_at.map(|t| t.0 - START.0);
                assert_eq!(get(&store, &id(*n), 0..u64::MAX).await.unwrap(), body(*n), "paste {n}");
                match record.state {
                    State::Open => Known::Open(expires),
                    State::Claimed(claim) => {
                        assert_eq!(claim.lease_hash, LEASE);
                        let again = store.claim(&id(*n), Claim { lease_hash: [1; 32], ..claim }).await;
                        assert!(matches!(again, Err(Error::Claimed)), "a second claim is {again:?}");
                        Known::Claimed(expires)
                    }
                }
            }
        };
        let expected: Vec<_> = known
            .iter()
            .map(|known| match known {
                Known::Open(Some(t)) | Known::Claimed(Some(t)) if *t <= now => Known::Absent,
                // What was burnt is so until it would have expired.
                Known::Burnt if found == Known::Absent => Known::Absent,
                other => *other,
            })
            .collect();
        assert!(expected.contains(&found), "paste {n} is {found:?} and should be one of {expected:?}");
    }
    settle(&store).await;
    // The store goes on as if nothing had been.
    put(&store, paste(1000, None), &long(), 400_000).await.unwrap();
    assert_eq!(get(&store, &id(1000), 0..u64::MAX).await.unwrap(), long());
    store.close().await.unwrap();
}

/// Waits until no piece is left over, and checks that what is counted is what is there.
async fn settle(store: &Embedded) {
    store.sweep().await.unwrap();
    let audit = loop {
        let audit = store.audit().await.unwrap();
        if audit.orphans == 0 {
            break audit;
        }
        std::thread::yield_now();
    };
    let usage = store.usage().await.unwrap();
    assert_eq!((usage.pastes, usage.bytes), (audit.pastes, audit.bytes));
}

/// Cuts the power at the first, second, ... write and flush, until the workload ends before the cut.
fn everywhere(name: &str, ops: &[Op], unflushed: impl Fn(u64) -> Unflushed + RefUnwindSafe) {
    everywhere_on(SimBlock::new, name, ops, unflushed);
}

fn everywhere_on(
    disk: impl Fn() -> SimBlock + RefUnwindSafe,
    name: &str,
    ops: &[Op],
    unflushed: impl Fn(u64) -> Unflushed + RefUnwindSafe,
) {
    let mut cuts = 0;
    for kind in [Cut::Write as fn(u64) -> Cut, Cut::Flush] {
        for n in 1.. {
            let cut = kind(n);
            let outcome = std::panic::catch_unwind(|| {
                let (disk, clock) = (disk(), SimClock::new(START));
                disk.cut_power(cut, unflushed(n));
                run(async {
                    let (model, was_cut) = until_cut(&disk, &clock, ops).await;
                    disk.restore_power();
                    check(&disk, &clock, &model).await;
                    was_cut
                })
            });
            match outcome {
                Ok(true) => cuts += 1,
                Ok(false) => break,
                Err(_) => panic!("{name}: power lost at {cut:?}, unflushed {:?}; operations: {ops:?}", unflushed(n)),
            }
        }
    }
    assert!(cuts > 100, "{name}: only {cuts} cuts");
    println!("{name}: {cuts} cuts");
}

#[test]
fn unflushed_writes_are_dropped() {
    everywhere("script, dropped", &script(), |_| Unflushed::Dropped);
}

#[test]
fn unflushed_writes_are_kept() {
    everywhere("script, kept", &script(), |_| Unflushed::Kept);
}

#[test]
fn unflushed_writes_are_torn() {
    everywhere("script, torn", &script(), Unflushed::Torn);
}

#[test]
fn unflushed_writes_of_random_workloads_are_torn() {
    for seed in [1, 2] {
        everywhere(&format!("seed {seed}, torn"), &seeded(seed, 12), |n| Unflushed::Torn(n + seed * 1000));
    }
}

/// A disk that the database comes to have all of, on its way: it begins with 72 KiB and doubles.
#[test]
fn a_disk_that_cannot_grow_loses_no_more() {
    let disk = || SimBlock::fixed(vec![0; (8 << 20) + 512]);
    everywhere_on(disk, "disk, dropped", &script(), |_| Unflushed::Dropped);
    everywhere_on(disk, "disk, torn", &script(), Unflushed::Torn);
    everywhere_on(disk, "disk, seed 3, torn", &seeded(3, 12), Unflushed::Torn);
}

/// Rounds of creating and removing take no more room than a few rounds do.
#[test]
fn the_device_does_not_grow_for_ever() {
    const ROUNDS: usize = 60;
    const ROOM: usize = 16 << 20;
    let (disk, clock) = (SimBlock::new(), SimClock::new(START));
    assert!(ROUNDS * LENGTHS.iter().sum::<usize>() > 4 * ROOM);
    run(async {
        let store = open(&disk, &clock).unwrap();
        for round in 0..ROUNDS {
            for n in 0..5 {
                put(&store, paste(n, None), &body(n), 400_000).await.unwrap();
            }
            for n in 0..5 {
                store.delete(&id(n)).await.unwrap();
            }
            settle(&store).await;
            let len = disk.contents().len();
            assert!(len <= ROOM, "the device has {len} bytes after round {round}");
        }
    });
}
