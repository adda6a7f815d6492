//! A pack that comes from elsewhere, and its index: what `git index-pack` does, in memory that grows with the number of objects alone.
//!
//! It goes to a file as it comes, and objects that their entries have whole get their ids meanwhile. The others are made afterwards, each
//! soon after the one by which it is told; what is long lies in temporary files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Crc;
use flate2::bufread::ZlibDecoder;
use gix::ObjectId;
use gix::hash::{Hasher, Kind as Hash};
use gix::objs::Kind;
use gix::odb::pack::data::Entry;
use gix::odb::pack::data::entry::Header;

use super::pack::{DEEPEST, Pack};
use super::{Bytes, Sink, damaged, told};

/// Bytes and number of objects that are kept in memory because others are told by them, and the number of long ones in files.
const KEPT: usize = 64 << 20;
const KEPT_OBJECTS: usize = 64;
const KEPT_FILES: usize = 2;

/// Where a pack goes, and what it may have.
#[derive(Clone, Debug)]
pub(in crate::git) struct Receiving {
    /// The folder of packs.
    pub(in crate::git) folder: PathBuf,
    pub(in crate::git) hash: Hash,
    /// The most objects.
    pub(in crate::git) objects: u64,
    /// The most bytes of one.
    pub(in crate::git) longest: u64,
    /// Whether nobody wants it any more.
    pub(in crate::git) stop: Arc<AtomicBool>,
}

/// An entry of the pack.
struct Object {
    at: u64,
    crc: u32,
    depth: u16,
    base: Base,
    /// Null until it is known.
    id: ObjectId,
}

/// Entries that are told by an object of which the id alone is said, with that, in order.
type Named = Vec<(ObjectId, u32)>;

#[derive(Clone, Copy)]
enum Base {
    /// There is none, as the entry has all.
    Whole(Kind),
    /// The entry with this number.
    Entry(u32),
    /// An entry that is known by its id alone.
    Named,
}

impl Receiving {
    /// Reads a pack to its end, and puts it into the folder with its index.
    ///
    /// # Errors
    /// If it is damaged, needs objects that it does not have, or has more than it may.
    pub(in crate::git) fn receive(&self, from: &mut dyn BufRead) -> io::Result<()> {
        let incoming = self.folder.join("incoming");
        let file = File::options().read(true).write(true).create_new(true).open(&incoming)?;
        let hasher = gix::hash::hasher(self.hash);
        let out = BufWriter::with_capacity(1 << 18, file);
        let mut taken = Taken { from, out, hasher, crc: Crc::new(), at: 0, stop: &self.stop, failed: None };
        let (mut objects, named) = self.entries(&mut taken)?;
        let (file, id) = taken.finish(self.hash)?;
        if objects.is_empty() {
            return fs::remove_file(incoming);
        }
        Resolving::new(self, Pack { file, hash: self.hash }, &mut objects, named).all()?;
        let name = |extension: &str| self.folder.join(format!("pack-{}.{extension}", id.to_hex()));
        let index = self.folder.join("incoming-index");
        write_index(File::create_new(&index)?, self.hash, &objects, id)?;
        fs::rename(incoming, name("pack"))?;
        fs::rename(index, name("idx"))
    }

    /// All entries.
    fn entries(&self, taken: &mut Taken<'_>) -> io::Result<(Vec<Object>, Named)> {
        let mut head = [0; 12];
        taken.read_exact(&mut head)?;
        let (_, count) = gix::odb::pack::data::header::decode(&head).map_err(told)?;
        if u64::from(count) > self.objects {
            return Err(io::Error::other(format!("the pack has {count} objects, and may have {}", self.objects)));
        }
        let (mut objects, mut named): (Vec<Object>, Vec<_>) = (Vec::new(), Vec::new());
        for number in 0..count {
            let at = taken.at;
            taken.crc = Crc::new();
            let entry = Entry::from_read(taken, at, self.hash.len_in_bytes())?;
            let size = entry.decompressed_size;
            if size > self.longest {
                let longest = self.longest;
                return Err(io::Error::other(format!("an object has {size} bytes, and may have {longest}")));
            }
            let (base, mut sink) = match entry.header {
                Header::OfsDelta { base_distance } => {
                    let base = Header::verified_base_pack_offset(at, base_distance)
                        .and_then(|base| objects.binary_search_by_key(&base, |object| object.at).ok());
                    let base = base.ok_or_else(|| damaged("a delta is one to no object"))?;
                    (Base::Entry(base as u32), Sink::counting(size))
                }
                Header::RefDelta { base_id } => {
                    named.push((base_id, number));
                    (Base::Named, Sink::counting(size))
                }
                whole => {
                    let kind = whole.as_kind().unwrap_or(Kind::Blob);
                    (Base::Whole(kind), Sink::hashing(self.hash, kind, size))
                }
            };
            io::copy(&mut ZlibDecoder::new(&mut *taken), &mut sink)?;
            let id = sink.finish()?.1.unwrap_or(ObjectId::null(self.hash));
            objects.push(Object { at, crc: taken.crc.sum(), depth: 0, base, id });
        }
        named.sort_unstable();
        Ok((objects, named))
    }
}

/// Reads, keeps what is read in a file, and hashes it.
struct Taken<'a> {
    from: &'a mut dyn BufRead,
    out: BufWriter<File>,
    hasher: Hasher,
    crc: Crc,
    /// How many bytes were read.
    at: u64,
    stop: &'a AtomicBool,
    /// What went wrong where it could not be told.
    failed: Option<io::Error>,
}

impl Taken<'_> {
    /// Reads the hash at the end, which has to be that of all before it; gives the file.
    fn finish(mut self, hash: Hash) -> io::Result<(File, ObjectId)> {
        let is = self.hasher.try_finalize().map_err(told)?;
        let mut said = vec![0; hash.len_in_bytes()];
        self.from.read_exact(&mut said)?;
        if said != is.as_slice() {
            return Err(damaged("the pack is not what its hash says"));
        }
        self.out.write_all(&said)?;
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.out.into_inner().map_err(io::IntoInnerError::into_error)?, is)),
        }
    }
}

impl Read for Taken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Taken<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("it was stopped"));
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.from.fill_buf(),
        }
    }

    fn consume(&mut self, len: usize) {
        let done = self.from.fill_buf().and_then(|bytes| {
            let bytes = bytes.get(..len).ok_or(io::ErrorKind::UnexpectedEof)?;
            self.hasher.update(bytes);
            self.crc.update(bytes);
            self.out.write_all(bytes)
        });
        self.at += len as u64;
        self.from.consume(len);
        self.failed = done.err();
    }
}

/// Makes the objects that are told by others.
struct Resolving<'a> {
    receiving: &'a Receiving,
    pack: Pack,
    objects: &'a mut [Object],
    /// The numbers of objects by the number of that by which they are told, and by its id.
    children: Vec<(u32, u32)>,
    named: Named,
    /// What was needed last comes first.
    kept: Vec<(u32, Arc<Bytes>)>,
}

impl<'a> Resolving<'a> {
    fn new(receiving: &'a Receiving, pack: Pack, objects: &'a mut [Object], named: Named) -> Self {
        let of = |(number, object): (u32, &Object)| match object.base {
            Base::Entry(base) => Some((base, number)),
            _ => None,
        };
        let mut children: Vec<_> = (0..).zip(objects.iter()).filter_map(of).collect();
        children.sort_unstable();
        Self { receiving, pack, objects, children, named, kept: Vec::new() }
    }

    fn all(&mut self) -> io::Result<()> {
        let mut todo = Vec::new();
        for root in 0..self.objects.len() as u32 {
            if !matches!(self.object(root)?.base, Base::Whole(_)) {
                continue;
            }
            self.told_by(root, &mut todo)?;
            // The last one first: so what was made last is what the next is told by.
            while let Some(number) = todo.pop() {
                if self.receiving.stop.load(Ordering::Relaxed) {
                    return Err(io::Error::other("it was stopped"));
                }
                let (bytes, id) = self.made(number)?;
                self.change(number)?.id = id;
                let before = todo.len();
                self.told_by(number, &mut todo)?;
                if todo.len() > before {
                    self.keep(number, Arc::new(bytes));
                }
            }
        }
        match self.objects.iter().any(|object| object.id.is_null()) {
            true => Err(damaged("the pack has deltas to objects that it does not have")),
            false => Ok(()),
        }
    }

    fn object(&self, number: u32) -> io::Result<&Object> {
        self.objects.get(number as usize).ok_or(io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, number: u32) -> io::Result<&mut Object> {
        self.objects.get_mut(number as usize).ok_or(io::ErrorKind::NotFound.into())
    }

    /// Adds the numbers of those that are told by an object.
    fn told_by(&mut self, number: u32, todo: &mut Vec<u32>) -> io::Result<()> {
        let Object { id, depth, .. } = *self.object(number)?;
        let of_named = range(&self.named, id);
        let of_entry = range(&self.children, number);
        if (of_named.is_empty() && of_entry.is_empty()) || usize::from(depth) < DEEPEST {
            todo.extend(self.children.get(of_entry).unwrap_or_default().iter().map(|(_, child)| *child));
            for at in of_named {
                // Where two entries are one object, it is the first.
                let child = self.named.get(at).map_or(0, |(_, child)| *child);
                let object = self.change(child)?;
                if matches!(object.base, Base::Named) {
                    object.base = Base::Entry(number);
                    todo.push(child);
                }
            }
            return Ok(());
        }
        Err(damaged("the pack has a chain of more than 4,095 deltas"))
    }

    /// An object that is told by another, which has its id already.
    fn made(&mut self, number: u32) -> io::Result<(Bytes, ObjectId)> {
        let Base::Entry(base) = self.object(number)?.base else { return Err(io::ErrorKind::NotFound.into()) };
        let (bytes, kind, depth) = self.bytes(base)?;
        let object = self.change(number)?;
        object.depth = depth + 1;
        let at = object.at;
        self.pack.differing(at, kind, &bytes, self.receiving.longest)
    }

    /// The bytes of an object that was made before, its kind, and how many others it is told by.
    fn bytes(&mut self, number: u32) -> io::Result<(Arc<Bytes>, Kind, u16)> {
        let (mut chain, mut at, mut found) = (Vec::new(), number, None);
        let kind = loop {
            let kept = self.kept.iter().find(|(of, _)| *of == at).map(|(_, bytes)| Arc::clone(bytes));
            found = found.or(kept);
            match self.object(at)?.base {
                Base::Whole(kind) => {
                    if found.is_none() {
                        found = Some(Arc::new(self.pack.whole(self.object(at)?.at, kind)?.0));
                    }
                    break kind;
                }
                Base::Entry(base) => {
                    if found.is_none() {
                        chain.push(at);
                    }
                    at = base;
                }
                Base::Named => return Err(io::ErrorKind::NotFound.into()),
            }
        };
        let mut bytes = found.ok_or(io::ErrorKind::NotFound)?;
        for number in chain.into_iter().rev() {
            let at = self.object(number)?.at;
            bytes = Arc::new(self.pack.differing(at, kind, &bytes, self.receiving.longest)?.0);
        }
        self.keep(number, Arc::clone(&bytes));
        Ok((bytes, kind, self.object(number)?.depth))
    }

    fn keep(&mut self, number: u32, bytes: Arc<Bytes>) {
        self.kept.retain(|(of, _)| *of != number);
        self.kept.insert(0, (number, bytes));
        self.kept.truncate(KEPT_OBJECTS);
        let (mut sum, mut files) = (0, 0);
        self.kept.retain(|(of, bytes)| {
            sum += bytes.in_memory();
            files += usize::from(matches!(**bytes, Bytes::File(..)));
            *of == number || (sum <= KEPT && files <= KEPT_FILES)
        });
    }
}

/// Where the pairs that begin with `first` are.
fn range<T: Ord + Copy>(pairs: &[(T, u32)], first: T) -> Range<usize> {
    let start = pairs.partition_point(|(of, _)| *of < first);
    start..pairs.partition_point(|(of, _)| *of <= first)
}

/// Version 2 of gitformat-pack(5)'s index.
fn write_index(file: File, hash: Hash, objects: &[Object], pack: ObjectId) -> io::Result<()> {
    let mut sorted: Vec<u32> = (0..objects.len() as u32).collect();
    let object = |number: &u32| objects.get(*number as usize);
    sorted.sort_unstable_by_key(|number| object(number).map(|object| (object.id, object.at)));
    let mut out = Hashed { out: BufWriter::with_capacity(1 << 18, file), hasher: gix::hash::hasher(hash) };
    out.write_all(b"\xFFtOc\0\0\0\x02")?;
    let sorted = || sorted.iter().filter_map(object);
    let mut ids = sorted().map(|object| object.id.first_byte()).peekable();
    let mut below = 0_u32;
    for first in 0..=u8::MAX {
        while ids.next_if_eq(&first).is_some() {
            below += 1;
        }
        out.write_all(&below.to_be_bytes())?;
    }
    sorted().try_for_each(|object| out.write_all(object.id.as_slice()))?;
    sorted().try_for_each(|object| out.write_all(&object.crc.to_be_bytes()))?;
    let mut far = Vec::new();
    for object in sorted() {
        let at = u32::try_from(object.at).ok().filter(|at| at >> 31 == 0).unwrap_or_else(|| {
            far.push(object.at);
            1 << 31 | (far.len() - 1) as u32
        });
        out.write_all(&at.to_be_bytes())?;
    }
    far.iter().try_for_each(|at| out.write_all(&at.to_be_bytes()))?;
    out.write_all(pack.as_slice())?;
    let id = out.hasher.try_finalize().map_err(told)?;
    out.out.write_all(id.as_slice())?;
    out.out.flush()
}

struct Hashed {
    out: BufWriter<File>,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn git(place: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut git = Command::new("git");
        git.current_dir(place).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let mut git = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        git.stdin.take().unwrap().write_all(input).unwrap();
        let output = git.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    }

    /// Packs of many versions of a text, a long blob and one like it: with deltas to offsets, and to ids.
    fn packs(place: &Path, format: &str) -> [Vec<u8>; 2] {
        git(place, &["init", "-q", &format!("--object-format={format}")], b"");
        let lines: Vec<String> = (0..3_000).map(|n| format!("line {n} of {}\n", n * 7 % 1_000)).collect();
        let mut ids = Vec::new();
        let mut add = |bytes: &[u8]| ids.extend(git(place, &["hash-object", "-w", "--stdin"], bytes));
        (0..90).for_each(|n| add(lines[n * 3..n * 5 + 2_000].concat().as_bytes()));
        let mut state = 1_u64;
        let long: Vec<u8> = (0..9 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        add(&long);
        add(&[&long[1..], b"!"].concat());
        let pack = |arguments: &[&str]| git(place, &[&["pack-objects", "-q", "--stdout"], arguments].concat(), &ids);
        [pack(&["--delta-base-offset", "--depth=40"]), pack(&["--depth=40"])]
    }

    fn receiving(folder: &Path, hash: Hash) -> Receiving {
        Receiving { folder: folder.into(), hash, objects: 100, longest: 16 << 20, stop: Arc::default() }
    }

    #[test]
    fn needs_git_the_index_is_that_of_git() {
        for (format, hash) in [("sha1", Hash::Sha1), ("sha256", Hash::Sha256)] {
            let place = tempfile::tempdir().unwrap();
            for pack in packs(place.path(), format) {
                let folder = tempfile::tempdir().unwrap();
                receiving(folder.path(), hash).receive(&mut &pack[..]).unwrap();
                let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
                names.sort();
                let [index, copy] = &names[..] else { panic!("{names:?}") };
                assert!(fs::read(copy).unwrap() == pack);
                let theirs = place.path().join("theirs.idx");
                let told = format!("--object-format={format}");
                git(place.path(), &["index-pack", &told, "-o", "theirs.idx", copy.to_str().unwrap()], b"");
                assert!(fs::read(index).unwrap() == fs::read(theirs).unwrap());
            }
        }
    }

    #[test]
    fn needs_git_a_pack_that_is_damaged_or_more_than_it_may_be_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let [pack, _] = packs(place.path(), "sha1");
        let told = |pack: &[u8], change: fn(&mut Receiving)| {
            let folder = tempfile::tempdir().unwrap();
            let mut receiving = receiving(folder.path(), Hash::Sha1);
            change(&mut receiving);
            receiving.receive(&mut &*pack).unwrap_err().to_string()
        };
        assert!(told(&pack, |of| of.objects = 91).contains("92 objects, and may have 91"));
        assert!(told(&pack, |of| of.longest = (9 << 20) - 1).contains("9437184 bytes, and may have 9437183"));
        assert!(told(&pack, |of| of.stop.store(true, Ordering::Relaxed)).contains("stopped"));
        for len in [0, 11, 12, 13, 100, 10_000, pack.len() - 21, pack.len() - 1] {
            told(&pack[..len], |_| {});
        }
        for at in (0..2_000).chain(pack.len() - 30..pack.len()) {
            let mut damaged = pack.clone();
            damaged[at] ^= 0x10;
            told(&damaged, |_| {});
        }
    }
    #[test]
    fn a_delta_to_what_is_not_there_is_refused() {
        let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        deflated.write_all(&[5, 5, 0x90, 5]).unwrap();
        let entry = [&[0x74][..], &[7; 20], &deflated.finish().unwrap()].concat();
        let mut pack = [&b"PACK\0\0\0\x02\0\0\0\x01"[..], &entry].concat();
        let mut hasher = gix::hash::hasher(Hash::Sha1);
        hasher.update(&pack);
        pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        let folder = tempfile::tempdir().unwrap();
        let told = receiving(folder.path(), Hash::Sha1).receive(&mut &pack[..]).unwrap_err().to_string();
        assert!(told.contains("does not have"), "{told}");
    }
}
