//! Bad networks: one that loses, repeats and reorders frames, one with hundreds of clients at once, and one with strangers who flood the
//! machine. What is asked for is answered, and no byte is another.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use device::sim::WireTrouble;

use crate::client::Paste;
use crate::frames::{FLOODS, Flood};
use crate::http::{Connection, request};
use crate::machine::{Setup, blank};
use crate::program::pasteur;
use crate::wire::Wire;

/// Of a hundred frames five are lost, two come twice, five are overtaken, and two are damaged.
const BAD: WireTrouble = WireTrouble { seed: 5, lost: 50, repeated: 20, late: 50, damaged: 20 };

#[test]
fn needs_qemu_a_network_that_loses_repeats_and_reorders_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup::new(&blank(folder, "store", 64 << 20)).words("--create-rate 0");
    let (machine, _wire) = Wire::boot(folder, setup, BAD);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let port = machine.public;
            scope.spawn(move || {
                let mut seed = client;
                let mut pastes: Vec<_> =
                    (0..8).map(|_| Paste::create(&mut Connection::new(port), &mut seed).expect("an answer")).collect();
                let mut to = Connection::new(port);
                pastes.iter_mut().step_by(2).for_each(|paste| paste.end(&mut to).expect("an answer"));
                pastes.iter_mut().for_each(|paste| paste.check(&mut to));
            });
        }
    });
    let bytes: Vec<u8> = (0..2_u32 << 18).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    std::fs::write(folder.join("large"), &bytes).unwrap();
    let put = pasteur(folder, &["put", "--server", &machine.origin(), "large"], b"");
    assert_eq!(put.code, 0, "{}", put.errors);
    let link = String::from_utf8(put.output).unwrap().lines().last().unwrap().to_owned();
    let got = pasteur(folder, &["get", "-o", "got", &link], b"");
    assert_eq!(got.code, 0, "{}", got.errors);
    assert!(std::fs::read(folder.join("got/large")).unwrap() == bytes, "a byte is another");
    machine.stop();
}

/// Clients at once.
const CROWD: usize = 256;

#[test]
fn needs_qemu_clients_who_come_all_at_once_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    // One that has room for all of them at a time, and one that has not.
    for (memory, stay) in [("256M", true), ("64M", false)] {
        let folder = folder.path().join(memory);
        std::fs::create_dir(&folder).unwrap();
        let setup = Setup { memory, ..Setup::new(&blank(&folder, "store", 64 << 20)) };
        let (machine, _wire) = Wire::boot(&folder, setup, WireTrouble::default());
        let (begin, end) = (Barrier::new(CROWD), Barrier::new(CROWD));
        let answered = std::thread::scope(|scope| {
            let client = || {
                begin.wait();
                let mut to = Connection::new(machine.public);
                let answer = to.ask("GET", "/healthz", &[], &[]);
                if stay {
                    end.wait();
                }
                answer.is_some_and(|answer| answer.status == 200)
            };
            let clients: Vec<_> = (0..CROWD).map(|_| scope.spawn(client)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).filter(|answered| *answered).count()
        });
        assert_eq!(answered, CROWD, "{memory}: {}", machine.said());
        machine.stop();
    }
}

/// More connections than the machine has room for, each of which was answered and stays: those at rest make room for the next, also for
/// the operator's.
#[test]
fn needs_qemu_connections_at_rest_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let (machine, _wire) =
        Wire::boot(folder.path(), Setup::new(&blank(folder.path(), "store", 8 << 20)), WireTrouble::default());
    let mut resting = Vec::new();
    let end = Instant::now() + PATIENCE;
    while resting.len() < CROWD {
        let mut to = Connection::new(machine.public);
        match to.ask("GET", "/healthz", &[], &[]) {
            Some(answer) if answer.status == 200 => resting.push(to),
            // One that was answered just now is not at rest yet: its place is not another's at once.
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
        assert!(Instant::now() < end, "{} were answered: {}", resting.len(), machine.said());
    }
    let (status, said) = request(machine.admin, "GET", "/metrics");
    let evicted = said.lines().find_map(|line| line.strip_prefix("pasteur_connections_evicted_total "));
    let evicted: usize = evicted.unwrap().parse().unwrap();
    assert!(status == 200 && (1..CROWD).contains(&evicted), "{evicted} of {CROWD} made room");
    machine.stop();
}

/// How long a flood pauses after a few frames: it is of some hundred to some thousand frames in a second.
const PAUSE: Duration = Duration::from_millis(1);
/// How often each flood does so while others are answered, at least, and how many of them there are.
const BURSTS: u64 = 1000;
const ANSWERED: usize = 10;
/// How long somebody tries who is not answered.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells a flood that it is over, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes pastes while frames of strangers come, as many and as long as it takes until they are a flood.
fn meanwhile(wire: &Wire, (name, flood, burst): (&str, Flood, u64), mut paste: impl FnMut()) {
    let (bursts, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            let mut seed = 12;
            while !over.load(Ordering::Relaxed) {
                (0..burst).for_each(|_| wire.send(&flood(&mut seed)));
                bursts.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
        });
        let mut answered = 0;
        while answered < ANSWERED || bursts.load(Ordering::Relaxed) < BURSTS {
            paste();
            answered += 1;
        }
        println!("{name}: {} frames, {answered} pastes", bursts.load(Ordering::Relaxed) * burst);
    });
}

#[test]
fn needs_qemu_floods_of_strangers_stop_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup::new(&blank(folder, "store", 64 << 20)).words("--create-rate 0");
    let (machine, wire) = Wire::boot(folder, Setup { memory: "256M", ..setup }, WireTrouble::default());
    let (mut pastes, mut seed) = (Vec::new(), 11);
    for flood in FLOODS {
        meanwhile(&wire, flood, || {
            let end = Instant::now() + PATIENCE;
            let mut to = Connection::new(machine.public);
            let paste = loop {
                match Paste::create(&mut to, &mut seed) {
                    Some(paste) => break paste,
                    // A beginning may lose its place to those of strangers: its client is told so, and tries again.
                    None if Instant::now() < end => to = Connection::new(machine.public),
                    None => panic!("{}: no answer: {}", flood.0, machine.said()),
                }
            };
            paste.peek(&mut to);
            pastes.push(paste);
        });
        assert_eq!(request(machine.admin, "GET", "/readyz").0, 200, "after {}", flood.0);
    }
    let mut to = Connection::new(machine.public);
    pastes.iter_mut().for_each(|paste| paste.check(&mut to));
    assert!(!machine.said().contains("panicked"), "{}", machine.said());
    machine.stop();
}
