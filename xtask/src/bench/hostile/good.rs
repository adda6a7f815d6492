//! Good clients: pages one after another, ten on each connection.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::wire::{Target, Wire};

/// How many there are at once.
const CLIENTS: usize = 2;
/// Pages that one has on a connection.
const PAGES: usize = 10;
/// What one reads a page for.
const PAUSE: Duration = Duration::from_millis(2);
/// When one gives up. What it did not get counts as so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The 99th percentile of how long a page took, in milliseconds; a connection's first one takes the connecting, too.
pub(super) fn p99(target: &Target, time: Duration) -> Result<f64> {
    let until = Instant::now() + time;
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(move || {
                    // As if it had a machine of its own: what it waits for is the server alone.
                    super::schedule(&["--fifo", "--pid", "1"]);
                    client(target, until)
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap_or_default()).collect()
    });
    anyhow::ensure!(times.len() >= 100, "the good clients got {} pages", times.len());
    times.sort();
    Ok(times[times.len() * 99 / 100].as_secs_f64() * 1000.0)
}

fn client(target: &Target, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        match target.good(PATIENCE) {
            Ok(mut wire) => visit(&mut *wire, start, until, &mut times),
            Err(_) => times.push(PATIENCE),
        }
    }
    times
}

/// Pages on one connection, the first of which was wanted at `start`.
fn visit(wire: &mut dyn Wire, mut start: Instant, until: Instant, times: &mut Vec<Duration>) {
    for _ in 0..PAGES {
        let Ok(()) = page(wire) else { return times.push(PATIENCE) };
        times.push(start.elapsed());
        std::thread::sleep(PAUSE);
        start = Instant::now();
        if start > until {
            return;
        }
    }
}

fn page(wire: &mut dyn Wire) -> io::Result<()> {
    wire.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    wire.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let n = wire.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        match length {
            _ if !head.starts_with("HTTP/1.1 200 ") => return Err(io::Error::other(head.to_owned())),
            Some(length) if answer.len() >= head.len() + 4 + length => return Ok(()),
            Some(_) if n > 0 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
