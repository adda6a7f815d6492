//! Which bytes are in which segment, and getting them.

use docteur::Content;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::error::show;
use crate::everything::Everything;
use crate::survey::{Survey, Unique};

/// A part of a content in a segment.
#[derive(Clone, Copy, Debug)]
struct Part {
    unique: u32,
    piece: u32,
}

/// All segments.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    parts: Vec<Part>,
    /// Where the parts of each segment end.
    ends: Vec<usize>,
    /// Where each content is.
    pub(crate) places: Vec<Content>,
    /// How many segments, the first ones, are of classes that are shorter than the last.
    pub(crate) short: usize,
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
pub(crate) fn pack(uniques: &[Unique], order: &[u32], classes: &[Class]) -> Result<Packed, Error> {
    let mut packed = Packed { places: vec![Content::default(); uniques.len()], ..Packed::default() };
    let mut least = 0;
    for class in classes {
        packed.short = packed.ends.len();
        let of_class = order.iter().copied().filter(|n| (least..=class.files).contains(&uniques[*n as usize].size));
        packed.fill(uniques, of_class, class.segment);
        least = class.files.saturating_add(1);
    }
    match u32::try_from(packed.ends.len()) {
        Ok(_) => Ok(packed),
        Err(_) => Err(Error::TooMuch { what: "the number of segments", limit: u64::from(u32::MAX) }),
    }
}

impl Packed {
    /// Adds segments of these contents.
    fn fill(&mut self, uniques: &[Unique], order: impl Iterator<Item = u32>, segment: usize) {
        let mut used = 0_usize;
        for number in order {
            let size = uniques[number as usize].size;
            if size > (segment - used) as u64 && used > 0 {
                self.ends.push(self.parts.len());
                used = 0;
            }
            self.places[number as usize] = Content { size, segment: self.ends.len() as u32, offset: used as u32 };
            // A content of more than one piece is as long as more than one segment, and these are as long as pieces.
            for piece in 0..size.div_ceil(segment as u64) {
                self.parts.push(Part { unique: number, piece: piece as u32 });
                used += usize::try_from(size - piece * segment as u64).map_or(segment, |left| left.min(segment));
                if used == segment {
                    self.ends.push(self.parts.len());
                    used = 0;
                }
            }
        }
        if used > 0 {
            self.ends.push(self.parts.len());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn parts_of(&self, number: usize) -> &[Part] {
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(number).and_then(|end| self.parts.get(start..*end)).unwrap_or_default()
    }

    /// Reads a segment's bytes into `buffer`; they have to be what the survey saw.
    pub(crate) fn read(
        &self,
        number: usize,
        all: &Everything<'_>,
        survey: &Survey,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        buffer.clear();
        for part in self.parts_of(number) {
            let unique = &survey.uniques[part.unique as usize];
            let path = || all.path(unique.file as usize);
            let (start, offset) = (buffer.len(), u64::from(part.piece) * survey.segment as u64);
            let len = usize::try_from(unique.size - offset).map_or(survey.segment, |left| left.min(survey.segment));
            buffer.resize(start + len, 0);
            let here = &mut buffer[start..];
            all.read_at(unique.key, offset, here).map_err(|error| Error::read(&path(), error))?;
            if survey.piece_of(unique, part.piece)? != <[u8; 32]>::from(Sha256::digest(here)) {
                return Err(Error::Changed(show(&path())));
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
        let uniques = sizes.map(|size| Unique { key: 0, size, file: 0, piece: 0 });
        let order: Vec<_> = (0..uniques.len() as u32).collect();
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
        assert_eq!(packed.short, 3);
        let parts: Vec<Vec<_>> = (0..packed.len())
            .map(|n| packed.parts_of(n).iter().map(|part| (part.unique, part.piece)).collect())
            .collect();
        let first = vec![(1, 0), (3, 0), (6, 0), (10, 0)];
        let last = vec![(0, 2), (2, 0), (5, 0)];
        assert_eq!(parts, [first, vec![(4, 0), (7, 0), (8, 0)], vec![(9, 0)], vec![(0, 0)], vec![(0, 1)], last]);
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
