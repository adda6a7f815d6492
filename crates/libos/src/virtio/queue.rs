//! A split virtqueue (2.7) of slots: each has the same number of descriptors and a buffer of its own, so a device is only
//! ever told of the queue's memory, and an answer is good only for a slot that the device has.

use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use super::dma::Dma;
use super::{Error, Rings, Transport};
use crate::memory::PAGE;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const NO_NOTIFY: u16 = 1;
const NO_INTERRUPT: u16 = 1;

/// A part of a slot's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Where it begins within the buffer.
    pub(crate) at: usize,
    /// Its length in bytes.
    pub(crate) size: usize,
    /// Whether the device writes it.
    pub(crate) filled: bool,
}

/// The slots that a queue has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    /// How many at most; fewer where the device's queue is smaller.
    pub(crate) count: u16,
    /// Descriptors of each.
    pub(crate) parts: u16,
    /// Bytes of each one's buffer.
    pub(crate) size: usize,
}

/// A queue that a device was given.
#[derive(Debug)]
pub(crate) struct Queue {
    index: u16,
    size: u16,
    slots: Slots,
    rings: Dma,
    buffers: Dma,
    /// For each slot that the device has, how many bytes it may write.
    given: Vec<Option<u32>>,
    free: Vec<u16>,
    /// The index behind what was made available, and behind what was taken back.
    made: u16,
    taken: u16,
    broken: bool,
}

impl Queue {
    /// Makes a queue and gives it to the device.
    pub(crate) fn new(transport: &mut dyn Transport, index: u16, mut slots: Slots) -> Result<Self, Error> {
        let wanted = slots.count.saturating_mul(slots.parts).checked_next_power_of_two().unwrap_or(1 << 15);
        let most = transport.most(index);
        // The largest power of two that is not above what the device has.
        let most = if most == 0 { 0 } else { 1 << most.ilog2() };
        let size = wanted.min(most);
        slots.count = slots.count.min(size / slots.parts);
        if slots.count == 0 {
            return Err(Error::NoQueue(index));
        }
        let rings = Dma::new(Self::used(size) + 6 + 8 * usize::from(size)).ok_or(Error::Memory)?;
        let buffers = Dma::new(usize::from(slots.count) * slots.size).ok_or(Error::Memory)?;
        let start = rings.address();
        let places = Rings {
            descriptors: start,
            available: start + Self::available(size) as u64,
            used: start + Self::used(size) as u64,
        };
        if !transport.give(index, size, places) {
            return Err(Error::Memory);
        }
        Ok(Self {
            index,
            size,
            slots,
            rings,
            buffers,
            given: (0..slots.count).map(|_| None).collect(),
            free: (0..slots.count).rev().collect(),
            made: 0,
            taken: 0,
            broken: false,
        })
    }

    /// Takes a slot that the device does not have.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn slot(&mut self) -> Result<Option<u16>, Error> {
        if self.broken { Err(Error::Answer) } else { Ok(self.free.pop()) }
    }

    /// Gives a slot back that the device does not have.
    pub(crate) fn release(&mut self, slot: u16) {
        self.free.push(slot);
    }

    /// Whether the device has used a slot that was not taken back, or will use none any more.
    pub(crate) fn has_used(&self) -> bool {
        self.broken || self.rings.read16(Self::used(self.size) + 2) != self.taken
    }

    /// Copies into a slot's buffer.
    pub(crate) fn store(&self, slot: u16, at: usize, data: &[u8]) {
        assert!(at + data.len() <= self.slots.size, "{} bytes at {at} of a slot", data.len());
        self.buffers.store(usize::from(slot) * self.slots.size + at, data);
    }

    /// Copies out of a slot's buffer.
    pub(crate) fn load(&self, slot: u16, at: usize, out: &mut [u8]) {
        assert!(at + out.len() <= self.slots.size, "{} bytes at {at} of a slot", out.len());
        self.buffers.load(usize::from(slot) * self.slots.size + at, out);
    }

    /// Makes a slot available to the device; [`Self::notify`] then tells it.
    pub(crate) fn submit(&mut self, slot: u16, parts: &[Part]) {
        let head = slot * self.slots.parts;
        let start = self.buffers.address() + (usize::from(slot) * self.slots.size) as u64;
        let mut writable = 0;
        for (number, part) in (0..self.slots.parts).zip(parts) {
            assert!(part.at + part.size <= self.slots.size, "{part:?}");
            let more = usize::from(number) + 1 < parts.len();
            let at = 16 * usize::from(head + number);
            self.rings.write64(at, start + part.at as u64);
            self.rings.write32(at + 8, part.size as u32);
            self.rings.write16(at + 12, if more { NEXT } else { 0 } | if part.filled { WRITE } else { 0 });
            self.rings.write16(at + 14, head + number + 1);
            writable += if part.filled { part.size as u32 } else { 0 };
        }
        if let Some(given) = self.given.get_mut(usize::from(slot)) {
            *given = Some(writable);
        }
        let available = Self::available(self.size);
        self.rings.write16(available + 4 + 2 * usize::from(self.made % self.size), head);
        self.made = self.made.wrapping_add(1);
        // The device sees the chain before the index, and the index before it is asked whether it wants to be told.
        fence(Ordering::SeqCst);
        self.rings.write16(available + 2, self.made);
        fence(Ordering::SeqCst);
    }

    /// Tells the device of what was made available, unless it looks by itself.
    pub(crate) fn notify(&self, transport: &dyn Transport) {
        if self.rings.read16(Self::used(self.size)) & NO_NOTIFY == 0 {
            transport.notify(self.index);
        }
    }

    /// Whether the device is to interrupt when it has used a slot (2.7.7). Where it is from now on, what it has used is to be looked for
    /// after this: it may have done so just before.
    pub(crate) fn interrupts(&self, wanted: bool) {
        self.rings.write16(Self::available(self.size), if wanted { 0 } else { NO_INTERRUPT });
        fence(Ordering::SeqCst);
    }

    /// Takes back a slot that the device is done with, and how many bytes it says it wrote, not more than it could. The
    /// caller submits it again or releases it.
    ///
    /// # Errors
    /// The device answered what it was not asked; then and ever after.
    pub(crate) fn take(&mut self) -> Result<Option<(u16, u32)>, Error> {
        if self.broken {
            return Err(Error::Answer);
        }
        let used = Self::used(self.size);
        let waiting = self.rings.read16(used + 2).wrapping_sub(self.taken);
        if waiting == 0 {
            return Ok(None);
        }
        // The entry is read after the index that covers it.
        fence(Ordering::SeqCst);
        let at = used + 4 + 8 * usize::from(self.taken % self.size);
        let (head, wrote) = (self.rings.read32(at), self.rings.read32(at + 4));
        let parts = u32::from(self.slots.parts);
        let slot = u16::try_from(head / parts).ok().filter(|_| head.is_multiple_of(parts) && waiting <= self.size);
        let given = slot.and_then(|slot| self.given.get_mut(usize::from(slot)));
        match (slot, given.and_then(Option::take)) {
            (Some(slot), Some(room)) if wrote <= room => {
                self.taken = self.taken.wrapping_add(1);
                Ok(Some((slot, wrote)))
            }
            _ => {
                self.broken = true;
                Err(Error::Answer)
            }
        }
    }

    fn available(size: u16) -> usize {
        16 * usize::from(size)
    }

    /// On a page of its own, as devices of before the standard have it (2.7.2).
    fn used(size: u16) -> usize {
        (Self::available(size) + 6 + 2 * usize::from(size)).next_multiple_of(PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    const SLOTS: Slots = Slots { count: 5, parts: 3, size: 64 };
    const ROOM: Part = Part { at: 8, size: 56, filled: true };

    fn queue(fake: &Fake) -> Queue {
        Queue::new(&mut fake.clone(), 0, SLOTS).unwrap()
    }

    #[test]
    fn chains_go_to_the_device_and_come_back_in_its_order() {
        let fake = Fake::new(0, &[], |_| None);
        let mut queue = queue(&fake);
        // Often enough that the indices of the rings wrap.
        for round in 0..20_000u32 {
            let slots = [(); 5].map(|()| queue.slot().unwrap().unwrap());
            assert_eq!(queue.slot(), Ok(None));
            for slot in slots {
                queue.store(slot, 0, &(round + u32::from(slot)).to_le_bytes());
                queue.submit(slot, &[Part { at: 0, size: 4, filled: false }, ROOM]);
            }
            queue.notify(&fake);
            let held = core::mem::take(&mut fake.state().held);
            for chain in held.iter().rev() {
                chain.write(&chain.given);
                fake.used(0, chain.head.into(), 4);
            }
            assert!(queue.has_used());
            for slot in slots.into_iter().rev() {
                assert_eq!(queue.take(), Ok(Some((slot, 4))));
                let mut back = [0; 4];
                queue.load(slot, 8, &mut back);
                assert_eq!(u32::from_le_bytes(back), round + u32::from(slot));
                queue.release(slot);
            }
            assert_eq!(queue.take(), Ok(None));
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_for_ends_the_queue() {
        // a slot that is not there; within a chain; one that the device does not have; more than there is room for
        for (head, wrote) in [(15, 0), (u32::MAX, 0), (1, 0), (3, 0), (0, 57), (0, u32::MAX)] {
            let fake = Fake::new(0, &[], |_| None);
            let mut queue = queue(&fake);
            let slot = queue.slot().unwrap().unwrap();
            queue.submit(slot, &[ROOM]);
            queue.notify(&fake);
            assert_eq!((slot, fake.state().held[0].room()), (0, 56));
            fake.used(0, head, wrote);
            assert_eq!(queue.take(), Err(Error::Answer), "{head} {wrote}");
            fake.used(0, 0, 0);
            assert_eq!(queue.take(), Err(Error::Answer), "it is used no more");
            assert_eq!(queue.slot(), Err(Error::Answer));
        }
    }

    #[test]
    fn an_answer_twice_or_an_index_that_leaps_ends_the_queue() {
        let fake = Fake::new(0, &[], |_| None);
        let mut queue = queue(&fake);
        let slot = queue.slot().unwrap().unwrap();
        queue.submit(slot, &[ROOM]);
        fake.used(0, 0, 5);
        fake.used(0, 0, 5);
        assert_eq!(queue.take(), Ok(Some((0, 5))));
        assert_eq!(queue.take(), Err(Error::Answer));
        let fake = Fake::new(0, &[], |_| None);
        let mut queue = super::tests::queue(&fake);
        let slot = queue.slot().unwrap().unwrap();
        queue.submit(slot, &[ROOM]);
        (0..17).for_each(|_| fake.used(0, 0, 0));
        assert_eq!(queue.take(), Err(Error::Answer));
    }

    #[test]
    fn queues_are_as_small_as_the_device_has_them() {
        let fake = Fake::new(0, &[], |_| None);
        for (most, slots) in [(256, 5), (16, 5), (15, 2), (3, 0), (0, 0)] {
            fake.state().most = most;
            let made = Queue::new(&mut fake.clone(), 7, SLOTS);
            assert_eq!(made.map_or(0, |queue| queue.slots.count), slots, "{most}");
        }
        assert_eq!(Queue::new(&mut fake.clone(), 7, SLOTS).err(), Some(Error::NoQueue(7)));
    }
}
