//! A disk in memory that loses power, fills up and fails on demand.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::random::split_mix;
use crate::Block;

/// What a loss of power cannot cut in two: a write of one sector is kept or dropped as a whole.
pub const SECTOR: u64 = 512;
/// The unit in which room is taken.
const ROOM: u64 = 4096;

/// When the power goes. Calls are counted from 1, since the disk was made or last got its power back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// During the nth change: a write or a change of length.
    Write(u64),
    /// During the nth flush.
    Flush(u64),
}

/// What becomes of changes that were not flushed when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unflushed {
    /// None is kept.
    Dropped,
    /// All are kept, and the one that was under way is not.
    Kept,
    /// Each sector of each change is kept or dropped as the seed says; the one under way too.
    Torn(u64),
}

/// A disk in memory. Clones are the same disk, so that a test can hold on to one while a store owns another.
#[derive(Clone)]
pub struct SimBlock {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    /// What reads see.
    seen: Vec<u8>,
    /// What is safe.
    safe: Vec<u8>,
    /// Changes since the last flush, in their order.
    pending: Vec<Change>,
    writes: u64,
    flushes: u64,
    cut: Option<(Cut, Unflushed)>,
    /// The power is off; this is what to do with pending changes when it returns.
    off: Option<Unflushed>,
    capacity: Option<u64>,
    fixed: bool,
    /// Numbers of the blocks of [`ROOM`] bytes that take room: those that were written to.
    taken: BTreeSet<u64>,
    /// Calls to let pass, then calls to fail, and the error they fail with.
    fault: Option<(u64, u64, io::ErrorKind)>,
}

enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Default for SimBlock {
    fn default() -> Self {
        Self::new()
    }
}

impl SimBlock {
    /// An empty disk that can grow without end.
    #[must_use]
    pub fn new() -> Self {
        Self::holding(Vec::new())
    }

    /// A disk that safely holds `bytes`.
    #[must_use]
    pub fn holding(bytes: Vec<u8>) -> Self {
        let taken = (0..(bytes.len() as u64).div_ceil(ROOM)).collect();
        Self { disk: Arc::new(Mutex::new(Disk { seen: bytes.clone(), safe: bytes, taken, ..Disk::default() })) }
    }

    /// A disk that safely holds `bytes`, and has that length for ever.
    #[must_use]
    pub fn fixed(bytes: Vec<u8>) -> Self {
        let disk = Self::holding(bytes);
        disk.lock().fixed = true;
        disk
    }

    /// Cuts the power at `cut`. That call and all later ones fail, until [`SimBlock::restore_power`].
    pub fn cut_power(&self, cut: Cut, unflushed: Unflushed) {
        self.lock().cut = Some((cut, unflushed));
    }

    /// Cuts the power now.
    pub fn cut_power_now(&self, unflushed: Unflushed) {
        let mut disk = self.lock();
        if disk.off.is_none() {
            disk.lose(unflushed);
        }
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.lock().off.is_some()
    }

    /// Turns the power on again, with what survived. Counts start anew; a cut that did not come is forgotten.
    pub fn restore_power(&self) {
        let mut disk = self.lock();
        let pending = std::mem::take(&mut disk.pending);
        let mut torn = match disk.off.take() {
            Some(Unflushed::Torn(seed)) => Some(seed),
            _ => None,
        };
        let mut safe = std::mem::take(&mut disk.safe);
        for change in pending {
            change.survive(&mut safe, torn.as_mut());
        }
        disk.seen.clone_from(&safe);
        disk.safe = safe;
        (disk.writes, disk.flushes, disk.cut) = (0, 0, None);
    }

    /// Has room for `bytes`, in blocks of 4 KiB that are taken when they are first written to, as a file with holes
    /// takes them; `None` is room without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Lets `after` calls pass, then fails `count` calls with `kind`. Calls are reads, writes, changes of length and
    /// flushes.
    pub fn fail(&self, after: u64, count: u64, kind: io::ErrorKind) {
        self.lock().fault = Some((after, count, kind));
    }

    /// How many changes and flushes there were.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let disk = self.lock();
        (disk.writes, disk.flushes)
    }

    /// What reads see now, power or not.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn check(&mut self) -> io::Result<()> {
        if self.off.is_some() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the simulated disk has no power"));
        }
        if let Some((after, count, kind)) = &mut self.fault {
            if *after > 0 {
                *after -= 1;
            } else if *count > 0 {
                *count -= 1;
                return Err(io::Error::new(*kind, "a fault that the test asked for"));
            } else {
                self.fault = None;
            }
        }
        Ok(())
    }

    /// Takes the room of `len` bytes from `offset` on.
    fn take(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset.saturating_add(len);
        let blocks = offset / ROOM..end.div_ceil(ROOM);
        let held = self.taken.range(blocks.clone()).count() as u64;
        let room = (self.taken.len() as u64 + (blocks.end - blocks.start) - held) * ROOM;
        match self.capacity {
            Some(capacity) if held < blocks.end - blocks.start && room > capacity => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the simulated disk has room for {capacity} bytes, and {room} were asked for"),
            )),
            _ => {
                self.taken.extend(blocks);
                Ok(())
            }
        }
    }

    /// Counts a change; where the power goes during it, says so, and `change` is the one that may be torn.
    fn count(&mut self, change: Change) -> io::Result<()> {
        self.writes += 1;
        match self.cut {
            Some((Cut::Write(n), unflushed)) if n == self.writes => {
                if matches!(unflushed, Unflushed::Torn(_)) {
                    self.pending.push(change);
                }
                self.lose(unflushed);
                self.check()
            }
            _ => {
                change.apply(&mut self.seen);
                self.pending.push(change);
                Ok(())
            }
        }
    }

    fn lose(&mut self, unflushed: Unflushed) {
        if unflushed == Unflushed::Dropped {
            self.pending.clear();
        }
        self.off = Some(unflushed);
    }
}

impl Block for SimBlock {
    fn len(&self) -> io::Result<u64> {
        let disk = self.lock();
        if disk.off.is_some() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the simulated disk has no power"));
        }
        Ok(disk.seen.len() as u64)
    }

    fn is_fixed(&self) -> bool {
        self.lock().fixed
    }

    fn room(&self) -> io::Result<Option<u64>> {
        let disk = self.lock();
        if disk.fixed {
            return Ok(Some(0));
        }
        Ok(disk.capacity.map(|capacity| capacity.saturating_sub(disk.taken.len() as u64 * ROOM)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.lock();
        disk.check()?;
        match len.cmp(&(disk.seen.len() as u64)) {
            Ordering::Greater if disk.fixed => return Err(io::ErrorKind::StorageFull.into()),
            Ordering::Less if disk.fixed => return Err(io::ErrorKind::Unsupported.into()),
            _ => {}
        }
        let change = Change::Length(to_usize(len)?);
        drop(disk.taken.split_off(&len.div_ceil(ROOM)));
        disk.count(change)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.lock();
        disk.check()?;
        let start = to_usize(offset)?;
        let end = start.checked_add(out.len()).ok_or(io::ErrorKind::InvalidInput)?;
        let bytes = disk.seen.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        disk.check()?;
        if disk.fixed && offset.saturating_add(data.len() as u64) > disk.seen.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let change = Change::Write(to_usize(offset)?, data.to_vec());
        disk.take(offset, data.len() as u64)?;
        disk.count(change)
    }

    fn flush(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.check()?;
        disk.flushes += 1;
        if let Some((Cut::Flush(n), unflushed)) = disk.cut
            && n == disk.flushes
        {
            disk.lose(unflushed);
            return disk.check();
        }
        let pending = std::mem::take(&mut disk.pending);
        let mut safe = std::mem::take(&mut disk.safe);
        for change in pending {
            change.apply(&mut safe);
        }
        disk.safe = safe;
        Ok(())
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(len) => bytes.resize(*len, 0),
            Self::Write(offset, data) => put(bytes, *offset, data),
        }
    }

    /// Applies what is left of the change: all of it, or where `torn` has a seed, what that says.
    fn survive(&self, bytes: &mut Vec<u8>, torn: Option<&mut u64>) {
        let Some(seed) = torn else { return self.apply(bytes) };
        match self {
            Self::Length(_) => {
                if split_mix(seed) & 1 == 0 {
                    self.apply(bytes);
                }
            }
            Self::Write(offset, data) => {
                let sector = SECTOR as usize;
                let mut at = 0;
                while at < data.len() {
                    let end = ((offset + at) / sector * sector + sector - offset).min(data.len());
                    if split_mix(seed) & 1 == 0 {
                        put(bytes, offset + at, &data[at..end]);
                    }
                    at = end;
                }
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

fn to_usize(n: u64) -> io::Result<usize> {
    // Far below what an allocation could abort at, far above what a test needs.
    usize::try_from(n).ok().filter(|&n| n < 1 << 40).ok_or_else(|| io::ErrorKind::StorageFull.into())
}

impl fmt::Debug for SimBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.lock();
        write!(f, "SimBlock({} bytes, {})", disk.seen.len(), if disk.off.is_some() { "off" } else { "on" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(unflushed: Unflushed) -> SimBlock {
        let disk = SimBlock::holding(vec![0; 2048]);
        disk.write(0, &[1; 2048]).unwrap();
        disk.flush().unwrap();
        disk.cut_power(Cut::Write(3), unflushed);
        disk.write(0, &[2; 2048]).unwrap();
        assert!(disk.write(0, &[3; 1024]).is_err());
        assert!(disk.is_off() && disk.len().is_err() && disk.flush().is_err());
        disk.restore_power();
        disk
    }

    #[test]
    fn unflushed_changes_are_dropped_kept_or_torn() {
        assert_eq!(cut(Unflushed::Dropped).contents(), [1; 2048]);
        assert_eq!(cut(Unflushed::Kept).contents(), [2; 2048]);
        let mut kinds = [0; 4];
        for seed in 0..100 {
            for sector in cut(Unflushed::Torn(seed)).contents().chunks(512) {
                assert!(sector.iter().all(|b| *b == sector[0]));
                kinds[usize::from(sector[0])] += 1;
            }
        }
        assert!(kinds[0] == 0 && kinds[1..].iter().all(|n| *n > 20), "{kinds:?}");
    }

    #[test]
    fn a_cut_now_drops_keeps_or_tears_alike() {
        let cut_now = |unflushed| {
            let disk = SimBlock::holding(vec![1; 2048]);
            disk.write(0, &[2; 2048]).unwrap();
            disk.cut_power_now(unflushed);
            assert!(disk.is_off() && disk.read(0, &mut [0]).is_err());
            // It is off already.
            disk.cut_power_now(Unflushed::Kept);
            disk.restore_power();
            disk.contents()
        };
        assert_eq!(cut_now(Unflushed::Dropped), [1; 2048]);
        assert_eq!(cut_now(Unflushed::Kept), [2; 2048]);
        let torn = cut_now(Unflushed::Torn(1));
        assert!(torn.contains(&1) && torn.contains(&2));
    }

    #[test]
    fn a_cut_flush_is_not_durable() {
        let disk = SimBlock::new();
        disk.set_len(10).unwrap();
        disk.cut_power(Cut::Flush(1), Unflushed::Dropped);
        assert!(disk.flush().is_err());
        disk.restore_power();
        assert!(disk.is_empty().unwrap());
    }

    #[test]
    fn fills_up_and_fails_on_demand() {
        let disk = SimBlock::new();
        disk.set_capacity(Some(2 * ROOM));
        disk.set_len(100 * ROOM).unwrap();
        disk.write(10, &[1; 100]).unwrap();
        disk.write(50 * ROOM + 1, &[1; 100]).unwrap();
        assert_eq!(disk.write(ROOM - 1, &[1; 2]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.write(0, &[1; 100]).unwrap();
        disk.set_len(100).unwrap();
        assert_eq!(disk.read(1, &mut [0; 100]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        disk.write(ROOM - 1, &[1; 2]).unwrap();
        disk.fail(1, 2, io::ErrorKind::TimedOut);
        assert!(disk.flush().is_ok());
        for _ in 0..2 {
            assert_eq!(disk.flush().unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        assert!(disk.flush().is_ok());
    }

    #[test]
    fn a_fixed_disk_keeps_its_length() {
        let disk = SimBlock::fixed(vec![0; 2048]);
        assert!(disk.is_fixed() && disk.set_len(2048).is_ok());
        assert_eq!(disk.set_len(2049).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.set_len(2047).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(disk.write(2040, &[1; 9]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.write(2040, &[1; 8]).unwrap();
    }
}
