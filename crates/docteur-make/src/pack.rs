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

/// Files of at most `files` bytes, and how long the segments are into which they are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    files: u64,
    segment: usize,
}

/// The classes of files, where no segment is longer than `longest`. To read a file is to decode what is before it in its segment: short
/// files are many and few of the bytes, so their segments are short; long ones are few and most of the bytes, and take as long anyway.
/// `docs/docteur.md` has what that was measured to cost and to gain.
pub(crate) fn classes(longest: usize) -> [Class; 3] {
    let segment = |part: usize| part.max(SHORTEST).min(longest);
    [
        Class { files: longest as u64 / 128, segment: segment(longest / 16) },
        Class { files: longest as u64 / 8, segment: segment(longest / 16 * 5) },
        one_class(longest),
    ]
}

/// All files in one class.
pub(crate) fn one_class(longest: usize) -> Class {
    Class { files: u64::MAX, segment: longest }
}

/// No segments are made shorter than that.
const SHORTEST: usize = 64 << 10;

/// Puts contents into segments, in an order, class by class. A content that fits a segment is in one; a longer one, which is in the
/// last class, begins its own, and all its segments but the last are full.
pub(crate) fn pack(uniques: &[Unique], order: &[usize], classes: &[Class]) -> Result<Packed, Error> {
    let mut packed = Packed { segments: Vec::new(), places: vec![Content::default(); uniques.len()] };
    let mut least = 0;
    for class in classes {
        let of_class = order.iter().copied().filter(|n| (least..=class.files).contains(&uniques[*n].size));
        packed.fill(uniques, of_class, class.segment);
        least = class.files.saturating_add(1);
    }
    match u32::try_from(packed.segments.len()) {
        Ok(_) => Ok(packed),
        Err(_) => Err(Error::TooMuch { what: "the number of segments", limit: u64::from(u32::MAX) }),
    }
}

impl Packed {
    /// Adds segments of these contents.
    fn fill(&mut self, uniques: &[Unique], order: impl Iterator<Item = usize>, segment: usize) {
        // An empty last segment is never kept.
        let (mut open, mut used) = (Vec::new(), 0_usize);
        for number in order {
            let unique = &uniques[number];
            if unique.size > (segment - used) as u64 && used > 0 {
                self.segments.push(std::mem::take(&mut open));
                used = 0;
            }
            self.places[number] =
                Content { size: unique.size, segment: self.segments.len() as u32, offset: used as u32 };
            let mut offset = 0;
            for piece in 0..unique.pieces.len() {
                let len = usize::try_from(unique.size - offset).map_or(segment, |left| left.min(segment));
                open.push(Part { unique: number, piece, offset, len });
                used += len;
                offset += len as u64;
                if used == segment {
                    self.segments.push(std::mem::take(&mut open));
                    used = 0;
                }
            }
        }
        if !open.is_empty() {
            self.segments.push(open);
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_in_segments_of_their_class() {
        let sizes = [5 << 20, 1_000, 300_000, 2_000, 262_144, 262_145, 16_384, 16_385, 200_000, 200_000, 1];
        let unique = |size: u64| Unique {
            key: 0,
            node: 0,
            size,
            pieces: vec![[0; 32]; size.div_ceil(2 << 20) as usize],
            sketch: Vec::new(),
        };
        let uniques = sizes.map(unique);
        let order: Vec<_> = (0..uniques.len()).collect();
        let packed = pack(&uniques, &order, &classes(2 << 20)).unwrap();
        let content = |size, segment, offset| Content { size, segment, offset };
        assert_eq!(
            packed.places,
            [
                content(5 << 20, 3, 0),
                content(1_000, 0, 0),
                content(300_000, 5, 1 << 20),
                content(2_000, 0, 1_000),
                content(262_144, 1, 0),
                content(262_145, 5, (1 << 20) + 300_000),
                content(16_384, 0, 3_000),
                content(16_385, 1, 262_144),
                content(200_000, 1, 278_529),
                content(200_000, 2, 0),
                content(1, 0, 19_384),
            ]
        );
        let lens: Vec<usize> = packed.segments.iter().map(|parts| parts.iter().map(|part| part.len).sum()).collect();
        assert_eq!(lens, [19_385, 478_529, 200_000, 2 << 20, 2 << 20, (1 << 20) + 562_145]);
    }

    #[test]
    fn no_class_is_longer_than_the_longest_segment() {
        for longest in [4 << 10, 512 << 10, 2 << 20, 64 << 20] {
            let classes = classes(longest);
            assert!(classes.is_sorted_by_key(|class| (class.files, class.segment)));
            assert!(classes.iter().all(|class| class.segment <= longest && class.segment >= longest.min(SHORTEST)));
            assert!(
                classes[..2].iter().all(|class| class.files <= class.segment as u64),
                "only the last has long files"
            );
        }
    }
}
