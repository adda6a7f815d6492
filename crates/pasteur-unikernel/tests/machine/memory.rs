//! What requests take of a machine's memory is given back, however many there are.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use api::{Created, Token, path};

use crate::certificate;
use crate::chance::split_mix;
use crate::client::{KIND, Paste, bearer, content, form};
use crate::http::{Connection, request};
use crate::machine::{Machine, Setup, blank};
use crate::program::pasteur;

/// How many requests there are, unless `PASTEUR_REQUESTS` says another number.
const REQUESTS: u64 = 20_000;
/// How many connections there are at once.
const CONNECTIONS: u64 = 4;
/// After so many requests a connection ends, and another begins.
const TURN: u64 = 500;
/// Bytes by which two rests may differ, whatever lies between them: the store's cache is not filled alike.
const SLACK: u64 = 256 << 10;
/// How long after a load the machine may take to be at rest: connections end, and the journal is taken in.
const REST: Duration = Duration::from_secs(60);

fn count() -> u64 {
    std::env::var("PASTEUR_REQUESTS").map_or(REQUESTS, |count| count.parse().unwrap())
}

/// A machine with a small cache, which is soon full.
fn boot(setup: Setup<'_>) -> Machine {
    Setup { memory: "32M", ..setup }.words("--create-rate 0 --cache 1MiB --log-format none").boot()
}

/// The bytes that are taken.
fn taken(machine: &Machine) -> u64 {
    let said = request(machine.admin, "GET", "/metrics").1;
    let line = said.lines().find_map(|line| line.strip_prefix("pasteur_memory_taken_bytes "));
    line.unwrap().parse().unwrap()
}

/// The least that is taken within a time, or what there is as soon as it is not more than `most`.
fn at_rest(machine: &Machine, most: u64) -> u64 {
    let end = Instant::now() + REST;
    let mut least = u64::MAX;
    while least > most && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
        least = least.min(taken(machine));
    }
    least
}

/// How often the load is run in full: once, unless more is taken then, as by a cache that was not full before. What is lost is lost each time.
const ROUNDS: usize = 3;

/// Runs the load once, so that what is kept for good is there, and then in full: at rest, no more is taken than before.
fn stays(machine: &Machine, load: impl Fn(u64)) {
    load(count() / 4);
    thread::sleep(Duration::from_secs(2));
    let mut before = (0..20).map(|_| taken(machine)).max().unwrap();
    for _ in 0..ROUNDS {
        load(count());
        let after = at_rest(machine, before + SLACK);
        println!("{} requests: {before} bytes before, {after} after", count());
        if after <= before + SLACK {
            return;
        }
        before = after;
    }
    panic!("after each of {ROUNDS} times {} requests more is taken", count());
}

/// Pages, what is not there, and pastes that are made, read and ended: `requests` of them, on one connection after another.
fn load(port: u16, requests: u64, mut seed: u64) {
    let mut done = 0;
    while done < requests {
        let mut connection = Connection::new(port);
        let mut ask = |path: &str| connection.ask("GET", path, &[], &[]).unwrap().status;
        for _ in 0..TURN / 4 {
            assert_eq!([ask("/healthz"), ask("/"), ask("/1z1z23456789"), ask("/no-such-page")], [200, 200, 200, 404]);
        }
        for _ in 0..4 {
            let mut paste = Paste::create(&mut connection, &mut seed).unwrap();
            paste.peek(&mut connection);
            // A paste that burns is claimed, and then burnt.
            paste.end(&mut connection).unwrap();
            paste.end(&mut connection).unwrap();
        }
        done += TURN;
    }
}

/// More uploads at once than the least machine has room for, each of which sends as fast as it can: those that find no place try again.
#[test]
fn needs_qemu_a_crowd_of_uploads_fits_into_the_least_memory() {
    const CROWD: u8 = 40;
    const SIZE: usize = 3 << 20;
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { memory: "24M", ..Setup::new(&blank(folder.path(), "store", 512 << 20)) };
    let machine = setup.words("--create-rate 0").boot();
    let port = machine.public;
    thread::scope(|scope| {
        for number in 0..CROWD {
            scope.spawn(move || {
                let read = Token::new([number; 32]);
                let form = form(&read, false, SIZE);
                let end = Instant::now() + 2 * REST;
                let create = || Connection::new(port).ask("POST", path::PASTES, &[KIND.to_owned()], &form);
                let mut tries = std::iter::repeat_with(create).take_while(|_| Instant::now() < end).flatten();
                let made = tries.find(|answer| answer.status == 201).expect("a place for it");
                let Created { id, .. } = serde_json::from_slice(&made.body).unwrap();
                let get = || Connection::new(port).ask("GET", &path::content(&id), &[bearer(&read)], &[]);
                let mut tries = std::iter::repeat_with(get).take_while(|_| Instant::now() < end).flatten();
                let kept = tries.find(|answer| answer.status == 200).expect("a place for it");
                assert!(kept.body == content(&read, SIZE), "a byte is another");
            });
        }
    });
    machine.stop();
}

/// The same by TLS, where each client speaks HTTP/2 or HTTP/1.1 as it likes.
#[test]
fn needs_qemu_a_crowd_by_tls_fits_into_the_least_memory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = certificate::pair(folder, &certificate::make(folder));
    let setup = Setup { memory: "24M", ..Setup::new(&blank(folder, "store", 512 << 20)) };
    let machine = setup.with_config(&config).words("--create-rate 0").boot();
    std::fs::write(folder.join("content"), vec![7; 3 << 20]).unwrap();
    let origin = machine.secure_origin();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let put = || pasteur(folder, &["put", "--server", &origin, "content"], b"");
                let end = Instant::now() + 2 * REST;
                let mut tries = std::iter::repeat_with(put).take_while(|_| Instant::now() < end);
                assert!(tries.any(|ran| ran.code == 0), "a place for it");
            });
        }
    });
    machine.stop();
}

#[test]
fn needs_qemu_many_requests_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let machine = boot(Setup::new(&blank(folder.path(), "store", 64 << 20)));
    stays(&machine, |requests| {
        thread::scope(|scope| {
            for mut seed in 0..CONNECTIONS {
                let port = machine.public;
                scope.spawn(move || load(port, requests / CONNECTIONS, split_mix(&mut seed)));
            }
        });
    });
    machine.stop();
}

#[test]
fn needs_qemu_needs_clients_many_requests_by_tls_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = certificate::pair(folder, &certificate::make(folder));
    let machine = boot(Setup::new(&blank(folder, "store", 64 << 20)).with_config(&config));
    let url = format!("{}/healthz", machine.secure_origin());
    stays(&machine, |requests| {
        for _ in 0..requests.div_ceil(TURN) {
            let said = Command::new("h2load").args(["-n", &TURN.to_string(), "-c", "4", "-m", "8", &url]).output();
            let said = String::from_utf8(said.unwrap().stdout).unwrap();
            assert!(said.contains(&format!("{TURN} succeeded, 0 failed")), "{said}");
        }
    });
    machine.stop();
}
