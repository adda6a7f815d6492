//! The meta part.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Limit, MAX_FILES, MAX_META, MAX_NAME, MAX_TYPE, PlainError};

/// What a paste says of itself. Fields it does not know are passed over, so that later versions may have more.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Meta {
    /// The paste's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The language its text is highlighted as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How its text is shown: the name of a formatter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatter: Option<String>,
    /// Where each file lies, in their order; left out where sizes were not known beforehand, or the list is too long. It is
    /// a hint that is verified: reading the form, or the file, fails where it is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<Hint>>,
}

/// Where a file lies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Hint {
    /// Its name, exactly.
    pub name: String,
    /// Its media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// The offset of its part's delimiter line (of its first `-`), counted from the first byte after the meta part's body.
    pub at: u64,
}

impl Meta {
    pub(super) fn encode(&self) -> Result<Vec<u8>, PlainError> {
        // Strings and numbers: serialising them cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        if json.len() > MAX_META { Err(PlainError::Limit(Limit::Meta)) } else { Ok(json) }
    }

    pub(super) fn decode(json: &[u8]) -> Result<Self, PlainError> {
        let meta: Self =
            serde_json::from_slice(json).map_err(|e| PlainError::Meta { line: e.line().max(1), column: e.column() })?;
        let contradiction = PlainError::Meta { line: 0, column: 0 };
        let files = meta.files.as_deref().unwrap_or_default();
        if files.len() > MAX_FILES {
            return Err(PlainError::Limit(Limit::Files));
        }
        let mut free = 0;
        for hint in files {
            if hint.name.len() > MAX_NAME {
                return Err(PlainError::Limit(Limit::Name));
            }
            if hint.media_type.len() > MAX_TYPE {
                return Err(PlainError::Limit(Limit::Type));
            }
            if hint.at < free {
                return Err(contradiction);
            }
            free = hint.at.checked_add(hint.size).ok_or(contradiction.clone())?;
        }
        Ok(meta)
    }
}

// Derived code would also take an array of the fields in their order. So both are derived as functions, which are called for
// an object alone.

struct Object<T>(PhantomData<T>);

macro_rules! object {
    ($name:ident) => {
        impl<'de> de::Visitor<'de> for Object<$name> {
            type Value = $name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                $name::deserialize(MapAccessDeserializer::new(map))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_map(Object::<Self>(PhantomData))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, to)
            }
        }
    };
}

object!(Meta);
object!(Hint);

// What a paste says is the paste's secret, so no log gets it by accident.

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta").field("files", &self.files.as_ref().map(Vec::len)).finish_non_exhaustive()
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hint").field("size", &self.size).field("at", &self.at).finish_non_exhaustive()
    }
}
