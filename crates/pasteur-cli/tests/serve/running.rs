//! A server that runs: its ends, orderly and not, and clients that wear it out.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Place, Server, creation, fails, id_in, rest};

#[test]
fn serves_and_stops_for_either_signal() {
    let place = Place::new();
    for signal in ["TERM", "INT"] {
        let server = place.start(&[]);
        assert!(server.get("/").ends_with("<title>test</title>"));
        assert!(server.get("/healthz").ends_with("ok\n"));
        server.signal(signal);
        let (code, log) = server.ended();
        assert_eq!(code, 0, "{log}");
        assert!(log.contains(" info GET / 200 ") && log.ends_with("stopped\n"), "{log}");
    }
}

#[test]
fn an_upload_finishes_after_the_signal() {
    let place = Place::new();
    let server = place.start(&["--grace", "100s"]);
    let request = creation(&[7; 3_000_000]);
    let mut stream = server.connect();
    stream.write_all(&request[..1_000_000]).unwrap();
    // Answered after the upload's beginning was read.
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.signal("TERM");
    while std::net::TcpStream::connect(&server.addresses[0]).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(&request[1_000_000..]).unwrap();
    let id = id_in(&rest(&mut stream));
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    let server = place.start(&[]);
    assert!(server.info(&id).contains("\"size\":3000000"));
    server.end();
}

/// As where a monitor reads the metrics and never takes the answer whole: what the public may take is over first, and the operator's
/// own clients are waited for no longer than that.
#[test]
fn an_operators_connection_does_not_hold_up_the_stop() {
    let place = Place::new();
    let server = Server::listening(place.command(&["--admin-listen", "127.0.0.1:0", "--grace", "100ms"]), 2);
    let mut stream = std::net::TcpStream::connect(&server.addresses[1]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A request that never ends.
    stream.write_all(b"POST /stop HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n").unwrap();
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    let begun = Instant::now();
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    // Not the 30 seconds that a service has unless it is told.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Newcomers wait in the kernel then, and the operator is the only one who can mend it.
#[test]
fn who_cannot_accept_says_so() {
    let place = Place::new();
    let server = place.command(&[]);
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg("ulimit -n 32; exec \"$0\" \"$@\"").arg(server.get_program()).args(server.get_args());
    command.current_dir(place.path("."));
    let server = Server::start(command);
    let held: Vec<_> = (0..40).map(|_| server.connect()).collect();
    thread::sleep(Duration::from_millis(500));
    drop(held);
    // It goes on once there is room.
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert_eq!(log.matches(" error cannot accept a connection: ").count(), 1, "{log}");
}

#[test]
fn an_upload_that_does_not_finish_is_cut_and_leaves_nothing() {
    let place = Place::new();
    let server = place.start(&["--grace", "500ms"]);
    let mut stream = server.connect();
    stream.write_all(&creation(&[7; 3_000_000])[..2_000_000]).unwrap();
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.end();
    assert!(!rest(&mut stream).contains("201"));
    let command = place.command(&["--admin-listen", "127.0.0.1:0"]);
    let server = Server::listening(command, 2);
    assert!(server.get_at(1, "/metrics").contains("\npasteur_stored_bytes 0\n"));
    server.end();
}

#[test]
fn what_was_answered_survives_a_kill() {
    let place = Place::new();
    let mut ids: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = place.start(&[]);
        for id in &ids {
            assert!(server.info(id).starts_with("HTTP/1.1 200 "), "round {round}");
        }
        ids.push(server.paste(b"small"));
        ids.push(server.paste(&[7; 2_500_000]));
        let mut half = server.connect();
        half.write_all(&creation(&[7; 3_000_000])[..2_000_000]).unwrap();
        server.signal("KILL");
        server.ended();
    }
}

/// Many clients are in the middle of creating when the process is killed, more than once over the same store.
#[test]
fn what_was_answered_under_load_survives_a_kill() {
    let place = Place::new();
    let mut ids: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = place.start(&["--create-rate", "0"]);
        for id in &ids {
            assert!(server.info(id).starts_with("HTTP/1.1 200 "), "round {round}: {id}");
        }
        let enough = AtomicUsize::new(0);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..8)
                .map(|client| {
                    let (server, enough) = (&server, &enough);
                    scope.spawn(move || {
                        let mut made = Vec::new();
                        // Until the kill, after which nothing is answered in full.
                        while let Some(id) = server.try_paste(&[client; 3000]) {
                            made.push(id);
                            enough.fetch_add(1, SeqCst);
                        }
                        made
                    })
                })
                .collect();
            while enough.load(SeqCst) < 400 {
                thread::sleep(Duration::from_millis(5));
            }
            server.signal("KILL");
            ids.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
        });
        server.ended();
    }
    // What is in the journal alone is not lost without a word.
    let journal = place.path("store.redb.journal");
    let kept = place.path("kept");
    std::fs::rename(&journal, &kept).unwrap();
    let (code, said) = fails(place.command(&[]));
    assert_eq!(code, 10, "{said}");
    assert!(
        said.contains("its journal, which is missing or empty") && said.contains(journal.to_str().unwrap()),
        "{said}"
    );
    std::fs::rename(&kept, &journal).unwrap();
    let server = place.start(&[]);
    for id in &ids {
        assert!(server.info(id).starts_with("HTTP/1.1 200 "), "{id}");
    }
    server.end();
}

#[test]
fn slow_clients_keep_nobody_out() {
    let place = Place::new();
    let server = place.start(&["--connections", "30"]);
    let mut slow: Vec<_> = (0..30).map(|_| server.connect()).collect();
    let request = creation(b"slowly");
    for stream in &mut slow {
        stream.write_all(&request[..300]).unwrap();
    }
    for at in 300..303 {
        thread::sleep(Duration::from_millis(1200));
        for stream in &mut slow {
            // Those that had to make room are gone.
            let _ = stream.write_all(&request[at..=at]);
        }
        for _ in 0..5 {
            // All places are taken, so one may be asked to come again in a second.
            let until = Instant::now() + PATIENCE;
            while !server.get("/healthz").ends_with("ok\n") {
                assert!(Instant::now() < until, "kept out");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
    drop(slow);
    server.end();
}

#[test]
fn hundreds_of_idle_connections_are_no_burden() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut idle: Vec<_> = (0..400).map(|_| server.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    }
    for stream in &mut idle {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
    }
    let id = server.paste(b"meanwhile");
    assert!(server.info(&id).starts_with("HTTP/1.1 200 "));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn clients_that_hang_up_end_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let id = server.paste(&[7; 3_000_000]);
    for _ in 0..20 {
        let mut stream = server.connect();
        let token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        write!(stream, "GET /api/v1/pastes/{id}/content HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n")
            .unwrap();
        drop(stream);
        let mut stream = server.connect();
        stream.write_all(&creation(&[7; 3_000_000])[..700_000]).unwrap();
        drop(stream);
    }
    assert!(server.info(&id).starts_with("HTTP/1.1 200 "));
    server.end();
}

#[test]
fn a_hang_up_ends_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    server.signal("HUP");
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.end();
}

/// A log collector that hangs, or a terminal that is stopped.
#[test]
fn a_log_that_nobody_reads_does_not_keep_it_from_ending() {
    let place = Place::new();
    let pipe = place.path("log");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut command = place.command(&["--grace", "1s"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().to_owned();
    // More lines than the pipe holds.
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..3000 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    }
    drop(stream);
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    drop(reader);
}

/// What docs/serve.md says of them: some 0.3 MiB each.
#[test]
fn uploads_that_stall_are_a_bounded_burden() {
    const STALLED: usize = 300;
    let place = Place::new();
    let server = place.start(&["--create-rate", "0"]);
    server.paste(b"so that it has done everything once");
    let before = server.resident();
    let request = creation(&[7; 300_000]);
    let mut held = Vec::new();
    for _ in 0..STALLED {
        let mut stream = server.connect();
        stream.write_all(&request[..100_000]).unwrap();
        held.push(stream);
    }
    // What was sent is read, as far as it ever will be.
    thread::sleep(Duration::from_secs(1));
    let each = (server.resident() - before) / STALLED;
    assert!(each < 400 << 10, "{each} bytes each");
    server.paste(b"and it serves others");
    drop(held);
    server.end();
}
