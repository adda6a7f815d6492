//! The embedded store answers as a map in memory does, whatever is asked in whatever order, over closings and crashes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use common::run;
use device::sim::{SimBlock, SimClock, Unflushed};
use device::{Clock, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, Record, Result, State, Store, Upload};

const PASTES: u64 = 6;
const TOMBSTONE: u64 = 30 * 24 * 60 * 60;
const QUOTA: u64 = 5_000_000;

#[derive(Clone, Debug)]
enum Op {
    Put { n: u64, len: usize, chunk: usize, expires: Option<u64> },
    GiveUp(usize),
    Read(u64, Range<u64>),
    Claim(u64, u8, u64),
    Renew(u64, u8, u64),
    Burn(u64),
    Delete(u64),
    Pass(u64),
    Sweep,
    Close,
    Crash(Unflushed),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let n = || 0..PASTES;
    let len = || prop_oneof![4 => 0..10_000_usize, 2 => 0..200_000_usize, 1 => 1_000_000..2_500_000_usize];
    let at = || prop_oneof![0..10_000_u64, 0..3_000_000_u64, Just(u64::MAX)];
    let put = (n(), len(), 1..2_000_000_usize, prop::option::of(1..300_u64))
        .prop_map(|(n, len, chunk, expires)| Op::Put { n, len, chunk, expires });
    let crash = prop_oneof![Just(Unflushed::Dropped), Just(Unflushed::Kept), any::<u64>().prop_map(Unflushed::Torn)];
    let op = prop_oneof![
        6 => put,
        1 => len().prop_map(Op::GiveUp),
        4 => (n(), at(), at()).prop_map(|(n, a, b)| Op::Read(n, a.min(b)..a.max(b))),
        3 => (n(), 0..3_u8, 0..100_u64).prop_map(|(n, who, lasts)| Op::Claim(n, who, lasts)),
        2 => (n(), 0..3_u8, 0..100_u64).prop_map(|(n, who, lasts)| Op::Renew(n, who, lasts)),
        2 => n().prop_map(Op::Burn),
        2 => n().prop_map(Op::Delete),
        3 => prop_oneof![3 => 1..60_u64, 1 => Just(TOMBSTONE)].prop_map(Op::Pass),
        1 => Just(Op::Sweep),
        1 => Just(Op::Close),
        2 => crash.prop_map(Op::Crash),
    ];
    prop::collection::vec(op, 1..40)
}

/// What a paste's id stands for.
#[derive(Clone, Debug)]
enum Known {
    Paste { content: Bytes, created: Timestamp, expires: Option<Timestamp>, claim: Option<Claim> },
    Burnt(Timestamp),
}

struct World {
    store: Embedded,
    disk: SimBlock,
    journal: SimBlock,
    clock: SimClock,
    known: BTreeMap<u64, Known>,
    /// Ends of leases before their last renewal, which a crash may bring back.
    before: BTreeMap<u64, Timestamp>,
}

impl World {
    fn new() -> Self {
        let (disk, journal, clock) = (SimBlock::new(), SimBlock::new(), SimClock::new(Timestamp(1_700_000_000)));
        let store = open(&disk, &journal, &clock);
        Self { store, disk, journal, clock, known: BTreeMap::new(), before: BTreeMap::new() }
    }

    /// Brings what is known to the present: what is over is gone.
    fn pass(&mut self) {
        let now = self.clock.now();
        self.known.retain(|_, known| {
            if let Known::Paste { expires, claim: Some(claim), .. } = known
                && claim.until <= now
            {
                *known = Known::Burnt(expires.unwrap_or(claim.until.after(TOMBSTONE)));
            }
            match known {
                Known::Paste { expires, .. } => expires.is_none_or(|t| t > now),
                Known::Burnt(until) => *until > now,
            }
        });
    }

    /// What any call about `n` should say, where it does not say what it is asked.
    fn missing(&self, n: u64) -> Option<Error> {
        match self.known.get(&n) {
            None => Some(Error::NotFound),
            Some(Known::Burnt(_)) => Some(Error::Burnt),
            Some(Known::Paste { .. }) => None,
        }
    }

    fn claim(&mut self, n: u64) -> Option<&mut Option<Claim>> {
        match self.known.get_mut(&n) {
            Some(Known::Paste { claim, .. }) => Some(claim),
            _ => None,
        }
    }

    fn bytes(&self) -> u64 {
        let len = |known: &Known| match known {
            Known::Paste { content, .. } => content.len() as u64,
            Known::Burnt(_) => 0,
        };
        self.known.values().map(len).sum()
    }

    async fn perform(&mut self, op: Op) {
        let now = self.clock.now();
        match op {
            Op::Put { n, len, chunk, expires } => {
                let (content, expires) = (content(n + now.0, len), expires.map(|t| now.after(t)));
                let result = put(&self.store, paste(n, expires), &content, chunk).await;
                let full = self.bytes() + len as u64 > QUOTA;
                match result {
                    Err(Error::Quota { .. }) => assert!(full),
                    // What is over keeps its id until it is swept.
                    Err(Error::Exists) => {}
                    result => {
                        result.unwrap();
                        assert!(!full && !self.known.contains_key(&n));
                        self.known.insert(n, Known::Paste { content, created: now, expires, claim: None });
                    }
                }
            }
            Op::GiveUp(len) => {
                let mut upload = self.store.begin().await.unwrap();
                let result = upload.write(content(now.0, len)).await;
                assert!(matches!(result, Ok(()) | Err(Error::Quota { .. })), "{result:?}");
            }
            Op::Read(n, range) => {
                let result = get(&self.store, &id(n), range.clone()).await;
                match self.known.get(&n) {
                    Some(Known::Paste { content, .. }) => {
                        let end = range.end.min(content.len() as u64) as usize;
                        assert_eq!(result.unwrap(), content[(range.start as usize).min(end)..end]);
                    }
                    _ => same(result, self.missing(n).map_or(Ok(Vec::new()), Err)),
                }
            }
            Op::Claim(n, who, lasts) => {
                let new = Claim { lease_hash: [who; 32], until: now.after(lasts) };
                let result = self.store.claim(&id(n), new).await;
                let expected = self.missing(n);
                match self.claim(n) {
                    Some(claim @ None) => {
                        *claim = Some(new);
                        result.unwrap();
                    }
                    Some(Some(_)) => same(result, Err(Error::Claimed)),
                    None => same(result, expected.map_or(Ok(()), Err)),
                }
            }
            Op::Renew(n, who, lasts) => {
                let until = now.after(lasts);
                let result = self.store.renew(&id(n), &[who; 32], until).await;
                let expected = self.missing(n);
                match self.claim(n) {
                    Some(Some(claim)) if claim.lease_hash == [who; 32] => {
                        let before = std::mem::replace(&mut claim.until, until);
                        self.before.insert(n, before);
                        result.unwrap();
                    }
                    Some(_) => same(result, Err(Error::Claimed)),
                    None => same(result, expected.map_or(Ok(()), Err)),
                }
            }
            Op::Burn(n) => {
                let result = self.store.burn(&id(n)).await;
                same(result, self.missing(n).map_or(Ok(()), Err));
                if let Some(Known::Paste { expires, .. }) = self.known.get(&n) {
                    let until = expires.unwrap_or(now.after(TOMBSTONE));
                    self.known.insert(n, Known::Burnt(until));
                }
            }
            Op::Delete(n) => {
                let result = self.store.delete(&id(n)).await;
                same(result, self.missing(n).map_or(Ok(()), Err));
                if let Some(Known::Paste { .. }) = self.known.get(&n) {
                    self.known.remove(&n);
                }
            }
            Op::Pass(seconds) => self.clock.advance(seconds),
            Op::Sweep => {
                self.store.sweep().await.unwrap();
                let usage = self.store.usage().await.unwrap();
                let pastes = self.known.values().filter(|known| matches!(known, Known::Paste { .. })).count();
                assert_eq!((usage.pastes, usage.bytes), (pastes as u64, self.bytes()));
            }
            Op::Close => {
                self.store.close().await.unwrap();
                self.store = open(&self.disk, &self.journal, &self.clock);
            }
            Op::Crash(unflushed) => {
                self.disk.cut_power_now(unflushed);
                self.journal.cut_power_now(unflushed);
                // Waits for the writer's thread, which cannot write any more.
                self.store.close().await.unwrap_err();
                self.disk.restore_power();
                self.journal.restore_power();
                self.store = open(&self.disk, &self.journal, &self.clock);
                self.after_crash().await;
            }
        }
    }

    /// A renewed lease may be as before.
    async fn after_crash(&mut self) {
        for (n, before) in std::mem::take(&mut self.before) {
            let now = self.clock.now();
            let found = self.store.find(&id(n)).await;
            let Some(Some(claim)) = self.claim(n) else { continue };
            match found {
                Ok(Record { state: State::Claimed(found), .. }) if found.until == before => *claim = found,
                Err(_) if before <= now => claim.until = before,
                _ => {}
            }
        }
    }

    async fn check(&self) {
        for n in 0..PASTES {
            let found = self.store.find(&id(n)).await;
            match self.known.get(&n) {
                Some(Known::Paste { content, created, expires, claim }) => {
                    let record = found.unwrap();
                    assert_eq!((record.size, record.created_at), (content.len() as u64, *created));
                    assert_eq!(record.paste.expires_at, *expires);
                    assert_eq!(record.state, claim.map_or(State::Open, State::Claimed));
                }
                _ => same(found.map(drop), self.missing(n).map_or(Ok(()), Err)),
            }
        }
    }
}

fn open(disk: &SimBlock, journal: &SimBlock, clock: &SimClock) -> Embedded {
    let mut options = Options::default();
    options.quota = Some(QUOTA);
    options.journal = Some(Arc::new(journal.clone()));
    Embedded::open(disk.clone(), options, Arc::new(clock.clone())).unwrap()
}

/// Errors are the same where they read the same.
fn same<T: Debug>(result: Result<T>, expected: Result<T>) {
    assert_eq!(format!("{result:?}"), format!("{expected:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_as_a_map_does(ops in ops()) {
        run(async {
            let mut world = World::new();
            for op in ops {
                world.pass();
                world.perform(op).await;
                world.pass();
                world.check().await;
            }
            world.store.audit().await.unwrap();
        });
    }
}
