//! A disk that fails: to read, to write, to flush, for a while or for ever. What is asked for meanwhile fails, what was answered stays, and
//! the machine goes on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use device::Block;
use device::sim::SimBlock;

use crate::chance::split_mix;
use crate::client::Paste;
use crate::http::Connection;
use crate::machine::{Machine, Setup};
use crate::nbd;
use crate::program::{get, pasteur, put};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Flush,
}

/// The calls of one kind that fail: after how many, and how many.
type Fault = (Call, u64, u64);

/// A disk of this process's that fails when it is told to.
#[derive(Clone, Debug)]
struct Faulty {
    disk: SimBlock,
    fault: Arc<Mutex<Option<Fault>>>,
    /// Held while no call ends.
    silent: Arc<Mutex<()>>,
}

impl Faulty {
    fn new() -> Self {
        Self { disk: SimBlock::fixed(vec![0; 32 << 20]), fault: Arc::default(), silent: Arc::default() }
    }

    /// Tells it how to fail from now on, or to work; says how many calls are still to fail.
    fn set(&self, fault: Option<Fault>) -> u64 {
        let before = std::mem::replace(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner), fault);
        before.map_or(0, |(_, _, count)| count)
    }

    fn passes(&self, call: Call) -> io::Result<()> {
        drop(self.silent.lock().unwrap_or_else(PoisonError::into_inner));
        match &mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((kind, after, _)) if *kind == call && *after > 0 => *after -= 1,
            Some((kind, _, count)) if *kind == call && *count > 0 => {
                *count -= 1;
                return Err(io::Error::other("the test asked for it"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Block for Faulty {
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
        self.passes(Call::Read)?;
        self.disk.read(offset, out)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.passes(Call::Write)?;
        self.disk.write(offset, data)
    }
    fn flush(&self) -> io::Result<()> {
        self.passes(Call::Flush)?;
        self.disk.flush()
    }
}

/// Makes, reads and ends pastes, whatever comes of it: what is read is right or an error.
fn use_it(machine: &Machine, pastes: &mut Vec<Paste>, seed: &mut u64) {
    let mut to = Connection::new(machine.public);
    for turn in 0..12 {
        if let Some(paste) = Paste::create(&mut to, seed) {
            pastes.push(paste);
        }
        let index = (split_mix(seed) % pastes.len() as u64) as usize;
        pastes[index].peek(&mut to);
        if turn % 4 == 3 {
            // Where it fails, what became of it is seen later.
            let _ = pastes[index].end(&mut to);
        }
    }
}

#[test]
fn needs_qemu_a_disk_that_fails_for_a_while_costs_what_was_asked_for_and_nothing_else() {
    let (folder, faulty) = (tempfile::tempdir().unwrap(), Faulty::new());
    let disks = vec![("store", nbd::disk(folder.path(), faulty.clone()))];
    // A cache that is small lets reads come to the disk.
    let setup = Setup { disks, ..Setup::new(folder.path()) }.words("--create-rate 0 --cache 256KiB");
    let (mut pastes, mut seed, mut failed) = (Vec::new(), 1, [0; 3]);
    for round in 0..4 {
        let machine = setup.boot();
        let mut to = Connection::new(machine.public);
        while pastes.len() < 20 {
            pastes.push(Paste::create(&mut to, &mut seed).unwrap());
        }
        for (kind, call) in [Call::Read, Call::Write, Call::Flush].into_iter().enumerate() {
            let count = [1, 3, 40, u64::MAX][round];
            faulty.set(Some((call, split_mix(&mut seed) % 12, count)));
            use_it(&machine, &mut pastes, &mut seed);
            failed[kind] += count - faulty.set(None);
            // The store opens its database again by itself; the first that ask may still be told of the failure.
            let works = (0..100).any(|_| Paste::create(&mut to, &mut seed).is_some());
            assert!(works, "{call:?}, {count} times: {}", machine.said());
            pastes.iter_mut().for_each(|paste| paste.check(&mut to));
        }
        assert!(!machine.said().contains("panicked"), "{}", machine.said());
        if round % 2 == 0 { machine.kill() } else { drop(machine.stop()) }
    }
    assert!(failed.iter().all(|count| *count > 0), "of each kind some fail: {failed:?}");
    let machine = setup.boot();
    let mut to = Connection::new(machine.public);
    pastes.iter_mut().for_each(|paste| paste.check(&mut to));
    machine.stop();
}

#[test]
fn needs_qemu_who_puts_on_a_disk_that_fails_is_told_and_may_again_once_it_works() {
    let (folder, faulty) = (tempfile::tempdir().unwrap(), Faulty::new());
    let folder = folder.path();
    let disks = vec![("store", nbd::disk(folder, faulty.clone()))];
    let machine = Setup { disks, ..Setup::new(folder) }.words("--create-rate 0").boot();
    let kept = put(folder, &machine.origin(), "kept", &[]);
    for call in [Call::Write, Call::Flush] {
        // For as long as it takes: a single failure may be met by a sweep of the store's own.
        faulty.set(Some((call, 0, u64::MAX)));
        let refused = pasteur(folder, &["put", "--server", &machine.origin()], b"refused");
        assert!(refused.code != 0, "{call:?}: {}", machine.said());
        faulty.set(None);
        // The first may still be told of the failure, while the store opens its database again.
        let fits = || pasteur(folder, &["put", "--server", &machine.origin()], b"again").code == 0;
        assert!((0..50).any(|_| fits()), "{call:?}: {}", machine.said());
        assert_eq!(get(folder, &kept), "kept");
    }
    machine.until(" 500 ");
    machine.until("the store's device failed");
    machine.stop();
}

#[test]
fn needs_qemu_a_disk_that_cannot_be_read_is_told() {
    let (folder, faulty) = (tempfile::tempdir().unwrap(), Faulty::new());
    let disks = vec![("store", nbd::disk(folder.path(), faulty.clone()))];
    let setup = Setup { disks, ..Setup::new(folder.path()) };
    setup.boot().stop();
    for after in 0..3 {
        faulty.set(Some((Call::Read, after, u64::MAX)));
        let (said, status) = setup.fails();
        assert!(said.contains("the store on the disk \"store\": ") && status == 7, "{after}: {status}: {said}");
        assert!(said.contains("the device reports an error"), "{after}: {said}");
    }
    faulty.set(None);
    setup.boot().stop();
}

#[test]
fn needs_qemu_a_disk_that_does_not_answer_is_told_and_waited_for() {
    let (folder, faulty) = (tempfile::tempdir().unwrap(), Faulty::new());
    let folder = folder.path();
    let disks = vec![("store", nbd::disk(folder, faulty.clone()))];
    let machine = Setup { disks, ..Setup::new(folder) }.boot();
    let link = std::thread::scope(|scope| {
        let silent = faulty.silent.lock().unwrap();
        let link = scope.spawn(|| put(folder, &machine.origin(), "late", &[]));
        machine.until("libos: the disk store does not answer; what is asked of it waits");
        assert!(!machine.said().contains("answers again"), "{}", machine.said());
        drop(silent);
        machine.until("libos: the disk store answers again");
        link.join().unwrap()
    });
    assert_eq!(get(folder, &link), "late");
    let said = machine.stop();
    assert_eq!(said.matches("does not answer").count(), 1, "it is told once: {said}");
}
