//! What a unikernel's image says of itself: a 64-bit ELF program for x86 that boots by PVH and has a manifest. An image is read
//! with bounded memory, and never as a whole.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::{FORMAT, Manifest, ManifestError, OWNER, OWNER_SIZE};

/// Most program headers that are read.
pub const MOST_HEADERS: u64 = 64;

/// The longest segment of notes that is read, in bytes.
pub const LONGEST_NOTES: u64 = 64 << 10;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
/// `ET_EXEC`: it lies where it was linked for.
const EXECUTABLE: u64 = 2;
/// `EM_X86_64`.
const X86_64: u64 = 62;
const LOAD: u64 = 1;
const NOTE: u64 = 4;
/// Xen's note of where a PVH loader begins (`XEN_ELFNOTE_PHYS32_ENTRY`).
const PVH: u32 = 18;

/// What an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file's length in bytes.
    pub size: u64,
    /// Where a PVH loader begins.
    pub entry: u64,
    /// The memory that the program takes before it has any heap.
    pub memory: Range<u64>,
    /// The least memory that its machine may have, in bytes; 0 where it does not say.
    pub least: u64,
    /// Its devices.
    pub manifest: Manifest,
}

/// Why an image cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// It cannot be read.
    Io(io::Error),
    /// It is no 64-bit little-endian ELF file.
    NotElf,
    /// It is no program for x86-64; ELF's number of what it is for.
    Machine(u64),
    /// It ends before something that it tells of.
    Cut {
        /// What that is.
        what: &'static str,
        /// Where that would end, in bytes from the file's start.
        end: u64,
        /// The file's length.
        size: u64,
    },
    /// Its headers say what no program's do.
    Headers(&'static str),
    /// It has more program headers than [`MOST_HEADERS`].
    TooManyHeaders(u64),
    /// Its notes are longer than [`LONGEST_NOTES`].
    LongNotes(u64),
    /// It does not say where a PVH loader begins.
    NoPvh,
    /// It has no manifest.
    NoManifest,
    /// It has more than one manifest.
    Manifests,
    /// Its manifest is damaged, or of a later format.
    Manifest(ManifestError),
}

impl fmt::Display for ImageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(out),
            Self::NotElf => out.write_str("it is no 64-bit ELF file"),
            Self::Machine(number) => write!(out, "it is no program for x86-64 (ELF machine {number})"),
            Self::Cut { what, end, size } => write!(out, "it is cut: {what} would end at byte {end} of {size}"),
            Self::Headers(what) => write!(out, "its headers are wrong: {what}"),
            Self::TooManyHeaders(count) => write!(out, "its {count} program headers are more than {MOST_HEADERS}"),
            Self::LongNotes(size) => write!(out, "its notes of {size} bytes are longer than {LONGEST_NOTES}"),
            Self::NoPvh => out.write_str("it does not boot by PVH: there is no such note"),
            Self::NoManifest => out.write_str("it is no unikernel of libos: there is no manifest"),
            Self::Manifests => out.write_str("it has more than one manifest"),
            Self::Manifest(error) => write!(out, "its manifest: {error}"),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Manifest(error) => Some(error),
            _ => None,
        }
    }
}

impl Image {
    /// Reads an image's headers and notes.
    ///
    /// # Errors
    /// What cannot be read, and what is no unikernel.
    pub fn read(mut file: impl Read + Seek) -> Result<Self, ImageError> {
        let size = file.seek(SeekFrom::End(0)).map_err(ImageError::Io)?;
        let mut file = File { file: &mut file, size };
        if size < 5 || file.take(0, 5, "ELF's header")? != b"\x7fELF\x02" {
            return Err(ImageError::NotElf);
        }
        let header = file.take(0, HEADER as u64, "ELF's header")?;
        let machine = number(&header, 18, 2);
        if header[5] != 1 || machine != X86_64 {
            return Err(ImageError::Machine(machine));
        }
        let count = number(&header, 56, 2);
        if number(&header, 54, 2) != PROGRAM_HEADER as u64 {
            return Err(ImageError::Headers("program headers of another length"));
        }
        if count > MOST_HEADERS {
            return Err(ImageError::TooManyHeaders(count));
        }
        let headers = file.take(number(&header, 32, 8), count * PROGRAM_HEADER as u64, "the program headers")?;
        let mut memory: Option<Range<u64>> = None;
        let (mut entry, mut manifest, mut least) = (None, None, 0);
        for header in headers.as_chunks::<PROGRAM_HEADER>().0 {
            let (offset, filled) = (number(header, 8, 8), number(header, 32, 8));
            let (start, whole) = (number(header, 24, 8), number(header, 40, 8));
            match number(header, 0, 4) {
                LOAD => {
                    let end = start.checked_add(whole).ok_or(ImageError::Headers("a segment beyond all memory"))?;
                    if filled > whole {
                        return Err(ImageError::Headers("a segment that has more bytes than memory"));
                    }
                    file.end(offset, filled, "a segment")?;
                    let before = memory.unwrap_or(start..end);
                    memory = Some(before.start.min(start)..before.end.max(end));
                }
                NOTE if filled > LONGEST_NOTES => return Err(ImageError::LongNotes(filled)),
                NOTE => {
                    let align = if number(header, 48, 8) == 8 { 8 } else { 4 };
                    notes(&file.take(offset, filled, "a note")?, align, |owner, format, descriptor| {
                        if owner == b"Xen\0" && format == PVH && matches!(descriptor.len(), 4 | 8) {
                            entry = Some(number(descriptor, 0, descriptor.len()));
                        }
                        if owner == &OWNER[..OWNER_SIZE as usize] && format == FORMAT {
                            if manifest.is_some() {
                                return Err(ImageError::Manifests);
                            }
                            manifest = Some(Manifest::decode(descriptor).map_err(ImageError::Manifest)?);
                        }
                        if owner == &OWNER[..OWNER_SIZE as usize] && format == super::memory::FORMAT {
                            let Ok(mebibytes) = <[u8; 4]>::try_from(descriptor) else {
                                return Err(ImageError::Headers("a note of the least memory that is not 4 bytes"));
                            };
                            least = u64::from(u32::from_le_bytes(mebibytes)) << 20;
                        }
                        Ok(())
                    })?;
                }
                _ => {}
            }
        }
        let manifest = manifest.ok_or(ImageError::NoManifest)?;
        let memory = memory.ok_or(ImageError::Headers("nothing to load"))?;
        if number(&header, 16, 2) != EXECUTABLE {
            return Err(ImageError::Headers("it is linked for no place in memory"));
        }
        Ok(Self { size, entry: entry.ok_or(ImageError::NoPvh)?, memory, least, manifest })
    }
}

/// Gives each note's owner, type and descriptor.
fn notes(
    mut bytes: &[u8],
    align: usize,
    mut each: impl FnMut(&[u8], u32, &[u8]) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    const WRONG: ImageError = ImageError::Headers("a note that is longer than its segment");
    while bytes.len() >= 12 {
        let (owner, size) = (number(bytes, 0, 4) as usize, number(bytes, 4, 4) as usize);
        let from = (12 + owner).next_multiple_of(align);
        let descriptor = bytes.get(from..).and_then(|rest| rest.get(..size)).ok_or(WRONG)?;
        each(bytes.get(12..12 + owner).ok_or(WRONG)?, number(bytes, 8, 4) as u32, descriptor)?;
        bytes = bytes.get((from + size).next_multiple_of(align)..).unwrap_or_default();
    }
    Ok(())
}

struct File<'a, F> {
    file: &'a mut F,
    size: u64,
}

impl<F: Read + Seek> File<'_, F> {
    /// Refuses what passes the end of the file.
    fn end(&self, offset: u64, size: u64, what: &'static str) -> Result<(), ImageError> {
        match offset.saturating_add(size) {
            end if end > self.size => Err(ImageError::Cut { what, end, size: self.size }),
            _ => Ok(()),
        }
    }

    /// Reads bytes, of which the caller has bounded the number.
    fn take(&mut self, offset: u64, size: u64, what: &'static str) -> Result<Vec<u8>, ImageError> {
        self.end(offset, size, what)?;
        let mut bytes = vec![0; size as usize];
        self.file.seek(SeekFrom::Start(offset)).map_err(ImageError::Io)?;
        self.file.read_exact(&mut bytes).map_err(ImageError::Io)?;
        Ok(bytes)
    }
}

/// The little-endian number of `size` bytes at `at`, which are there.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::{card, disk};
    use super::*;

    fn note(owner: &[u8], format: u32, descriptor: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [owner.len() as u32, descriptor.len() as u32, format] {
            note.extend(number.to_le_bytes());
        }
        note.extend(owner);
        note.resize(note.len().next_multiple_of(4), 0);
        note.extend(descriptor);
        note
    }

    fn ours() -> Vec<u8> {
        note(b"libos\0", 1, &[disk("store").entry(), card("net").entry()].concat())
    }

    fn pvh() -> Vec<u8> {
        note(b"Xen\0", 18, &0x20_1000u64.to_le_bytes())
    }

    /// A program of one page, with these notes in segments of their own.
    fn image(segments: &[Vec<u8>]) -> Vec<u8> {
        let count = segments.len() + 1;
        let mut image = vec![0; HEADER];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[16] = 2;
        image[18] = 62;
        image[32] = 64;
        image[54] = 56;
        image[56] = count as u8;
        let mut header = |kind: u32, offset: u64, filled: u64, size: u64| {
            image.extend(kind.to_le_bytes());
            image.extend([4, 0, 0, 0]);
            for field in [offset, 0x20_0000, 0x20_0000, filled, size, 4] {
                image.extend(field.to_le_bytes());
            }
        };
        let mut at = (HEADER + count * PROGRAM_HEADER) as u64;
        header(1, 0, at, 0x5000);
        for notes in segments {
            header(4, at, notes.len() as u64, notes.len() as u64);
            at += notes.len() as u64;
        }
        image.extend(segments.concat());
        image
    }

    fn read(bytes: &[u8]) -> Result<Image, ImageError> {
        Image::read(Cursor::new(bytes))
    }

    fn refused(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn notes_are_found_in_one_segment_or_in_several() {
        for segments in [vec![[pvh(), ours()].concat()], vec![ours(), note(b"GNU\0", 1, &[1; 3]), pvh()]] {
            let bytes = image(&segments);
            let image = read(&bytes).unwrap();
            assert_eq!((image.size, image.entry), (bytes.len() as u64, 0x20_1000));
            assert_eq!(image.memory, 0x20_0000..0x20_5000);
            assert_eq!(image.manifest.devices(), [disk("store"), card("net")]);
            assert_eq!(image.least, 0);
        }
    }

    #[test]
    fn the_least_memory_is_told() {
        let with = |descriptor: &[u8]| read(&image(&[pvh(), [ours(), note(b"libos\0", 2, descriptor)].concat()]));
        assert_eq!(with(&[24, 0, 0, 0]).unwrap().least, 24 << 20);
        assert_eq!(with(&[0xff; 4]).unwrap().least, u64::from(u32::MAX) << 20);
        for wrong in [&[][..], &[24], &[24, 0, 0, 0, 0]] {
            let why = with(wrong).unwrap_err().to_string();
            assert_eq!(why, "its headers are wrong: a note of the least memory that is not 4 bytes");
        }
    }

    #[test]
    fn what_is_no_unikernel_says_why() {
        assert_eq!(refused(b""), "it is no 64-bit ELF file");
        assert_eq!(refused(b"#!/bin/sh\n"), "it is no 64-bit ELF file");
        assert_eq!(refused(b"\x7fELF\x02\x01"), "it is cut: ELF's header would end at byte 64 of 6");
        let good = image(&[pvh(), ours()]);
        let with = |changes: &[(usize, u8)]| {
            let mut bad = good.clone();
            changes.iter().for_each(|(at, byte)| bad[*at] = *byte);
            refused(&bad)
        };
        assert_eq!(with(&[(4, 1)]), "it is no 64-bit ELF file");
        assert_eq!(with(&[(18, 183)]), "it is no program for x86-64 (ELF machine 183)");
        assert_eq!(with(&[(16, 3)]), "its headers are wrong: it is linked for no place in memory");
        assert_eq!(with(&[(54, 57)]), "its headers are wrong: program headers of another length");
        assert_eq!(with(&[(57, 1)]), "its 259 program headers are more than 64");
        assert_eq!(with(&[(39, 1)]), "it is cut: the program headers would end at byte 72057594037928168 of 324");
        assert_eq!(with(&[(64 + 39, 1)]), "its headers are wrong: a segment that has more bytes than memory");
        assert_eq!(with(&[(64 + 31, 255), (64 + 47, 255)]), "its headers are wrong: a segment beyond all memory");
        assert_eq!(with(&[(64 + 15, 1)]), "it is cut: a segment would end at byte 72057594037928168 of 324");
        assert_eq!(with(&[(120 + 34, 2)]), "its notes of 131096 bytes are longer than 65536");
        assert_eq!(with(&[(232, 200)]), "its headers are wrong: a note that is longer than its segment");
        assert_eq!(refused(&image(&[ours()])), "it does not boot by PVH: there is no such note");
        assert_eq!(refused(&image(&[pvh()])), "it is no unikernel of libos: there is no manifest");
        assert_eq!(
            refused(&image(&[pvh(), note(b"libos\0", 3, &[])])),
            "it is no unikernel of libos: there is no manifest"
        );
        assert_eq!(refused(&image(&[pvh(), ours(), ours()])), "it has more than one manifest");
        let damaged = note(b"libos\0", 1, &[9; 24]);
        assert_eq!(refused(&image(&[damaged])), "its manifest: entry 0 is of kind 9, which is not known");
        for end in 0..good.len() {
            assert!(read(&good[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_headers_do_harm(changes in prop::collection::vec((0..324usize, any::<u8>()), 1..8), end in 0..400usize) {
            let mut bytes = image(&[pvh(), ours()]);
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(end.max(64));
            // Whatever they say, reading ends, with an image or an error that has words.
            if let Err(error) = read(&bytes) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
