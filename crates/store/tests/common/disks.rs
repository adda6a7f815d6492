//! A database's disk and its journal's, on one supply of power.

use std::io;
use std::sync::{Arc, Mutex};

use device::Block;
use device::sim::{Cut, SimBlock, SimClock, Unflushed};
use store::{Embedded, Options, Result};

/// A database's disk, and its journal's.
#[derive(Clone)]
pub(crate) struct Disks(pub(crate) [SimBlock; 2]);

/// When the power of both goes, in calls of either.
#[derive(Debug, Default)]
struct Supply {
    writes: u64,
    flushes: u64,
    cut: Option<(Cut, Unflushed)>,
}

#[derive(Clone, Debug)]
struct Wired {
    this: usize,
    disks: [SimBlock; 2],
    supply: Arc<Mutex<Supply>>,
}

impl Wired {
    fn is_cut(&self, write: bool) -> Option<Unflushed> {
        let mut supply = self.supply.lock().unwrap();
        let now = if write {
            supply.writes += 1;
            Cut::Write(supply.writes)
        } else {
            supply.flushes += 1;
            Cut::Flush(supply.flushes)
        };
        supply.cut.take_if(|(cut, _)| *cut == now).map(|(_, unflushed)| unflushed)
    }

    fn lose_power(&self, unflushed: Unflushed) -> io::Error {
        cut_both(&self.disks, unflushed);
        io::ErrorKind::NotConnected.into()
    }

    fn change(&self, change: impl FnOnce(&SimBlock) -> io::Result<()>) -> io::Result<()> {
        match self.is_cut(true) {
            None => change(&self.disks[self.this]),
            Some(unflushed) => {
                if matches!(unflushed, Unflushed::Torn(_)) {
                    // The one under way may be torn, too.
                    change(&self.disks[self.this])?;
                }
                Err(self.lose_power(unflushed))
            }
        }
    }
}

/// Cuts the power of both, as far as it is on.
pub(crate) fn cut_both(disks: &[SimBlock; 2], unflushed: Unflushed) {
    for disk in disks.iter().filter(|disk| !disk.is_off()) {
        disk.cut_power(Cut::Flush(disk.counts().1 + 1), unflushed);
        disk.flush().unwrap_err();
    }
}

impl Block for Wired {
    fn len(&self) -> io::Result<u64> {
        self.disks[self.this].len()
    }

    fn room(&self) -> io::Result<Option<u64>> {
        self.disks[self.this].room()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|disk| disk.set_len(len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disks[self.this].read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|disk| disk.write(offset, data))
    }

    fn flush(&self) -> io::Result<()> {
        match self.is_cut(false) {
            None => self.disks[self.this].flush(),
            Some(unflushed) => Err(self.lose_power(unflushed)),
        }
    }
}

impl Disks {
    pub(crate) fn new() -> Self {
        Self([SimBlock::new(), SimBlock::new()])
    }

    /// Opens the store, with a cut to come.
    pub(crate) fn open(&self, clock: &SimClock, cut: Option<(Cut, Unflushed)>) -> Result<Embedded> {
        self.open_counting(clock, cut).map(|(store, _)| store)
    }

    /// The same, and how many writes there have been.
    pub(crate) fn open_counting(
        &self,
        clock: &SimClock,
        cut: Option<(Cut, Unflushed)>,
    ) -> Result<(Embedded, impl Fn() -> u64 + use<>)> {
        let supply = Arc::new(Mutex::new(Supply { cut, ..Supply::default() }));
        let wired = |this| Wired { this, disks: self.0.clone(), supply: Arc::clone(&supply) };
        let mut options = Options::default();
        options.journal = Some(Arc::new(wired(1)));
        let store = Embedded::open(wired(0), options, Arc::new(clock.clone()))?;
        Ok((store, move || supply.lock().unwrap().writes))
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0[0].is_off()
    }

    pub(crate) fn restore(&self) {
        self.0.iter().for_each(SimBlock::restore_power);
    }
}
