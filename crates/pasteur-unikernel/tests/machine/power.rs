//! Loss of power, and faults. The disk is this process's, so that what the machine did not flush is dropped, kept or torn when QEMU is
//! killed: at random moments of a load of creates, deletes, claims and burnings, and of the start. A fault is a non-maskable interrupt, which
//! ends the machine as any exception does, wherever its processor is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device::Timestamp;
use device::sim::{SimBlock, SimClock, Unflushed};
use store::{Embedded, Options};

use crate::chance::split_mix;
use crate::client::Paste;
use crate::http::Connection;
use crate::machine::{Machine, Setup};
use crate::nbd;

const ROUNDS: u64 = 50;
const FAULTS: u64 = 10;
const CLIENTS: u64 = 4;
/// How many pastes a client leaves alone.
const LEFT: usize = 40;

/// A client: what it knows of its pastes.
struct Client {
    seed: u64,
    to: Connection,
    pastes: Vec<Paste>,
    /// Those from here on were touched since they were last looked at.
    touched: Vec<usize>,
}

impl Client {
    /// All that was touched, and some of the others.
    fn check(&mut self) {
        let old = self.pastes.len() as u64;
        let some = (0..10.min(old)).map(|_| (split_mix(&mut self.seed) % old) as usize);
        self.touched.extend(some);
        for index in self.touched.drain(..) {
            self.pastes[index].check(&mut self.to);
        }
    }

    /// Makes pastes, and ends some, until there is no answer; counts what was answered.
    fn load(&mut self, over: &AtomicBool, answered: &AtomicU64) {
        while !over.load(Ordering::Relaxed) {
            let there: Vec<_> = (0..self.pastes.len()).filter(|index| self.pastes[*index].is_there()).collect();
            let done = if there.len() > LEFT || (!there.is_empty() && split_mix(&mut self.seed).is_multiple_of(3)) {
                let index = there[(split_mix(&mut self.seed) % there.len() as u64) as usize];
                self.touched.push(index);
                self.pastes[index].end(&mut self.to)
            } else {
                Paste::create(&mut self.to, &mut self.seed).map(|paste| {
                    self.touched.push(self.pastes.len());
                    self.pastes.push(paste);
                })
            };
            if done.is_none() {
                return;
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The power goes: nothing more reaches the disk, and then QEMU is killed.
fn cut(disk: &SimBlock, machine: Machine, seed: &mut u64) {
    disk.cut_power_now(match split_mix(seed) % 4 {
        0 => Unflushed::Kept,
        1 => Unflushed::Dropped,
        _ => Unflushed::Torn(split_mix(seed)),
    });
    machine.kill();
    disk.restore_power();
}

/// The store is whole: a copy of the disk is opened here, and all of it is read.
fn audit(disk: &SimBlock) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let clock = Arc::new(SimClock::new(Timestamp(now)));
    let store = Embedded::open(SimBlock::fixed(disk.contents()), Options::default(), clock).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.audit()).unwrap().pastes
}

fn seed() -> u64 {
    let seed = std::env::var("PASTEUR_POWER_SEED").ok().map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        |seed| seed.parse().unwrap(),
    );
    eprintln!("PASTEUR_POWER_SEED={seed} begins with the same choices");
    seed
}

/// A machine whose disk is this process's.
fn setup<'a>(folder: &Path, disk: &SimBlock) -> Setup<'a> {
    let disks = vec![("store", nbd::disk(folder, disk.clone()))];
    Setup { disks, ..Setup::new(folder) }.words("--create-rate 0")
}

#[test]
fn needs_qemu_the_power_goes_fifty_times() {
    let (folder, disk, mut seed) = (tempfile::tempdir().unwrap(), SimBlock::fixed(vec![0; 64 << 20]), seed());
    let setup = setup(folder.path(), &disk);
    survives(
        &setup,
        &disk,
        ROUNDS,
        &mut seed,
        |machine, seed| cut(&disk, machine, seed),
        |seed| {
            if split_mix(seed).is_multiple_of(4) {
                let machine = setup.start();
                std::thread::sleep(Duration::from_millis(split_mix(seed) % 300));
                cut(&disk, machine, seed);
            }
        },
    );
}

#[test]
fn needs_qemu_faults_lose_nothing_that_was_answered() {
    let (folder, disk, mut seed) = (tempfile::tempdir().unwrap(), SimBlock::fixed(vec![0; 64 << 20]), seed());
    let monitor = folder.path().join("monitor");
    let setup = Setup { monitor: Some(monitor.clone()), ..setup(folder.path(), &disk) };
    let fault = |mut machine: Machine, _: &mut u64| {
        let mut monitor = BufReader::new(UnixStream::connect(&monitor).unwrap());
        // QEMU greets, and answers each command.
        for (command, answer) in [("qmp_capabilities", "QMP"), ("inject-nmi", "return")] {
            let mut said = String::new();
            monitor.read_line(&mut said).unwrap();
            assert!(said.contains(answer), "{said}");
            writeln!(monitor.get_mut(), "{{\"execute\": \"{command}\"}}").unwrap();
        }
        let mut said = String::new();
        // It may be gone before it has answered.
        let _ = monitor.read_line(&mut said);
        assert!(!said.contains("error"), "{said}");
        assert_eq!(machine.ended(), 64 + 2, "{}", machine.said());
        assert!(machine.said().contains("libos: non-maskable interrupt, at 0x"), "{}", machine.said());
    };
    survives(&setup, &disk, FAULTS, &mut seed, fault, |_| {});
}

/// Starts the machine again and again, each time after something was done and until it is ended in the middle of a load: what was
/// answered is there, or not, as it was answered.
fn survives(
    setup: &Setup<'_>,
    disk: &SimBlock,
    rounds: u64,
    seed: &mut u64,
    end: impl Fn(Machine, &mut u64),
    before: impl Fn(&mut u64),
) {
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client { seed: split_mix(seed), pastes: Vec::new(), touched: Vec::new(), to: Connection::new(0) })
        .collect();
    for round in 0..rounds {
        before(seed);
        let machine = setup.boot();
        each(&mut clients, |client| {
            client.to = Connection::new(machine.public);
            client.check();
        });
        let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let loads: Vec<_> =
                clients.iter_mut().map(|client| scope.spawn(|| client.load(&over, &answered))).collect();
            let load = 1 + split_mix(seed) % 60;
            let mut early = false;
            while !early && answered.load(Ordering::Relaxed) < load {
                std::thread::sleep(Duration::from_millis(1));
                early = loads.iter().any(std::thread::ScopedJoinHandle::is_finished);
            }
            std::thread::sleep(Duration::from_millis(split_mix(seed) % 10));
            early |= loads.iter().any(std::thread::ScopedJoinHandle::is_finished);
            assert!(!early, "round {round}: no answer, and the power was there: {}", machine.said());
            end(machine, seed);
            over.store(true, Ordering::Relaxed);
        });
        let there = clients.iter().flat_map(|client| &client.pastes).filter(|paste| paste.is_there()).count();
        assert!(audit(disk) >= there as u64, "round {round}");
    }
    let machine = setup.boot();
    each(&mut clients, |client| {
        client.to = Connection::new(machine.public);
        client.touched.extend(0..client.pastes.len());
        client.check();
    });
    let all: Vec<_> = clients.iter().flat_map(|client| &client.pastes).collect();
    let there = all.iter().filter(|paste| paste.is_there()).count();
    eprintln!("{} pastes were answered, and {there} are there", all.len());
    assert!(
        all.len() as u64 > rounds && there > 0 && there < all.len(),
        "a load of {}, {there} of them there",
        all.len()
    );
    machine.stop();
}

/// Lets all of them work at once.
fn each(clients: &mut [Client], work: impl Fn(&mut Client) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || work(client));
        }
    });
}
