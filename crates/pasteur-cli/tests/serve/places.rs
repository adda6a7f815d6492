//! Where a server can be reached.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use http::StatusCode;

use crate::h3::{self, connect};
use crate::server::{PATIENCE, Place, Server, fails, rest};
use crate::tls::certificate;

const ASK: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

fn ask(mut stream: impl Read + Write) -> String {
    stream.write_all(ASK.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_unix_socket_is_there_while_the_server_is() {
    let place = Place::new();
    let path = place.path("a.sock");
    let at = format!("unix:{}?mode=660", path.display());
    for _ in 0..2 {
        let server = place.start(&["--listen", &at]);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert!(ask(UnixStream::connect(&path).unwrap()).starts_with("HTTP/1.1 200 "));
        let mut other = place.bare(&["--listen", &at]);
        other.arg("--store").arg(place.path("other.redb")).arg("--site").arg(place.path("site.img"));
        let (code, said) = fails(other);
        assert!(code == 5 && said.contains("cannot listen at unix:"), "{code} {said}");
        // Killed, it leaves the file to the next one; ended, it takes it along.
        drop(server);
    }
    let server = place.start(&["--listen", &at]);
    server.end();
    assert!(!path.exists());
}

/// `pasteur serve` that is passed this socket, as systemd does it.
fn passed(place: &Place, socket: OwnedFd, listen: &str) -> Command {
    let mut command =
        with_passed(place, "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES=web", &["--listen", listen]);
    command.stdin(Stdio::from(socket)).stderr(Stdio::piped());
    command
}

/// `pasteur serve` with these options, after a script that puts the sockets where they belong.
fn with_passed(place: &Place, script: &str, options: &[&str]) -> Command {
    let server = place.bare(options);
    let mut command = Command::new("sh");
    let script = format!("{script} LISTEN_PID=$$; exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(server.get_program()).args(server.get_args());
    command.arg("--store").arg(place.path("store.redb")).arg("--site").arg(place.path("site.img"));
    command.current_dir(place.path("."));
    command
}

#[test]
fn sockets_that_are_passed_are_taken_over() {
    let place = Place::new();
    for listen in ["systemd", "systemd:web"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        // Who comes before the server is there waits for it.
        let early = TcpStream::connect(address).unwrap();
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        let server = Server::given(passed(&place, socket.into(), listen));
        assert_eq!(server.addresses, [address.to_string()]);
        assert!(ask(early).starts_with("HTTP/1.1 200 "));
        server.end();
    }
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = fails(passed(&place, socket.into(), "systemd:other"));
    assert!(code == 5 && said.contains("no socket was passed by the name other"), "{code} {said}");
    // As `Accept=yes` passes them.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let (one, _other) = UnixStream::pair().unwrap();
    for socket in [OwnedFd::from(connected), one.into()] {
        let (code, said) = fails(passed(&place, socket, "systemd"));
        assert!(code == 5 && said.contains("the socket that was passed does not listen"), "{code} {said}");
    }
    let (code, said) = fails(place.command(&["--listen", "systemd"]));
    assert!(code == 5 && said.contains("no socket was passed"), "{code} {said}");
}

/// The sockets of one unit, `ListenStream=` and `ListenDatagram=` at the same port. Nobody but who was passed the second can serve HTTP/3
/// there: the port is taken.
#[tokio::test]
async fn a_socket_for_http3_is_taken_over_as_well() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let (socket, datagrams) = loop {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(datagrams) = UdpSocket::bind(socket.local_addr().unwrap()) {
            break (socket, datagrams);
        }
    };
    let address = socket.local_addr().unwrap().to_string();
    let script = "exec 3<&0 4<&2 2>&1 </dev/null; export LISTEN_FDS=2 LISTEN_FDNAMES=web:web";
    let options = ["--listen", "systemd:web", "--tls-cert", &chain, "--tls-key", &key];
    let mut command = with_passed(&place, script, &options);
    // A shell passes on no more than the three that each process has.
    command.stdin(Stdio::from(OwnedFd::from(socket))).stderr(Stdio::from(OwnedFd::from(datagrams)));
    let server = Server::given(command);
    assert_eq!(server.addresses, [address]);
    let (_endpoint, mut requests) = connect(&server.addresses[0], &chain).await;
    let (status, page) = h3::ask(&mut requests, h3::get("/"), Vec::new()).await;
    assert_eq!((status, &page[..]), (StatusCode::OK, &b"<title>test</title>"[..]));
    server.end();
}

#[test]
fn a_proxy_says_whose_connection_it_is() {
    let place = Place::new();
    let server = place.start(&["--proxy-protocol", "127.0.0.1", "--log-clients"]);
    let mut stream = server.connect();
    stream.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x10\0\0\x50").unwrap();
    assert!(ask(&stream).starts_with("HTTP/1.1 200 "));
    let mut without = server.connect();
    let _ = without.write_all(ASK.as_bytes());
    assert_eq!(rest(&mut without), "");
    server.signal("TERM");
    let (_, log) = server.ended();
    assert!(log.contains("192.0.2.7") && !log.contains("127.0.0.1"), "{log}");
}
