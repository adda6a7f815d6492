//! Clients that count: each answer is read to its end and looked at.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use api::Token;
use socket2::{Domain, Socket, Type};

use super::guest::Guest;
use crate::bench::paste;

/// How many clients there are at once.
pub(super) const CLIENTS: usize = 256;
/// How many requests a client makes by a connection before it opens another.
const EACH: usize = 20;
/// How long a client waits for an answer before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where clients connect from.
const PORTS: Range<u16> = 40_000..60_000;

/// What all clients together came to.
pub(super) struct Done {
    pub(super) requests: usize,
    pub(super) failed: usize,
    /// How the first failed.
    pub(super) why: Option<String>,
    pub(super) seconds: f64,
}

/// Makes about `requests` requests for a small paste, by clients that all begin at once, each at a place of its own.
pub(super) fn many(guest: &Guest, requests: usize) -> Result<Done> {
    let (token, content) = (Token::new([7; 32]), paste::content(super::SMALL));
    let id = paste::create(&guest.address, &paste::form(&token, &content))?;
    let asks = paste::request(&id, &token, "keep-alive");
    let (each, failed, why) = (requests.div_ceil(CLIENTS), AtomicUsize::new(0), OnceLock::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for address in guest.more.iter().cycle().take(CLIENTS) {
            let (asks, content, failed, why) = (&asks, &content, &failed, &why);
            scope.spawn(move || {
                let mut flow = None;
                for n in 0..each {
                    if n % EACH == 0 {
                        flow = None;
                    }
                    let fault = match ask(&mut flow, address, asks) {
                        Ok(body) if body == *content => continue,
                        Ok(body) => format!("{} bytes that are others", body.len()),
                        Err(error) => format!("{error:#}"),
                    };
                    failed.fetch_add(1, Relaxed);
                    // Only the first is kept.
                    let _ = why.set(fault);
                    flow = None;
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    Ok(Done { requests: each * CLIENTS, failed: failed.into_inner(), why: why.into_inner(), seconds })
}

/// A paste's content, by a connection of its own.
pub(super) fn read(address: &str, id: &str, token: &Token) -> Result<Vec<u8>> {
    ask(&mut None, address, &paste::request(id, token, "close"))
}

/// A connection from a port that no other has had for long. Those that the system chooses are the same for different places, and QEMU's
/// network shows the machine only them: two connections would have one pair of ends.
fn connect(address: &str) -> Result<TcpStream> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let to: SocketAddr = address.parse()?;
    for _ in 0..PORTS.len() {
        let port = PORTS.start + NEXT.fetch_add(1, Relaxed) % (PORTS.end - PORTS.start);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // Another program may have it.
        if socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).is_ok() {
            socket.connect(&to.into())?;
            return Ok(socket.into());
        }
    }
    bail!("no port is free")
}

/// The body of an answer; a connection is opened where there is none.
fn ask(flow: &mut Option<BufReader<TcpStream>>, address: &str, request: &str) -> Result<Vec<u8>> {
    let flow = match flow {
        Some(flow) => flow,
        None => {
            let stream = connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            flow.insert(BufReader::with_capacity(64 << 10, stream))
        }
    };
    flow.get_mut().write_all(request.as_bytes())?;
    let (mut line, mut length) = (String::new(), None);
    flow.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "{line:?}");
    loop {
        line.clear();
        flow.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = Some(value.trim().parse()?),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.context("no length")?];
    flow.read_exact(&mut body)?;
    Ok(body)
}
