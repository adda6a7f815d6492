//! What a reader keeps in memory between reads, within a budget.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::layout::{Codec, Stored};
use crate::zstd::{self, Corrupt, Decoder};

/// Decoded pieces of one image. Each thread may have its own; [`Cache::sibling`] shares the base between them.
///
/// Whatever the budget, one segment and one index block are kept, since nothing can be read without them.
#[derive(Debug)]
pub struct Cache {
    budget: usize,
    /// The image that it is of.
    root: Option<[u8; 32]>,
    clock: u64,
    base: Option<Arc<Vec<u8>>>,
    pub(crate) pages: Vec<Slot<Vec<u8>>>,
    pub(crate) blocks: Vec<Slot<Vec<u8>>>,
    pub(crate) segments: Vec<Slot<Segment>>,
    /// Memory of a segment that is of no use any more.
    spare: Option<Segment>,
    /// For what is decoded at once.
    decoder: Decoder,
    stored: Vec<u8>,
}

/// Something with its number, and when it was used last.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    number: u32,
    used: u64,
    pub(crate) value: T,
}

/// A segment, decoded as far as was asked for.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) piece: Stored,
    /// Where it begins in the image.
    pub(crate) at: u64,
    /// Its bytes in the image, until all are decoded.
    input: Vec<u8>,
    decoder: Decoder,
}

/// Pages of the segment table that are kept.
const PAGES: usize = 4;
/// The most pieces of a kind, so that looking for one is quick.
const MOST: usize = 256;

impl Cache {
    /// A cache that keeps at most about `budget` bytes of decoded pieces, beside the base (its length is the image's
    /// [`base`](crate::layout::Superblock::base), and it is decoded when first needed) and about 64 KiB.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            root: None,
            clock: 0,
            base: None,
            pages: Vec::new(),
            blocks: Vec::new(),
            segments: Vec::new(),
            spare: None,
            decoder: Decoder::new(),
            stored: Vec::new(),
        }
    }

    /// An empty cache with the same budget, and the same base if it is decoded already.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { root: self.root, base: self.base.clone(), ..Self::new(self.budget) }
    }

    /// Takes the base of another cache of the same image, in place of its own.
    #[cfg(feature = "std")]
    pub(crate) fn adopt(&mut self, seed: &Self) {
        self.root = seed.root;
        self.base.clone_from(&seed.base);
    }

    /// Forgets everything but the base. The memory of one segment is kept, to be used again.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.blocks.clear();
        self.spare = take_oldest(&mut self.segments).or(self.spare.take());
        self.segments.clear();
    }

    /// Makes sure that what is kept is of the image with this root.
    pub(crate) fn serve(&mut self, root: &[u8; 32]) {
        if self.root.as_ref() != Some(root) {
            self.clear();
            self.base = None;
            self.root = Some(*root);
        }
    }

    pub(crate) fn base(&self) -> Option<&Arc<Vec<u8>>> {
        self.base.as_ref()
    }

    pub(crate) fn set_base(&mut self, base: Vec<u8>) {
        self.base = Some(Arc::new(base));
    }

    /// A buffer of `len` bytes for what is fetched.
    pub(crate) fn buffer(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = core::mem::take(&mut self.stored);
        buffer.resize(len, 0);
        buffer
    }

    /// Gives the buffer back.
    pub(crate) fn put_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= 64 << 10 {
            self.stored = buffer;
        }
    }

    /// Keeps a page.
    pub(crate) fn keep_page(&mut self, number: u32, page: Vec<u8>) -> usize {
        if self.pages.len() >= PAGES {
            take_oldest(&mut self.pages);
        }
        self.keep(number, page, |cache| &mut cache.pages)
    }

    /// Decodes an index block and keeps it.
    pub(crate) fn keep_block(&mut self, number: u32, piece: &Stored, input: &[u8]) -> Result<usize, Corrupt> {
        let bytes = match piece.codec {
            Codec::Stored => input.to_vec(),
            Codec::Zstd => {
                self.decoder.begin(input, piece.len as usize)?;
                self.decoder.advance(input, b"", piece.len as usize)?;
                self.decoder.decoded().to_vec()
            }
            Codec::ZstdBase => return Err(Corrupt),
        };
        let budget = (self.budget / 8).saturating_sub(bytes.capacity());
        while self.blocks.len() >= MOST || self.blocks.iter().map(|s| s.value.capacity()).sum::<usize>() > budget {
            if take_oldest(&mut self.blocks).is_none() {
                break;
            }
        }
        Ok(self.keep(number, bytes, |cache| &mut cache.blocks))
    }

    /// Room for a segment of `piece`, with `piece.stored` bytes of input to fill.
    pub(crate) fn room(&mut self, piece: &Stored, at: u64) -> Segment {
        let need = piece.len as usize + piece.stored as usize + zstd::OVERHEAD;
        let budget = (self.budget - self.budget / 8).saturating_sub(need);
        let mut spare = self.spare.take().filter(|spare| spare.held() <= need + need / 2);
        while self.segments.len() >= MOST || self.segments.iter().map(|s| s.value.held()).sum::<usize>() > budget {
            let Some(oldest) = take_oldest(&mut self.segments) else { break };
            // The memory of one that was as large is used again.
            if spare.is_none() && oldest.held() <= need + need / 2 {
                spare = Some(oldest);
            }
        }
        let mut segment = match spare {
            Some(spare) => Segment { piece: *piece, at, ..spare },
            None => Segment { piece: *piece, at, input: Vec::new(), decoder: Decoder::new() },
        };
        segment.input.resize(piece.stored as usize, 0);
        segment
    }

    /// Keeps a segment.
    pub(crate) fn keep_segment(&mut self, number: u32, segment: Segment) -> usize {
        self.keep(number, segment, |cache| &mut cache.segments)
    }

    /// The next moment, for what is used now.
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn keep<T>(&mut self, number: u32, value: T, slots: fn(&mut Self) -> &mut Vec<Slot<T>>) -> usize {
        let used = self.tick();
        let slots = slots(self);
        slots.push(Slot { number, used, value });
        slots.len() - 1
    }
}

/// Where the slot with this number is; it counts as used now.
pub(crate) fn find<T>(slots: &mut [Slot<T>], number: u32, now: u64) -> Option<usize> {
    let at = slots.iter().position(|slot| slot.number == number)?;
    slots.get_mut(at)?.used = now;
    Some(at)
}

fn take_oldest<T>(slots: &mut Vec<Slot<T>>) -> Option<T> {
    let (at, _) = slots.iter().enumerate().min_by_key(|(_, slot)| slot.used)?;
    Some(slots.swap_remove(at).value)
}

impl Segment {
    /// The buffer for its bytes in the image.
    pub(crate) fn input(&mut self) -> &mut [u8] {
        &mut self.input
    }

    /// To be called once the input is there and has its hash.
    pub(crate) fn begin(&mut self) -> Result<(), Corrupt> {
        match self.piece.codec {
            Codec::Stored => Ok(()),
            _ => self.decoder.begin(&self.input, self.piece.len as usize),
        }
    }

    /// What is decoded.
    pub(crate) fn decoded(&self) -> &[u8] {
        match self.piece.codec {
            Codec::Stored => &self.input,
            _ => self.decoder.decoded(),
        }
    }

    /// Decodes until `target` bytes are there.
    pub(crate) fn advance(&mut self, base: &[u8], target: usize) -> Result<(), Corrupt> {
        let dictionary = match self.piece.codec {
            Codec::Stored => return if target <= self.input.len() { Ok(()) } else { Err(Corrupt) },
            Codec::Zstd => b"",
            Codec::ZstdBase => base,
        };
        if self.decoder.decoded().len() >= target && target < self.piece.len as usize || self.is_complete() {
            return Ok(());
        }
        self.decoder.advance(&self.input, dictionary, target)?;
        if self.is_complete() {
            self.input.clear();
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.decoder.is_complete()
    }

    fn held(&self) -> usize {
        self.input.capacity() + self.decoder.held()
    }
}
