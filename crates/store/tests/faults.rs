//! Devices that fill up or fail, and devices that hold no store: the error says so, nothing stored is harmed, and the
//! store goes on once the device does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use common::{FileBlock, run};
use device::sim::{SimBlock, SimClock};
use device::{Block, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Claim, Embedded, Error, Options, Result, State, Store, Upload};

const MIB: usize = 1 << 20;

fn open(disk: &SimBlock) -> Result<Embedded> {
    Embedded::open(disk.clone(), Options::default(), Arc::new(SimClock::new(Timestamp(1_700_000_000))))
}

async fn settle(store: &Embedded) {
    while store.audit().await.unwrap().orphans > 0 {
        std::thread::yield_now();
    }
}

/// Publishes pastes of `len` bytes, numbered from `first`, until the store is full; gives their number.
async fn fill(store: &Embedded, first: u64, len: usize) -> u64 {
    for n in first.. {
        match put(store, paste(n, None), &content(n, len), MIB).await {
            Ok(()) => {}
            Err(Error::Full) => return n - first,
            Err(e) => panic!("a full device is {e:?}"),
        }
    }
    unreachable!("the device has an end")
}

async fn holds(store: &Embedded, first: u64, count: u64, len: usize) {
    for n in first..first + count {
        assert_eq!(get(store, &id(n), 0..u64::MAX).await.unwrap(), content(n, len), "paste {n}");
    }
}

#[test]
fn a_full_device_says_so_and_keeps_what_it_has() {
    run(async {
        for (len, capacity) in [(1000, 6 * MIB), (100_000, 20 * MIB), (3 * MIB, 40 * MIB)] {
            let disk = SimBlock::new();
            disk.set_capacity(Some(capacity as u64));
            let store = open(&disk).unwrap();
            let count = fill(&store, 0, len).await;
            assert!(count as usize * len > capacity / 8, "only {count} of {len} bytes fit into {capacity}");
            holds(&store, 0, count, len).await;
            settle(&store).await;
            assert_eq!(store.usage().await.unwrap().bytes, count * len as u64);
            // Room is made of what is there: a device that is full of it must let it go, and take as much again.
            for n in 0..count / 2 {
                store.delete(&id(n)).await.unwrap();
            }
            settle(&store).await;
            let more = fill(&store, 50_000, len).await;
            assert!(more > 0 && more >= count / 4, "{count} fitted, half went, and {more} fit again");
            holds(&store, count / 2, count - count / 2, len).await;
            holds(&store, 50_000, more, len).await;
            for n in count / 2..count {
                store.delete(&id(n)).await.unwrap();
            }
            store.close().await.unwrap();
            disk.set_capacity(None);
            let store = open(&disk).unwrap();
            holds(&store, 50_000, more, len).await;
            put(&store, paste(5000, None), &content(5000, len), MIB).await.unwrap();
            settle(&store).await;
        }
    });
}

/// Others may take all of a device's room, with what the store had left for making room: everything is refused for that
/// reason until there is room again, and then goes on.
#[test]
fn a_device_that_others_fill_refuses_everything_and_goes_on_with_room() {
    run(async {
        const PASTES: u64 = 400;
        let disk = SimBlock::new();
        let store = open(&disk).unwrap();
        for n in 0..PASTES {
            put(&store, paste(n, None), &content(n, 3000), MIB).await.unwrap();
        }
        disk.set_capacity(Some(disk.contents().len() as u64));
        let mut tasks = Vec::new();
        for n in 0..PASTES {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let claim = Claim { lease_hash: [7; 32], until: Timestamp(1_800_000_000) };
                if n % 2 == 0 { store.delete(&id(n)).await } else { store.claim(&id(n), claim).await }
            }));
        }
        let (mut done, mut refused) = (Vec::new(), 0);
        for (n, task) in (0..).zip(tasks) {
            match task.await.unwrap() {
                Ok(()) => done.push(n),
                Err(Error::Full) => refused += 1,
                Err(e) => panic!("paste {n} is {e:?}"),
            }
        }
        assert!(refused > 0, "{} of {PASTES} found room", done.len());
        assert!(matches!(store.sweep().await, Ok(_) | Err(Error::Full)));
        disk.set_capacity(None);
        store.sweep().await.unwrap();
        for n in (0..PASTES).filter(|n| !done.contains(n)) {
            assert_eq!(get(&store, &id(n), 0..u64::MAX).await.unwrap(), content(n, 3000), "paste {n}");
            store.delete(&id(n)).await.unwrap();
        }
        settle(&store).await;
    });
}

/// Where a device cannot tell its room, the database finds that there is none; what is stored stays all the same.
#[test]
fn a_full_device_that_does_not_know_says_so_too() {
    run(async {
        for (len, capacity) in [(1000, 6 * MIB), (100_000, 20 * MIB), (3 * MIB, 40 * MIB)] {
            let slow = Slow::default();
            slow.disk.set_capacity(Some(capacity as u64));
            let clock = Arc::new(SimClock::new(Timestamp(1_700_000_000)));
            let store = Embedded::open(slow.clone(), Options::default(), clock).unwrap();
            let count = fill(&store, 0, len).await;
            holds(&store, 0, count, len).await;
            settle(&store).await;
            slow.disk.set_capacity(None);
            put(&store, paste(5000, None), &content(5000, len), MIB).await.unwrap();
            settle(&store).await;
            assert_eq!(store.usage().await.unwrap().bytes, (count + 1) * len as u64);
        }
    });
}

#[test]
fn a_full_device_ends_an_upload_alone() {
    run(async {
        let disk = SimBlock::new();
        let store = open(&disk).unwrap();
        put(&store, paste(1, None), &content(1, 2 * MIB), MIB).await.unwrap();
        disk.set_capacity(Some(8 * MIB as u64));
        let mut upload = store.begin().await.unwrap();
        let mut result = Ok(());
        for n in 0..200 {
            result = upload.write(content(n, MIB)).await;
            if result.is_err() {
                break;
            }
        }
        assert!(matches!(result, Err(Error::Full)), "{result:?}");
        drop(upload);
        settle(&store).await;
        assert_eq!(store.usage().await.unwrap().bytes, 2 * MIB as u64);
        holds(&store, 1, 1, 2 * MIB).await;
        put(&store, paste(2, None), &content(2, 100), 100).await.unwrap();
    });
}

/// One call of the device fails, whichever it is: what was answered holds, what failed left nothing, and the next try
/// succeeds.
#[test]
fn a_failing_call_fails_its_task_alone() {
    failing_calls(|disk| disk);
}

/// The same where a write is told to have failed by the next flush, as by the disks of a machine without a system below.
#[test]
fn a_write_that_fails_behind_its_caller_fails_its_task_alone() {
    failing_calls(|disk| Behind { disk, failed: Arc::default() });
}

fn failing_calls<B: Block>(device: impl Fn(SimBlock) -> B) {
    const LEASE: Claim = Claim { lease_hash: [7; 32], until: Timestamp(1_800_000_000) };
    run(async {
        let mut failures = 0;
        for after in 0.. {
            let disk = SimBlock::new();
            let clock = Arc::new(SimClock::new(Timestamp(1_700_000_000)));
            let store = Embedded::open(device(disk.clone()), Options::default(), clock).unwrap();
            put(&store, paste(1, None), &content(1, 9000), MIB).await.unwrap();
            put(&store, paste(2, None), &content(2, 100), MIB).await.unwrap();
            disk.fail(after, 1, io::ErrorKind::TimedOut);
            let mut failed = 0;
            let mut note = |result: Result<()>| match result {
                Ok(()) => true,
                Err(Error::Io(_)) => {
                    failed += 1;
                    false
                }
                Err(e) => panic!("a device that failed at call {after} is {e:?}"),
            };
            if !note(put(&store, paste(3, None), &content(3, MIB + 5), MIB).await) {
                let result = store.find(&id(3)).await;
                assert!(matches!(result, Err(Error::NotFound)), "what failed is {result:?}");
                put(&store, paste(3, None), &content(3, MIB + 5), MIB).await.unwrap();
            }
            if !note(store.claim(&id(2), LEASE).await) {
                store.claim(&id(2), Claim { lease_hash: [8; 32], ..LEASE }).await.unwrap();
            }
            if !note(store.delete(&id(1)).await) {
                let again = store.delete(&id(1)).await;
                assert!(matches!(again, Ok(()) | Err(Error::NotFound)), "deleting again is {again:?}");
            }
            holds(&store, 3, 1, MIB + 5).await;
            assert!(matches!(store.find(&id(2)).await.unwrap().state, State::Claimed(_)));
            assert!(matches!(store.find(&id(1)).await, Err(Error::NotFound)));
            settle(&store).await;
            let usage = store.usage().await.unwrap();
            assert_eq!((usage.pastes, usage.bytes), (2, MIB as u64 + 105), "failed at call {after}");
            if failed == 0 && after > 20 {
                break;
            }
            failures += failed;
        }
        assert!(failures > 10, "only {failures} calls failed");
    });
}

#[test]
fn a_device_that_fails_for_long_is_used_again_afterwards() {
    run(async {
        let disk = SimBlock::new();
        let store = open(&disk).unwrap();
        put(&store, paste(1, None), &content(1, 3 * MIB), MIB).await.unwrap();
        disk.fail(0, 200, io::ErrorKind::Other);
        let result = put(&store, paste(2, None), &content(2, 3 * MIB), MIB).await;
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
        for _ in 0..300 {
            if store.delete(&id(9)).await.is_err_and(|e| matches!(e, Error::NotFound)) {
                break;
            }
        }
        holds(&store, 1, 1, 3 * MIB).await;
        put(&store, paste(2, None), &content(2, MIB), MIB).await.unwrap();
        settle(&store).await;
        assert_eq!(store.usage().await.unwrap().bytes, 4 * MIB as u64);
    });
}

/// A publication or a claim whose caller leaves before the answer does not stay.
#[test]
fn what_nobody_waits_for_leaves_nothing() {
    run(async {
        let slow = Slow::default();
        let clock = Arc::new(SimClock::new(Timestamp(1_700_000_000)));
        let store = Embedded::open(slow.clone(), Options::default(), clock).unwrap();
        put(&store, paste(0, None), &content(0, 10), 10).await.unwrap();
        for n in 1..40 {
            let mut upload = store.begin().await.unwrap();
            upload.write(content(n, if n % 2 == 0 { 100 } else { 1_200_000 })).await.unwrap();
            let flush = slow.gate.lock().unwrap();
            if n % 3 == 0 {
                once(store.claim(&id(0), Claim { lease_hash: [1; 32], until: Timestamp(1_800_000_000) }));
            }
            once(upload.publish(paste(n, None)));
            drop(upload);
            drop(flush);
        }
        // Once this is answered, all that was asked before it has been done, and undone.
        store.sweep().await.unwrap();
        store.sweep().await.unwrap();
        settle(&store).await;
        for n in 1..40 {
            assert!(matches!(store.find(&id(n)).await, Err(Error::NotFound)), "paste {n}");
        }
        assert_eq!(store.usage().await.unwrap().bytes, 10);
        assert!(matches!(store.find(&id(0)).await.unwrap().state, State::Open));
    });
}

/// Polls a future once and drops it.
fn once<T>(future: impl Future<Output = T>) {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the answer came at once");
}

/// A disk whose flushes can be held up, and whose room may be unknown.
#[derive(Clone, Debug, Default)]
struct Slow {
    disk: SimBlock,
    gate: Arc<Mutex<()>>,
    knows_its_room: bool,
}

impl Block for Slow {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn room(&self) -> io::Result<Option<u64>> {
        Ok(self.disk.room()?.filter(|_| self.knows_its_room))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        drop(self.gate.lock().unwrap());
        self.disk.flush()
    }
}

/// A disk that tells of a failed write by the next flush, and does nothing else before.
#[derive(Clone, Debug)]
struct Behind {
    disk: SimBlock,
    failed: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl Behind {
    fn goes_on(&self) -> io::Result<()> {
        self.failed.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Block for Behind {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn room(&self) -> io::Result<Option<u64>> {
        self.disk.room()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.goes_on()?;
        self.disk.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.goes_on()?;
        *self.failed.lock().unwrap() = self.disk.write(offset, data).err().map(|error| error.kind());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let failed = self.failed.lock().unwrap().take();
        failed.map_or_else(|| self.disk.flush(), |kind| Err(kind.into()))
    }
}

#[test]
fn what_is_no_store_is_told_so_and_left_alone() {
    let refused = |bytes: Vec<u8>| {
        let disk = SimBlock::holding(bytes.clone());
        let e = open(&disk).err().unwrap();
        assert_eq!(disk.contents(), bytes, "{e}");
        e
    };
    let mut copy_at_end = vec![0; 5 * MIB];
    copy_at_end[5 * MIB - 512] = b'E';
    for bytes in [vec![1], b"#!/bin/sh\necho hello\n".to_vec(), vec![0xff; 3 * MIB], copy_at_end] {
        let len = bytes.len();
        let e = refused(bytes);
        assert!(matches!(e, Error::Format(_)), "{len} bytes of something else are {e:?}");
    }
}

#[test]
fn another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let table = redb::TableDefinition::<&str, u64>::new("meta");
    let db = redb::Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(table).unwrap().insert("format", 7).unwrap();
    txn.commit().unwrap();
    drop(db);
    let clock = Arc::new(SimClock::new(Timestamp(0)));
    let e = Embedded::open(FileBlock::open(&path), Options::default(), clock.clone()).err().unwrap();
    assert!(matches!(&e, Error::Format(what) if what.contains("format 7") && what.contains("format 1")), "{e}");
    let db = redb::Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.delete_table(table).unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("something else")).unwrap();
    txn.commit().unwrap();
    drop(db);
    let e = Embedded::open(FileBlock::open(&path), Options::default(), clock).err().unwrap();
    assert!(matches!(&e, Error::Format(what) if what.contains("not a paste store")), "{e}");
}

/// A row that cannot be read is told where it is asked for, and nowhere else.
#[test]
fn a_damaged_row_harms_no_other() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let clock = SimClock::new(Timestamp(1_700_000_000));
        let open = || Embedded::open(FileBlock::open(&path), Options::default(), Arc::new(clock.clone())).unwrap();
        let store = open();
        for n in 0..3 {
            put(&store, paste(n, Some(Timestamp(1_700_000_010 + n))), &content(n, 100), 100).await.unwrap();
        }
        store.close().await.unwrap();
        drop(store);
        let db = redb::Database::create(&path).unwrap();
        let txn = db.begin_write().unwrap();
        let key: [u8; 12] = id(1).as_str().as_bytes().try_into().unwrap();
        let pastes = redb::TableDefinition::<&[u8; 12], &[u8]>::new("pastes");
        txn.open_table(pastes).unwrap().insert(&key, &b"\x01nonsense"[..]).unwrap();
        txn.commit().unwrap();
        drop(db);
        let store = open();
        assert!(matches!(store.find(&id(1)).await, Err(Error::Damaged(_))));
        assert!(matches!(store.read(&id(1), 0..9).await.map(drop), Err(Error::Damaged(_))));
        assert!(matches!(store.delete(&id(1)).await, Err(Error::Damaged(_))));
        assert!(matches!(store.audit().await, Err(Error::Damaged(_))));
        store.delete(&id(0)).await.unwrap();
        assert_eq!(get(&store, &id(2), 0..u64::MAX).await.unwrap(), content(2, 100));
        clock.advance(100);
        assert_eq!(store.sweep().await.unwrap().expired, 1);
        put(&store, paste(3, None), &content(3, 100), 100).await.unwrap();
        store.close().await.unwrap();
    });
}

/// Whatever byte is flipped, whatever length is cut off: an error or the right bytes, never a panic or a wrong byte.
#[test]
fn damage_is_told_or_harmless() {
    run(async {
        let disk = SimBlock::new();
        let store = open(&disk).unwrap();
        for n in 0..6 {
            put(&store, paste(n, None), &content(n, 3000 * n as usize), MIB).await.unwrap();
        }
        // As a crash leaves it, so that the opening checks all.
        let bytes = disk.contents();
        drop(store);
        for at in (0..bytes.len()).step_by(bytes.len() / 300) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            read_all(damaged).await;
        }
        for len in [1, 100, 511, 4096, 5000, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 1] {
            read_all(bytes[..len].to_vec()).await;
        }
    });

    async fn read_all(bytes: Vec<u8>) {
        let store = match open(&SimBlock::holding(bytes)) {
            Ok(store) => store,
            Err(Error::Damaged(_) | Error::Format(_) | Error::Io(_)) => return,
            Err(e) => panic!("damage is {e:?}"),
        };
        for n in 0..6 {
            match get(&store, &id(n), 0..u64::MAX).await {
                Ok(got) => assert_eq!(got, content(n, 3000 * n as usize)),
                Err(Error::Damaged(_) | Error::NotFound | Error::Io(_)) => {}
                Err(e) => panic!("damage is {e:?}"),
            }
        }
    }
}
