//! The embedded store keeps every promise, on a simulated disk and in a file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::sync::Arc;

use common::{FileBlock, run};
use device::Timestamp;
use device::sim::{SimBlock, SimClock};
use store::conformance::{self, Factory};
use store::{Embedded, Options, Store};

/// Stores over whatever `disk` gives: a handle to a disk that outlives the store.
struct Disks<B, F: FnMut() -> B> {
    disk: F,
    last: Option<(B, SimClock)>,
    quota: Option<u64>,
}

impl<B: device::Block + Clone, F: FnMut() -> B> Disks<B, F> {
    fn open(&self) -> Embedded {
        let (disk, clock) = self.last.clone().unwrap();
        let mut options = Options::default();
        options.quota = self.quota;
        Embedded::open(disk, options, Arc::new(clock)).unwrap()
    }
}

impl<B: device::Block + Clone, F: FnMut() -> B> Factory for Disks<B, F> {
    type Store = Embedded;

    async fn make(&mut self, quota: Option<u64>) -> (Embedded, SimClock) {
        let clock = SimClock::new(Timestamp(1_700_000_000));
        self.last = Some(((self.disk)(), clock.clone()));
        self.quota = quota;
        (self.open(), clock)
    }

    async fn reopen(&mut self, store: Embedded) -> Embedded {
        store.close().await.unwrap();
        let store = self.open();
        store.audit().await.unwrap();
        store
    }
}

#[test]
fn on_a_simulated_disk() {
    run(conformance::all(&mut Disks { disk: SimBlock::new, last: None, quota: None }));
}

#[test]
fn in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut n = 0;
    let disk = || {
        n += 1;
        FileBlock::open(&folder.path().join(format!("{n}.store")))
    };
    run(conformance::all(&mut Disks { disk, last: None, quota: None }));
}
