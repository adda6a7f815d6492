//! How much of its device the database has: a device may be longer, as a disk is.
//!
//! redb takes its file's length for its own, and asks for another when it grows or shrinks. A disk has the length it has, so
//! what is the database's is told from its first sector: redb's layout, where it was closed, and else the whole device, since
//! what a lost commit needs may lie anywhere. Nothing else is written, so the disk's bytes are those of a file.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use device::Block;
use redb::{StorageBackend, StorageError};

use super::fault::{Fault, damaged};

/// How redb's files begin.
const MAGIC: [u8; 9] = *b"redb\x1a\n\xa9\r\n";
/// The byte of flags, and the one that is set while the database is open.
const FLAGS: usize = 9;
const OPEN: u8 = 2;
/// Five u32, little-endian: bytes of a page, a region's pages for its own use and for data, how many regions are full, and
/// pages for data in one more.
const LAYOUT: usize = 12;
/// Bytes of redb's head, in one sector, so that a write of it is atomic.
const HEAD: usize = 320;
const SECTOR: usize = 512;
const PAGE: u64 = 4096;
/// What is looked at to find that a device is blank, at its beginning and at its end: whatever uses a disk has something there.
const LOOKED_AT: u64 = 4 << 20;

/// The database's part of a device.
#[derive(Debug)]
pub(super) struct Extent {
    block: Arc<dyn Block>,
    fixed: bool,
    len: AtomicU64,
}

impl Extent {
    pub(super) fn new(block: Arc<dyn Block>) -> Self {
        let fixed = block.is_fixed();
        Self { block, fixed, len: AtomicU64::new(0) }
    }

    /// Finds the database's length on the device, before it is opened.
    ///
    /// # Errors
    /// `Damaged` where the device is shorter than the database on it, whose end is then elsewhere; `Io`.
    pub(super) fn measure(&self) -> Result<(), Fault> {
        // A device may keep a write that failed for the next flush to tell: one of a database before this, which has failed with it.
        let _ = self.block.flush();
        let (len, device) =
            length(self.block.as_ref()).and_then(|len| Ok((len, self.block.len()?))).map_err(StorageError::Io)?;
        if len > device {
            return Err(damaged(&format!(
                "its device is shorter than the store: that has {len} bytes, and the device {device}"
            )));
        }
        self.len.store(len, SeqCst);
        Ok(())
    }

    /// Whether the device cannot grow.
    pub(super) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// How much of a device that cannot grow is not the database's yet; `None` where the device can.
    pub(super) fn beyond(&self) -> io::Result<Option<u64>> {
        let rest = || Ok(pages(self.block.len()?).saturating_sub(self.held()));
        self.fixed.then(rest).transpose()
    }

    /// Bytes of the database.
    pub(super) fn held(&self) -> u64 {
        self.len.load(SeqCst)
    }

    /// How much it can grow, where the device tells.
    pub(super) fn room(&self) -> Option<u64> {
        if self.fixed { None } else { self.block.room().ok().flatten() }
    }
}

/// The shared extent, as redb has it. Several may stand over one, one after the other: a database that failed is dropped, and
/// the extent is measured and opened anew.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<Extent>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.held())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.block.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let Extent { block, fixed, len: held } = self.0.as_ref();
        let device = block.len()?;
        // A file gives back what is not needed, and a disk cannot.
        if len > device || (len < device && !fixed) {
            block.set_len(len)?;
        }
        held.store(len, SeqCst);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.block.flush()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.block.write(offset, data)
    }
}

/// How many bytes of a device are the database's: none, where it is blank. More than the device has, where that was made shorter.
fn length(block: &dyn Block) -> io::Result<u64> {
    let device = block.len()?;
    let mut head = [0; SECTOR];
    let Some(head) = head.get_mut(..usize::try_from(device).unwrap_or(SECTOR).min(SECTOR)) else { return Ok(device) };
    block.read(0, head)?;
    if !head.starts_with(&MAGIC) {
        return Ok(if is_blank(block, device, head)? { 0 } else { device });
    }
    if head.len() < HEAD {
        return Ok(device);
    }
    let closed = head[FLAGS] & OPEN == 0;
    Ok(match layout(head) {
        // The head tells of nothing that was not there. (A file whose growth was lost with the power is as long as before: redb knows that.)
        Some(len) if len > device && (closed || block.is_fixed()) => len,
        Some(_) if !closed => pages(device),
        // It grows by its own size, and could not.
        Some(len) if block.is_fixed() && 2 * len > device => pages(device),
        Some(len) => len,
        None => pages(device),
    })
}

/// The length that redb's head tells.
fn layout(head: &[u8]) -> Option<u64> {
    let (numbers, _) = head.get(LAYOUT..)?.as_chunks();
    let [page, own, data, full, more] = *numbers.first_chunk()?;
    let [page, own, data, full, more] =
        [page, own, data, full, more].map(|number| u64::from(u32::from_le_bytes(number)));
    let last = if more > 0 { own + more } else { 0 };
    full.checked_mul(own + data)?.checked_add(1 + last)?.checked_mul(page)
}

/// Whether there is nothing on the device, or what is left where the power went while redb made a database: it writes its magic
/// number last, over zeros.
fn is_blank(block: &dyn Block, device: u64, head: &[u8]) -> io::Result<bool> {
    if head.iter().take(MAGIC.len()).chain(head.iter().skip(HEAD)).any(|byte| *byte != 0) {
        return Ok(false);
    }
    let mut bytes = vec![0; 64 << 10];
    let ends = [SECTOR as u64..device.min(LOOKED_AT), device.saturating_sub(LOOKED_AT).max(LOOKED_AT)..device];
    for mut end in ends {
        while !end.is_empty() {
            let part = usize::try_from(end.end - end.start).unwrap_or(usize::MAX).min(bytes.len());
            block.read(end.start, &mut bytes[..part])?;
            if bytes[..part].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            end.start += part as u64;
        }
    }
    Ok(true)
}

/// Whole pages of so many bytes.
fn pages(len: u64) -> u64 {
    len - len % PAGE
}

#[cfg(test)]
mod tests {
    use device::sim::SimBlock;

    use super::*;

    /// A device of `len` bytes that begins with redb's head: closed or not, and so many pages in its one region.
    fn device(len: usize, open: bool, more: u32) -> SimBlock {
        let mut bytes = vec![0; len];
        bytes[..9].copy_from_slice(&MAGIC);
        bytes[FLAGS] = if open { OPEN } else { 0 };
        for (number, at) in [(4096_u32, 12), (0, 16), (1 << 20, 20), (0, 24), (more, 28)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        SimBlock::holding(bytes)
    }

    #[test]
    fn a_closed_database_has_what_its_layout_says_and_an_open_one_has_all() {
        for (len, open, more, expected) in [
            (1 << 20, false, 17, 18 * 4096),
            (1 << 20, true, 17, 1 << 20),
            ((1 << 20) + 512, true, 17, 1 << 20),
            // What is too short: redb looks for what is whole where the power went.
            (16 * 4096, false, 17, 18 * 4096),
            (16 * 4096, true, 17, 16 * 4096),
            (1 << 20, false, u32::MAX, (1 << 44)),
        ] {
            assert_eq!(length(&device(len, open, more)).unwrap(), expected, "{len} {open} {more}");
        }
    }

    #[test]
    fn a_disk_is_the_databases_where_that_could_not_double() {
        for (pages, expected) in [(50, 50 * 4096), (128, 128 * 4096), (129, 1 << 20)] {
            let disk = SimBlock::fixed(device(1 << 20, false, pages - 1).contents());
            assert_eq!(length(&disk).unwrap(), expected);
        }
    }

    #[test]
    fn a_disk_that_is_shorter_than_its_database_is_told() {
        for open in [false, true] {
            for (len, short) in [(18 * 4096, false), (18 * 4096 - 512, true), (4096, true)] {
                let extent = Extent::new(Arc::new(SimBlock::fixed(device(len, open, 17).contents())));
                let told = extent.measure().map_err(|fault| fault.0.to_string());
                let why = format!(
                    "the store is damaged: its device is shorter than the store: that has 73728 bytes, and the device {len}"
                );
                assert_eq!(told, if short { Err(why) } else { Ok(()) }, "{open}");
            }
        }
    }

    #[test]
    fn layouts_that_no_device_has_are_none() {
        let mut head = [0xff; SECTOR];
        assert_eq!(layout(&head), None);
        head[LAYOUT..LAYOUT + 4].copy_from_slice(&4096_u32.to_le_bytes());
        assert_eq!(layout(&head), None);
        let pages = u64::from(u32::MAX);
        head[24..28].copy_from_slice(&3_u32.to_le_bytes());
        assert_eq!(layout(&head), Some(4096 * (1 + 4 * 2 * pages)));
        head[28..32].fill(0);
        assert_eq!(layout(&head), Some(4096 * (1 + 3 * 2 * pages)));
        assert_eq!(layout(&head[..20]), None);
    }

    #[test]
    fn only_what_is_blank_is_empty() {
        let blank = |len: usize, at: Option<usize>| {
            let mut bytes = vec![0; len];
            at.into_iter().for_each(|at| bytes[at] = 1);
            length(&SimBlock::holding(bytes)).unwrap() == 0
        };
        for len in [0, 1, 512, 4096, 72 << 10, 4 << 20, 5 << 20, 20 << 20] {
            assert!(blank(len, None), "{len} zeros");
            // A partition table, a boot sector, a file system, a copy at the end.
            for at in [0, 8, 320, 446, 510, 512, 1080, 65_536, len.saturating_sub(1)] {
                assert!(at >= len || !blank(len, Some(at)), "{len} bytes, one at {at}");
            }
            // What redb writes before its magic number.
            assert!(len < HEAD || blank(len, Some(9)) && blank(len, Some(319)));
        }
    }
}
