//! A TAP device: a network card that is a file, whose cable ends in the kernel.

use std::task::{Context, Waker};
use std::{fmt, io};

use device::{Ethernet, Random};
use rustix::io::Errno;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

use crate::Entropy;

/// Bytes of an Ethernet header: two addresses and a type.
const HEADER: usize = 14;

/// The machine's end of a cable to its own kernel, as an [`Ethernet`] for `netstack`: Linux's TAP device. It is used on a tokio
/// runtime with I/O.
///
/// Frames that nobody takes wait in the kernel's queue of the interface (`txqueuelen`, 1,000 at first); it drops more.
pub struct Tap {
    device: AsyncDevice,
    mac: [u8; 6],
    mtu: usize,
    /// The last frame could not be sent.
    full: bool,
}

impl Tap {
    /// Opens the TAP interface of this name, or makes one for as long as it is open.
    ///
    /// The name is at most 15 bytes; a `%d` in it becomes a number that is free. The kernel's end is set up with `ip`; what
    /// `ip tuntap add dev NAME mode tap user USER` made is opened by that user without other rights.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] where there is no right to make one, [`io::ErrorKind::ResourceBusy`] where another program has
    /// it open, [`io::ErrorKind::InvalidInput`] for a name that is too long or an interface's of another kind; whatever the kernel says.
    pub fn open(name: &str) -> io::Result<Self> {
        let device = DeviceBuilder::new().name(name).layer(Layer::L2).inherit_enable_state().build_async()?;
        let mtu = usize::from(device.mtu()?) + HEADER;
        // The interface's own address is the kernel's. This end has another: any that is for one card, and made by hand.
        let mut mac = [0; 6];
        Entropy.fill(&mut mac).map_err(io::Error::other)?;
        mac[0] = mac[0] & 0xfc | 0x02;
        Ok(Self { device, mac, mtu, full: false })
    }

    /// The interface's name.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn name(&self) -> io::Result<String> {
        self.device.name()
    }
}

impl Ethernet for Tap {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(self.device.try_recv(out))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        let sent = match self.device.try_send(frame) {
            // While the interface is down, a frame is lost as it is on a cable that is not plugged in.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => true,
            sent => unless_blocked(sent)?.is_some(),
        };
        self.full = !sent;
        Ok(sent)
    }

    fn register(&mut self, waker: &Waker) {
        let mut cx = Context::from_waker(waker);
        // Who cannot send is not woken by what comes, or it would look again and again.
        let ready = if self.full { self.device.poll_writable(&mut cx) } else { self.device.poll_readable(&mut cx) };
        if ready.is_ready() {
            waker.wake_by_ref();
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
