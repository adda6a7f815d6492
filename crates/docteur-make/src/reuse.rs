//! What an older image has already: its base, and the segments of which most is still wanted. These are taken over as they are.

use std::collections::{BTreeSet, HashSet};
use std::io;

use docteur::layout::{SUPERBLOCK, Stored};
use docteur::{Cache, Codec, Content, Defect, Image, Kind, Source, Walk};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::survey::{Known, Survey};

/// Segments are taken over if so many of eight bytes of them are wanted: the others stay in the image for nothing.
const WANTED: u64 = 6;

/// What is taken over.
#[derive(Debug, Default)]
pub(crate) struct Reuse {
    /// The base as it is stored.
    pub(crate) base: Vec<u8>,
    /// The segments, and where they begin in the older image.
    pub(crate) segments: Vec<(Stored, u64)>,
    /// Where contents are in these segments, with the numbers of uniques, ascending.
    places: Vec<(u32, Content)>,
}

impl Reuse {
    /// Where the content with this number is, if it is taken over.
    pub(crate) fn place(&self, unique: usize) -> Option<Content> {
        let at = self.places.binary_search_by_key(&unique, |(unique, _)| *unique as usize).ok()?;
        self.places.get(at).map(|(_, content)| *content)
    }
}

/// Finds what an older image has of what was surveyed.
pub(crate) fn reuse<S: Source<Error = io::Error>>(old: &Image<S>, survey: &Survey) -> Result<Reuse, Error> {
    let mut cache = Cache::new(2 * survey.segment);
    let pieces = (0..old.superblock().segments).map(|n| old.segment(&mut cache, n)).collect::<Result<Vec<_>, _>>()?;
    let found = found(old, &mut cache, survey, &pieces)?;
    let full = u64::from(old.superblock().segment_max);
    // How much of each segment is wanted, and whether a content goes on in the next.
    let mut used = vec![(0_u64, false); pieces.len()];
    for (content, _) in &found {
        let (mut at, mut left) = (u64::from(content.offset), content.size);
        for (wanted, goes_on) in used.iter_mut().skip(content.segment as usize) {
            let here = left.min(full.saturating_sub(at));
            *wanted += here;
            (at, left) = (0, left - here);
            if left == 0 {
                break;
            }
            *goes_on = true;
        }
    }
    // Segments that a content joins are taken over together.
    let (mut reuse, mut numbers) = (Reuse::default(), vec![None; pieces.len()]);
    let (mut first, mut wanted, mut len) = (0, 0, 0);
    for (n, ((here, goes_on), (piece, _))) in used.iter().zip(&pieces).enumerate() {
        (wanted, len) = (wanted + here, len + u64::from(piece.len));
        if *goes_on {
            continue;
        }
        if wanted * 8 >= len * WANTED {
            for (number, piece) in numbers.iter_mut().zip(&pieces).take(n + 1).skip(first) {
                *number = Some(reuse.segments.len() as u32);
                reuse.segments.push(*piece);
            }
        }
        (first, wanted, len) = (n + 1, 0, 0);
    }
    for (content, unique) in found {
        if let Some(Some(segment)) = numbers.get(content.segment as usize) {
            reuse.places.push((unique, Content { segment: *segment, ..content }));
        }
    }
    reuse.places.sort_unstable_by_key(|(unique, _)| *unique);
    reuse.base = piece(old, &old.superblock().base, SUPERBLOCK as u64)?;
    Ok(reuse)
}

/// The bytes of a piece as they are stored.
pub(crate) fn piece<S: Source<Error = io::Error>>(old: &Image<S>, piece: &Stored, at: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; piece.stored as usize];
    old.source().read_at(at, &mut bytes).map_err(docteur::Error::Source)?;
    if piece.matches(&bytes) { Ok(bytes) } else { Err(docteur::Error::Image { defect: Defect::Hash, at }.into()) }
}

/// The base's text.
pub(crate) fn text(base: &Stored, stored: &[u8]) -> Result<Vec<u8>, Error> {
    match base.codec {
        Codec::Stored => Ok(stored.to_vec()),
        _ => zstd::bulk::decompress(stored, base.len as usize).map_err(Error::io("zstd")),
    }
}

/// Contents of the older image that are wanted, and which of the uniques each is. No more of it is decoded than has a wanted length, and
/// nothing twice: of contents that overlap, which no maker writes, one is looked at.
fn found<S: Source<Error = io::Error>>(
    old: &Image<S>,
    cache: &mut Cache,
    survey: &Survey,
    pieces: &[(Stored, u64)],
) -> Result<Vec<(Content, u32)>, Error> {
    let (uniques, segment) = (&survey.uniques, survey.segment);
    let full = u64::from(old.superblock().segment_max);
    let sizes: HashSet<u64> = uniques.iter().map(|unique| unique.size).collect();
    // By their places, so that a segment is decoded once.
    let mut contents = BTreeSet::new();
    let mut walk = Walk::new();
    while let Some(entry) = walk.next(old, cache)? {
        let Kind::File(content) = entry.kind else { continue };
        for content in entry.encodings.iter().map(|(_, content)| content).chain([&content]) {
            // A content that spans segments is of use only where these are as long as ours.
            let spans = u64::from(content.offset).saturating_add(content.size) > full;
            let too_long = pieces.get(content.segment as usize).is_some_and(|(piece, _)| piece.len as usize > segment);
            if sizes.contains(&content.size) && !too_long && (!spans || full == segment as u64) {
                contents.insert((content.segment, content.offset, content.size));
            }
        }
    }
    let mut known = Known::new(uniques.len());
    for (n, unique) in (0_u32..).zip(uniques) {
        // None is the same as another.
        known.number(&survey.pieces_of(unique)?, n, |_| Ok(false))?;
    }
    let mut taken = vec![false; uniques.len()];
    let (mut found, mut buffer, mut end) = (Vec::new(), Vec::new(), 0);
    for (number, offset, size) in contents {
        let begin = u64::from(number) * full + u64::from(offset);
        if begin < end {
            continue;
        }
        end = begin.saturating_add(size);
        let content = Content { size, segment: number, offset };
        let (mut pieces, mut done) = (Vec::new(), 0);
        while done < size {
            buffer.resize(usize::try_from(size - done).map_or(segment, |left| left.min(segment)), 0);
            old.read(cache, &content, done, &mut buffer)?;
            pieces.push(<[u8; 32]>::from(Sha256::digest(&buffer)));
            done += buffer.len() as u64;
        }
        let unique = known.find(&pieces, |unique| {
            let unique = &uniques[unique as usize];
            Ok(unique.size == size && survey.pieces_of(unique)? == pieces)
        })?;
        if let Some(unique) = unique.filter(|unique| !std::mem::replace(&mut taken[*unique as usize], true)) {
            found.push((content, unique));
        }
    }
    Ok(found)
}
