//! A network card (5.1), without offloads: one frame a buffer.

use super::queue::{Part, Queue, Slots};
use super::{AnyTransport, Error, VERSION_1, begin, config, ready};
use crate::machine::{self, FRAME};

const MAC: u64 = 1 << 5;

const RECEIVE: u16 = 0;
const SEND: u16 = 1;

/// After so many frames the device is told of them, so that it does not have nothing to do while more are prepared.
const MOST_UNTOLD: u16 = 16;

/// A slot's buffer: the longest header and the longest frame.
const SIZE: usize = 2048;

/// The device.
pub(crate) struct Card {
    transport: AnyTransport,
    receive: Queue,
    send: Queue,
    /// The bytes before each frame: the field that counts buffers came with the standard.
    header: usize,
    mac: [u8; 6],
    /// Whether the last frame could not be sent.
    blocked: bool,
    /// Frames that the device was not told of.
    untold: u16,
    /// Whether the device is to interrupt when a frame comes.
    rests: bool,
}

impl Card {
    /// Starts the device and gives it buffers to receive into. A card without an address of its own gets `fallback`.
    pub(crate) fn new(mut transport: AnyTransport, fallback: [u8; 6]) -> Result<Self, Error> {
        let features = begin(&*transport, MAC)?;
        let header = if features & VERSION_1 != 0 { 12 } else { 10 };
        let slots = Slots { count: 64, parts: 1, size: SIZE };
        let mut receive = Queue::new(&mut *transport, RECEIVE, slots)?;
        let send = Queue::new(&mut *transport, SEND, slots)?;
        let mac = if features & MAC != 0 { config(&*transport, 0) } else { fallback };
        ready(&*transport);
        while let Some(slot) = receive.slot()? {
            receive.submit(slot, &[Part { at: 0, size: SIZE, filled: true }]);
        }
        receive.notify(&*transport);
        send.interrupts(false);
        Ok(Self { transport, receive, send, header, mac, blocked: false, untold: 0, rests: true })
    }
}

impl machine::Card for Card {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn receive(&mut self, out: &mut [u8]) -> Result<Option<usize>, Error> {
        if self.rests {
            // Whoever takes frames takes all there are before waiting again.
            self.receive.interrupts(false);
            self.rests = false;
        }
        while let Some((slot, wrote)) = self.receive.take()? {
            let size = (wrote as usize).saturating_sub(self.header);
            // What is no frame, or has no room, is lost as it would be on a wire.
            let fits = (14..=FRAME.min(out.len())).contains(&size);
            if fits {
                self.receive.load(slot, self.header, &mut out[..size]);
            }
            self.receive.submit(slot, &[Part { at: 0, size: SIZE, filled: true }]);
            self.receive.notify(&*self.transport);
            if fits {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> Result<bool, Error> {
        let Some(slot) = self.free()? else { return Ok(false) };
        self.send.store(slot, 0, &[0; 12][..self.header]);
        let frame = &frame[..frame.len().min(FRAME)];
        self.send.store(slot, self.header, frame);
        self.send.submit(slot, &[Part { at: 0, size: self.header + frame.len(), filled: false }]);
        self.untold += 1;
        if self.untold >= MOST_UNTOLD {
            machine::Card::flush(self);
        }
        Ok(true)
    }

    fn flush(&mut self) {
        if core::mem::take(&mut self.untold) > 0 {
            self.send.notify(&*self.transport);
        }
    }

    fn ready(&mut self) -> bool {
        self.rests = true;
        self.receive.interrupts(true);
        self.transport.acknowledge();
        self.receive.has_used() || (self.blocked && self.send.has_used())
    }
}

impl Card {
    /// A slot to send with. Where there is none, the device interrupts once there is.
    fn free(&mut self) -> Result<Option<u16>, Error> {
        let (mut slot, mut wanted) = (self.taken_back()?, self.blocked);
        if slot.is_none() && !wanted {
            self.send.interrupts(true);
            machine::Card::flush(self);
            (slot, wanted) = (self.taken_back()?, true);
        }
        if slot.is_some() && wanted {
            self.send.interrupts(false);
        }
        self.blocked = slot.is_none();
        Ok(slot)
    }

    fn taken_back(&mut self) -> Result<Option<u16>, Error> {
        while let Some((slot, _)) = self.send.take()? {
            self.send.release(slot);
        }
        self.send.slot()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    use super::super::fake::Fake;
    use super::*;
    use crate::machine::Card as _;

    const OWN: [u8; 6] = [2, 1, 2, 3, 4, 5];

    fn card(offers: u64) -> (Fake, Card) {
        let fake = Fake::new(1, &OWN, |_| None);
        fake.state().offers = offers;
        let card = Card::new(fake.transport(), [2, 0, 0, 0, 0, 9]).unwrap();
        (fake, card)
    }

    fn arrive(fake: &Fake, header: usize, frame: &[u8]) {
        let place = fake.state().held.iter().position(|chain| chain.queue == RECEIVE).unwrap();
        let chain = fake.state().held.remove(place);
        chain.write(&[&vec![0; header], frame].concat());
        fake.used(RECEIVE, chain.head.into(), (header + frame.len()) as u32);
    }

    #[test]
    fn frames_come_and_go_behind_the_header_of_each_form() {
        for (offers, header, mac) in [(u64::MAX, 12, OWN), (MAC, 10, OWN), (0, 10, [2, 0, 0, 0, 0, 9])] {
            let (fake, mut card) = card(offers);
            assert_eq!(card.mac(), mac);
            let frame: Vec<u8> = (0..1514).map(|at| (at % 256) as u8).collect();
            // More than there are buffers: each is given to the device again.
            for _ in 0..200 {
                assert!(!card.ready());
                arrive(&fake, header, &frame);
                assert!(card.ready());
                let mut out = [0; 1514];
                assert_eq!(card.receive(&mut out), Ok(Some(1514)));
                assert_eq!(out, *frame);
                assert_eq!(card.receive(&mut out), Ok(None));
            }
            assert_eq!(card.send(&frame), Ok(true));
            card.flush();
            let sent = fake.state().held.pop().unwrap();
            assert_eq!(
                (sent.queue, &sent.given[..header], &sent.given[header..]),
                (SEND, &vec![0; header][..], &frame[..])
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_dropped() {
        let (fake, mut card) = card(u64::MAX);
        for size in [0, 13, 1515, 2036] {
            arrive(&fake, 12, &vec![1; size]);
        }
        let head = fake.state().held[0].head;
        fake.used(RECEIVE, head.into(), 5);
        arrive_next(&fake);
        let mut out = [0; 1514];
        assert_eq!(card.receive(&mut out), Ok(Some(60)), "those before it are none");
        arrive_next(&fake);
        assert_eq!(card.receive(&mut out[..59]), Ok(None), "nor is there room for this one");
        fake.used(RECEIVE, 64, 60);
        assert_eq!(card.receive(&mut out), Err(Error::Answer));
    }

    fn arrive_next(fake: &Fake) {
        fake.state().held.remove(0);
        arrive(fake, 12, &[1; 60]);
    }

    #[test]
    fn the_device_interrupts_where_somebody_waits_for_it() {
        let (fake, mut card) = card(u64::MAX);
        let wanted = || [RECEIVE, SEND].map(|queue| fake.interrupts(queue));
        assert_eq!(wanted(), [true, false]);
        arrive(&fake, 12, &[1; 60]);
        let mut out = [0; 60];
        assert_eq!(card.receive(&mut out), Ok(Some(60)));
        assert_eq!(wanted(), [false, false], "there may be more");
        assert!(!card.ready());
        assert_eq!(wanted(), [true, false]);
        while card.send(&out).unwrap() {}
        assert_eq!(wanted(), [true, true], "there is no room");
        let sent = fake.state().held.iter().rfind(|chain| chain.queue == SEND).unwrap().head;
        fake.used(SEND, sent.into(), 0);
        assert_eq!((card.send(&out), wanted()), (Ok(true), [true, false]));
    }

    #[test]
    fn the_device_is_told_of_several_frames_at_once() {
        let (fake, mut card) = card(u64::MAX);
        let told = || fake.state().held.iter().filter(|chain| chain.queue == SEND).count();
        for _ in 0..MOST_UNTOLD - 1 {
            card.send(&[1; 60]).unwrap();
        }
        assert_eq!(told(), 0);
        card.flush();
        assert_eq!(told(), 15);
        for _ in 0..MOST_UNTOLD {
            card.send(&[1; 60]).unwrap();
        }
        assert_eq!(told(), 31, "it does not wait for ever");
    }

    #[test]
    fn a_full_ring_is_told_and_room_makes_ready() {
        let (fake, mut card) = card(u64::MAX);
        for _ in 0..64 {
            assert_eq!(card.send(&[1; 60]), Ok(true));
        }
        assert_eq!(card.send(&[1; 60]), Ok(false));
        assert!(!card.ready());
        let sent = fake.state().held.iter().rfind(|chain| chain.queue == SEND).unwrap().head;
        fake.used(SEND, sent.into(), 0);
        assert!(card.ready());
        assert_eq!(card.send(&[1; 60]), Ok(true));
        assert_eq!(card.send(&[1; 60]), Ok(false));
    }
}
