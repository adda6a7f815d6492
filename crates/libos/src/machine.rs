//! What the rest of the crate asks of a machine, and nothing else: a second kind of machine implements this trait.

use alloc::boxed::Box;

use device::manifest::Name;

use crate::virtio::Error;

/// Nanoseconds of a clock: since boot, or since 1970 for the wall clock.
pub(crate) type Nanos = u64;

/// A virtual machine with one processor.
pub(crate) trait Machine: Sync {
    /// Writes to the console without sleeping, so at any time, also where a thread does not go on; what cannot be written is lost.
    fn console(&self, text: &[u8]);

    /// Writes as much as the console takes at once, and says how many bytes that was. Where it takes none, the device that asks for
    /// attention once it takes more; or, with `lose`, all of the text is lost, and so is what follows until then.
    fn print(&self, text: &[u8], lose: bool) -> Result<usize, u8>;

    /// Has the console take what is typed there, from now on: the number by which it asks for attention once something was. `None`
    /// where nothing can be typed.
    fn listen(&self) -> Option<u8>;

    /// The next byte that was typed, once [`Self::listen`] was called.
    fn typed(&self) -> Option<u8>;

    /// Time since boot; it never goes back.
    fn monotonic(&self) -> Nanos;

    /// Time since 1970 in UTC, as far as the machine knows it.
    fn wall(&self) -> Nanos;

    /// Sleeps until a device asks for attention or `deadline` is there (on [`Self::monotonic`]'s clock), without
    /// taking the processor from the machine below. It may return early.
    fn wait(&self, deadline: Option<Nanos>);

    /// Which devices asked for attention since the last call: bit `n` is the device of number `n`. It never sleeps.
    fn attention(&self) -> u64;

    /// The device that the program declares by this name, the first time; none after that, and none where it was not found.
    fn device(&self, name: Name) -> Option<Device>;

    /// Fills `out` from the sources there are; `false` where none can be trusted, and `out` must not be used.
    fn entropy(&self, out: &mut [u8]) -> bool;

    /// Ends the machine.
    fn exit(&self, status: Status) -> !;
}

/// Most devices of a machine.
pub(crate) const MOST_DEVICES: usize = 64;

/// A device that the program declares, and the number by which it asks for attention.
pub(crate) struct Device {
    /// How it is declared.
    pub(crate) declared: device::manifest::Device,
    /// Its number, below [`MOST_DEVICES`].
    pub(crate) number: u8,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a device is.
pub(crate) enum Kind {
    /// It keeps bytes.
    Disk(Box<dyn Disk>),
    /// It sends and receives frames.
    Card(Box<dyn Card>),
}

/// What a disk is asked for. Offsets and lengths are whole sectors, within the disk, and no longer than
/// [`Disk::most`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    /// Read bytes.
    Read {
        /// Where they begin.
        offset: u64,
        /// How many, in bytes.
        size: usize,
    },
    /// Write bytes.
    Write {
        /// Where they begin.
        offset: u64,
        /// What they are.
        data: &'a [u8],
    },
    /// Make durable what was written.
    Flush,
}

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;

/// A block device. No call waits: an end is there after the device asked for attention.
pub(crate) trait Disk: Send {
    /// Its length in bytes, a multiple of [`SECTOR`].
    fn size(&self) -> u64;
    /// Whether nothing can be written.
    fn read_only(&self) -> bool;
    /// The longest request, in bytes.
    fn most(&self) -> usize;
    /// Begins a request; `None` where others must end first.
    fn begin(&mut self, request: Request<'_>) -> Result<Option<u16>, Error>;
    /// Takes notice of what is done.
    fn attend(&mut self) -> Result<(), Error>;
    /// Ends a request that was noticed to be done, and copies what was read to `out`; `false` where it was not.
    fn end(&mut self, ticket: u16, out: &mut [u8]) -> Result<bool, Error>;
}

/// The longest frame, header included and checksum not, in bytes.
pub(crate) const FRAME: usize = 1514;

/// A network card. No call waits.
pub(crate) trait Card: Send {
    /// Its hardware address.
    fn mac(&self) -> [u8; 6];
    /// Takes a frame into `out`; one that is longer is dropped.
    fn receive(&mut self, out: &mut [u8]) -> Result<Option<usize>, Error>;
    /// Sends a frame of at most [`FRAME`] bytes; `false` where there is no room now. It may wait for [`Card::flush`].
    fn send(&mut self, frame: &[u8]) -> Result<bool, Error>;
    /// Has what was sent leave.
    fn flush(&mut self);
    /// Whether a frame can be received, or sent after one could not. Where not, the device asks for attention once it is so; after
    /// [`Card::receive`] it does not, until this is asked again.
    fn ready(&mut self) -> bool;
}

/// How the machine ends. A monitor with an `isa-debug-exit` device shows [`Self::code`], from 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The program's own status; 0 to 62 are told apart.
    Exit(i32),
    /// A processor exception, by its vector.
    Fault(u8),
    /// A panic or an abort.
    Abort,
    /// No source of entropy: the machine is not started.
    NoEntropy,
    /// Memory, or what the loader or the image says, is not enough to start.
    Boot,
    /// A device that the program needs is not there, or not as it needs it.
    NoDevice,
    /// Nothing tells the date, or how fast time goes.
    NoClock,
}

impl Status {
    /// One number for each way to end.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Exit(status) => u8::try_from(status).map_or(63, |status| status.min(63)),
            Self::Fault(vector) => 64 + vector.min(31),
            Self::Abort => 100,
            Self::NoEntropy => 101,
            Self::Boot => 102,
            Self::NoDevice => 103,
            Self::NoClock => 104,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn every_end_has_a_number_of_its_own() {
        assert_eq!(Status::Exit(0).code(), 0);
        assert_eq!(Status::Exit(62).code(), 62);
        assert_eq!([Status::Exit(63), Status::Exit(-1), Status::Exit(300)].map(Status::code), [63; 3]);
        assert_eq!(Status::Fault(14).code(), 78);
        let told =
            [Status::Abort, Status::NoEntropy, Status::Boot, Status::NoDevice, Status::NoClock].map(Status::code);
        assert_eq!(told, [100, 101, 102, 103, 104]);
    }
}
