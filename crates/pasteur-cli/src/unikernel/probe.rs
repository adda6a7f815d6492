//! Whether the unikernel answers. QEMU takes connections before it does, so a question is asked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

/// How long is waited for an answer before it is asked again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long is waited between questions, first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long is asked at all: what is silent for so long serves something else.
pub(super) const LONGEST: Duration = Duration::from_secs(180);

/// How an alert of TLS begins (RFC 8446, 5.1).
const ALERT: u8 = 21;

/// A record of TLS with a greeting of four bytes that no greeting has (RFC 8446, 4.1.2): TLS answers by an alert. A port that speaks
/// HTTP sees a request's end in it, and refuses that by HTTP. A request of HTTP would not do: a port that speaks TLS may refuse it in
/// HTTP's words, and ours does.
const QUESTION: &[u8] = b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\r\n\r\n";

/// Waits until something answers at a published port, and gives the scheme: it answers by HTTP, or by an alert of TLS.
/// `None` where nothing does in [`LONGEST`].
pub(super) fn wait(place: SocketAddrV4) -> Option<&'static str> {
    let (start, mut pause) = (Instant::now(), PAUSES.0);
    loop {
        match answers(reachable(place)) {
            Some(ALERT) => return Some("https"),
            Some(_) => return Some("http"),
            None if start.elapsed() > LONGEST => return None,
            None => std::thread::sleep(pause),
        }
        pause = (pause * 5 / 4).min(PAUSES.1);
    }
}

/// The same place as this machine reaches it.
pub(super) fn reachable(place: SocketAddrV4) -> SocketAddrV4 {
    if place.ip().is_unspecified() { SocketAddrV4::new(Ipv4Addr::LOCALHOST, place.port()) } else { place }
}

/// The first byte of an answer.
fn answers(place: SocketAddrV4) -> Option<u8> {
    let ask = || {
        let mut flow = TcpStream::connect_timeout(&place.into(), PATIENCE)?;
        flow.set_read_timeout(Some(PATIENCE))?;
        flow.write_all(QUESTION)?;
        let mut first = [0; 1];
        flow.read_exact(&mut first).map(|()| first[0])
    };
    ask().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    #[test]
    fn a_place_that_is_open_and_silent_does_not_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(place) = listener.local_addr().unwrap() else { unreachable!("it is IPv4") };
        let server = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            let (mut flow, _) = listener.accept().unwrap();
            flow.write_all(b"H").unwrap();
            let (mut flow, _) = listener.accept().unwrap();
            flow.write_all(&[ALERT]).unwrap();
        });
        assert_eq!(answers(place), None);
        assert_eq!([wait(place), wait(place)], [Some("http"), Some("https")]);
        server.join().unwrap();
        assert_eq!(answers(place), None, "nobody is there any more");
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
    }
}
