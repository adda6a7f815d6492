//! A virtio device for tests: it looks into the rings as a device does, and answers as a test has it, well or badly.

extern crate std;

use std::boxed::Box;
use std::sync::{Arc, Mutex, MutexGuard};
use std::vec::Vec;

use super::{AnyTransport, Rings, Transport};

/// A chain that the device has.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) queue: u16,
    pub(crate) head: u16,
    /// What the driver gave.
    pub(crate) given: Vec<u8>,
    /// Where the device may write.
    room: Vec<(u64, u32)>,
}

impl Chain {
    /// How much the device may write.
    pub(crate) fn room(&self) -> usize {
        self.room.iter().map(|(_, size)| *size as usize).sum()
    }

    /// Writes from the first byte on that may be written.
    pub(crate) fn write(&self, mut data: &[u8]) {
        for (start, size) in &self.room {
            let (now, rest) = data.split_at(data.len().min(*size as usize));
            let place = core::ptr::with_exposed_provenance_mut::<u8>(*start as usize);
            // SAFETY: the driver gave this memory to the device.
            unsafe { place.copy_from_nonoverlapping(now.as_ptr(), now.len()) };
            data = rest;
        }
    }
}

/// What is done with a chain: the number and length to answer with, or nothing yet.
type Answer = Box<dyn FnMut(&Chain) -> Option<(u32, u32)> + Send>;

pub(crate) struct State {
    pub(crate) kind: u32,
    pub(crate) offers: u64,
    pub(crate) chosen: u64,
    pub(crate) status: u8,
    pub(crate) most: u16,
    pub(crate) config: Vec<u8>,
    pub(crate) held: Vec<Chain>,
    queues: Vec<(u16, u16, Rings, u16)>,
    answer: Answer,
}

/// The device; the driver has another handle to it.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn new(
        kind: u32,
        config: &[u8],
        answer: impl FnMut(&Chain) -> Option<(u32, u32)> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(State {
            kind,
            offers: u64::MAX,
            chosen: 0,
            status: 0,
            most: 256,
            config: config.to_vec(),
            held: Vec::new(),
            queues: Vec::new(),
            answer: Box::new(answer),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn transport(&self) -> AnyTransport {
        Box::new(self.clone())
    }

    /// Whether the driver wants to hear of what is used.
    pub(crate) fn interrupts(&self, queue: u16) -> bool {
        let state = self.state();
        let (_, _, rings, _) = state.queues.iter().find(|(number, ..)| *number == queue).unwrap();
        read16(rings.available) == 0
    }

    /// Says that a chain was used.
    pub(crate) fn used(&self, queue: u16, head: u32, wrote: u32) {
        self.state().used(queue, head, wrote);
    }
}

fn read16(at: u64) -> u16 {
    // SAFETY: the driver's ring, which it gave to the device.
    unsafe { core::ptr::with_exposed_provenance::<u16>(at as usize).read_volatile() }
}

fn word(at: u64) -> u32 {
    u32::from(read16(at)) | u32::from(read16(at + 2)) << 16
}

impl State {
    fn used(&mut self, queue: u16, head: u32, wrote: u32) {
        let (_, size, rings, _) = self.queues.iter().find(|(number, ..)| *number == queue).unwrap();
        let index = read16(rings.used + 2);
        let at = rings.used as usize + 4 + 8 * usize::from(index % size);
        // SAFETY: the driver's ring, which it gave to the device.
        unsafe {
            core::ptr::with_exposed_provenance_mut::<[u32; 2]>(at).write_volatile([head, wrote]);
            core::ptr::with_exposed_provenance_mut::<u16>(rings.used as usize + 2)
                .write_volatile(index.wrapping_add(1));
        }
    }

    fn chain(rings: &Rings, queue: u16, head: u16) -> Chain {
        let mut chain = Chain { queue, head, given: Vec::new(), room: Vec::new() };
        let mut next = Some(head);
        while let Some(index) = next {
            let at = rings.descriptors + 16 * u64::from(index);
            let (start, size) = (u64::from(word(at)) | u64::from(word(at + 4)) << 32, word(at + 8));
            if read16(at + 12) & 2 != 0 {
                chain.room.push((start, size));
            } else {
                assert!(chain.room.is_empty(), "what is read comes before what is written (2.7.4.2)");
                for byte in 0..u64::from(size) {
                    let place = core::ptr::with_exposed_provenance::<u8>((start + byte) as usize);
                    // SAFETY: the driver gave this memory to the device.
                    chain.given.push(unsafe { place.read_volatile() });
                }
            }
            next = (read16(at + 12) & 1 != 0).then(|| read16(at + 14));
        }
        chain
    }
}

impl Transport for Fake {
    fn kind(&self) -> u32 {
        self.state().kind
    }
    fn offers(&self) -> u64 {
        self.state().offers
    }
    fn choose(&self, features: u64) {
        self.state().chosen = features;
    }
    fn status(&self) -> u8 {
        self.state().status
    }
    fn set_status(&self, status: u8) {
        self.state().status = status;
    }
    fn most(&self, _: u16) -> u16 {
        self.state().most
    }
    fn give(&mut self, queue: u16, size: u16, rings: Rings) -> bool {
        let aligned = [(rings.descriptors, 16), (rings.available, 2), (rings.used, 4)];
        assert!(size.is_power_of_two() && aligned.iter().all(|(at, align)| at % align == 0), "{rings:?}");
        self.state().queues.push((queue, size, rings, 0));
        true
    }
    fn notify(&self, queue: u16) {
        let state = &mut *self.state();
        let place = state.queues.iter().position(|(number, ..)| *number == queue).unwrap();
        loop {
            let (_, size, rings, seen) = &mut state.queues[place];
            if *seen == read16(rings.available + 2) {
                return;
            }
            let head = read16(rings.available + 4 + 2 * u64::from(*seen % *size));
            *seen = seen.wrapping_add(1);
            let chain = State::chain(rings, queue, head);
            match (state.answer)(&chain) {
                Some((head, wrote)) => state.used(queue, head, wrote),
                None => state.held.push(chain),
            }
        }
    }
    fn config(&self, offset: usize) -> u8 {
        self.state().config.get(offset).copied().unwrap_or(0)
    }
    fn generation(&self) -> u32 {
        0
    }
    fn acknowledge(&self) {}
}
