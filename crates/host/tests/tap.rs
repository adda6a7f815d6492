//! `netstack` on a TAP device, with the kernel's own TCP at the other end of the cable: held to what every network stack promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::task::Poll;
use std::time::Duration;

use device::conformance::{self, World};
use device::{Ethernet, Listener, Peer, Stack};
use host::{Entropy, Tap};
use netstack::{Config, NetFlow, NetListener, Netstack};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Networks for measurements, which are nobody's (RFC 2544), and one of IPv6 that is local (RFC 4193). Each test has its own.
fn network(number: u8) -> [(IpAddr, IpAddr, u8); 2] {
    let v4 = |last| IpAddr::from([198, 18, number, last]);
    let v6 = |last| IpAddr::from([0xfd5a, 0x7061, 0, number.into(), 0, 0, 0, last]);
    [(v4(1), v4(2), 24), (v6(1), v6(2), 64)]
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A stack on a TAP device whose other end is set up: the first address of each network is the kernel's, the second the stack's.
fn stack(number: u8) -> Netstack {
    let tap = Tap::open("pasteur%d").expect("making a TAP device takes the right to administer networks");
    let name = tap.name().unwrap();
    let mut config = Config::default();
    for (kernel, ours, prefix) in network(number) {
        // Nobody else is on this cable: an address of IPv6 needs no time in which another may protest.
        let nodad: &[&str] = if kernel.is_ipv6() { &["nodad"] } else { &[] };
        ip(&[&["address", "add", &format!("{kernel}/{prefix}"), "dev", &name], nodad].concat());
        config = config.address(format!("{ours}/{prefix}").parse().unwrap());
    }
    ip(&["link", "set", &name, "up"]);
    let (stack, driver) = Netstack::new(tap, &Entropy, config).unwrap();
    tokio::spawn(driver);
    stack
}

/// The stack serves, the kernel's sockets are its clients.
struct Cable {
    stack: Netstack,
    at: IpAddr,
}

impl World for Cable {
    type Listener = NetListener;
    type Client = TcpStream;
    type Address = SocketAddr;

    async fn listen(&self) -> io::Result<(NetListener, SocketAddr)> {
        let listener = self.stack.listen((self.at, 0).into()).await?;
        match listener.local()? {
            Peer::Ip(address) => Ok((listener, address)),
            Peer::Local => panic!("a network address"),
        }
    }

    async fn connect(&self, to: &SocketAddr) -> io::Result<(TcpStream, Peer)> {
        let stream = TcpStream::connect(to).await?;
        let me = Peer::Ip(stream.local_addr()?);
        Ok((stream, me))
    }

    fn reset(&self, flow: TcpStream) {
        SockRef::from(&flow).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn held(&self) -> usize {
        self.stack.sockets()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    host::runtime().unwrap().block_on(test)
}

#[test]
fn needs_tap_the_stack_keeps_what_stacks_promise_to_the_kernel() {
    run(async {
        let stack = stack(1);
        for (_, at, _) in network(1) {
            let cable = Cable { stack: stack.clone(), at };
            conformance::addresses_are_taken_once(&cable.stack, (at, 0).into()).await;
            conformance::all(&cable).await;
        }
    });
}

#[test]
fn needs_tap_the_stack_connects_to_the_kernel() {
    run(async {
        let stack = stack(2);
        for (kernel, ours, _) in network(2) {
            let listener = TcpListener::bind((kernel, 0)).await.unwrap();
            let at = listener.local_addr().unwrap();
            let mut flow: NetFlow = stack.connect(at).await.unwrap();
            let (mut accepted, peer) = listener.accept().await.unwrap();
            assert_eq!((peer, peer.ip()), (flow.ends().0, ours));
            let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at ^ at >> 8) as u8).collect();
            let writing = async {
                flow.write_all(&sent).await.unwrap();
                flow.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let ((), read) = tokio::join!(writing, accepted.read_to_end(&mut received));
            assert_eq!(read.unwrap(), sent.len());
            assert!(received == sent, "the bytes are others");
            drop(listener);
            let refused = stack.connect(at).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn needs_tap_the_kernel_pings_the_stack() {
    run(async {
        let _stack = stack(3);
        for (_, at, _) in network(3) {
            let arguments = ["-c", "3", "-i", "0.05", "-W", "5", &at.to_string()].map(str::to_owned);
            let ping = tokio::task::spawn_blocking(|| Command::new("ping").args(arguments).output().unwrap());
            let output = ping.await.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    });
}

#[test]
fn needs_tap_what_cannot_be_opened_is_told() {
    run(async {
        let tap = Tap::open("pasteur%d").unwrap();
        assert!(tap.mac()[0] & 3 == 2, "a card's own address, made by hand: {:x?}", tap.mac());
        assert_eq!(tap.mtu(), 1514);
        let error = Tap::open(&tap.name().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
        assert_eq!(Tap::open("lo").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Tap::open("a name of many letters").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn needs_tap_an_interface_that_is_down_fails_nobody_and_wakes_who_waits_for_it() {
    run(async {
        let mut tap = Tap::open("pasteur%d").unwrap();
        let name = tap.name().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!tap.send(&[0xff; 60]).unwrap(), "a cable that is not plugged in takes a frame");
        assert_eq!(tap.receive(&mut [0; 1514]).unwrap(), None);
        ip(&["link", "set", &name, "up"]);
        let sent = poll_fn(|cx| {
            tap.register(cx.waker());
            match tap.send(&[0xff; 60]) {
                Ok(false) => Poll::Pending,
                sent => Poll::Ready(sent),
            }
        });
        assert!(tokio::time::timeout(Duration::from_secs(10), sent).await.expect("nobody is woken").unwrap());
        ip(&["link", "set", &name, "down"]);
        // What the kernel has said of the file before stands until it is tried.
        tap.send(&[0xff; 60]).unwrap();
    });
}
