//! One object of a repository on the disk, loose or packed, here or in what it borrows from (gitrepository-layout(5)).

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use gix::objs::Kind;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::index;
use gix::{ObjectId, Repository};

use super::pack::{DEEPEST, Pack};
use super::{Bytes, Sink, damaged, told};

/// The longest head of a loose object: a kind, a length, a zero.
const LOOSE_HEAD: u64 = 32;

/// The bytes of an object, which are those that its id names. `None` if it is not there.
pub(in crate::git) fn object(repository: &Repository, id: ObjectId) -> io::Result<Option<Bytes>> {
    let store = repository.objects.store_ref();
    let borrowed = store.alternate_db_paths().map_err(told)?;
    let folders = || [store.path()].into_iter().chain(borrowed.iter().map(AsRef::as_ref));
    let mut found = None;
    for folder in folders() {
        found = loose(folder, id)?;
        if found.is_some() {
            break;
        }
    }
    if found.is_none() {
        for folder in folders() {
            found = packed(folder, id)?;
            if found.is_some() {
                break;
            }
        }
    }
    match found {
        Some((_, is)) if is != id => Err(damaged(&format!("the object {id} is another one, {is}"))),
        found => Ok(found.map(|(bytes, _)| bytes)),
    }
}

type Found = Option<(Bytes, ObjectId)>;

fn loose(folder: &Path, id: ObjectId) -> io::Result<Found> {
    let digits = id.to_hex().to_string();
    let (first, rest) = digits.split_at(2);
    let file = match File::open(folder.join(first).join(rest)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = BufReader::new(ZlibDecoder::new(BufReader::with_capacity(32 << 10, file)));
    let mut head = Vec::new();
    while !head.ends_with(b"\0") {
        if (&mut bytes).take(1).read_to_end(&mut head)? == 0 || head.len() as u64 > LOOSE_HEAD {
            return Err(damaged(&format!("the object {id} has no head")));
        }
    }
    let (kind, size, _) = gix::objs::decode::loose_header(&head).map_err(told)?;
    let mut sink = Sink::keeping(id.kind(), kind, size)?;
    io::copy(&mut bytes, &mut sink)?;
    let (bytes, is) = sink.finish()?;
    Ok(bytes.zip(is))
}

fn packed(folder: &Path, id: ObjectId) -> io::Result<Found> {
    let names = match fs::read_dir(folder.join("pack")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        names => names?,
    };
    for name in names {
        let path = name?.path();
        if path.extension().is_none_or(|extension| extension != "idx") {
            continue;
        }
        let index = index::File::at(&path, id.kind()).map_err(told)?;
        if let Some(at) = index.lookup(id) {
            let pack = Pack { file: File::open(path.with_extension("pack"))?, hash: id.kind() };
            return chain(&pack, &index, index.pack_offset_at_index(at)).map(Some);
        }
    }
    Ok(None)
}

/// The object at `offset`, made of those by which it is told.
fn chain(pack: &Pack, index: &index::File, mut offset: u64) -> io::Result<(Bytes, ObjectId)> {
    let mut deltas = Vec::new();
    let kind = loop {
        let base = match pack.entry(offset)?.0.header {
            Header::OfsDelta { base_distance } => Header::verified_base_pack_offset(offset, base_distance),
            Header::RefDelta { base_id } => index.lookup(base_id).map(|at| index.pack_offset_at_index(at)),
            header => break header.as_kind().unwrap_or(Kind::Blob),
        };
        deltas.push(offset);
        if deltas.len() > DEEPEST {
            return Err(damaged("a pack has a chain of more than 4,095 deltas"));
        }
        offset = base.ok_or_else(|| damaged("a delta is one to an object that is not there"))?;
    };
    let mut made = pack.whole(offset, kind)?;
    for delta in deltas.into_iter().rev() {
        made = pack.differing(delta, kind, &made.0, u64::MAX)?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A repository with a long blob, another that differs from it a little, and a short one; its blobs by their ids.
    fn repository(place: &Path, format: &str) -> Vec<(ObjectId, Vec<u8>)> {
        git(place, &["init", "-q", &format!("--object-format={format}")]);
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let long: Vec<u8> = (0..9 << 20).map(|_| noise()).collect();
        let other = [&long[..4 << 20], b"something else", &long[4 << 20..]].concat();
        let blobs = [("a", long), ("b", other), ("c", b"short".to_vec())];
        blobs
            .map(|(name, bytes)| {
                fs::write(place.join(name), &bytes).unwrap();
                let id = git(place, &["hash-object", "-w", name]);
                (ObjectId::from_hex(id.as_bytes()).unwrap(), bytes)
            })
            .into()
    }

    fn git(place: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(place).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn assert_all_there(place: &Path, blobs: &[(ObjectId, Vec<u8>)]) {
        let repository = gix::open_opts(place, crate::git::options()).unwrap();
        for (id, bytes) in blobs {
            let found = object(&repository, *id).unwrap().unwrap();
            assert_eq!(matches!(found, Bytes::File(..)), bytes.len() as u64 > super::super::IN_MEMORY);
            let mut all = vec![0; bytes.len()];
            found.read_at(0, &mut all).unwrap();
            assert!(found.len() == bytes.len() as u64 && all == *bytes, "{id}");
        }
    }

    fn pack(place: &Path) -> PathBuf {
        let mut packs = fs::read_dir(place.join(".git/objects/pack")).unwrap().map(|entry| entry.unwrap().path());
        packs.find(|path| path.extension().is_some_and(|extension| extension == "pack")).unwrap()
    }

    #[test]
    fn needs_git_objects_are_found_loose_packed_and_as_deltas() {
        for format in ["sha1", "sha256"] {
            let place = tempfile::tempdir().unwrap();
            let blobs = repository(place.path(), format);
            assert_all_there(place.path(), &blobs);
            git(place.path(), &["add", "-A"]);
            for by_offset in ["true", "false"] {
                git(place.path(), &["-c", &format!("repack.useDeltaBaseOffset={by_offset}"), "repack", "-qadf"]);
                assert!(pack(place.path()).metadata().unwrap().len() < 12 << 20, "one is told by the other");
                assert_all_there(place.path(), &blobs);
            }
            // A repository that borrows.
            let borrower = tempfile::tempdir().unwrap();
            let from = place.path().to_str().unwrap();
            git(borrower.path(), &["clone", "-qns", from, "."]);
            assert_all_there(borrower.path(), &blobs);
            let missing = ObjectId::null(blobs[0].0.kind());
            assert!(object(&gix::open(borrower.path()).unwrap(), missing).unwrap().is_none());
        }
    }

    #[test]
    fn needs_git_another_object_than_the_id_names_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let blobs = repository(place.path(), "sha1");
        let loose = |id: ObjectId| {
            let digits = id.to_string();
            place.path().join(".git/objects").join(&digits[..2]).join(&digits[2..])
        };
        fs::remove_file(loose(blobs[0].0)).unwrap();
        fs::copy(loose(blobs[1].0), loose(blobs[0].0)).unwrap();
        let repository = gix::open(place.path()).unwrap();
        let told = object(&repository, blobs[0].0).err().unwrap().to_string();
        assert!(told.contains(&blobs[0].0.to_string()) && told.contains(&blobs[1].0.to_string()), "{told}");
    }
}
