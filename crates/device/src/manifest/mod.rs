//! The description of a unikernel's devices, as it stands in the program's image: an ELF note whose name is `libos` and whose type is 1.
//! Its descriptor has one entry of 24 bytes for each device:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the kind: 1 a disk, 2 a network card |
//! | 1 | bit 0: the program does not start without it; bit 1: it only reads it; the others are 0 |
//! | 2 | 0 |
//! | 20 | the name, with zeros behind it: small letters, digits and `-`, beginning with a letter |
//!
//! No two devices have one name, and there are [`MOST`] at most. So a descriptor has one meaning, and a meaning one
//! descriptor. A type other than 1 would be another format.

pub mod image;
mod memory;

pub use memory::Memory;

use std::fmt;

/// Most devices of a manifest.
pub const MOST: usize = 32;

/// The longest name, in bytes: a virtio disk's serial has as many (VIRTIO 1.2, 5.2.6).
pub const LONGEST: usize = 20;

/// The note's name, its zero byte, and zeros up to a multiple of four.
const OWNER: [u8; 8] = *b"libos\0\0\0";
/// Its length with the zero byte.
const OWNER_SIZE: u32 = 6;
/// The note's type.
const FORMAT: u32 = 1;
/// An entry's length in bytes.
const ENTRY: usize = 4 + LONGEST;

const REQUIRED: u8 = 1;
const READ_ONLY: u8 = 2;

/// A device's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; LONGEST]);

impl Name {
    /// The name that `text` is; `None` where it is none: one to 20 small letters, digits and `-`, a letter first.
    pub const fn new(text: &[u8]) -> Option<Self> {
        let mut name = [0; LONGEST];
        if text.is_empty() || text.len() > LONGEST || !text[0].is_ascii_lowercase() {
            return None;
        }
        let mut at = 0;
        while at < text.len() {
            if !matches!(text[at], b'a'..=b'z' | b'0'..=b'9' | b'-') {
                return None;
            }
            name[at] = text[at];
            at += 1;
        }
        Some(Self(name))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        let size = self.0.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
        // It is ASCII.
        std::str::from_utf8(&self.0[..size]).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It keeps bytes: a [`crate::Block`].
    Disk,
    /// It sends and receives frames: a [`crate::Ethernet`].
    Card,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Disk => "disk",
            Self::Card => "card",
        })
    }
}

/// A device that a program declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// By what the program asks for it.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Whether the program does not start without it.
    pub required: bool,
    /// Whether the program only reads it; of cards it says nothing, and is false.
    pub read_only: bool,
}

/// A disk of this name that has to be there, and is written.
///
/// # Panics
/// If it is no name; where a manifest is declared that is an error of the build.
pub const fn disk(name: &str) -> Device {
    Device::new(name, Kind::Disk)
}

/// A network card of this name that has to be there.
///
/// # Panics
/// As [`disk`].
pub const fn card(name: &str) -> Device {
    Device::new(name, Kind::Card)
}

impl Device {
    const fn new(name: &str, kind: Kind) -> Self {
        let name = Name::new(name.as_bytes());
        assert!(name.is_some(), "a device's name is 1 to 20 small letters, digits and -, a letter first");
        // It was looked at just now; nothing that unwraps may stand in a constant function of this crate.
        let name = match name {
            Some(name) => name,
            None => Name([0; LONGEST]),
        };
        Self { name, kind, required: true, read_only: false }
    }

    /// The same, but the program starts without it as well.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// The same, but it is only read.
    ///
    /// # Panics
    /// If it is no disk.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        assert!(matches!(self.kind, Kind::Disk), "only a disk can be read-only");
        self.read_only = true;
        self
    }

    const fn entry(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[0] = match self.kind {
            Kind::Disk => 1,
            Kind::Card => 2,
        };
        entry[1] = if self.required { REQUIRED } else { 0 } | if self.read_only { READ_ONLY } else { 0 };
        let mut at = 0;
        while at < LONGEST {
            entry[4 + at] = self.name.0[at];
            at += 1;
        }
        entry
    }
}

/// A manifest as the linker puts it into an image: the whole note.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    owner_size: u32,
    size: u32,
    format: u32,
    owner: [u8; 8],
    entries: [[u8; ENTRY]; N],
}

impl<const N: usize> Note<N> {
    /// The note of these devices.
    ///
    /// # Panics
    /// If two have one name, or they are more than [`MOST`].
    pub const fn new(devices: [Device; N]) -> Self {
        assert!(N <= MOST, "a manifest has 32 devices at most");
        let mut entries = [[0; ENTRY]; N];
        let mut at = 0;
        while at < N {
            entries[at] = devices[at].entry();
            let mut before = 0;
            while before < at {
                assert!(!same(&entries[before], &entries[at]), "two devices have one name");
                before += 1;
            }
            at += 1;
        }
        Self { owner_size: OWNER_SIZE, size: (N * ENTRY) as u32, format: FORMAT, owner: OWNER, entries }
    }

    /// How many bytes of entries follow the note's head; it may be another than `N` says, where `N` is not known.
    pub const fn size(&self) -> usize {
        self.size as usize
    }
}

/// Whether two entries have one name.
const fn same(one: &[u8; ENTRY], other: &[u8; ENTRY]) -> bool {
    let mut at = 4;
    while at < ENTRY {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The devices that a program declares, in the order in which it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    devices: Vec<Device>,
}

/// What is wrong with a note's descriptor. Places count entries from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// Its length in bytes is no multiple of an entry's.
    Length(usize),
    /// It has more devices than [`MOST`].
    TooMany(usize),
    /// An entry's kind is not known.
    Kind {
        /// Which entry.
        entry: usize,
        /// What it says.
        kind: u8,
    },
    /// An entry says what this format does not have.
    Flags {
        /// Which entry.
        entry: usize,
    },
    /// An entry's name is none.
    Name {
        /// Which entry.
        entry: usize,
    },
    /// Two devices have this name.
    Twice(Name),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(size) => write!(out, "{size} bytes are no multiple of an entry's {ENTRY}"),
            Self::TooMany(count) => write!(out, "{count} devices are more than {MOST}"),
            Self::Kind { entry, kind } => write!(out, "entry {entry} is of kind {kind}, which is not known"),
            Self::Flags { entry } => write!(out, "entry {entry} has flags that are not known"),
            Self::Name { entry } => write!(out, "entry {entry} has no proper name"),
            Self::Twice(name) => write!(out, "two devices are called {name}"),
        }
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads a note's descriptor.
    ///
    /// # Errors
    /// Whatever the format does not have.
    pub fn decode(descriptor: &[u8]) -> Result<Self, ManifestError> {
        let (entries, rest) = descriptor.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(ManifestError::Length(descriptor.len()));
        }
        if entries.len() > MOST {
            return Err(ManifestError::TooMany(entries.len()));
        }
        let mut devices: Vec<Device> = Vec::with_capacity(entries.len());
        for (entry, bytes) in entries.iter().enumerate() {
            let kind = match bytes[0] {
                1 => Kind::Disk,
                2 => Kind::Card,
                kind => return Err(ManifestError::Kind { entry, kind }),
            };
            let flags = bytes[1];
            let (required, read_only) = (flags & REQUIRED != 0, flags & READ_ONLY != 0);
            if flags & !(REQUIRED | READ_ONLY) != 0 || bytes[2..4] != [0; 2] || (read_only && kind == Kind::Card) {
                return Err(ManifestError::Flags { entry });
            }
            let size = bytes[4..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let name = Name::new(&bytes[4..4 + size]).ok_or(ManifestError::Name { entry })?;
            if devices.iter().any(|device| device.name == name) {
                return Err(ManifestError::Twice(name));
            }
            devices.push(Device { name, kind, required, read_only });
        }
        Ok(Self { devices })
    }

    /// The devices, in the order in which they are declared.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn encode(devices: &[Device]) -> Vec<u8> {
        devices.iter().flat_map(Device::entry).collect()
    }

    /// Frozen: images that were built once are read for ever.
    #[test]
    fn the_note_is_as_it_is_written_down() {
        const NOTE: Note<3> = Note::new([disk("store"), disk("config").read_only().optional(), card("net")]);
        let entry = |head: [u8; 4], name: &[u8]| {
            let mut entry = head.to_vec();
            entry.extend(name);
            entry.resize(24, 0);
            entry
        };
        let descriptor = [entry([1, 1, 0, 0], b"store"), entry([1, 2, 0, 0], b"config"), entry([2, 1, 0, 0], b"net")];
        assert_eq!(NOTE.entries.as_flattened(), descriptor.concat());
        assert_eq!((NOTE.owner_size, NOTE.size, NOTE.format, &NOTE.owner), (6, 72, 1, b"libos\0\0\0"));
        assert_eq!(size_of_val(&NOTE), 20 + 72, "there is nothing between the parts");
        let manifest = Manifest::decode(&descriptor.concat()).unwrap();
        assert_eq!(manifest.devices(), [disk("store"), disk("config").read_only().optional(), card("net")]);
    }

    #[test]
    fn what_the_format_does_not_have_is_refused() {
        let good = encode(&[disk("a"), card("b")]);
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            Manifest::decode(&bad).unwrap_err()
        };
        assert_eq!(with(24, 3), ManifestError::Kind { entry: 1, kind: 3 });
        assert_eq!(with(1, 5), ManifestError::Flags { entry: 0 });
        assert_eq!(with(25, 3), ManifestError::Flags { entry: 1 }, "a card that is read-only");
        assert_eq!(with(2, 1), ManifestError::Flags { entry: 0 });
        for (at, byte) in [(4, 0), (4, b'A'), (4, b'1'), (4, 0xc3), (5, b'_'), (6, b'a'), (23, b'z')] {
            assert_eq!(with(at, byte), ManifestError::Name { entry: 0 }, "{at} {byte}");
        }
        assert_eq!(with(28, b'a'), ManifestError::Twice(Name::new(b"a").unwrap()));
        assert_eq!(Manifest::decode(&good[..47]), Err(ManifestError::Length(47)));
        let many: Vec<_> = (0..33).map(|n| disk(&format!("disk{n}"))).collect();
        assert_eq!(Manifest::decode(&encode(&many)), Err(ManifestError::TooMany(33)));
        assert_eq!(Manifest::decode(&encode(&many[..32])).unwrap().devices(), &many[..32]);
        assert_eq!(Manifest::decode(&[]).unwrap().devices(), []);
    }

    fn device() -> impl Strategy<Value = Device> {
        ("[a-z][a-z0-9-]{0,19}", any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(name, is_disk, required, read_only)| {
                let kind = if is_disk { Kind::Disk } else { Kind::Card };
                Device { required, read_only: read_only && is_disk, ..Device::new(&name, kind) }
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_in_one_way(
            devices in vec(device(), 0..6),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in 0..30usize,
        ) {
            let mut bytes = encode(&devices);
            if !bytes.is_empty() {
                for (at, byte) in &changes {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(20)));
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(encode(manifest.devices()), bytes);
            } else {
                let mut names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                prop_assert!(!changes.is_empty() || cut > 20 || names.len() < devices.len());
            }
        }
    }
}
