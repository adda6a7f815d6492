//! The progress bar: on standard error, on a terminal only, never where `--quiet` or `--json` says no.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a transfer has come.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Starts to show a transfer of `total` bytes, or of an unknown number.
    pub(crate) fn start(verb: &'static str, total: Option<u64>, hidden: bool) -> Self {
        // On anything but a terminal this target draws nothing.
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let template = match total {
            Some(_) => "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
            None => "{spinner} {msg} {binary_bytes}, {binary_bytes_per_sec}",
        };
        let bar = ProgressBar::with_draw_target(total, target).with_message(verb);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━╌"));
        }
        Self(bar)
    }

    /// The reader, its bytes counted as they pass.
    pub(crate) fn count<R: Read>(&self, inner: R) -> Counted<R> {
        Counted { inner, bar: self.0.clone(), amount: Amount::default() }
    }

    /// Runs something that prints, with the bar out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// A reader whose bytes are counted.
pub(crate) struct Counted<R> {
    inner: R,
    bar: ProgressBar,
    amount: Amount,
}

/// How many bytes have passed a [`Counted`] reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amount(Arc<AtomicU64>);

impl Amount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<R> Counted<R> {
    /// Keeps telling the amount when the reader has been given away.
    pub(crate) fn amount(&self) -> Amount {
        self.amount.clone()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let amount = self.inner.read(into)?;
        self.bar.inc(amount as u64);
        self.amount.0.fetch_add(amount as u64, Ordering::Relaxed);
        Ok(amount)
    }
}
