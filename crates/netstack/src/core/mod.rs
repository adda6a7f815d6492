//! The stack's state, and one step of it: frames in, sockets looked after, frames out.

mod answers;
mod flows;
mod lease;
mod neighbours;
mod numbers;
mod orphans;
mod recovery;
mod slaac;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use device::Ethernet;
use smoltcp::iface::{Config as InterfaceConfig, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant as Moment;
use smoltcp::wire::{EthernetAddress, IpCidr, IpListenEndpoint, TcpSeqNumber};
use tokio::time::Instant;

use crate::config::{Config, Limits};
use crate::guard;
use crate::segment::{self, Pair, Segment};
use crate::sequence::Secret;
use crate::wire::{Frame, Wire};

use answers::Told;
use neighbours::Neighbours;
use numbers::Numbered;
use orphans::Orphan;
use recovery::{Alarms, Recovery};

/// Frames that are taken in before others get their turn.
const BUDGET: usize = 64;
/// The most places that a listener keeps from the others.
const MOST_KEPT: usize = 8;
/// The largest window of TCP (RFC 7323 section 2.3).
const MOST_AHEAD: usize = 1 << 30;
/// How often smoltcp is asked for what goes out before frames that came are looked at again.
const ROUNDS: usize = 64;
/// How often flows that are ending are looked at where nothing else happens.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection that has begun keeps its place, however many others begin: longer than honest clients take, also where all come
/// at once and are many; and in a flood, of which nobody completes what he began.
const HANDSHAKE: Duration = Duration::from_secs(2);
const HANDSHAKE_IN_A_FLOOD: Duration = Duration::from_millis(200);
/// The ports that connections go out from (RFC 6335 section 6).
const FIRST_FREE: u16 = 49_152;

/// The stack, as its driver, listeners and flows have it.
pub(crate) type Shared = Arc<Mutex<Core>>;

pub(crate) fn lock(core: &Shared) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Core {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    begun: Instant,
    limits: Limits,
    listeners: Numbered<Listening>,
    flows: Numbered<Entry>,
    /// Every socket.
    pairs: HashMap<Pair, Known>,
    alarms: Alarms,
    /// Connections whose answer to what came waits for what else came.
    answering: Vec<Pair>,
    half_open: VecDeque<HalfOpen>,
    neighbours: Neighbours,
    /// Whether some of these took too long while there was no room for more, and few were completed since.
    flooded: bool,
    dhcp: Option<SocketHandle>,
    /// The address that came by DHCP.
    leased: Option<IpCidr>,
    /// The address of IPv6 that leads no further than the link, where there is SLAAC.
    link: Option<IpCidr>,
    /// When smoltcp last took over what routers advertise.
    advertised: Moment,
    /// Who waits for an address.
    addressed: Vec<Waker>,
    orphans: Vec<Orphan>,
    /// Flows that have finished writing, and are still held.
    finishing: Vec<u64>,
    /// Sockets that are to be closed once all they have is acknowledged.
    draining: Vec<SocketHandle>,
    looked: Instant,
    next_id: u64,
    next_port: u16,
    driver: Option<Waker>,
    failed: bool,
}

struct Listening {
    address: SocketAddr,
    /// Flows that wait to be accepted.
    queue: VecDeque<u64>,
    /// Sockets of its connections, from their beginning to their end.
    sockets: usize,
    waker: Option<Waker>,
}

struct Entry {
    /// `None` once smoltcp has done with it.
    handle: Option<SocketHandle>,
    pair: Pair,
    since: Instant,
    finished: bool,
    /// What came before smoltcp was done, and is not read yet.
    rest: Vec<u8>,
}

struct Known {
    handle: SocketHandle,
    /// The listener whose it is.
    listener: Option<u64>,
    /// The last acknowledgement that carried nothing.
    acknowledged: Option<TcpSeqNumber>,
    /// What is known of its way out, once something was sent.
    recovery: Option<Box<Recovery>>,
    /// What it has told of segments that came out of their turn, while something before them is missing.
    told: Option<Box<Told>>,
    /// When it is looked at next.
    alarm: Option<Instant>,
}

struct HalfOpen {
    since: Instant,
    handle: SocketHandle,
    pair: Pair,
    listener: u64,
}

/// What a step leaves to do.
pub(crate) struct Step {
    /// More frames may have come: others get their turn, then the next step.
    pub(crate) more: bool,
    /// Frames wait for the card, which tells when it has room.
    pub(crate) blocked: bool,
    /// When the next step is due if nothing happens.
    pub(crate) wait: Option<Duration>,
}

impl Core {
    pub(crate) fn new(ethernet: Box<dyn Ethernet>, seed: u64, secret: Secret, config: Config) -> Self {
        let mut wire = Wire::new(ethernet, secret);
        let begun = Instant::now();
        let mut setting = InterfaceConfig::new(EthernetAddress(wire.mac()).into());
        setting.random_seed = seed;
        setting.slaac = config.slaac;
        let link = config.slaac.then(|| slaac::link_address(setting.hardware_addr)).flatten();
        let mut interface = Interface::new(setting, &mut wire, Moment::ZERO);
        interface.update_ip_addrs(|addresses| {
            let _ = link.map(|link| addresses.push(link));
            for cidr in &config.addresses {
                // There is room for as many as a configuration takes.
                let _ = addresses.push(IpCidr::new(cidr.address.into(), cidr.prefix));
            }
        });
        // There is room for more than these.
        if let Some(gateway) = config.gateway4 {
            let _ = interface.routes_mut().add_default_ipv4_route(gateway);
        }
        if let Some(gateway) = config.gateway6 {
            let _ = interface.routes_mut().add_default_ipv6_route(gateway);
        }
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = config.dhcp.then(|| sockets.add(dhcpv4::Socket::new()));
        Self {
            interface,
            sockets,
            dhcp,
            leased: None,
            link,
            advertised: Moment::ZERO,
            addressed: Vec::new(),
            wire,
            begun,
            limits: config.limits,
            listeners: Numbered::default(),
            flows: Numbered::default(),
            pairs: HashMap::new(),
            alarms: Alarms::new(),
            answering: Vec::new(),
            half_open: VecDeque::new(),
            neighbours: Neighbours::default(),
            flooded: false,
            orphans: Vec::new(),
            finishing: Vec::new(),
            draining: Vec::new(),
            looked: begun,
            next_id: 0,
            next_port: FIRST_FREE + (seed >> 50) as u16,
            driver: None,
            failed: false,
        }
    }

    /// How many sockets there are.
    pub(crate) fn sockets(&self) -> usize {
        self.pairs.len()
    }

    /// Takes frames in, looks after sockets, and sends.
    pub(crate) fn step(&mut self, waker: &Waker) -> io::Result<Step> {
        let now = Instant::now();
        let moment = self.moment(now);
        self.driver = Some(waker.clone());
        self.wire.flush()?;
        self.interface.poll_maintenance(moment);
        self.settle_advertised();
        let mut received = 0;
        while received < BUDGET {
            let Some(frame) = self.wire.receive()? else { break };
            received += 1;
            self.take_in(frame, now, moment);
        }
        self.follow_alarms(now, moment);
        self.send_answers();
        self.settle_lease();
        self.settle(now);
        for _ in 0..ROUNDS {
            let result = self.interface.poll_egress(moment, &mut self.wire, &mut self.sockets);
            self.note_sent(now);
            if result == PollResult::None || self.wire.is_blocked() {
                break;
            }
        }
        self.settle_lease();
        self.settle(now);
        self.wire.flush()?;
        self.wire.register(waker);
        let wait =
            self.interface.poll_delay(moment, &self.sockets).map(|wait| Duration::from_micros(wait.total_micros()));
        let wait = if self.link.is_some() { slaac::wait(wait) } else { wait };
        let look = (!self.orphans.is_empty() || !self.finishing.is_empty()).then_some(LOOK);
        let wait = [wait, look, self.next_alarm(now)].into_iter().flatten().min();
        Ok(Step { more: received == BUDGET, blocked: self.wire.is_blocked(), wait })
    }

    fn moment(&self, now: Instant) -> Moment {
        let micros = now.saturating_duration_since(self.begun).as_micros();
        Moment::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    fn take_in(&mut self, mut frame: Frame, now: Instant, moment: Moment) {
        if !guard::admits(&mut frame) {
            return self.wire.discard(frame);
        }
        let Ok(mut segment) = Segment::of(&frame) else { return self.wire.discard(frame) };
        if segment.is_none() {
            self.neighbours.hear(&frame, now);
        }
        if let Some(segment) = &mut segment {
            self.wire.take_secret(&mut frame, segment);
        }
        // What is not, smoltcp answers, and heeds no more than is done here.
        let acceptable = segment.filter(|segment| self.is_acceptable(segment));
        let is_let_in = match &segment {
            Some(segment) if segment.begins && !self.pairs.contains_key(&segment.pair) => self.begin(segment.pair, now),
            _ => !acceptable.is_some_and(|segment| self.says_nothing(&segment)),
        };
        if !is_let_in {
            return self.wire.discard(frame);
        }
        if let Some(segment) = &acceptable {
            self.count_bytes(segment, moment);
        }
        let end = acceptable.and_then(|segment| segment::split_end(&mut frame, &segment, self.wire.mac()));
        for frame in [Some(frame), end.map(Frame::from)].into_iter().flatten() {
            self.wire.offer(frame);
            self.interface.poll_ingress_single(moment, &mut self.wire, &mut self.sockets);
            self.note_sent(now);
            self.answer();
        }
        if let Some(segment) = segment {
            self.close_door(segment.pair);
        }
        if let Some(segment) = acceptable {
            self.stop_asking(&segment, moment);
            self.note_heard(&segment, now, moment);
        }
    }

    /// Whether some of the segment is in the window, or next to be (RFC 9293 section 3.10.7.4): who does not see the connection does not
    /// know where that is. The window is taken to be as large as it gets.
    fn is_acceptable(&self, segment: &Segment) -> bool {
        let known = self.pairs.get(&segment.pair);
        let said = known.and_then(|known| known.recovery.as_ref()?.said());
        said.is_none_or(|next| {
            let end = next + self.limits.receive.min(MOST_AHEAD);
            segment.sequence <= end && segment.sequence + segment.len >= next
        })
    }

    /// Removes a socket that listens still, before another frame comes: its client took the beginning back, after which smoltcp has the
    /// socket listen again. Another client would be taken in by it, as the first.
    fn close_door(&mut self, pair: Pair) {
        let Some(handle) = self.pairs.get(&pair).map(|known| known.handle) else { return };
        if self.socket(handle).state() == State::Listen {
            self.half_open.retain(|one| one.handle != handle);
            self.remove(handle, &pair);
        }
    }

    /// Makes the socket for a connection that begins: smoltcp has no backlog, so that each beginning has its own. Whether smoltcp is
    /// to see it: also where nobody listens, which it tells the client; not where there is no room, and the client is to try again.
    fn begin(&mut self, pair: Pair, now: Instant) -> bool {
        let Some((id, listening)) = self.listeners.iter().find(|(_, l)| covers(l.address, pair.0)) else {
            return true;
        };
        let (id, waiting) = (*id, listening.queue.len());
        if waiting >= self.limits.backlog {
            return false;
        }
        let is_full = self.sockets() + self.kept_from(id) >= self.limits.sockets && !self.drop_orphan(now);
        if self.half_open.len() >= self.limits.half_open || is_full {
            // Of honest clients who came all at once, another try of the last is better than an error for the first, who was answered.
            let time = if self.flooded { HANDSHAKE_IN_A_FLOOD } else { HANDSHAKE };
            let is_over = |oldest: &mut HalfOpen| now.saturating_duration_since(oldest.since) >= time;
            let Some(oldest) = self.half_open.pop_front_if(is_over) else { return false };
            self.remove(oldest.handle, &oldest.pair);
            self.flooded = true;
        }
        let mut socket = self.new_socket();
        let (address, port) = (pair.0.ip().into(), pair.0.port());
        if socket.listen(IpListenEndpoint { addr: Some(address), port }).is_err() {
            return false;
        }
        let handle = self.add(socket, pair, Some(id));
        self.half_open.push_back(HalfOpen { since: now, handle, pair, listener: id });
        self.ask_for_neighbours(pair, now);
        true
    }

    /// How many places are not this listener's: each of the others keeps some, so that the crowd at one keeps nobody from another.
    fn kept_from(&self, id: u64) -> usize {
        let own = (self.limits.sockets / 16).min(MOST_KEPT);
        let others = self.listeners.iter().filter(|(other, _)| **other != id);
        others.map(|(_, listening)| own.saturating_sub(listening.sockets)).sum()
    }

    /// Whether this is an acknowledgement once more, while only the end of a flow is not acknowledged.
    ///
    /// smoltcp 0.14 takes the third for a sign of loss, sends nothing since there is no data, and stops its timer: the end would never be
    /// sent again (`Timer::FastRetransmit` with an empty buffer in `socket/tcp.rs`).
    fn says_nothing(&mut self, segment: &Segment) -> bool {
        let bare = segment.acknowledgement.filter(|_| segment.is_bare);
        let (Some(said), Some(known)) = (bare, self.pairs.get_mut(&segment.pair)) else {
            return false;
        };
        let again = known.acknowledged.replace(said.number) == Some(said.number);
        let handle = known.handle;
        let socket = self.socket(handle);
        again && socket.send_queue() == 0 && matches!(socket.state(), State::FinWait1 | State::Closing | State::LastAck)
    }

    /// Moves sockets on whose state has changed.
    fn settle(&mut self, now: Instant) {
        self.settle_half_open(now);
        self.settle_draining();
        self.settle_orphans(now);
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            self.settle_finishing();
        }
    }

    /// Ends the way out, after what is on it.
    ///
    /// Where the other end is done already, smoltcp 0.14 would be in LAST-ACK, where it hears of no window and of no loss
    /// (`socket/tcp.rs` answers such acknowledgements before it reads them): there the end is sent once the rest has arrived.
    fn close(&mut self, handle: SocketHandle) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        if is_draining(socket) {
            self.draining.push(handle);
        } else {
            socket.close();
        }
    }

    fn settle_draining(&mut self) {
        self.draining.retain(|handle| {
            let socket = self.sockets.get_mut::<Socket<'_>>(*handle);
            let stays = is_draining(socket);
            if !stays {
                socket.close();
            }
            stays
        });
    }

    fn settle_half_open(&mut self, now: Instant) {
        self.flooded &= 2 * self.half_open.len() > self.limits.half_open;
        let mut at = 0;
        while let Some(one) = self.half_open.get(at) {
            match self.socket(one.handle).state() {
                State::SynReceived => {
                    at += 1;
                    continue;
                }
                State::Established | State::CloseWait => {
                    let Some(one) = self.half_open.remove(at) else { return };
                    let key = self.flow(one.handle, one.pair, now);
                    match self.listeners.get_mut(&one.listener) {
                        Some(listening) => {
                            listening.queue.push_back(key);
                            if let Some(waker) = listening.waker.take() {
                                waker.wake();
                            }
                        }
                        None => self.break_off(key),
                    }
                }
                _ => {
                    if let Some(one) = self.half_open.remove(at) {
                        self.remove(one.handle, &one.pair);
                    }
                }
            }
        }
    }

    /// Keeps what came over flows that are done: at the end of its TIME-WAIT, smoltcp forgets it, read or not.
    fn settle_finishing(&mut self) {
        let mut finishing = std::mem::take(&mut self.finishing);
        finishing.retain(|key| {
            let Some(entry) = self.flows.get_mut(key) else { return false };
            let Some(handle) = entry.handle else { return false };
            let socket = self.sockets.get_mut::<Socket<'_>>(handle);
            if socket.state() != State::TimeWait {
                return socket.is_open();
            }
            entry.rest.resize(socket.recv_queue(), 0);
            let len = socket.recv_slice(&mut entry.rest).unwrap_or(0);
            entry.rest.truncate(len);
            entry.handle = None;
            let pair = entry.pair;
            self.remove(handle, &pair);
            false
        });
        self.finishing = finishing;
    }

    // Listeners.

    /// Listens at an address; gives the listener's number, and the address with its port.
    pub(crate) fn listen(&mut self, mut address: SocketAddr) -> io::Result<(u64, SocketAddr)> {
        let ip = address.ip();
        if !ip.is_unspecified() && !self.interface.has_ip_addr(ip) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let is_taken = |at: SocketAddr| self.listeners.values().any(|l| covers(l.address, at) || covers(at, l.address));
        if address.port() == 0 {
            let free = (FIRST_FREE..=u16::MAX).find(|port| {
                address.set_port(*port);
                !is_taken(address)
            });
            free.ok_or(io::ErrorKind::AddrInUse)?;
        } else if is_taken(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let id = self.id();
        self.listeners.insert(id, Listening { address, queue: VecDeque::new(), sockets: 0, waker: None });
        Ok((id, address))
    }

    pub(crate) fn unlisten(&mut self, id: u64) {
        let Some(listening) = self.listeners.remove(&id) else { return };
        for key in listening.queue {
            self.break_off(key);
        }
        let (gone, stay) = std::mem::take(&mut self.half_open).into_iter().partition(|one| one.listener == id);
        self.half_open = stay;
        for one in Vec::from(gone) {
            let one: HalfOpen = one;
            self.abandon(one.handle, one.pair, true);
        }
        self.kick();
    }

    pub(crate) fn poll_accept(&mut self, id: u64, cx: &Context<'_>) -> Poll<io::Result<(u64, SocketAddr)>> {
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::NetworkDown.into()));
        }
        let Some(listening) = self.listeners.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match listening.queue.pop_front() {
            Some(key) => Poll::Ready(Ok((key, self.ends(key).1))),
            None => {
                listening.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    // What nobody holds.

    fn break_off(&mut self, key: u64) {
        if let Some(Entry { handle: Some(handle), pair, .. }) = self.flows.remove(&key) {
            self.abandon(handle, pair, true);
        }
    }

    /// The card failed: every flow and listener is told.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        for known in self.pairs.values() {
            self.sockets.get_mut::<Socket<'_>>(known.handle).abort();
        }
        for listening in self.listeners.values_mut() {
            if let Some(waker) = listening.waker.take() {
                waker.wake();
            }
        }
        for waker in self.addressed.drain(..) {
            waker.wake();
        }
    }

    // Sockets.

    fn socket(&self, handle: SocketHandle) -> &Socket<'static> {
        self.sockets.get::<Socket<'static>>(handle)
    }

    fn new_socket(&self) -> Socket<'static> {
        let buffer = |len| SocketBuffer::new(vec![0; len]);
        let mut socket = Socket::new(buffer(self.limits.receive), buffer(self.limits.send));
        socket.set_congestion_control(CongestionControl::Cubic);
        // An answer is written as a whole: waiting for more of it only delays it.
        socket.set_nagle_enabled(false);
        let span = |time: Duration| {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Some(smoltcp::time::Duration::from_millis(millis))
        };
        socket.set_timeout(span(self.limits.silence));
        // smoltcp counts silence also where nothing is to be said: a peer that is there has to be heard of.
        socket.set_keep_alive(span(self.limits.keep_alive));
        socket
    }

    fn add(&mut self, socket: Socket<'static>, pair: Pair, listener: Option<u64>) -> SocketHandle {
        let handle = self.sockets.add(socket);
        if let Some(listening) = listener.and_then(|id| self.listeners.get_mut(&id)) {
            listening.sockets += 1;
        }
        self.pairs
            .insert(pair, Known { handle, listener, acknowledged: None, recovery: None, told: None, alarm: None });
        handle
    }

    fn remove(&mut self, handle: SocketHandle, pair: &Pair) {
        self.sockets.remove(handle);
        self.draining.retain(|other| *other != handle);
        let listener = self.pairs.remove(pair).and_then(|known| known.listener);
        if let Some(listening) = listener.and_then(|id| self.listeners.get_mut(&id)) {
            listening.sockets = listening.sockets.saturating_sub(1);
        }
    }

    fn flow(&mut self, handle: SocketHandle, pair: Pair, since: Instant) -> u64 {
        let key = self.id();
        self.flows.insert(key, Entry { handle: Some(handle), pair, since, finished: false, rest: Vec::new() });
        key
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Has the driver look: something is to be sent.
    fn kick(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }
}

fn is_draining(socket: &Socket<'_>) -> bool {
    socket.state() == State::CloseWait && socket.send_queue() > 0
}

/// Whether who listens at `at` is meant by `to`: `[::]` is every address, `0.0.0.0` every one of IPv4.
fn covers(at: SocketAddr, to: SocketAddr) -> bool {
    at.port() == to.port() && (at.ip() == to.ip() || at.ip().is_unspecified() && (at.is_ipv6() || to.is_ipv4()))
}
