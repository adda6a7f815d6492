//! What lies between a machine and `std`: the heap, threads, and the symbols of the target's ABI.

mod abi;
pub(crate) mod memory;
pub(crate) mod single;
pub(crate) mod threads;

use core::fmt::{self, Write};

use crate::machine::{Machine, Status};

/// The machine that this program was built for.
pub(crate) fn machine() -> &'static dyn Machine {
    &crate::x86::PC
}

/// Writes a line to the console.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    struct Console;
    impl Write for Console {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            machine().console(text.as_bytes());
            Ok(())
        }
    }
    // A console takes everything.
    let _ = writeln!(Console, "{line}");
}

/// Says why the machine cannot go on, and ends it.
pub(crate) fn fail(status: Status, why: fmt::Arguments<'_>) -> ! {
    say(format_args!("libos: {why}"));
    machine().exit(status)
}
