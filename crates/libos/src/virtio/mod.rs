//! Virtio devices ("Virtual I/O Device (VIRTIO) Version 1.2", OASIS), and those of before the standard over MMIO. What a
//! device says is not trusted: whatever it answers, it is a driver's error, and no memory but the buffers is touched.
//!
//! The queues are our own, not those of the crate `virtio-drivers`: buffers belong to the queue, so that no answer
//! can reach a caller's memory, nothing spins, and interrupts by MSI-X are possible.
//!
//! | module | what |
//! |---|---|
//! | `registers`, `dma` | how a device's registers and the memory shared with it are touched |
//! | `mmio`, `pci` | the two transports |
//! | `queue` | split virtqueues |
//! | `block`, `net`, `rng`, `console` | drivers; none of them waits |

pub(crate) mod block;
pub(crate) mod console;
pub(crate) mod dma;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod mmio;
pub(crate) mod net;
pub(crate) mod pci;
pub(crate) mod queue;
pub(crate) mod registers;
pub(crate) mod rng;

use alloc::boxed::Box;
use core::fmt;

/// Kinds of devices (5).
pub(crate) const NET: u32 = 1;
pub(crate) const BLOCK: u32 = 2;
pub(crate) const CONSOLE: u32 = 3;
pub(crate) const RNG: u32 = 4;

/// The feature that says that the device keeps to the standard (6).
pub(crate) const VERSION_1: u64 = 1 << 32;

/// Bits of the status (2.1).
const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const FAILED: u8 = 128;

/// What went wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It does not take the features that were chosen.
    Features,
    /// It has no such queue, or one that is too small.
    NoQueue(u16),
    /// No memory for its queues.
    Memory,
    /// It has not become idle after a reset.
    Reset,
    /// It answered with a chain that it was not given, or with more bytes than there was room for. It is used no more.
    Answer,
    /// It reports an error of its own.
    Failed,
    /// It does not know the request.
    Unsupported,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features => out.write_str("the device does not take its own features"),
            Self::NoQueue(index) => write!(out, "the device has no queue {index}, or too small a one"),
            Self::Memory => out.write_str("no memory for the device's queues"),
            Self::Reset => out.write_str("the device does not finish its reset"),
            Self::Answer => out.write_str("the device answered what it was not asked: it is used no more"),
            Self::Failed => out.write_str("the device reports an error"),
            Self::Unsupported => out.write_str("the device does not know the request"),
        }
    }
}

/// Where a queue's three rings lie, as the device calls the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rings {
    /// The descriptors.
    pub(crate) descriptors: u64,
    /// What the driver makes available.
    pub(crate) available: u64,
    /// What the device has used.
    pub(crate) used: u64,
}

/// How a device's registers are reached (4).
pub(crate) trait Transport: Send {
    /// The kind of device.
    fn kind(&self) -> u32;
    /// The features that the device offers.
    fn offers(&self) -> u64;
    /// Chooses among them.
    fn choose(&self, features: u64);
    /// The status.
    fn status(&self) -> u8;
    /// Changes the status; 0 resets the device.
    fn set_status(&self, status: u8);
    /// The most descriptors of a queue; 0 where there is no such queue.
    fn most(&self, queue: u16) -> u16;
    /// Gives the device a queue of `size` descriptors; `false` where the memory is out of the device's reach.
    fn give(&mut self, queue: u16, size: u16, rings: Rings) -> bool;
    /// Tells the device that there is something new in a queue.
    fn notify(&self, queue: u16);
    /// A byte of the device's own configuration.
    fn config(&self, offset: usize) -> u8;
    /// Changes when the configuration does.
    fn generation(&self) -> u32;
    /// Takes notice of an interrupt, before the queues are looked at.
    fn acknowledge(&self);
}

/// A transport whose kind is known at run time.
pub(crate) type AnyTransport = Box<dyn Transport>;

/// Resets a device and agrees on those of the features `wanted` that it offers; gives them (3.1.1).
pub(crate) fn begin(transport: &dyn Transport, wanted: u64) -> Result<u64, Error> {
    transport.set_status(0);
    if !(0..1_000_000).any(|_| transport.status() == 0) {
        return Err(Error::Reset);
    }
    transport.set_status(ACKNOWLEDGE);
    transport.set_status(ACKNOWLEDGE | DRIVER);
    let agreed = transport.offers() & (wanted | VERSION_1);
    transport.choose(agreed);
    if agreed & VERSION_1 != 0 {
        transport.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if transport.status() & FEATURES_OK == 0 {
            transport.set_status(FAILED);
            return Err(Error::Features);
        }
    }
    Ok(agreed)
}

/// The device may work from now on.
pub(crate) fn ready(transport: &dyn Transport) {
    transport.set_status(transport.status() | DRIVER_OK);
}

/// Reads bytes of the configuration as they were at one moment (2.5.3); a device that never holds still gives the last.
pub(crate) fn config<const N: usize>(transport: &dyn Transport, offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for _ in 0..16 {
        let before = transport.generation();
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = transport.config(offset + index);
        }
        if transport.generation() == before {
            break;
        }
    }
    bytes
}
