//! The calls that led to a fault, by their names: a machine tells addresses, one a line, and its image has the names of its functions.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use rustc_demangle::demangle;

/// The most that is read of an image's table of functions, and of their names, in bytes.
const MOST: u64 = 32 << 20;

const HEADER: usize = 64;
const SECTION: usize = 64;
const SYMBOL: usize = 24;
/// The kind of section that is a table of symbols, and the kind of symbol that is a function (ELF-64, version 1.5).
const SYMBOLS: u64 = 2;
const FUNCTION: u64 = 2;

/// How a line with an address begins.
const LINE: &[u8] = b"  0x";

/// What a console says, in which each line that is an address gets the name of the function there.
pub(super) struct Calls {
    image: PathBuf,
    /// Read when the first address comes; `None` then where the image has no names.
    functions: Option<Option<Functions>>,
    /// How many bytes the line has, and the address that it is as far as it goes.
    at: usize,
    address: Option<u64>,
}

impl Calls {
    /// Of a machine that was started with this image.
    pub(super) fn new(image: PathBuf) -> Self {
        Self { image, functions: None, at: 0, address: Some(0) }
    }

    /// What is to be printed for the next bytes that the console says.
    pub(super) fn told(&mut self, said: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(said.len());
        for byte in said {
            if *byte == b'\n' {
                if let Some(address) = self.address.filter(|_| self.at > LINE.len()) {
                    out.extend(self.name(address).unwrap_or_default().into_bytes());
                }
                (self.at, self.address) = (0, Some(0));
            } else {
                let digit = match byte {
                    b'0'..=b'9' => Some(byte - b'0'),
                    b'a'..=b'f' => Some(byte - b'a' + 10),
                    _ => None,
                };
                self.address = match LINE.get(self.at) {
                    Some(expected) => self.address.filter(|_| byte == expected),
                    None => {
                        self.address.filter(|address| address >> 60 == 0).zip(digit).map(|(a, d)| a << 4 | u64::from(d))
                    }
                };
                self.at = self.at.saturating_add(1);
            }
            out.push(*byte);
        }
        out
    }

    fn name(&mut self, address: u64) -> Option<String> {
        let image = &self.image;
        let functions = self.functions.get_or_insert_with(|| Functions::read(File::open(image).ok()?));
        functions.as_ref()?.name(address)
    }
}

/// The functions of an image.
struct Functions {
    /// Where each begins and ends, and where its name does, in their order.
    places: Vec<(u64, u64, usize)>,
    names: Vec<u8>,
}

impl Functions {
    /// Reads them; `None` where there are none, or the file is damaged.
    fn read(mut file: impl Read + Seek) -> Option<Self> {
        let header = part(&mut file, 0, HEADER as u64)?;
        let count = number(&header, 60, 2);
        if !header.starts_with(b"\x7fELF\x02\x01") || number(&header, 58, 2) != SECTION as u64 {
            return None;
        }
        let sections = part(&mut file, number(&header, 40, 8), count * SECTION as u64)?;
        let (sections, _) = sections.as_chunks::<SECTION>();
        let table = sections.iter().find(|section| number(*section, 4, 4) == SYMBOLS)?;
        let names = sections.get(usize::try_from(number(table, 40, 4)).ok()?)?;
        let mut bytes = |section: &[u8; SECTION]| part(&mut file, number(section, 24, 8), number(section, 32, 8));
        let (table, names) = (bytes(table)?, bytes(names)?);
        let (symbols, _) = table.as_chunks::<SYMBOL>();
        let functions = symbols.iter().filter(|symbol| number(*symbol, 4, 1) & 15 == FUNCTION);
        let mut places: Vec<_> = functions
            .filter_map(|symbol| {
                let (start, size) = (number(symbol, 8, 8), number(symbol, 16, 8));
                Some((start, start.checked_add(size)?, usize::try_from(number(symbol, 0, 4)).ok()?))
            })
            .collect();
        places.sort_unstable();
        Some(Self { places, names })
    }

    /// The name of the function that was called from before this address, and how far behind its beginning that is.
    fn name(&self, address: u64) -> Option<String> {
        // The last call of a function that it does not come back from leads back behind it.
        let within = address.checked_sub(1)?;
        let before = self.places.partition_point(|(start, ..)| *start <= within);
        let (start, end, name) = self.places.get(before.checked_sub(1)?)?;
        let name = self.names.get(*name..)?.split(|byte| *byte == 0).next()?;
        let name = std::str::from_utf8(name).ok().filter(|_| within < *end)?;
        let mut told = String::new();
        write!(told, " {:#}+{:#x}", demangle(name), address - start).ok()?;
        Some(crate::human::printable(&told, false))
    }
}

/// A part of a file; `None` where it cannot be read, or is too long.
fn part(file: &mut (impl Read + Seek), start: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).ok()?;
    file.take(size.min(MOST + 1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == size && size <= MOST).then_some(bytes)
}

/// A little-endian number of so many bytes; what is not there counts as 0.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes.iter().skip(at).take(size).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// An image with these functions, each where it begins and how long it is.
    fn image(functions: &[(&str, u64, u64)]) -> Vec<u8> {
        let (mut table, mut names) = (vec![0; SYMBOL], vec![0]);
        for (name, start, size) in functions {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([0x12, 0, 1, 0]);
            table.extend([start.to_le_bytes(), size.to_le_bytes()].concat());
            names.extend([name.as_bytes(), &[0]].concat());
        }
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(HEADER, 0);
        let mut sections = vec![0; SECTION];
        for (kind, bytes, link) in [(2_u32, &table, 2_u32), (3, &names, 0)] {
            let mut section = vec![0; SECTION];
            section[4..8].copy_from_slice(&kind.to_le_bytes());
            section[24..32].copy_from_slice(&(file.len() as u64).to_le_bytes());
            section[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            section[40..44].copy_from_slice(&link.to_le_bytes());
            file.extend(bytes);
            sections.extend(section);
        }
        let start = file.len() as u64;
        file[40..48].copy_from_slice(&start.to_le_bytes());
        file[58..62].copy_from_slice(&[SECTION as u8, 0, 3, 0]);
        file.extend(sections);
        file
    }

    const TWO: [(&str, u64, u64); 2] = [("_ZN4main5first17h0123456789abcdefE", 0x1000, 0x20), ("plain", 0x1020, 0x10)];

    #[test]
    fn each_address_gets_its_name_however_the_words_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        std::fs::write(&path, image(&TWO)).unwrap();
        let said = b"libos: page fault\n  0x1004\n  0x1020\n  0x1021\n  0x1031\n 0x1004\n  0x10g\n  0x\n  0x11111111111111111\nx  0x1004\n  ...\n";
        let expected = "libos: page fault\n  0x1004 main::first+0x4\n  0x1020 main::first+0x20\n  0x1021 plain+0x1\n  0x1031\n \
            0x1004\n  0x10g\n  0x\n  0x11111111111111111\nx  0x1004\n  ...\n";
        for size in [1, 2, 7, said.len()] {
            let mut calls = Calls::new(path.clone());
            let told: Vec<u8> = said.chunks(size).flat_map(|piece| calls.told(piece)).collect();
            assert_eq!(String::from_utf8(told).unwrap(), expected, "{size} at a time");
        }
        let mut calls = Calls::new(folder.path().join("nowhere"));
        assert_eq!(calls.told(b"  0x1004\n"), b"  0x1004\n");
    }

    #[test]
    fn a_damaged_image_has_no_names_or_others_and_nothing_worse() {
        let whole = image(&TWO);
        assert_eq!(Functions::read(Cursor::new(&whole)).unwrap().places.len(), 2);
        for cut in 0..whole.len() {
            let functions = Functions::read(Cursor::new(&whole[..cut]));
            assert!(functions.is_none(), "the table of sections is last, and it is cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut other = whole.clone();
                other[at] = value;
                if let Some(functions) = Functions::read(Cursor::new(other)) {
                    [0, 1, 0x1004, u64::MAX].iter().for_each(|address| drop(functions.name(*address)));
                }
            }
        }
    }
}
