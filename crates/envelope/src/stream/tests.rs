//! Every length, every split and every damage, on streams of small segments.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml's exception does not reach")]

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::keys::ContentKey;
use crate::native::Aes256Gcm;

/// The first segment holds 8 bytes, the others 48.
const TINY: Geometry = Geometry { segment: 64 };
const AD: &[u8] = b"public header";

fn key() -> ContentKey {
    ContentKey::from_bytes([9; 32])
}

fn sealer() -> Sealer {
    Sealer::with_geometry(TINY, &key(), AD, StreamHeader::new([1; 32], [2; 7]))
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + 3) as u8).collect()
}

fn seal_split(plain: &[u8], split: &mut dyn FnMut() -> usize) -> Vec<u8> {
    let mut sealer = sealer();
    let aead = Aes256Gcm::new(sealer.segment_key());
    let mut out = sealer.header().to_bytes().to_vec();
    let mut rest = plain;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(split().clamp(1, rest.len()));
        while let Some(segment) = sealer.push(&mut now).unwrap() {
            let sealed = aead.seal(segment).unwrap();
            out.extend_from_slice(&sealed);
            sealer.recycle(sealed);
        }
        assert!(now.is_empty());
        rest = later;
    }
    out.extend(aead.seal(sealer.finish().unwrap()).unwrap());
    assert_eq!(sealer.finish().unwrap_err(), SealError::Finished);
    out
}

fn seal(plain: &[u8]) -> Vec<u8> {
    seal_split(plain, &mut || usize::MAX)
}

/// What was released, and how it ended.
fn open_split(ad: &[u8], sealed: &[u8], split: &mut dyn FnMut() -> usize) -> (Vec<u8>, Result<(), OpenError>) {
    let mut out = Vec::new();
    let result = run(ad, sealed, split, &mut out);
    (out, result)
}

fn run(ad: &[u8], sealed: &[u8], split: &mut dyn FnMut() -> usize, out: &mut Vec<u8>) -> Result<(), OpenError> {
    let mut opener = Opener::with_geometry(TINY, &key(), ad);
    let mut release = |opener: &mut Opener, segment: Segment| {
        let aead = Aes256Gcm::new(opener.segment_key().unwrap());
        let plain = opener.accept(segment.index, aead.open(segment))?;
        out.extend_from_slice(&plain);
        opener.recycle(plain);
        Ok(())
    };
    let mut rest = sealed;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(split().clamp(1, rest.len()));
        while let Some(segment) = opener.push(&mut now)? {
            release(&mut opener, segment)?;
        }
        rest = later;
    }
    assert_eq!(opener.close().unwrap_err(), OpenError::Unfinished);
    let last = opener.finish()?;
    release(&mut opener, last)?;
    opener.close()
}

fn open(sealed: &[u8]) -> (Vec<u8>, Result<(), OpenError>) {
    open_split(AD, sealed, &mut || usize::MAX)
}

#[test]
fn every_length_opens_and_has_the_length_foretold() {
    for len in 0..300 {
        let plain = plain(len);
        let sealed = seal(&plain);
        assert_eq!(open(&sealed), (plain, Ok(())));
        let plan = SegmentPlan::with_geometry(TINY, sealed.len() as u64).unwrap();
        assert_eq!((plan.plain_len(), plan.sealed_len()), (len as u64, sealed.len() as u64));
    }
}

#[test]
fn lengths_no_stream_has_are_refused() {
    let lengths: Vec<u64> = (0..300).map(|len| seal(&plain(len)).len() as u64).collect();
    for len in 0..=300 {
        assert_eq!(SegmentPlan::with_geometry(TINY, len).is_ok(), lengths.contains(&len), "{len}");
    }
}

#[test]
fn every_cut_is_refused() {
    for len in [0, 1, 7, 8, 9, 55, 56, 57, 104, 105, 200] {
        let plain = plain(len);
        let sealed = seal(&plain);
        for cut in 0..sealed.len() {
            let (out, result) = open(&sealed[..cut]);
            assert!(result.is_err(), "{len} cut to {cut}");
            assert!(plain.starts_with(&out));
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for len in [0, 8, 57, 105] {
        let plain = plain(len);
        let sealed = seal(&plain);
        for bit in 0..8 * sealed.len() {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (out, result) = open(&bad);
            assert!(result.is_err(), "bit {bit} of {len}");
            assert!(plain.starts_with(&out), "bit {bit} of {len}");
        }
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    for len in [0, 7, 8, 9, 56, 57, 104] {
        let plain = plain(len);
        let sealed = seal(&plain);
        for more in 1..150 {
            let mut bad = sealed.clone();
            bad.extend(vec![more as u8; more]);
            let (out, result) = open(&bad);
            assert!(result.is_err(), "{len} and {more}");
            assert!(plain.starts_with(&out));
        }
        let mut twice = sealed.clone();
        twice.extend_from_slice(&sealed[HEADER_LEN..]);
        assert!(open(&twice).1.is_err());
    }
}

#[test]
fn swapped_repeated_dropped_and_foreign_segments_are_refused() {
    let plain = plain(8 + 48 * 4);
    let sealed = seal(&plain);
    let other = {
        let mut sealer = Sealer::with_geometry(TINY, &key(), AD, StreamHeader::new([1; 32], [3; 7]));
        let aead = Aes256Gcm::new(sealer.segment_key());
        let mut out = sealer.header().to_bytes().to_vec();
        let mut rest = &plain[..];
        while let Some(segment) = sealer.push(&mut rest).unwrap() {
            out.extend(aead.seal(segment).unwrap());
        }
        out.extend(aead.seal(sealer.finish().unwrap()).unwrap());
        out
    };
    let place = |i: u32| {
        let p = SegmentPlan::with_geometry(TINY, sealed.len() as u64).unwrap().segment(i).unwrap().sealed;
        p.start as usize..p.end as usize
    };
    let refused = |bad: &[u8]| {
        let (out, result) = open(bad);
        assert!(result.is_err());
        assert!(plain.starts_with(&out));
    };
    for a in 1..5 {
        for b in 1..5 {
            let mut bad = sealed.clone();
            bad[place(a)].copy_from_slice(&sealed[place(b)]);
            if a != b {
                refused(&bad);
                bad[place(b)].copy_from_slice(&sealed[place(a)]);
                refused(&bad);
            }
        }
        let mut spliced = sealed.clone();
        spliced[place(a)].copy_from_slice(&other[place(a)]);
        refused(&spliced);
        let mut dropped = sealed.clone();
        dropped.drain(place(a));
        refused(&dropped);
        let mut ended = sealed[..place(a).start].to_vec();
        refused(&ended);
        ended.extend_from_slice(&sealed[place(4)]);
        if a != 4 {
            refused(&ended);
        }
        let mut head = other[..HEADER_LEN].to_vec();
        head.extend_from_slice(&sealed[HEADER_LEN..]);
        refused(&head);
    }
}

#[test]
fn an_empty_last_segment_after_others_is_refused() {
    // Sealed by someone who has the key: the last segment's nonce and flag are right, its plaintext is empty.
    let mut sealer = sealer();
    let aead = Aes256Gcm::new(sealer.segment_key());
    let mut out = sealer.header().to_bytes().to_vec();
    let first = sealer.push(&mut &plain(9)[..]).unwrap().unwrap();
    out.extend(aead.seal(first).unwrap());
    let nonce = sealer.header().nonce(1, true);
    out.extend(aead.seal(Segment { index: 1, nonce, last: true, bytes: Vec::new() }).unwrap());
    let (released, result) = open(&out);
    assert_eq!(released, plain(8), "the first segment is as it was sealed");
    assert_eq!(result, Err(OpenError::Truncated(out.len() as u64)));
}

#[test]
fn other_associated_data_and_another_key_are_refused() {
    let sealed = seal(&plain(60));
    for ad in [&b""[..], b"public heade", b"public header ", b"Public header"] {
        assert_eq!(open_split(ad, &sealed, &mut || usize::MAX), (vec![], Err(OpenError::Refused(0))));
    }
    let mut opener = Opener::with_geometry(TINY, &ContentKey::from_bytes([8; 32]), AD);
    let segment = opener.push(&mut &sealed[..]).unwrap().unwrap();
    let aead = Aes256Gcm::new(opener.segment_key().unwrap());
    assert_eq!(opener.accept(0, aead.open(segment)), Err(OpenError::Refused(0)));
}

#[test]
fn errors_stick_and_turns_are_kept() {
    let sealed = seal(&plain(200));
    let mut opener = Opener::with_geometry(TINY, &key(), AD);
    let mut rest = &sealed[..];
    assert_eq!(opener.accept(0, Ok(vec![])), Err(OpenError::Turn { due: 0, came: 0 }), "nothing was handed out");
    assert_eq!(opener.push(&mut rest), Err(OpenError::Turn { due: 0, came: 0 }));

    let mut opener = Opener::with_geometry(TINY, &key(), AD);
    let first = opener.push(&mut rest).unwrap().unwrap();
    let second = opener.push(&mut rest).unwrap().unwrap();
    assert_eq!((first.index, second.index), (0, 1));
    let aead = Aes256Gcm::new(opener.segment_key().unwrap());
    assert!(opener.accept(0, aead.open(first)).is_ok());
    assert_eq!(opener.accept(1, Err(AeadError)), Err(OpenError::Refused(1)));
    assert_eq!(opener.accept(1, aead.open(second)), Err(OpenError::Refused(1)));
    assert_eq!(opener.push(&mut rest), Err(OpenError::Refused(1)));
    assert_eq!(opener.finish(), Err(OpenError::Refused(1)));
    assert_eq!(opener.close(), Err(OpenError::Refused(1)));
    let mut other = Opener::with_geometry(TINY, &key(), AD);
    assert_eq!(other.push(&mut &[41][..]), Err(OpenError::Header(41)));
    assert_eq!(other.push(&mut &[40][..]), Err(OpenError::Header(41)));
}

#[test]
fn each_segment_opens_by_itself() {
    for len in [0, 1, 8, 9, 56, 57, 200] {
        let plain = plain(len);
        let sealed = seal(&plain);
        let plan = SegmentPlan::with_geometry(TINY, sealed.len() as u64).unwrap();
        let header = StreamHeader::parse(sealed[..HEADER_LEN].try_into().unwrap()).unwrap();
        let aead = Aes256Gcm::new(&header.segment_key(&key(), AD));
        let mut at = 0;
        for i in 0..plan.segments() {
            let place = plan.segment(i).unwrap();
            let bytes = sealed[place.sealed.start as usize..place.sealed.end as usize].to_vec();
            assert!(header.segment(&place, bytes[1..].to_vec()).is_err());
            let opened = aead.open(header.segment(&place, bytes).unwrap()).unwrap();
            assert_eq!(place.plain.start, at);
            assert_eq!(opened, plain[place.plain.start as usize..place.plain.end as usize]);
            at = place.plain.end;
        }
        assert_eq!(at, len as u64);
        assert!(plan.segment(plan.segments()).is_none());
        for from in 0..len as u64 + 2 {
            for to in from..len as u64 + 2 {
                let naive: Vec<u32> = (0..plan.segments())
                    .filter(|&i| {
                        let p = plan.segment(i).unwrap().plain;
                        p.start.max(from) < p.end.min(to)
                    })
                    .collect();
                assert_eq!(plan.covering(from..to).collect::<Vec<_>>(), naive, "{from}..{to} of {len}");
            }
        }
    }
}

#[test]
fn plans_of_any_length_stand() {
    let whole = SEGMENT_LEN as u64;
    for len in [0, 39, 55, whole + 1, whole + 16, u64::MAX, u64::MAX - 15] {
        assert!(SegmentPlan::new(len).is_err(), "{len}");
    }
    assert_eq!(SegmentPlan::new(1 << 60).unwrap_err(), PlanError::TooLong(1 << 60));
    assert_eq!(sealed_len(0), 56);
    assert_eq!(sealed_len(whole - 56), whole);
    assert_eq!(sealed_len(whole - 55), whole + 17);
    assert_eq!(sealed_len(u64::MAX), u64::MAX);
    let longest = whole * u64::from(MAX_SEGMENTS);
    let most = SegmentPlan::new(longest).unwrap();
    assert!(most.segment(MAX_SEGMENTS - 1).unwrap().last);
    assert_eq!(most.covering(0..u64::MAX), 0..MAX_SEGMENTS);
    assert_eq!(SegmentPlan::new(longest + 17).unwrap_err(), PlanError::TooLong(longest + 17));
}

#[test]
fn the_counter_never_wraps() {
    let mut sealer = sealer();
    sealer.index = MAX_SEGMENTS - 1;
    let mut input = &plain(49)[..];
    assert_eq!(sealer.push(&mut input), Err(SealError::TooLong));
    let mut opener = Opener::with_geometry(TINY, &key(), AD);
    let sealed = seal(&[]);
    assert_eq!(opener.push(&mut &sealed[..HEADER_LEN]), Ok(None));
    opener.index = MAX_SEGMENTS - 1;
    assert_eq!(opener.push(&mut &plain(65)[..]), Err(OpenError::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_split_gives_the_same(len in 0usize..400, splits in proptest::collection::vec(1usize..100, 1..20)) {
        let plain = plain(len);
        let mut a = splits.iter().copied().cycle();
        let sealed = seal_split(&plain, &mut || a.next().unwrap());
        prop_assert_eq!(&sealed, &seal(&plain));
        let mut b = splits.iter().rev().copied().cycle();
        prop_assert_eq!(open_split(AD, &sealed, &mut || b.next().unwrap()), (plain, Ok(())));
    }

    #[test]
    fn any_damage_is_refused_before_a_wrong_byte(
        len in 0usize..300,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..40, proptest::collection::vec(any::<u8>(), 0..40)), 1..4),
        split in 1usize..80,
    ) {
        let plain = plain(len);
        let sealed = seal(&plain);
        let mut bad = sealed.clone();
        for (at, cut, put) in edits {
            let at = at.index(bad.len() + 1);
            let end = (at + cut).min(bad.len());
            bad.splice(at..end, put);
        }
        let (out, result) = open_split(AD, &bad, &mut || split);
        if bad == sealed {
            prop_assert_eq!(result, Ok(()));
        } else {
            prop_assert!(result.is_err());
        }
        prop_assert!(plain.starts_with(&out));
    }
}
