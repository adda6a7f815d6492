//! Which bytes are in which segment, and getting them.

use docteur::Content;
use sha2::{Digest, Sha256};

use crate::error::show;
use crate::survey::Unique;
use crate::{Error, Node, Tree};

/// A part of a content in a segment.
#[derive(Clone, Copy, Debug)]
struct Part {
    unique: usize,
    piece: usize,
    offset: u64,
    len: usize,
}

/// All segments.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    segments: Vec<Vec<Part>>,
    /// Where each content is.
    pub(crate) places: Vec<Content>,
}

/// Puts contents into segments, in an order. A content that fits a segment is in one; a longer one begins its own, and all
/// its segments but the last are full.
pub(crate) fn pack(uniques: &[Unique], order: &[usize], segment: usize) -> Result<Packed, Error> {
    let mut packed = Packed { segments: Vec::new(), places: vec![Content::default(); uniques.len()] };
    // An empty last segment is never kept.
    let (mut open, mut used) = (Vec::new(), 0_usize);
    for &number in order {
        let unique = &uniques[number];
        if unique.size > (segment - used) as u64 && used > 0 {
            packed.segments.push(std::mem::take(&mut open));
            used = 0;
        }
        packed.places[number] =
            Content { size: unique.size, segment: packed.segments.len() as u32, offset: used as u32 };
        let mut offset = 0;
        for piece in 0..unique.pieces.len() {
            let len = usize::try_from(unique.size - offset).map_or(segment, |left| left.min(segment));
            open.push(Part { unique: number, piece, offset, len });
            used += len;
            offset += len as u64;
            if used == segment {
                packed.segments.push(std::mem::take(&mut open));
                used = 0;
            }
        }
    }
    if !open.is_empty() {
        packed.segments.push(open);
    }
    match u32::try_from(packed.segments.len()) {
        Ok(_) => Ok(packed),
        Err(_) => Err(Error::TooMuch { what: "the number of segments", limit: u64::from(u32::MAX) }),
    }
}

impl Packed {
    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Reads a segment's bytes into `buffer`; they have to be what the survey saw.
    pub(crate) fn read(
        &self,
        number: usize,
        tree: &dyn Tree,
        uniques: &[Unique],
        nodes: &[&Node],
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        buffer.clear();
        for part in self.segments.get(number).into_iter().flatten() {
            let unique = &uniques[part.unique];
            let path = || show(&nodes[unique.node].path);
            let start = buffer.len();
            buffer.resize(start + part.len, 0);
            let here = &mut buffer[start..];
            tree.read_at(unique.key, part.offset, here).map_err(|error| Error::Io(path().into(), error))?;
            if unique.pieces.get(part.piece) != Some(&Sha256::digest(here).into()) {
                return Err(Error::Changed(path()));
            }
        }
        Ok(())
    }
}
