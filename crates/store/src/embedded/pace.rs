//! The database's device, written to in small portions while others need the disk: a flush of much makes the
//! journal's small ones wait behind it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use device::Block;

/// Bytes after which what was written is flushed.
const PORTION: u64 = 1 << 20;

/// A device whose writes go on in portions while [`Paced::pace`] holds.
#[derive(Debug)]
pub(super) struct Paced {
    block: Arc<dyn Block>,
    on: AtomicBool,
    /// Bytes written since the last flush.
    written: AtomicU64,
    /// A flush failed that nobody had asked for. A system tells that only once, and what was written is lost.
    failed: AtomicBool,
}

/// Ends the pace when it is dropped.
pub(super) struct Pace<'a>(&'a Paced);

impl Paced {
    pub(super) fn new(block: Arc<dyn Block>) -> Self {
        Self { block, on: false.into(), written: 0.into(), failed: false.into() }
    }

    /// The device is read anew, from what was durable: a failure before is of no concern.
    pub(super) fn forget(&self) {
        self.written.store(0, SeqCst);
        self.failed.store(false, SeqCst);
    }

    pub(super) fn pace(&self) -> Pace<'_> {
        self.on.store(true, SeqCst);
        Pace(self)
    }
}

impl Drop for Pace<'_> {
    fn drop(&mut self) {
        self.0.on.store(false, SeqCst);
    }
}

impl Block for Paced {
    fn len(&self) -> io::Result<u64> {
        self.block.len()
    }

    fn room(&self) -> io::Result<Option<u64>> {
        self.block.room()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.block.set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.block.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.block.write(offset, data)?;
        let written = self.written.fetch_add(data.len() as u64, SeqCst) + data.len() as u64;
        if written >= PORTION && self.on.load(SeqCst) {
            self.written.store(0, SeqCst);
            if let Err(e) = self.block.flush() {
                self.failed.store(true, SeqCst);
                return Err(e);
            }
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.written.store(0, SeqCst);
        if self.failed.swap(false, SeqCst) {
            return Err(io::Error::other("what was written before could not be made durable"));
        }
        self.block.flush()
    }
}

#[cfg(test)]
mod tests {
    use device::sim::SimBlock;

    use super::*;

    #[test]
    fn goes_in_portions_while_it_is_asked_to() {
        let disk = SimBlock::new();
        let paced = Paced::new(Arc::new(disk.clone()));
        let piece = vec![1; 100_000];
        for n in 0..30 {
            paced.write(n * 100_000, &piece).unwrap();
        }
        assert_eq!(disk.counts().1, 0);
        let pace = paced.pace();
        for n in 0..30 {
            paced.write(n * 100_000, &piece).unwrap();
        }
        drop(pace);
        assert_eq!(disk.counts().1, 3);
    }

    #[test]
    fn a_flush_that_failed_is_told_once_more() {
        let disk = SimBlock::new();
        let paced = Paced::new(Arc::new(disk.clone()));
        let _pace = paced.pace();
        disk.fail(1, 1, io::ErrorKind::TimedOut);
        assert!(paced.write(0, &vec![1; 2 << 20]).is_err());
        assert!(paced.flush().is_err());
        assert!(paced.flush().is_ok());
        disk.fail(1, 1, io::ErrorKind::TimedOut);
        assert!(paced.write(0, &vec![1; 2 << 20]).is_err());
        paced.forget();
        assert!(paced.flush().is_ok());
    }
}
