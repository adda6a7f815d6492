//! Processor exceptions in words (Intel SDM 3A 6.3).

use core::fmt;

/// The names of exceptions by their vectors.
const NAMES: [&str; 22] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid task segment",
    "segment not present",
    "stack-segment fault",
    "general protection",
    "page fault",
    "reserved exception",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point exception",
    "virtualisation exception",
    "control protection",
];

/// An exception: where it happened, and for a page fault what was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Which exception.
    pub(crate) vector: u8,
    /// The processor's error code; 0 where it gives none.
    pub(crate) error: u64,
    /// The instruction.
    pub(crate) at: usize,
    /// The address that was touched, if it is a page fault.
    pub(crate) address: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.get(usize::from(self.vector)).unwrap_or(&NAMES[15]);
        write!(f, "{name}")?;
        if self.vector == 14 {
            let tried = match self.error {
                error if error & 0x10 != 0 => "executing",
                error if error & 2 != 0 => "writing",
                _ => "reading",
            };
            let why = match (self.error & 1, self.address) {
                (0, 0..0x1000) => "the null page",
                (0, _) => "a page that is not there",
                _ => "a page that forbids it",
            };
            write!(f, ": {tried} {:#x}, {why}", self.address)?;
        } else if self.error != 0 {
            write!(f, ", error code {:#x}", self.error)?;
        }
        write!(f, ", at {:#x}", self.at)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::Fault;

    fn told(vector: u8, error: u64, address: usize) -> std::string::String {
        Fault { vector, error, at: 0x20_1234, address }.to_string()
    }

    #[test]
    fn faults_say_what_was_tried_and_where() {
        assert_eq!(told(0, 0, 9), "divide error, at 0x201234");
        assert_eq!(told(13, 0x18, 9), "general protection, error code 0x18, at 0x201234");
        assert_eq!(told(14, 0, 8), "page fault: reading 0x8, the null page, at 0x201234");
        assert_eq!(told(14, 2, 0x5000), "page fault: writing 0x5000, a page that is not there, at 0x201234");
        assert_eq!(told(14, 3, 0x5000), "page fault: writing 0x5000, a page that forbids it, at 0x201234");
        assert_eq!(told(14, 0x11, 0x5000), "page fault: executing 0x5000, a page that forbids it, at 0x201234");
        assert_eq!(told(31, 0, 0), "reserved exception, at 0x201234");
    }
}
