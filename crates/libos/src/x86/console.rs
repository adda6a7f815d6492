//! Where the machine's words go: to its virtio console, or to the serial line where it has none, or none yet, or one that fails.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{PC, cpu};
use crate::kernel::single::Single;
use crate::machine::{Machine as _, Nanos};
use crate::virtio::console::Console;

/// How long last words wait for the console, in nanoseconds.
const PATIENCE: Nanos = 1_000_000_000;

/// Most bytes of what is said before there is a console that are said to it, too.
const EARLY: usize = 1024;

struct Words {
    /// The device, with its number.
    device: Option<(u8, Console)>,
    early: [u8; EARLY],
    kept: usize,
}

static WORDS: Single<Words> = Single::new(Words { device: None, early: [0; EARLY], kept: 0 });

/// Has all that is said from now on go to this device, and what was said before; `false` where there is one already.
pub(super) fn start(number: u8, console: Console) -> bool {
    WORDS.with(|words| {
        let first = words.device.is_none();
        if first {
            words.device = Some((number, console));
            let (early, kept) = (words.early, words.kept);
            words.tell(&early[..kept]);
        }
        first
    })
}

/// Writes without sleeping.
pub(super) fn tell(text: &[u8]) {
    // A fault within such a call is told by the serial line.
    if WORDS.try_with(|words| words.tell(text)) != Some(true) {
        serial(text);
    }
}

/// As [`crate::machine::Machine::print`].
pub(super) fn print(text: &[u8], lose: bool) -> Result<usize, u8> {
    let wrote = WORDS.with(|words| {
        let (number, console) = words.device.as_mut()?;
        match console.write(text, lose).ok()? {
            0 => Some(Err(*number)),
            wrote => Some(Ok(wrote)),
        }
    });
    wrote.unwrap_or_else(|| {
        tell(text);
        Ok(text.len())
    })
}

/// Waits until the device has taken what it was given, if it does.
pub(super) fn drain() {
    WORDS.try_with(|words| {
        let Some((_, console)) = &mut words.device else { return };
        let deadline = PC.monotonic() + PATIENCE;
        while console.is_idle() == Ok(false) && PC.monotonic() < deadline {
            core::hint::spin_loop();
        }
    });
}

impl Words {
    /// Says all of it to the device, or loses the rest where that takes too long; `false` where there is no device, or it fails.
    fn tell(&mut self, mut text: &[u8]) -> bool {
        let Some((_, console)) = &mut self.device else {
            let (place, kept) = (&mut self.early[self.kept..], text.len().min(EARLY - self.kept));
            place[..kept].copy_from_slice(&text[..kept]);
            self.kept += kept;
            return false;
        };
        let deadline = PC.monotonic() + PATIENCE;
        while !text.is_empty() {
            let Ok(wrote) = console.write(text, PC.monotonic() >= deadline) else { return false };
            text = &text[wrote..];
        }
        true
    }
}

/// The ports of the first serial line (a 16550): data, which interrupts it makes, how its lines to the modem are, and how it is.
const DATA: u16 = 0x3f8;
const INTERRUPTS: u16 = 0x3f9;
const MODEM: u16 = 0x3fc;
const STATE: u16 = 0x3fd;

/// Has the serial line interrupt where a byte comes; `false` where there is no serial line.
pub(super) fn listen() -> bool {
    // SAFETY: the ports of the serial line, or nobody's. The modem's line OUT2 lets interrupts through on a PC.
    unsafe {
        cpu::write_port(MODEM, 0b1011);
        cpu::write_port(INTERRUPTS, 1);
        cpu::read_port(INTERRUPTS) == 1
    }
}

/// The next byte that the serial line has.
pub(super) fn typed() -> Option<u8> {
    // SAFETY: as above; what is read is gone from the line.
    unsafe { (cpu::read_port(STATE) & 1 != 0).then(|| cpu::read_port(DATA)) }
}

/// How often a serial line is asked whether it is free.
const POLLS: usize = 100_000;

/// Writes to the first serial line; where there is none, nobody listens. One that takes nothing for long loses words until it takes some
/// again, which is told there: to wait for each of them would stop everything else.
fn serial(text: &[u8]) {
    static LOST: AtomicBool = AtomicBool::new(false);
    // SAFETY: the ports of the serial line.
    let free = || unsafe { cpu::read_port(STATE) & 0x20 != 0 };
    let put = |byte: u8| {
        let polls = if LOST.load(Ordering::Relaxed) { 1 } else { POLLS };
        let free = (0..polls).any(|_| free());
        LOST.store(!free, Ordering::Relaxed);
        if free {
            // SAFETY: as above.
            unsafe { cpu::write_port(DATA, byte) };
        }
        free
    };
    let lost = LOST.load(Ordering::Relaxed);
    let note: &[u8] = if lost { b"\nlibos: words were lost here\n" } else { b"" };
    for byte in note.iter().chain(text) {
        if !(*byte != b'\n' || put(b'\r')) || !put(*byte) {
            return;
        }
    }
}
