//! A disk (5.2). Requests begin and end; whoever waits in between is the caller.

use super::queue::{Part, Queue, Slots};
use super::{AnyTransport, Error, begin, config, ready};
use crate::machine::{self, Request};

/// A sector's bytes: requests are for whole ones.
const SECTOR: u64 = machine::SECTOR as u64;

const READ_ONLY: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;

/// A slot's buffer: the request's header, the status, and the data from a sector's bound on.
const HEADER: usize = 16;
const STATUS: usize = HEADER;
const DATA: usize = 512;
const MOST: usize = 64 << 10;

/// The longest serial, in bytes; a zero byte ends a shorter one (5.2.6).
pub(crate) const SERIAL: usize = 20;

/// What a status says before the device has written it.
const UNTOLD: u8 = 0xff;

/// What goes on with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Begun,
    Done,
}

/// The device.
pub(crate) struct Disk {
    transport: AnyTransport,
    queue: Queue,
    states: [State; Self::SLOTS],
    sectors: u64,
    features: u64,
}

impl Disk {
    const SLOTS: usize = 8;

    /// Starts the device.
    pub(crate) fn new(mut transport: AnyTransport) -> Result<Self, Error> {
        let features = begin(&*transport, READ_ONLY | FLUSH)?;
        let slots = Slots { count: Self::SLOTS as u16, parts: 3, size: DATA + MOST };
        let queue = Queue::new(&mut *transport, 0, slots)?;
        let sectors = u64::from_le_bytes(config(&*transport, 0)).min(u64::MAX / SECTOR);
        ready(&*transport);
        Ok(Self { transport, queue, states: [State::Idle; Self::SLOTS], sectors, features })
    }
}

impl Disk {
    /// Asks for the serial, [`SERIAL`] bytes; the answer comes as that of any request.
    ///
    /// # Errors
    /// As [`machine::Disk::begin`].
    pub(crate) fn ask_serial(&mut self) -> Result<Option<u16>, Error> {
        let Some(slot) = self.queue.slot()? else { return Ok(None) };
        self.submit(slot, 8, 0, SERIAL);
        Ok(Some(slot))
    }

    /// Gives a request to the device, whose data, if there are any to write, are in the slot's buffer.
    fn submit(&mut self, slot: u16, kind: u32, offset: u64, size: usize) {
        self.queue.store(slot, 0, &kind.to_le_bytes());
        self.queue.store(slot, 4, &[0; 4]);
        self.queue.store(slot, 8, &(offset / SECTOR).to_le_bytes());
        self.queue.store(slot, STATUS, &[UNTOLD]);
        self.states[usize::from(slot)] = State::Begun;
        let header = Part { at: 0, size: HEADER, filled: false };
        let data = Part { at: DATA, size, filled: kind != 1 };
        let status = Part { at: STATUS, size: 1, filled: true };
        if size == 0 {
            self.queue.submit(slot, &[header, status]);
        } else {
            self.queue.submit(slot, &[header, data, status]);
        }
        self.queue.notify(&*self.transport);
    }
}

impl machine::Disk for Disk {
    fn size(&self) -> u64 {
        self.sectors * SECTOR
    }

    fn read_only(&self) -> bool {
        self.features & READ_ONLY != 0
    }

    fn most(&self) -> usize {
        MOST
    }

    fn begin(&mut self, request: Request<'_>) -> Result<Option<u16>, Error> {
        let Some(slot) = self.queue.slot()? else { return Ok(None) };
        let (kind, offset, size) = match request {
            Request::Read { offset, size } => (0u32, offset, size),
            Request::Write { offset, data } => {
                self.queue.store(slot, DATA, data);
                (1, offset, data.len())
            }
            Request::Flush => (4, 0, 0),
        };
        // A device that writes through knows no flush.
        if kind == 4 && self.features & FLUSH == 0 {
            self.queue.store(slot, STATUS, &[0]);
            self.states[usize::from(slot)] = State::Done;
        } else {
            self.submit(slot, kind, offset, size);
        }
        Ok(Some(slot))
    }

    fn attend(&mut self) -> Result<(), Error> {
        self.transport.acknowledge();
        while let Some((slot, _)) = self.queue.take()? {
            self.states[usize::from(slot)] = State::Done;
        }
        Ok(())
    }

    fn end(&mut self, ticket: u16, out: &mut [u8]) -> Result<bool, Error> {
        let Some(state) = self.states.get_mut(usize::from(ticket)).filter(|state| **state == State::Done) else {
            return Ok(false);
        };
        *state = State::Idle;
        let mut status = [0];
        self.queue.load(ticket, STATUS, &mut status);
        if status == [0] {
            self.queue.load(ticket, DATA, out);
        }
        self.queue.release(ticket);
        match status[0] {
            0 => Ok(true),
            2 => Err(Error::Unsupported),
            _ => Err(Error::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    use super::super::fake::{Chain, Fake};
    use super::*;
    use crate::machine::Disk as _;

    /// A disk that keeps bytes; a read of sector 9 fails, a write there is unknown.
    fn disk() -> (Fake, Disk) {
        let mut bytes = vec![0; 64 << 10];
        let serve = move |chain: &Chain| {
            let word = |at: usize| u32::from_le_bytes(chain.given[at..at + 4].try_into().unwrap());
            let (kind, sector) = (word(0), word(8) as usize);
            let mut out: Vec<u8> = Vec::new();
            match kind {
                0 => out.extend(&bytes[sector * 512..sector * 512 + chain.room() - 1]),
                1 => bytes[sector * 512..][..chain.given.len() - 16].copy_from_slice(&chain.given[16..]),
                4 => assert_eq!((chain.given.len(), chain.room()), (16, 1)),
                8 => out.extend(b"store\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                other => assert_eq!(other, 0),
            }
            out.push(if sector == 9 { kind as u8 + 1 } else { 0 });
            chain.write(&out);
            Some((chain.head.into(), out.len() as u32))
        };
        let fake = Fake::new(2, &(128u64).to_le_bytes(), serve);
        fake.state().offers &= !READ_ONLY;
        let disk = Disk::new(fake.transport()).unwrap();
        (fake, disk)
    }

    fn ask(disk: &mut Disk, request: Request<'_>, out: &mut [u8]) -> Result<bool, Error> {
        let ticket = disk.begin(request).unwrap().unwrap();
        disk.attend()?;
        disk.end(ticket, out)
    }

    #[test]
    fn what_is_written_is_read() {
        let (fake, mut disk) = disk();
        assert_eq!((disk.size(), disk.read_only()), (65536, false));
        let (chosen, status) = {
            let state = fake.state();
            (state.chosen, state.status)
        };
        assert_eq!((chosen, status), (FLUSH | super::super::VERSION_1, 15));
        let data: Vec<u8> = (0..1024).map(|at| (at % 251) as u8).collect();
        assert_eq!(ask(&mut disk, Request::Write { offset: 1024, data: &data }, &mut []), Ok(true));
        assert_eq!(ask(&mut disk, Request::Flush, &mut []), Ok(true));
        let mut back = vec![1; 2048];
        assert_eq!(ask(&mut disk, Request::Read { offset: 512, size: 2048 }, &mut back), Ok(true));
        assert_eq!((&back[..512], &back[512..1536], &back[1536..]), (&[0; 512][..], &data[..], &[0; 512][..]));
    }

    #[test]
    fn the_serial_is_told_or_not_known() {
        let (_, mut disk) = disk();
        let ticket = disk.ask_serial().unwrap().unwrap();
        let mut serial = [1; SERIAL];
        disk.attend().unwrap();
        assert_eq!(disk.end(ticket, &mut serial), Ok(true));
        assert_eq!(serial, *b"store\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let fake = Fake::new(2, &(128u64).to_le_bytes(), |chain| {
            assert_eq!((chain.given[0], chain.room()), (8, SERIAL + 1));
            chain.write(&[&[7; SERIAL][..], &[2]].concat());
            Some((chain.head.into(), 1))
        });
        let mut disk = Disk::new(fake.transport()).unwrap();
        let ticket = disk.ask_serial().unwrap().unwrap();
        disk.attend().unwrap();
        assert_eq!(disk.end(ticket, &mut serial), Err(Error::Unsupported));
    }

    #[test]
    fn errors_are_told_and_others_go_on() {
        let (_, mut disk) = disk();
        let mut out = [7; 512];
        assert_eq!(ask(&mut disk, Request::Read { offset: 9 * 512, size: 512 }, &mut out), Err(Error::Failed));
        assert_eq!(ask(&mut disk, Request::Write { offset: 9 * 512, data: &out }, &mut []), Err(Error::Unsupported));
        assert_eq!(out, [7; 512], "nothing is read that was not");
        assert_eq!(ask(&mut disk, Request::Read { offset: 0, size: 512 }, &mut out), Ok(true));
        assert_eq!(out, [0; 512]);
    }

    #[test]
    fn requests_end_in_any_order_and_are_bounded() {
        let fake = Fake::new(2, &(128u64).to_le_bytes(), |_| None);
        let mut disk = Disk::new(fake.transport()).unwrap();
        assert!(disk.read_only());
        let tickets: Vec<_> = (0..8).map(|_| disk.begin(Request::Flush).unwrap().unwrap()).collect();
        assert_eq!(disk.begin(Request::Flush), Ok(None));
        assert_eq!(disk.end(tickets[3], &mut []), Ok(false));
        let held = core::mem::take(&mut fake.state().held);
        for chain in held.iter().rev().take(5) {
            chain.write(&[0]);
            fake.used(0, chain.head.into(), 1);
        }
        disk.attend().unwrap();
        let ended: Vec<_> = tickets.iter().map(|ticket| disk.end(*ticket, &mut []).unwrap()).collect();
        assert_eq!(ended, [false, false, false, true, true, true, true, true]);
        assert_eq!(disk.begin(Request::Flush).unwrap(), Some(tickets[7]));
        fake.used(0, 1000, 1);
        assert_eq!(disk.attend(), Err(Error::Answer));
        assert_eq!(disk.begin(Request::Flush), Err(Error::Answer));
    }

    #[test]
    fn a_status_that_was_not_written_is_an_error() {
        let fake = Fake::new(2, &(128u64).to_le_bytes(), |chain| Some((chain.head.into(), 0)));
        let mut disk = Disk::new(fake.transport()).unwrap();
        assert_eq!(ask(&mut disk, Request::Read { offset: 0, size: 512 }, &mut [0; 512]), Err(Error::Failed));
    }

    #[test]
    fn a_disk_that_writes_through_is_not_asked_to_flush() {
        let fake = Fake::new(2, &(128u64).to_le_bytes(), |_| None);
        fake.state().offers = 0;
        let mut disk = Disk::new(fake.transport()).unwrap();
        assert_eq!(ask(&mut disk, Request::Flush, &mut []), Ok(true));
        assert!(fake.state().held.is_empty());
    }
}
