//! What is known of an image as a whole: where it comes from.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::MAX_METADATA;
use super::wire::{Cursor, put_string};

/// Keys and values, sorted by key. `docs/docteur.md` lists the keys in use; others are nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl Metadata {
    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key.as_bytes()).map(Vec::as_slice)
    }

    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.0 {
            put_string(&mut out, key);
            put_string(&mut out, value);
        }
        out
    }

    /// Reads what [`Metadata::write`] wrote: keys ascend.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Cursor::new(bytes, 0);
        let mut all: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        while !fields.is_empty() {
            let key = fields.string(MAX_METADATA as usize)?;
            let value = fields.string(MAX_METADATA as usize)?;
            if all.last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
                return None;
            }
            all.insert(key.to_vec(), value.to_vec());
        }
        Some(Self(all))
    }
}
