//! The blocking adaptors: what one seals the others open, and damage comes out as an error.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml's exception does not reach")]

use std::io::{self, Read, Write};

use envelope::io::{OpenReader, OpenWriter, SealReader};
use envelope::{ContentKey, OpenError, SEGMENT_LEN, sealed_len};

const AD: &[u8] = br#"{"v":1,"kdf":null,"burn":false,"comments":false}"#;

fn key() -> ContentKey {
    ContentKey::from_bytes([5; 32])
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// Gives and takes odd amounts, and is interrupted.
struct Awkward<T>(T, usize);

impl<R: Read> Read for Awkward<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let n = out.len().min(self.1 * 37 % 70_001 + 1);
        self.0.read(&mut out[..n])
    }
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    SealReader::new(Awkward(plain, 0), &key(), AD, [1; 32], [2; 7]).read_to_end(&mut sealed).unwrap();
    sealed
}

#[test]
fn what_is_sealed_opens() {
    for len in
        [0, 1, 1000, SEGMENT_LEN - 57, SEGMENT_LEN - 56, SEGMENT_LEN - 55, SEGMENT_LEN, 2 * SEGMENT_LEN - 72, 3 << 20]
    {
        let plain = plain(len);
        let sealed = seal(&plain);
        assert_eq!(sealed.len() as u64, sealed_len(len as u64));
        let mut opened = Vec::new();
        OpenReader::new(Awkward(&sealed[..], 0), &key(), AD).read_to_end(&mut opened).unwrap();
        assert!(opened == plain, "{len} by reading");
        let mut writer = OpenWriter::new(Vec::new(), &key(), AD);
        for chunk in sealed.chunks(77_777) {
            writer.write_all(chunk).unwrap();
        }
        assert!(writer.finish().unwrap() == plain, "{len} by writing");
    }
}

#[test]
fn damage_is_an_error_that_sticks_and_releases_nothing_wrong() {
    let plain = plain(2 << 20);
    let sealed = seal(&plain);
    for (at, segment) in [(41, 0), (SEGMENT_LEN, 1), (sealed.len() - 1, 2)] {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        let mut reader = OpenReader::new(&bad[..], &key(), AD);
        let mut out = Vec::new();
        for _ in 0..2 {
            let error = reader.read_to_end(&mut out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let inner = error.get_ref().and_then(|e| e.downcast_ref::<OpenError>());
            assert_eq!(inner, Some(&OpenError::Refused(segment)));
        }
        assert!(plain.starts_with(&out));
    }
    for cut in [0, 20, 40, 55] {
        let error = OpenReader::new(&sealed[..cut], &key(), AD).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let mut writer = OpenWriter::new(Vec::new(), &key(), AD);
        writer.write_all(&sealed[..cut]).unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_writer_that_failed_once_is_never_said_to_have_all() {
    /// Fails its first write, then takes everything.
    struct Fails(bool);
    impl Write for Fails {
        fn write(&mut self, input: &[u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, false) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(input.len()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sealed = seal(&plain(3 << 20));
    let mut writer = OpenWriter::new(Fails(true), &key(), AD);
    let (first, rest) = sealed.split_at(SEGMENT_LEN + 1);
    assert_eq!(writer.write(first).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(writer.write(rest).is_err());
    assert!(writer.finish().is_err());
}
