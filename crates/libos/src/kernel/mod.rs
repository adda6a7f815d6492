//! What lies between a machine and `std`: the heap, threads, and the symbols of the target's ABI.

mod abi;
pub(crate) mod memory;
pub(crate) mod single;
pub(crate) mod threads;

use core::fmt::{self, Write};

use crate::machine::{Machine, Nanos, Status};
use crate::scheduler::{Event, Woken};

/// The machine that this program was built for.
pub(crate) fn machine() -> &'static dyn Machine {
    &crate::x86::PC
}

/// How long the console may take nothing before what a thread says is lost, in nanoseconds.
const PATIENCE: Nanos = 1_000_000_000;

/// Writes to the console for a thread, which waits while the console takes nothing.
pub(crate) fn print(mut text: &[u8]) {
    let mut deadline = machine().monotonic().saturating_add(PATIENCE);
    let mut lose = false;
    while !text.is_empty() {
        match machine().print(text, lose) {
            Ok(wrote) => {
                text = text.get(wrote..).unwrap_or_default();
                deadline = machine().monotonic().saturating_add(PATIENCE);
            }
            Err(device) => lose = threads::wait(Some(Event::Device(device)), Some(deadline)) == Woken::Deadline,
        }
    }
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
