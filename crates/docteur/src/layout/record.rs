//! Records of the index: one for each path.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::wire::{Cursor, put_signed, put_string, put_varint};
use super::{Encoding, MAX_ATTRIBUTES, MAX_PATH, MAX_TYPE, is_media_type, names, order};

/// What an image knows of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names joined by `/`; empty for the root. See [`is_path`].
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, at most `0o7777`.
    pub mode: u16,
    /// When it was last changed.
    pub modified: Time,
    /// Extended attributes, sorted by name.
    pub attributes: Vec<Attribute>,
    /// Paths with the same number are hard links of one file.
    pub link: Option<u64>,
    /// A media type fit for `Content-Type`, on request.
    pub media_type: Option<String>,
    /// A file's content in other encodings, ascending and without the identity, on request.
    pub encodings: Vec<(Encoding, Content)>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A plain file.
    File(Content),
    /// A symbolic link, and its target: any bytes but NUL, at least one, at most [`MAX_PATH`].
    Symlink(Vec<u8>),
}

/// Where bytes are: from `offset` on in a segment, then from the beginning of the ones after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content {
    /// How many bytes.
    pub size: u64,
    /// The number of the segment in which they begin; 0 where there are none.
    pub segment: u32,
    /// How far into it; 0 where there are none.
    pub offset: u32,
}

/// A time since 1970-01-01 00:00 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// Seconds; negative before.
    pub seconds: i64,
    /// Nanoseconds of the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// Its name, with the namespace: `user.comment`.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

const KIND: u8 = 0b11;
const NANOSECONDS: u8 = 1 << 2;
const ATTRIBUTES: u8 = 1 << 3;
const LINK: u8 = 1 << 4;
const MEDIA_TYPE: u8 = 1 << 5;
const ENCODINGS: u8 = 1 << 6;
const UNKNOWN: u8 = 1 << 7;

/// What a record is told relative to.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    seconds: i64,
    segment: u32,
}

/// Writes the records of a block.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    path: Vec<u8>,
    before: Before,
    entries: u32,
}

impl Writer {
    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Records so far.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Adds a record, which has to come after the ones before by [`order`], and to keep all bounds.
    pub fn push(&mut self, entry: &Entry) {
        let out = &mut self.bytes;
        let shared = names::shared(&self.path, &entry.path);
        put_varint(out, shared as u64);
        put_string(out, entry.path.get(shared..).unwrap_or_default());
        let kind = match entry.kind {
            Kind::Directory => 0,
            Kind::File(_) => 1,
            Kind::Symlink(_) => 2,
        };
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        out.push(
            kind | flag(entry.modified.nanoseconds != 0, NANOSECONDS)
                | flag(!entry.attributes.is_empty(), ATTRIBUTES)
                | flag(entry.link.is_some(), LINK)
                | flag(entry.media_type.is_some(), MEDIA_TYPE)
                | flag(!entry.encodings.is_empty(), ENCODINGS),
        );
        put_varint(out, u64::from(entry.mode));
        put_signed(out, entry.modified.seconds.wrapping_sub(self.before.seconds));
        self.before.seconds = entry.modified.seconds;
        if entry.modified.nanoseconds != 0 {
            put_varint(out, u64::from(entry.modified.nanoseconds));
        }
        match &entry.kind {
            Kind::Directory => {}
            Kind::File(content) => put_content(out, content, &mut self.before),
            Kind::Symlink(target) => put_string(out, target),
        }
        if !entry.attributes.is_empty() {
            put_varint(out, entry.attributes.len() as u64);
            for Attribute { name, value } in &entry.attributes {
                put_string(out, name);
                put_string(out, value);
            }
        }
        if let Some(link) = entry.link {
            put_varint(out, link);
        }
        if let Some(media_type) = &entry.media_type {
            put_string(out, media_type.as_bytes());
        }
        if !entry.encodings.is_empty() {
            put_varint(out, entry.encodings.len() as u64);
            for (encoding, content) in &entry.encodings {
                out.push(encoding.code());
                put_content(out, content, &mut self.before);
            }
        }
        self.path.clone_from(&entry.path);
        self.entries += 1;
    }
}

/// Reads the records of a block, one after the other.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    state: State,
}

/// A reader without its bytes, so that it can be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    at: usize,
    path: Vec<u8>,
    before: Before,
    entries: u32,
}

impl<'a> Records<'a> {
    /// Before the first record of a block.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, state: State::default() }
    }

    pub(crate) fn resume(bytes: &'a [u8], state: State) -> Self {
        Self { bytes, state }
    }

    pub(crate) fn into_state(self) -> State {
        self.state
    }

    /// Whether the block ends here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.at >= self.bytes.len()
    }

    /// How many records were read.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.state.entries
    }

    /// Reads the next record; `None` if it is malformed, or not after the one before.
    pub fn read(&mut self) -> Option<Entry> {
        let mut fields = self.path()?;
        let path = self.state.path.clone();
        let entry = body(&mut fields, path, &mut self.state.before)?;
        self.state.at = fields.at();
        Some(entry)
    }

    /// The path that was read last.
    pub(crate) fn last_path(&self) -> &[u8] {
        &self.state.path
    }

    /// Reads records until one is not before `path`, which it gives. `None` if one is malformed; of those that are passed over, no more
    /// is checked than is read.
    pub(crate) fn seek(&mut self, path: &[u8]) -> Option<Option<Entry>> {
        // How much of its beginning the last path has in common with `path`.
        let mut alike = names::shared(&self.state.path, path);
        while !self.is_empty() {
            let passed = if self.state.entries > 0 { self.pass(path, &mut alike)? } else { None };
            let mut fields = match passed {
                Some(fields) => fields,
                None => {
                    let mut fields = self.path()?;
                    if order(&self.state.path, path) != Ordering::Less {
                        let path = Some(self.state.path.clone()).filter(|path| names::is_path(path))?;
                        let entry = body(&mut fields, path, &mut self.state.before)?;
                        self.state.at = fields.at();
                        return Some(Some(entry));
                    }
                    alike = names::shared(&self.state.path, path);
                    fields
                }
            };
            skip(&mut fields, &mut self.state.before)?;
            self.state.at = fields.at();
        }
        Some(None)
    }

    /// Puts the next path behind if it is before `path`, as the last one is. It is where it shares more with the last than that does with
    /// `path`: most are, and not a byte of them has to be looked at.
    #[inline]
    fn pass(&mut self, path: &[u8], alike: &mut usize) -> Option<Option<Cursor<'a>>> {
        let mut fields = Cursor::new(self.bytes, self.state.at);
        let shared = fields.bounded(self.state.path.len())?;
        let rest = fields.string(MAX_PATH - shared.min(MAX_PATH))?;
        if shared <= *alike {
            let wanted = path.get(shared..)?;
            if order(rest, wanted) != Ordering::Less {
                return Some(None);
            }
            *alike = shared + names::shared(rest, wanted);
        }
        self.state.path.truncate(shared);
        self.state.path.extend_from_slice(rest);
        self.state.entries += 1;
        Some(Some(fields))
    }

    /// Reads the next record's path into the state, and checks it.
    fn path(&mut self) -> Option<Cursor<'a>> {
        let mut fields = Cursor::new(self.bytes, self.state.at);
        let path = &mut self.state.path;
        let shared = fields.bounded(path.len())?;
        let rest = fields.string(MAX_PATH)?;
        if self.state.entries > 0 {
            // The order is decided where the paths part, since that is where the rest begins or later.
            let old = path.get(shared..)?;
            if order(old, rest) != Ordering::Less {
                return None;
            }
        } else if shared != 0 {
            return None;
        }
        path.truncate(shared);
        path.extend_from_slice(rest);
        if !names::is_path_after(path, shared) {
            return None;
        }
        self.state.entries += 1;
        Some(fields)
    }
}

fn body(fields: &mut Cursor<'_>, path: Vec<u8>, before: &mut Before) -> Option<Entry> {
    let flags = fields.byte()?;
    let mode = u16::try_from(fields.varint()?).ok().filter(|mode| *mode <= 0o7777)?;
    before.seconds = before.seconds.wrapping_add(fields.signed()?);
    let mut modified = Time { seconds: before.seconds, nanoseconds: 0 };
    if flags & NANOSECONDS != 0 {
        modified.nanoseconds = fields.varint_u32().filter(|n| (1..1_000_000_000).contains(n))?;
    }
    let kind = match flags & KIND {
        0 => Kind::Directory,
        1 => Kind::File(content(fields, before)?),
        2 => {
            let target = fields.string(MAX_PATH)?;
            if target.is_empty() || target.contains(&0) {
                return None;
            }
            Kind::Symlink(target.to_vec())
        }
        _ => return None,
    };
    let is_file = matches!(kind, Kind::File(_));
    if flags & UNKNOWN != 0 || path.is_empty() && kind != Kind::Directory {
        return None;
    }
    let attributes = if flags & ATTRIBUTES != 0 { attributes(fields)? } else { Vec::new() };
    let link = if flags & LINK != 0 { Some(fields.varint().filter(|_| kind != Kind::Directory)?) } else { None };
    let media_type = if flags & MEDIA_TYPE != 0 {
        let text = core::str::from_utf8(fields.string(MAX_TYPE)?).ok()?;
        Some(String::from(text)).filter(|text| is_file && is_media_type(text))
    } else {
        None
    };
    if flags & MEDIA_TYPE != 0 && media_type.is_none() {
        return None;
    }
    let mut encodings = Vec::new();
    if flags & ENCODINGS != 0 {
        let count = fields.bounded(Encoding::ALL.len() - 1).filter(|count| *count > 0 && is_file)?;
        for _ in 0..count {
            let encoding = Encoding::from_code(fields.byte()?)?;
            let last = encodings.last().map_or(Encoding::Identity, |(last, _)| *last);
            if encoding <= last {
                return None;
            }
            encodings.push((encoding, content(fields, before)?));
        }
    }
    Some(Entry { path, kind, mode, modified, attributes, link, media_type, encodings })
}

/// Passes over a record's body with no more than its lengths read.
fn skip(fields: &mut Cursor<'_>, before: &mut Before) -> Option<()> {
    let flags = fields.byte()?;
    fields.varint()?;
    before.seconds = before.seconds.wrapping_add(fields.signed()?);
    if flags & NANOSECONDS != 0 {
        fields.varint()?;
    }
    match flags & KIND {
        0 => {}
        1 => drop(content(fields, before)?),
        _ => drop(fields.string(MAX_PATH)?),
    }
    if flags & ATTRIBUTES != 0 {
        for _ in 0..fields.varint()? {
            fields.string(MAX_ATTRIBUTES)?;
            fields.string(MAX_ATTRIBUTES)?;
        }
    }
    if flags & LINK != 0 {
        fields.varint()?;
    }
    if flags & MEDIA_TYPE != 0 {
        fields.string(MAX_TYPE)?;
    }
    if flags & ENCODINGS != 0 {
        for _ in 0..fields.bounded(Encoding::ALL.len() - 1)? {
            fields.byte()?;
            content(fields, before)?;
        }
    }
    Some(())
}

fn attributes(fields: &mut Cursor<'_>) -> Option<Vec<Attribute>> {
    let mut all: Vec<Attribute> = Vec::new();
    let mut left = MAX_ATTRIBUTES;
    let count = fields.varint()?;
    for _ in 0..count {
        let name = fields.string(left)?;
        left -= name.len();
        let value = fields.string(left)?;
        left -= value.len();
        if name.is_empty() || name.contains(&0) || all.last().is_some_and(|last| last.name.as_slice() >= name) {
            return None;
        }
        all.push(Attribute { name: name.to_vec(), value: value.to_vec() });
    }
    (count > 0).then_some(all)
}

fn put_content(out: &mut Vec<u8>, content: &Content, before: &mut Before) {
    put_varint(out, content.size);
    if content.size > 0 {
        put_signed(out, i64::from(content.segment) - i64::from(before.segment));
        put_varint(out, u64::from(content.offset));
        before.segment = content.segment;
    }
}

fn content(fields: &mut Cursor<'_>, before: &mut Before) -> Option<Content> {
    let size = fields.varint()?;
    if size == 0 {
        return Some(Content::default());
    }
    let segment = u32::try_from(i64::from(before.segment).checked_add(fields.signed()?)?).ok()?;
    before.segment = segment;
    Some(Content { size, segment, offset: fields.varint_u32()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &[u8], kind: Kind) -> Entry {
        Entry {
            path: path.to_vec(),
            kind,
            mode: 0o644,
            modified: Time { seconds: -5, nanoseconds: 0 },
            attributes: Vec::new(),
            link: None,
            media_type: None,
            encodings: Vec::new(),
        }
    }

    fn all() -> Vec<Entry> {
        let content = Content { size: 9, segment: 7, offset: 3 };
        let mut file = entry(b"a/b", Kind::File(content));
        file.modified = Time { seconds: i64::MAX, nanoseconds: 999_999_999 };
        file.attributes =
            [&b"user.a"[..], b"user.b"].map(|n| Attribute { name: n.to_vec(), value: n.to_vec() }).to_vec();
        file.link = Some(u64::MAX);
        file.media_type = Some("text/plain".into());
        file.encodings = [(Encoding::Brotli, Content { segment: 2, ..content }), (Encoding::Gzip, content)].to_vec();
        let mut empty = entry(b"a/c", Kind::File(Content::default()));
        empty.modified.seconds = i64::MIN;
        [
            entry(b"", Kind::Directory),
            entry(b"a", Kind::Directory),
            file,
            empty,
            entry(b"a-", Kind::Symlink(b"\xff".to_vec())),
        ]
        .to_vec()
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut writer = Writer::default();
        entries.iter().for_each(|entry| writer.push(entry));
        writer.bytes().to_vec()
    }

    #[test]
    fn records_go_there_and_back() {
        let bytes = written(&all());
        let mut records = Records::new(&bytes);
        let read: Vec<_> = all().iter().map(|_| records.read().unwrap()).collect();
        assert_eq!(read, all());
        assert!(records.is_empty());
        for wanted in all() {
            assert_eq!(Records::new(&bytes).seek(&wanted.path), Some(Some(wanted)));
        }
        assert_eq!(Records::new(&bytes).seek(b"a/bb").unwrap().unwrap().path, b"a/c");
        assert_eq!(Records::new(&bytes).seek(b"z"), Some(None));
    }

    proptest! {
        #[test]
        fn a_search_finds_what_reading_one_after_the_other_does(
            paths in proptest::collection::btree_set("[ab/-]{1,6}", 1..40),
            wanted in proptest::collection::vec("[ab/-]{0,7}", 1..20),
        ) {
            let mut paths: Vec<_> = paths.into_iter().filter(|path| names::is_path(path.as_bytes())).collect();
            paths.sort_by(|a, b| order(a.as_bytes(), b.as_bytes()));
            let entries: Vec<_> = paths.iter().map(|path| entry(path.as_bytes(), Kind::Directory)).collect();
            let bytes = written(&entries);
            for wanted in &wanted {
                let first = entries.iter().find(|entry| order(&entry.path, wanted.as_bytes()) != Ordering::Less);
                // From the beginning, and from each place before it.
                let (mut records, mut before) = (Records::new(&bytes), true);
                while before && !records.is_empty() {
                    prop_assert_eq!(records.clone().seek(wanted.as_bytes()), Some(first.cloned()));
                    let next = records.read();
                    before = next.is_some_and(|next| order(&next.path, wanted.as_bytes()) == Ordering::Less);
                }
            }
        }
    }

    #[test]
    fn a_search_gives_no_path_that_none_may_have() {
        let mut bytes = written(&[entry(b"-", Kind::Directory), entry(b"x-/bc", Kind::Directory)]);
        let at = bytes.windows(2).position(|pair| pair == b"x-").unwrap();
        bytes[at..at + 2].copy_from_slice(b"..");
        assert_eq!(Records::new(&bytes).seek(b"../bc"), None);
    }

    #[test]
    fn a_cut_or_disordered_block_is_refused() {
        let bytes = written(&all());
        for cut in 1..bytes.len() {
            let mut records = Records::new(&bytes[..cut]);
            while !records.is_empty() && records.read().is_some() {}
            assert!(records.is_empty() || records.entries() <= 5);
        }
        for pair in [[&b"b"[..], b"a"], [b"a", b"a"], [b"a-", b"a/b"], [b"ab", b"a"]] {
            let bytes = written(&pair.map(|path| entry(path, Kind::Directory)));
            let mut records = Records::new(&bytes);
            assert!(records.read().is_some() && records.read().is_none(), "{pair:?}");
        }
    }
}
