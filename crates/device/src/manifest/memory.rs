//! The least memory that a program's machine may have, as it stands in the image: an ELF note whose name is `libos` and whose type is 2.
//! Its descriptor is one little-endian number of 4 bytes, in MiB of all of the machine's memory; 0 says nothing, as does an image without
//! the note.

use super::{OWNER, OWNER_SIZE};

/// The note's type.
pub(super) const FORMAT: u32 = 2;

/// The note as the linker puts it into an image.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Memory {
    owner_size: u32,
    size: u32,
    format: u32,
    owner: [u8; 8],
    mebibytes: u32,
}

impl Memory {
    /// The note of so many MiB.
    pub const fn new(mebibytes: u32) -> Self {
        Self { owner_size: OWNER_SIZE, size: 4, format: FORMAT, owner: OWNER, mebibytes }
    }

    /// The least memory, in MiB.
    pub const fn mebibytes(&self) -> u32 {
        self.mebibytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen, as the manifest is.
    #[test]
    fn the_note_is_as_it_is_written_down() {
        const NOTE: Memory = Memory::new(24);
        let parts = (NOTE.owner_size, NOTE.size, NOTE.format, &NOTE.owner, NOTE.mebibytes());
        assert_eq!(parts, (6, 4, 2, b"libos\0\0\0", 24));
        assert_eq!(size_of_val(&NOTE), 24, "there is nothing between the parts");
    }
}
