//! A disk whose writes nobody waits for: they go on behind who asked, and a flush tells how they went. So the pages of a commit are written
//! side by side, and not one after the other.
//!
//! What is read is what was written: what meets a write that goes on begins after it. A write that failed is told by the next flush; until
//! then nothing more is read or written, since what lies on the disk is not what was written.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::machine::{Disk, Request};
use crate::virtio::Error;

/// A disk, and its writes that go on: at most as many as it takes requests at once.
pub(crate) struct Behind {
    disk: Box<dyn Disk>,
    writes: Vec<Write>,
    /// The first write that failed since the last flush.
    failed: Option<Fault>,
    /// Something has ended.
    room: bool,
}

/// A write that goes on.
struct Write {
    ticket: u16,
    offset: u64,
    size: usize,
}

/// A request that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Its end is to be asked for.
    Ticket(u16),
    /// It goes on by itself.
    Behind,
}

/// A request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    what: &'static str,
    offset: u64,
    size: usize,
    error: Error,
}

impl Behind {
    pub(crate) fn new(disk: Box<dyn Disk>) -> Self {
        Self { disk, writes: Vec::new(), failed: None, room: false }
    }

    /// Begins a request; `None` where others must end first.
    ///
    /// # Errors
    /// That of the device; and where a write has failed, that of the write: to a flush for the last time.
    pub(crate) fn begin(&mut self, request: Request<'_>) -> Result<Option<Begun>, Fault> {
        match self.begin_now(request)? {
            None if self.reap() => self.begin_now(request),
            begun => Ok(begun),
        }
    }

    fn begin_now(&mut self, request: Request<'_>) -> Result<Option<Begun>, Fault> {
        let waits = match request {
            Request::Flush => !self.writes.is_empty(),
            Request::Read { offset, size } => self.meets(offset, size),
            Request::Write { offset, data } => self.meets(offset, data.len()),
        };
        if waits {
            return Ok(None);
        }
        let failed = if matches!(request, Request::Flush) { self.failed.take() } else { self.failed };
        failed.map_or(Ok(()), Err)?;
        let begun = self.disk.begin(request).map_err(|error| Fault::new(request, error))?;
        Ok(begun.map(|ticket| match request {
            Request::Write { offset, data } => {
                self.writes.push(Write { ticket, offset, size: data.len() });
                Begun::Behind
            }
            Request::Read { .. } | Request::Flush => Begun::Ticket(ticket),
        }))
    }

    /// Ends what has a ticket if it is done, and copies what was read to `out`; `None` where it is not.
    ///
    /// # Errors
    /// What the device answers.
    pub(crate) fn end(&mut self, ticket: u16, out: &mut [u8]) -> Result<Option<()>, Error> {
        let ended = self.disk.attend().and_then(|()| self.disk.end(ticket, out));
        // Where it failed, too.
        self.room |= ended != Ok(false);
        Ok(ended?.then_some(()))
    }

    /// Whether there is room for others, who may wait for it, since this was asked last.
    pub(crate) fn made_room(&mut self) -> bool {
        core::mem::take(&mut self.room)
    }

    /// Ends the writes that are done; says whether there were any.
    fn reap(&mut self) -> bool {
        let attended = self.disk.attend();
        let before = self.writes.len();
        self.writes.retain(|write| match attended.and_then(|()| self.disk.end(write.ticket, &mut [])) {
            Ok(done) => !done,
            Err(error) => {
                let (offset, size) = (write.offset, write.size);
                self.failed.get_or_insert(Fault { what: "writing", offset, size, error });
                false
            }
        });
        self.room |= self.writes.len() < before;
        self.writes.len() < before
    }

    fn meets(&self, offset: u64, size: usize) -> bool {
        let end = |offset: u64, size: usize| offset.saturating_add(size as u64);
        self.writes.iter().any(|write| write.offset < end(offset, size) && offset < end(write.offset, write.size))
    }
}

impl Fault {
    pub(crate) fn new(request: Request<'_>, error: Error) -> Self {
        let (what, offset, size) = match request {
            Request::Read { offset, size } => ("reading", offset, size),
            Request::Write { offset, data } => ("writing", offset, data.len()),
            Request::Flush => ("flushing", 0, 0),
        };
        Self { what, offset, size, error }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, offset, size, error } = self;
        match size {
            0 => write!(out, "{what}: {error}"),
            _ => write!(out, "{what} {size} bytes at {offset}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::sync::Arc;
    use std::string::ToString;
    use std::sync::Mutex;
    use std::vec;

    use super::*;

    const SLOTS: usize = 4;

    /// What goes on in a slot: nothing, something, something that can end so.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    enum Slot {
        #[default]
        Free,
        Going,
        Over(Result<(), Error>),
    }

    /// A disk whose requests end when the test says so.
    #[derive(Clone)]
    struct Slots(Arc<Mutex<State>>);

    struct State {
        slots: [Slot; SLOTS],
        attended: Result<(), Error>,
    }

    impl Slots {
        fn over(&self, ticket: usize, how: Result<(), Error>) {
            let slot = &mut self.0.lock().unwrap().slots[ticket];
            assert_eq!(*slot, Slot::Going);
            *slot = Slot::Over(how);
        }
    }

    impl Disk for Slots {
        fn size(&self) -> u64 {
            1 << 20
        }
        fn read_only(&self) -> bool {
            false
        }
        fn most(&self) -> usize {
            4096
        }
        fn begin(&mut self, _: Request<'_>) -> Result<Option<u16>, Error> {
            let slots = &mut self.0.lock().unwrap().slots;
            let free = slots.iter_mut().zip(0..).find(|(slot, _)| **slot == Slot::Free);
            Ok(free.map(|(slot, ticket)| {
                *slot = Slot::Going;
                ticket
            }))
        }
        fn attend(&mut self) -> Result<(), Error> {
            self.0.lock().unwrap().attended
        }
        fn end(&mut self, ticket: u16, _: &mut [u8]) -> Result<bool, Error> {
            let slot = &mut self.0.lock().unwrap().slots[usize::from(ticket)];
            match *slot {
                Slot::Over(how) => {
                    *slot = Slot::Free;
                    how.map(|()| true)
                }
                Slot::Going => Ok(false),
                Slot::Free => panic!("nothing goes on in slot {ticket}"),
            }
        }
    }

    fn disk() -> (Slots, Behind) {
        let slots = Slots(Arc::new(Mutex::new(State { slots: Default::default(), attended: Ok(()) })));
        (slots.clone(), Behind::new(Box::new(slots)))
    }

    fn write(offset: u64) -> Request<'static> {
        Request::Write { offset, data: &[7; 1024] }
    }

    fn read(offset: u64) -> Request<'static> {
        Request::Read { offset, size: 1024 }
    }

    #[test]
    fn writes_go_on_side_by_side_and_make_room() {
        let (slots, mut disk) = disk();
        for at in 0..SLOTS as u64 {
            assert_eq!(disk.begin(write(at * 1024)), Ok(Some(Begun::Behind)));
        }
        assert_eq!((disk.begin(write(1 << 15)), disk.made_room()), (Ok(None), false));
        slots.over(2, Ok(()));
        assert_eq!(disk.begin(write(1 << 15)), Ok(Some(Begun::Behind)));
        assert_eq!([disk.made_room(), disk.made_room()], [true, false]);
    }

    #[test]
    fn what_meets_a_write_begins_after_it() {
        for (offset, meets) in [(0, false), (1, true), (1024, true), (2047, true), (2048, false), (u64::MAX, false)] {
            for request in [read(offset), write(offset)] {
                let (slots, mut disk) = disk();
                assert_eq!(disk.begin(write(1024)), Ok(Some(Begun::Behind)));
                assert_eq!(disk.begin(request).unwrap().is_none(), meets, "{request:?}");
                slots.over(0, Ok(()));
                assert!(disk.begin(read(1024)).unwrap().is_some());
            }
        }
    }

    #[test]
    fn a_flush_begins_after_all_writes() {
        let (slots, mut disk) = disk();
        assert_eq!(disk.begin(write(0)), Ok(Some(Begun::Behind)));
        assert_eq!(disk.begin(write(4096)), Ok(Some(Begun::Behind)));
        assert_eq!(disk.begin(Request::Flush), Ok(None));
        slots.over(1, Ok(()));
        assert_eq!(disk.begin(Request::Flush), Ok(None));
        slots.over(0, Ok(()));
        assert_eq!(disk.begin(Request::Flush), Ok(Some(Begun::Ticket(0))));
        assert_eq!(disk.end(0, &mut []), Ok(None));
        slots.over(0, Ok(()));
        assert_eq!(disk.end(0, &mut []), Ok(Some(())));
        assert!(disk.made_room());
    }

    #[test]
    fn a_write_that_failed_is_told_until_a_flush_was() {
        let (slots, mut disk) = disk();
        assert_eq!(disk.begin(write(512)), Ok(Some(Begun::Behind)));
        assert_eq!(disk.begin(write(8192)), Ok(Some(Begun::Behind)));
        slots.over(0, Err(Error::Failed));
        slots.over(1, Err(Error::Unsupported));
        let fault = disk.begin(read(0)).unwrap_err();
        assert_eq!(fault.to_string(), "writing 1024 bytes at 512: the device reports an error");
        assert_eq!(disk.begin(write(1 << 16)), Err(fault));
        assert_eq!(disk.begin(Request::Flush), Err(fault));
        assert_eq!(disk.begin(Request::Flush), Ok(Some(Begun::Ticket(0))));
        assert_eq!(disk.begin(write(0)), Ok(Some(Begun::Behind)));
    }

    #[test]
    fn a_flush_tells_of_a_write_that_fails_while_it_waits() {
        let (slots, mut disk) = disk();
        assert_eq!(disk.begin(write(512)), Ok(Some(Begun::Behind)));
        assert_eq!(disk.begin(Request::Flush), Ok(None));
        slots.over(0, Err(Error::Failed));
        assert!(disk.begin(Request::Flush).is_err());
    }

    #[test]
    fn what_a_device_loses_that_answers_wrongly_is_told() {
        let (slots, mut disk) = disk();
        assert_eq!(disk.begin(write(512)), Ok(Some(Begun::Behind)));
        assert_eq!(disk.begin(read(0)), Ok(None));
        slots.0.lock().unwrap().attended = Err(Error::Answer);
        let fault = disk.begin(Request::Flush).unwrap_err();
        assert_eq!(fault, Fault::new(write(512), Error::Answer));
        assert_eq!(disk.end(0, &mut []), Err(Error::Answer));
    }

    #[test]
    fn the_faults_of_what_is_waited_for_are_its_own() {
        let (slots, mut disk) = disk();
        assert_eq!(disk.begin(read(0)), Ok(Some(Begun::Ticket(0))));
        slots.over(0, Err(Error::Failed));
        assert_eq!(disk.end(0, &mut vec![0; 1024]), Err(Error::Failed));
        assert_eq!(disk.begin(read(0)), Ok(Some(Begun::Ticket(0))));
        let faults = [read(512), Request::Flush].map(|request| Fault::new(request, Error::Failed).to_string());
        assert_eq!(
            faults,
            ["reading 1024 bytes at 512: the device reports an error", "flushing: the device reports an error"]
        );
    }
}
