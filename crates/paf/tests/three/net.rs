//! Datagrams in memory: each comes a millisecond after it was sent, if it is not lost.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A datagram's way.
const DELAY: Duration = Duration::from_millis(1);

#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sockets: HashMap<SocketAddr, Queue>,
    /// Of so many datagrams one is lost; 0 is none.
    lossy: u64,
    sent: u64,
    deaf: HashSet<SocketAddr>,
}

#[derive(Default)]
struct Queue {
    datagrams: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Net {
    /// Loses one datagram of every `lossy` from now on, by a fixed pattern.
    pub(crate) fn lose(&self, lossy: u64) {
        self.0.lock().unwrap().lossy = lossy;
    }

    pub(crate) fn socket(&self, at: SocketAddr) -> Arc<Socket> {
        self.0.lock().unwrap().sockets.insert(at, Queue::default());
        Arc::new(Socket { net: self.clone(), at, alarm: Mutex::new(Box::pin(sleep(Duration::ZERO))) })
    }

    /// What is sent there from now on is lost.
    pub(crate) fn deafen(&self, at: SocketAddr) {
        self.0.lock().unwrap().deaf.insert(at);
    }

    /// Sends one datagram from anywhere.
    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let mut inner = self.0.lock().unwrap();
        inner.sent += 1;
        let is_lost = inner.lossy > 0 && inner.sent.wrapping_mul(0x9e37_79b9_7f4a_7c15).is_multiple_of(inner.lossy);
        if is_lost || inner.deaf.contains(&to) {
            return;
        }
        if let Some(queue) = inner.sockets.get_mut(&to) {
            queue.datagrams.push_back((Instant::now() + DELAY, from, bytes.to_vec()));
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
        }
    }
}

pub(crate) struct Socket {
    net: Net,
    at: SocketAddr,
    alarm: Mutex<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.at)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Always)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(size) {
            self.net.send(self.at, transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.net.0.lock().unwrap();
        let queue = inner.sockets.get_mut(&self.at).unwrap();
        queue.waker = Some(cx.waker().clone());
        let Some((at, ..)) = queue.datagrams.front() else { return Poll::Pending };
        let mut alarm = self.alarm.lock().unwrap();
        alarm.as_mut().reset(*at);
        if Future::poll(alarm.as_mut(), cx).is_pending() {
            return Poll::Pending;
        }
        let (_, addr, bytes) = queue.datagrams.pop_front().unwrap();
        bufs[0][..bytes.len()].copy_from_slice(&bytes);
        meta[0] = RecvMeta { addr, len: bytes.len(), stride: bytes.len(), ecn: None, dst_ip: None };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct Always;

impl UdpPoller for Always {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The runtime of clients, on tokio's clock.
#[derive(Debug)]
pub(crate) struct Jumping;

#[derive(Debug)]
struct Timer(Pin<Box<Sleep>>);

impl Runtime for Jumping {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(Box::pin(sleep_until(at.into()))))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(future);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, at: std::time::Instant) {
        self.0.as_mut().reset(at.into());
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(self.0.as_mut(), cx)
    }
}
