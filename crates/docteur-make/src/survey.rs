//! The first pass: each file's hash, and a sketch by which similar files are known.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};

use sha2::{Digest, Sha256};

use crate::everything::Everything;
use crate::rolling::windows;
use crate::spill::Spill;
use crate::{Error, parallel};

/// The most hashes of a sketch, and of all sketches together: very many files have shorter ones.
const SKETCH: usize = 64;
const SKETCHES: usize = 8 << 20;
/// Stands where a sketch has no hash.
pub(crate) const NO_HASH: u32 = u32::MAX;
/// Stands where a path has no bytes.
const NO_BYTES: u32 = u32::MAX;

/// SHA-256 of a piece.
pub(crate) type Hash = [u8; HASH];
const HASH: usize = 32;

/// Bytes that one or more files have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unique {
    /// The tree's key of the first file that has them.
    pub(crate) key: u64,
    pub(crate) size: u64,
    /// That file's number.
    pub(crate) file: u32,
    /// Which of the survey's pieces is its first.
    pub(crate) piece: u32,
}

/// What all files together have.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) uniques: Vec<Unique>,
    /// The longest piece.
    pub(crate) segment: usize,
    /// SHA-256 of each piece of each of the uniques, one after the other.
    pieces: Spill,
    /// For each of the uniques the lowest hashes of its windows, ascending: so many places, the last of which may have [`NO_HASH`].
    pub(crate) sketches: Vec<u32>,
    pub(crate) sketch: usize,
    of_file: Vec<u32>,
}

impl Survey {
    /// Which of the uniques are a file's bytes.
    pub(crate) fn of(&self, file: usize) -> Option<usize> {
        self.of_file.get(file).filter(|unique| **unique != NO_BYTES).map(|unique| *unique as usize)
    }

    /// The hash of one of the pieces.
    pub(crate) fn piece_of(&self, unique: &Unique, number: u32) -> Result<Hash, Error> {
        let mut hash = [0; HASH];
        let at = (u64::from(unique.piece) + u64::from(number)) * HASH as u64;
        self.pieces.read_at(at, &mut hash).map_err(Error::io(std::env::temp_dir()))?;
        Ok(hash)
    }

    /// The hashes of all.
    pub(crate) fn pieces_of(&self, unique: &Unique) -> Result<Vec<Hash>, Error> {
        // A file that is surveyed has fewer pieces than there may be in all.
        (0..unique.size.div_ceil(self.segment as u64) as u32).map(|number| self.piece_of(unique, number)).collect()
    }
}

/// Reads every file once. `progress` gets how many bytes each of them has.
pub(crate) fn survey(
    all: &Everything<'_>,
    segment: usize,
    threads: usize,
    mut progress: impl FnMut(u64),
) -> Result<Survey, Error> {
    let count = all.count();
    let mut survey = Survey { segment, of_file: vec![NO_BYTES; count], ..Survey::default() };
    // Files of one key, such as hard links, are read once.
    let mut by_key: HashMap<u64, u32> = HashMap::new();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for file in 0..count {
        let Some((key, 1..)) = all.file(file) else { continue };
        match by_key.entry(key) {
            Entry::Vacant(slot) => {
                slot.insert(file as u32);
                first.push(file as u32);
            }
            Entry::Occupied(slot) => again.push((file, *slot.get() as usize)),
        }
    }
    drop(by_key);
    let sketched = (SKETCHES / first.len().max(1)).clamp(1, SKETCH);
    survey.sketch = sketched;
    survey.sketches.reserve_exact(first.len() * sketched);
    let read = |buffer: &mut Vec<u8>, n: usize| {
        let Some((key, size)) = first.get(n).and_then(|file| all.file(*file as usize)) else { return Ok(None) };
        let failed = |error| Error::read(&all.path(first[n] as usize), error);
        sketch(all, key, size, segment, sketched, buffer).map(|read| Some((key, size, read))).map_err(failed)
    };
    let mut known = Known::new(first.len());
    let mut count = 0_u32;
    parallel::ordered(threads, first.len(), Vec::new, read, |n, result| {
        let (Some((key, size, (pieces, sketch))), Some(&file)) = (result, first.get(n)) else { return Ok(()) };
        let next = survey.uniques.len() as u32;
        let unique = known.number(&pieces, next, |unique| {
            let unique = &survey.uniques[unique as usize];
            Ok(unique.size == size && survey.pieces_of(unique)? == pieces)
        })?;
        if unique == next {
            let piece = count;
            let more = u32::try_from(pieces.len()).ok().and_then(|more| piece.checked_add(more));
            count = more.ok_or(Error::TooMuch { what: "the number of pieces", limit: u32::MAX.into() })?;
            survey.uniques.push(Unique { key, size, file, piece });
            pieces.iter().try_for_each(|hash| survey.pieces.push(hash).map(drop))?;
            survey.sketches.extend((0..sketched).map(|n| sketch.get(n).copied().unwrap_or(NO_HASH)));
        }
        survey.of_file[file as usize] = unique;
        progress(size);
        Ok(())
    })?;
    for (file, other) in again {
        survey.of_file[file] = survey.of_file[other];
    }
    Ok(survey)
}

/// Which contents are known, by the hashes of their pieces: eight bytes for each of the most that there may be, and a third more.
pub(crate) struct Known {
    /// Numbers of uniques with some bits of their hashes, each in the first free slot from the one that other bits name.
    slots: Vec<(u32, u32)>,
    /// What the bits depend on: who makes files cannot have them meet in a few slots.
    keys: RandomState,
}

impl Known {
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: vec![(FREE, 0); (most + most / 3 + 1).next_power_of_two()], keys: RandomState::new() }
    }

    /// The number of what has these hashes; `next`, and it has it from now on, if `is_same` finds no other number to be that.
    pub(crate) fn number(
        &mut self,
        pieces: &[Hash],
        next: u32,
        is_same: impl Fn(u32) -> Result<bool, Error>,
    ) -> Result<u32, Error> {
        let (slot, known) = self.slot(pieces, is_same)?;
        Ok(known.unwrap_or_else(|| {
            self.slots[slot] = (next, self.bits(pieces).0);
            next
        }))
    }

    /// The number of what has these hashes, if `is_same` finds one to be that.
    pub(crate) fn find(
        &self,
        pieces: &[Hash],
        is_same: impl Fn(u32) -> Result<bool, Error>,
    ) -> Result<Option<u32>, Error> {
        Ok(self.slot(pieces, is_same)?.1)
    }

    fn slot(
        &self,
        pieces: &[Hash],
        is_same: impl Fn(u32) -> Result<bool, Error>,
    ) -> Result<(usize, Option<u32>), Error> {
        let (bits, mut at) = self.bits(pieces);
        loop {
            // A slot is always free: there are more of them than contents.
            at &= self.slots.len() - 1;
            let slot = self.slots[at];
            if slot.0 == FREE {
                return Ok((at, None));
            }
            if slot.1 == bits && is_same(slot.0)? {
                return Ok((at, Some(slot.0)));
            }
            at += 1;
        }
    }

    /// Bits that tell contents apart in a slot, and the slot to look into first.
    fn bits(&self, pieces: &[Hash]) -> (u32, usize) {
        let hash = self.keys.hash_one(pieces);
        ((hash >> 32) as u32, hash as usize)
    }
}

/// Stands where nothing is known.
const FREE: u32 = u32::MAX;

type Sketched = (Vec<Hash>, Vec<u32>);

fn sketch(
    all: &Everything<'_>,
    key: u64,
    size: u64,
    segment: usize,
    most: usize,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Sketched> {
    let mut pieces = Vec::new();
    let mut lowest = Lowest { most, hashes: Vec::with_capacity(4 * most), bound: u32::MAX };
    let mut offset = 0;
    while offset < size {
        let len = usize::try_from(size - offset).map_or(segment, |left| left.min(segment));
        buffer.resize(len, 0);
        all.read_at(key, offset, buffer)?;
        pieces.push(Sha256::digest(&*buffer).into());
        windows(buffer, |_, hash| lowest.push((hash >> 32) as u32));
        offset += len as u64;
    }
    Ok((pieces, lowest.finish()))
}

/// Keeps the lowest of many numbers.
struct Lowest {
    most: usize,
    hashes: Vec<u32>,
    bound: u32,
}

impl Lowest {
    #[inline]
    fn push(&mut self, hash: u32) {
        if hash < self.bound {
            self.hashes.push(hash);
            if self.hashes.len() == 4 * self.most {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.truncate(self.most);
        if let (true, Some(last)) = (self.hashes.len() == self.most, self.hashes.last()) {
            self.bound = *last;
        }
    }

    fn finish(mut self) -> Vec<u32> {
        self.cut();
        self.hashes
    }
}
