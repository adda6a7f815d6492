//! A network card: whole Ethernet frames in and out.

use std::io;
use std::task::Waker;

/// One network interface. `netstack` builds a [`crate::Stack`] from it.
pub trait Ethernet: Send + 'static {
    /// The interface's hardware address.
    fn mac(&self) -> [u8; 6];

    /// The longest frame, header included and checksum not, in bytes.
    fn mtu(&self) -> usize;

    /// Takes one received frame into `out` and gives its length; `None` where none is waiting.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>>;

    /// Sends one frame; `false` where there is no room for it now. It may wait for [`Ethernet::flush`].
    ///
    /// # Errors
    /// Whatever the device reports.
    fn send(&mut self, frame: &[u8]) -> io::Result<bool>;

    /// Has all frames that were sent leave: a card may be slower to tell of a frame than to take it. Whoever sends calls it before waiting.
    fn flush(&mut self) {}

    /// Wakes `waker` once a frame can be received, or can be sent after one could not: at once where it is so already.
    /// One waker is kept, the last; it may also be woken for nothing.
    fn register(&mut self, waker: &Waker);
}
