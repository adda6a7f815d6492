//! The machine's disks, network cards and entropy as the seams of the crate `device`. A call waits by letting other threads run, and
//! the processor sleep; the device's interrupt ends the wait.

extern crate std;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use core::time::Duration;
use std::io;
use std::sync::{Mutex, PoisonError, RwLock};

use device::manifest::Name;
use device::{Block, Ethernet, NoEntropy, Random, Timestamp};

use crate::behind::{Begun, Behind, Fault};
use crate::kernel::single::Single;
use crate::kernel::{self, machine, threads};
use crate::machine::{self as seam, Device, FRAME, Kind, Nanos, Request, SECTOR};
use crate::virtio::Error;

/// The stack of the thread that wakes a card's user.
const WAKER_STACK: usize = 64 << 10;

/// How long a disk may take before that is told, in nanoseconds.
const PATIENCE: Nanos = 10_000_000_000;

/// The disk that the program declares by this name, the first time; none after that, and none where the machine has not got one
/// that is optional. One that is declared read-only is not written, though the machine may let it.
pub fn disk(name: &str) -> Option<Disk> {
    let Device { declared, number, kind } = machine().device(Name::new(name.as_bytes())?)?;
    let Kind::Disk(disk) = kind else { return None };
    let (size, read_only, most) = (disk.size(), declared.read_only || disk.read_only(), disk.most());
    Some(Disk {
        name: declared.name,
        number,
        disk: Single::new(Behind::new(disk)),
        size,
        read_only,
        most,
        silent: AtomicBool::new(false),
        sectors: RwLock::new(()),
    })
}

/// The network card that the program declares by this name, as [`disk`] gives disks.
pub fn card(name: &str) -> Option<Card> {
    let Device { declared, number, kind } = machine().device(Name::new(name.as_bytes())?)?;
    let Kind::Card(card) = kind else { return None };
    Some(Card { name: declared.name, number, card, waker: None })
}

/// The machine's entropy.
#[derive(Clone, Copy, Debug)]
pub struct Entropy;

impl Random for Entropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        if machine().entropy(out) { Ok(()) } else { Err(NoEntropy) }
    }
}

/// The machine's clocks. A wall clock that it does not know reads as 1970.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl device::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(machine().wall() / 1_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(machine().monotonic())
    }
}

/// The byte that Ctrl-C types (ETX).
const STOP: u8 = 3;

/// Waits until somebody asks for the program's end by typing Ctrl-C at the machine's serial line, as `pasteur unikernel run` does for who
/// types it there. Nothing else that is typed is read. `false`, at once, where there is no serial line that could tell, and where a
/// call of this was made before.
///
/// It waits as a thread does, so a program that goes on meanwhile calls it on one of its own.
#[must_use]
pub fn asked_to_stop() -> bool {
    static CALLED: AtomicBool = AtomicBool::new(false);
    if CALLED.swap(true, Ordering::Relaxed) {
        return false;
    }
    let Some(number) = machine().listen() else { return false };
    loop {
        let seen = threads::times(number);
        while let Some(byte) = machine().typed() {
            if byte == STOP {
                return true;
            }
        }
        threads::attention(number, seen, None);
    }
}

/// How many bytes of memory there are for the program to take, those it has taken among them.
#[must_use]
pub fn memory() -> usize {
    kernel::memory::size()
}

/// How many bytes of it are taken.
#[must_use]
pub fn memory_taken() -> usize {
    kernel::memory::taken()
}

/// A disk. Its length is what it is; bytes are written and read wherever they lie, through whole sectors of 512. Writes are not waited for:
/// one that fails is told by the next flush, whoever asks for that, and what is read or written before it fails as well. A disk that does
/// not answer for ten seconds is told of on the console, and waited for.
pub struct Disk {
    name: Name,
    number: u8,
    disk: Single<Behind>,
    size: u64,
    read_only: bool,
    most: usize,
    /// Whether it has not answered for long.
    silent: AtomicBool,
    /// Held for writing by who changes a part of a sector, for reading by who writes whole ones.
    sectors: RwLock<()>,
}

impl Disk {
    /// Begins a request, and waits for its end where that is not a flush's to tell.
    fn ask(&self, request: Request<'_>, out: &mut [u8]) -> io::Result<()> {
        let told = |fault: Fault| io::Error::other(std::format!("disk {}: {fault}", self.name));
        match self.step(|disk| disk.begin(request)).map_err(told)? {
            Begun::Behind => Ok(()),
            Begun::Ticket(ticket) => {
                self.step(|disk| disk.end(ticket, out)).map_err(|error| told(Fault::new(request, error)))
            }
        }
    }

    /// Takes a step once it can be taken.
    fn step<T, E>(&self, mut step: impl FnMut(&mut Behind) -> Result<Option<T>, E>) -> Result<T, E> {
        loop {
            let seen = threads::times(self.number);
            let (taken, room) = self.disk.with(|disk| (step(disk), disk.made_room()));
            if room {
                threads::raise(self.number);
            }
            if let Some(taken) = taken.transpose() {
                self.tell(false);
                return taken;
            }
            let deadline = machine().monotonic().saturating_add(PATIENCE);
            if threads::attention(self.number, seen, Some(deadline)) == seen {
                self.tell(true);
            }
        }
    }

    /// Tells once that the disk is silent, and once that it is not any more.
    fn tell(&self, silent: bool) {
        if self.silent.swap(silent, Ordering::Relaxed) != silent {
            let how = if silent { "does not answer; what is asked of it waits" } else { "answers again" };
            kernel::say(format_args!("libos: the disk {} {how}", self.name));
        }
    }

    /// The bytes from `offset` on that one request can take, of `left`: where they begin within the first sector, how many
    /// they are, and how many the sectors have that hold them.
    fn span(&self, offset: u64, left: usize) -> (usize, usize, usize) {
        let skip = (offset % SECTOR as u64) as usize;
        let part = left.min(self.most - skip);
        (skip, part, (skip + part).next_multiple_of(SECTOR))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Disk").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Block for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn room(&self) -> io::Result<Option<u64>> {
        Ok(Some(0))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match len {
            _ if len == self.size => Ok(()),
            _ if len > self.size => Err(io::ErrorKind::StorageFull.into()),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "a disk cannot be shortened")),
        }
    }

    fn read(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !out.is_empty() {
            let (skip, part, whole) = self.span(offset, out.len());
            let (now, rest) = out.split_at_mut(part);
            if part == whole {
                self.ask(read(offset, now.len()), now)?;
            } else {
                let mut sectors = std::vec![0; whole];
                self.ask(read(offset - skip as u64, whole), &mut sectors)?;
                now.copy_from_slice(&sectors[skip..skip + part]);
            }
            out = rest;
            offset += part as u64;
        }
        Ok(())
    }

    fn write(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        while !data.is_empty() {
            let (skip, part, whole) = self.span(offset, data.len());
            let (now, rest) = data.split_at(part);
            if part == whole {
                let _shared = self.sectors.read().unwrap_or_else(PoisonError::into_inner);
                self.ask(Request::Write { offset, data: now }, &mut [])?;
            } else {
                let _alone = self.sectors.write().unwrap_or_else(PoisonError::into_inner);
                let start = offset - skip as u64;
                let mut sectors = std::vec![0; whole];
                self.ask(read(start, whole), &mut sectors)?;
                sectors[skip..skip + part].copy_from_slice(now);
                self.ask(Request::Write { offset: start, data: &sectors }, &mut [])?;
            }
            data = rest;
            offset += part as u64;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.ask(Request::Flush, &mut [])
    }
}

fn read(offset: u64, size: usize) -> Request<'static> {
    Request::Read { offset, size }
}

/// The waker of who waits for a card.
type Waiting = Arc<Mutex<Option<Waker>>>;

/// A network card.
pub struct Card {
    name: Name,
    number: u8,
    card: Box<dyn seam::Card>,
    /// Shared with the thread that wakes, once there is one.
    waker: Option<Waiting>,
}

impl fmt::Debug for Card {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Card").field("name", &self.name).field("mac", &self.card.mac()).finish_non_exhaustive()
    }
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        self.card.mac()
    }

    fn mtu(&self) -> usize {
        FRAME
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        self.card.receive(out).map_err(|error| failed(self.name, error))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        if frame.len() > FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the frame is longer than the card takes"));
        }
        self.card.send(frame).map_err(|error| failed(self.name, error))
    }

    fn flush(&mut self) {
        self.card.flush();
    }

    fn register(&mut self, waker: &Waker) {
        let number = self.number;
        let waiting = self.waker.get_or_insert_with(|| {
            let waiting = Waiting::default();
            let shared = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().stack_size(WAKER_STACK).spawn(move || wake(number, &shared));
            // Without memory for a thread, who registers looks again at once, and the machine does not rest.
            if thread.is_err() { Arc::default() } else { waiting }
        });
        let silent = Arc::strong_count(waiting) == 1;
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        if silent || self.card.ready() {
            waker.wake_by_ref();
        }
    }
}

fn failed(name: Name, error: Error) -> io::Error {
    io::Error::other(std::format!("network card {name}: {error}"))
}

/// Wakes who waits whenever the card asks for attention. It is a thread of its own, since a waker may take locks that the
/// thread holds which is running when the interrupt comes.
fn wake(number: u8, waiting: &Waiting) {
    let mut seen = 0;
    loop {
        seen = threads::attention(number, seen, None);
        let waker = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
