//! An Ethernet cable in memory, which may lose, repeat and reorder frames.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::split_mix;
use crate::Ethernet;

/// Frames on their way, each way; more are not taken.
const QUEUE: usize = 256;
/// The longest frame: a header of 14 bytes and a packet of 1500.
const MTU: usize = 1514;
/// For how many looks at most a frame is held back.
const LATE: u64 = 8;

/// What befalls frames. All of it follows from the seed and from the order of calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireTrouble {
    /// What chances follow from.
    pub seed: u64,
    /// Of a thousand frames so many are lost.
    pub lost: u16,
    /// Of a thousand frames so many arrive twice.
    pub repeated: u16,
    /// Of a thousand frames so many are held back, so that later ones overtake them.
    pub late: u16,
    /// Of a thousand frames so many arrive with one bit of their IP packet turned, past Ethernet's own check, as in a router's memory.
    pub damaged: u16,
}

/// Where a packet begins in a frame, behind its type.
const PACKET: usize = 14;
/// The types of frames whose packets have a checksum.
const IP: [[u8; 2]; 2] = [[8, 0], [0x86, 0xdd]];

/// One end of a cable between two network cards.
#[derive(Debug)]
pub struct SimEthernet {
    cable: Arc<Mutex<Cable>>,
    side: usize,
    mac: [u8; 6],
}

#[derive(Debug)]
struct Cable {
    ways: [Way; 2],
    trouble: WireTrouble,
    cut: bool,
}

#[derive(Debug, Default)]
struct Way {
    frames: VecDeque<Vec<u8>>,
    /// Frames that are held back, and for how many looks still.
    held: Vec<(u64, Vec<u8>)>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl SimEthernet {
    /// Both ends of a new cable. The cards' addresses are `02:00:00:00:00:01` and `02:00:00:00:00:02`.
    #[must_use]
    pub fn pair(trouble: WireTrouble) -> (Self, Self) {
        let cable = Arc::new(Mutex::new(Cable { ways: Default::default(), trouble, cut: false }));
        let end = |side: u8| Self {
            cable: Arc::clone(&cable),
            side: usize::from(side),
            // Locally administered.
            mac: [2, 0, 0, 0, 0, 1 + side],
        };
        (end(0), end(1))
    }

    /// Cuts the cable, or mends it. What is sent while it is cut is lost.
    pub fn cut(&self, cut: bool) {
        self.lock().cut = cut;
    }

    fn lock(&self) -> MutexGuard<'_, Cable> {
        self.cable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cable {
    /// Whether something happens that happens to `of` in a thousand.
    fn chance(&mut self, of: u16) -> bool {
        of > 0 && split_mix(&mut self.trouble.seed) % 1000 < u64::from(of)
    }

    /// Turns a bit of the packet, if it is one of IP.
    fn damage(&mut self, frame: &mut [u8]) {
        let is_ip = IP.iter().any(|kind| frame.get(PACKET - kind.len()..PACKET) == Some(kind));
        let bit = split_mix(&mut self.trouble.seed);
        let Some(packet) = frame.get_mut(PACKET..).filter(|packet| is_ip && !packet.is_empty()) else { return };
        let at = usize::try_from(bit >> 3).unwrap_or_default() % packet.len();
        packet[at] ^= 1 << (bit % 8);
    }
}

impl Ethernet for SimEthernet {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let mut cable = self.lock();
        let way = &mut cable.ways[1 - self.side];
        for (looks, _) in &mut way.held {
            *looks = looks.saturating_sub(1);
        }
        let due = way.held.iter().position(|(looks, _)| *looks == 0);
        let frame = way.frames.pop_front().or_else(|| due.map(|at| way.held.swap_remove(at).1));
        let Some(frame) = frame else { return Ok(None) };
        if let Some(waker) = way.sender.take() {
            waker.wake();
        }
        let Some(out) = out.get_mut(..frame.len()) else { return Err(io::ErrorKind::InvalidInput.into()) };
        out.copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        if frame.len() > MTU {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut cable = self.lock();
        let trouble = cable.trouble;
        let way = &cable.ways[self.side];
        if way.frames.len() + way.held.len() >= QUEUE {
            return Ok(false);
        }
        if cable.cut || cable.chance(trouble.lost) {
            return Ok(true);
        }
        let copies = if cable.chance(trouble.repeated) { 2 } else { 1 };
        for _ in 0..copies {
            let late = cable.chance(trouble.late).then(|| 1 + split_mix(&mut cable.trouble.seed) % LATE);
            let mut frame = frame.to_vec();
            if cable.chance(trouble.damaged) {
                cable.damage(&mut frame);
            }
            let way = &mut cable.ways[self.side];
            match late {
                Some(looks) => way.held.push((looks, frame)),
                None => way.frames.push_back(frame),
            }
        }
        if let Some(waker) = cable.ways[self.side].receiver.take() {
            waker.wake();
        }
        Ok(true)
    }

    fn register(&mut self, waker: &Waker) {
        let mut cable = self.lock();
        let way = &mut cable.ways[1 - self.side];
        // Who looks again brings held frames nearer.
        if !way.frames.is_empty() || !way.held.is_empty() {
            waker.wake_by_ref();
        }
        way.receiver = Some(waker.clone());
        cable.ways[self.side].sender = Some(waker.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Everything that arrives at `end`.
    fn drain(end: &mut SimEthernet) -> Vec<u8> {
        let mut out = [0; MTU];
        let mut seen = Vec::new();
        let mut quiet = 0;
        while quiet <= LATE {
            match end.receive(&mut out).unwrap() {
                Some(len) => {
                    assert_eq!(len, 60);
                    seen.push(out[0]);
                    quiet = 0;
                }
                None => quiet += 1,
            }
        }
        seen
    }

    fn sent(trouble: WireTrouble) -> Vec<u8> {
        let (mut a, mut b) = SimEthernet::pair(trouble);
        for n in 0..200 {
            assert!(a.send(&[n; 60]).unwrap());
        }
        drain(&mut b)
    }

    #[test]
    fn a_good_cable_carries_all_in_order_both_ways() {
        assert!(sent(WireTrouble::default()).into_iter().eq(0..200));
        let (mut a, mut b) = SimEthernet::pair(WireTrouble::default());
        assert_ne!(a.mac(), b.mac());
        b.send(&[7; 60]).unwrap();
        assert_eq!(drain(&mut a), [7]);
        assert_eq!(drain(&mut b), []);
    }

    #[test]
    fn trouble_follows_from_its_seed() {
        let lossy = WireTrouble { seed: 1, lost: 100, ..WireTrouble::default() };
        let seen = sent(lossy);
        assert!(seen.len() < 200 && seen.len() > 150 && seen.is_sorted());
        assert_eq!(seen, sent(lossy));
        assert_ne!(seen, sent(WireTrouble { seed: 2, ..lossy }));
        assert!(sent(WireTrouble { seed: 1, repeated: 100, ..WireTrouble::default() }).len() > 205);
        let late = sent(WireTrouble { seed: 1, late: 100, ..WireTrouble::default() });
        assert!(late.len() == 200 && !late.is_sorted());
    }

    #[test]
    fn a_full_cable_says_so_and_wakes_who_waits() {
        #[derive(Default)]
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let (mut a, mut b) = SimEthernet::pair(WireTrouble::default());
        while a.send(&[1; 60]).unwrap() {}
        a.register(&waker);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert_eq!(drain(&mut b).len(), QUEUE);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        b.register(&waker);
        assert!(a.send(&[1; 60]).unwrap());
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        b.register(&waker);
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
        a.cut(true);
        drain(&mut b);
        assert!(a.send(&[2; 60]).unwrap());
        assert_eq!(drain(&mut b), []);
    }
}
