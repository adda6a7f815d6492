//! Ctrl-C and SIGTERM in the middle of a download: what was written so far is taken away, then the program ends.

use std::{io, thread};

use tokio::runtime;

use super::folder::Leftovers;
use crate::progress::Progress;

/// From here on a signal removes these leftovers before it ends the program, with the exit code that shells give it.
pub(super) fn clean_up(leftovers: Leftovers, progress: Progress) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        host::Signals::new()?
    };
    let wait = move || {
        let signal = runtime.block_on(signals.stop());
        progress.end();
        eprintln!("pasteur: stopped by {signal}");
        leftovers.remove_and_exit(if signal == "SIGINT" { 130 } else { 143 })
    };
    thread::Builder::new().name("signals".into()).stack_size(256 * 1024).spawn(wait).map(drop)
}
