//! A console (5.3): its first port, to which is written. What is typed there nobody reads, so the device gets no buffers for it.

use super::queue::{Part, Queue, Slots};
use super::{AnyTransport, Error, begin, ready};

const RECEIVE: u16 = 0;
const SEND: u16 = 1;

/// Bytes of one buffer, and how many buffers there are.
const SIZE: usize = 512;
const COUNT: u16 = 16;

/// What is said where something was lost; no longer than a buffer.
const LOST: &[u8] = b"\nlibos: words are lost here: the console took none for too long\n";

/// The device.
pub(crate) struct Console {
    transport: AnyTransport,
    send: Queue,
    /// Monitors want both queues, also the one that nothing is put into.
    _receive: Queue,
    /// Buffers that the device has.
    given: u16,
    /// Whether words were lost, and are until there is room again.
    lost: bool,
}

impl Console {
    /// Starts the device.
    pub(crate) fn new(mut transport: AnyTransport) -> Result<Self, Error> {
        begin(&*transport, 0)?;
        let receive = Queue::new(&mut *transport, RECEIVE, Slots { count: 1, parts: 1, size: 1 })?;
        let send = Queue::new(&mut *transport, SEND, Slots { count: COUNT, parts: 1, size: SIZE })?;
        ready(&*transport);
        Ok(Self { transport, send, _receive: receive, given: 0, lost: false })
    }

    /// Gives the device as much of a text as there is room for, and says how many bytes that was. Where it is none, the device
    /// asks for attention once there is room again; or, with `lose`, all of the text is lost, and so is what follows until then.
    ///
    /// # Errors
    /// The device answered what it was not asked. It is used no more.
    pub(crate) fn write(&mut self, text: &[u8], lose: bool) -> Result<usize, Error> {
        self.take_back()?;
        if self.lost {
            if !self.put(LOST)? {
                return Ok(text.len());
            }
            self.lost = false;
        }
        let mut wrote = 0;
        for part in text.chunks(SIZE) {
            if !self.put(part)? {
                break;
            }
            wrote += part.len();
        }
        self.send.notify(&*self.transport);
        if wrote == 0 && lose {
            self.lost = true;
            return Ok(text.len());
        }
        Ok(wrote)
    }

    /// Puts a text into a buffer; `false` where none is free.
    fn put(&mut self, text: &[u8]) -> Result<bool, Error> {
        let Some(slot) = self.send.slot()? else { return Ok(false) };
        self.send.store(slot, 0, text);
        self.send.submit(slot, &[Part { at: 0, size: text.len(), filled: false }]);
        self.given += 1;
        Ok(true)
    }

    /// Whether the device is done with all that it was given.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn is_idle(&mut self) -> Result<bool, Error> {
        self.take_back()?;
        Ok(self.given == 0)
    }

    fn take_back(&mut self) -> Result<(), Error> {
        self.transport.acknowledge();
        while let Some((slot, _)) = self.send.take()? {
            self.send.release(slot);
            self.given -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::sync::{Arc, Mutex};
    use std::vec::Vec;

    use super::super::fake::Fake;
    use super::*;

    #[test]
    fn what_is_written_comes_out_in_its_order() {
        let said = Arc::new(Mutex::new(Vec::<u8>::new()));
        let heard = Arc::clone(&said);
        let fake = Fake::new(super::super::CONSOLE, &[], move |chain| {
            assert_eq!((chain.queue, chain.room()), (SEND, 0));
            heard.lock().unwrap().extend(&chain.given);
            Some((chain.head.into(), 0))
        });
        let mut console = Console::new(fake.transport()).unwrap();
        let mut expected = Vec::new();
        // Often enough that the buffers are used again, in texts that are nothing, a part of a buffer, and more than all of them.
        for round in 0..100_usize {
            let text: Vec<u8> = (0..round * 97).map(|at| (at + round) as u8).collect();
            let mut rest = &text[..];
            while !rest.is_empty() {
                let wrote = console.write(rest, false).unwrap();
                assert!(wrote > 0, "the device took all that was before");
                rest = &rest[wrote..];
            }
            expected.extend(text);
            assert_eq!(console.write(&[], false), Ok(0));
        }
        assert!(*said.lock().unwrap() == expected);
        assert_eq!(console.is_idle(), Ok(true));
    }

    #[test]
    fn a_device_that_takes_nothing_is_given_so_much_and_no_more() {
        let fake = Fake::new(super::super::CONSOLE, &[], |_| None);
        let mut console = Console::new(fake.transport()).unwrap();
        let most = usize::from(COUNT) * SIZE;
        assert_eq!(console.write(&[b'a'; 20_000], false), Ok(most));
        assert_eq!(console.write(b"b", false), Ok(0));
        let held: Vec<_> = core::mem::take(&mut fake.state().held);
        assert!(held.iter().all(|chain| chain.queue == SEND && chain.given == [b'a'; SIZE]));
        assert_eq!((held.len(), console.is_idle()), (COUNT.into(), Ok(false)));
        fake.used(SEND, held[3].head.into(), 0);
        assert_eq!(console.write(b"bc", false), Ok(2), "one buffer came back");
        assert_eq!(fake.state().held[0].given, b"bc");
        let last = core::mem::take(&mut fake.state().held);
        for chain in held.iter().take(3).chain(&held[4..]).chain(&last) {
            assert_eq!(console.is_idle(), Ok(false));
            fake.used(SEND, chain.head.into(), 0);
        }
        assert_eq!(console.is_idle(), Ok(true));
    }

    #[test]
    fn what_is_lost_is_told_once_there_is_room() {
        let fake = Fake::new(super::super::CONSOLE, &[], |_| None);
        let mut console = Console::new(fake.transport()).unwrap();
        let most = usize::from(COUNT) * SIZE;
        assert_eq!(console.write(&[b'a'; 20_000], false), Ok(most));
        assert_eq!(console.write(b"lost", true), Ok(4));
        assert_eq!(console.write(b"lost", false), Ok(4));
        let held = core::mem::take(&mut fake.state().held);
        held.iter().take(2).for_each(|chain| fake.used(SEND, chain.head.into(), 0));
        assert_eq!(console.write(b"kept", false), Ok(4));
        let said: Vec<_> = fake.state().held.iter().map(|chain| chain.given.clone()).collect();
        assert_eq!(said, [LOST, b"kept"]);
        assert_eq!(console.write(b"later", false), Ok(0), "from here on it is waited for again");
    }

    #[test]
    fn an_answer_that_was_not_asked_for_ends_it() {
        for (head, wrote) in [(7, 0), (0, 1), (u32::MAX, 0)] {
            let fake = Fake::new(super::super::CONSOLE, &[], |_| None);
            let mut console = Console::new(fake.transport()).unwrap();
            assert_eq!(console.write(b"a", false), Ok(1));
            fake.used(SEND, head, wrote);
            assert_eq!(console.write(b"b", false), Err(Error::Answer), "{head} {wrote}");
            assert_eq!(console.is_idle(), Err(Error::Answer));
        }
    }

    #[test]
    fn a_device_without_its_queues_is_told() {
        let fake = Fake::new(super::super::CONSOLE, &[], |_| None);
        fake.state().most = 0;
        assert_eq!(Console::new(fake.transport()).err(), Some(Error::NoQueue(RECEIVE)));
    }
}
