//! The decoder against the reference encoder: levels, dictionaries, stops anywhere, and damage.

use alloc::vec::Vec;
use std::vec;

use proptest::prelude::*;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::*;

/// Text with repetitions near and far, and some noise.
fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut random = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % n
    };
    let mut out: Vec<u8> = Vec::new();
    while out.len() < len {
        match random(8) {
            0..4 if out.len() > 8 => {
                let from = random(out.len() as u64) as usize;
                let run = random(200) as usize;
                for n in 0..run {
                    out.push(out[from + n]);
                }
            }
            4 => out.extend((0..random(60)).map(|_| random(256) as u8)),
            5 => out.extend(core::iter::repeat_n(b'-', random(90) as usize)),
            _ => out.extend((0..random(60)).map(|_| b"etaoin shrdlu<>/=\"cmfwyp"[random(24) as usize])),
        }
    }
    out.truncate(len);
    out
}

fn compress(bytes: &[u8], level: i32, dictionary: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::with_dictionary(level, dictionary).unwrap();
    compressor.set_parameter(CParameter::ChecksumFlag(false)).unwrap();
    compressor.set_parameter(CParameter::WindowLog(23)).unwrap();
    compressor.compress(bytes).unwrap()
}

#[test]
fn every_level_and_size_decodes() {
    for level in [-5, 1, 3, 6, 9, 13, 16, 19, 22] {
        for len in [0, 1, 2, 7, 255, 256, 300, 5_000, 65_791, 65_792, 131_072, 131_073, 400_000] {
            let bytes = text(len as u64 + 7, len);
            let packed = compress(&bytes, level, b"");
            assert_eq!(decode(&packed, b"", len).unwrap(), bytes, "level {level}, {len} bytes");
            assert_eq!(decode(&packed, b"", len + 1), Err(Corrupt));
        }
    }
}

#[test]
fn noise_and_monotony_decode() {
    let noise: Vec<u8> = text(3, 300_000).iter().zip(text(99, 300_000)).map(|(a, b)| a.wrapping_mul(31) ^ b).collect();
    for bytes in [noise, vec![7; 300_000], vec![0; 3]] {
        let packed = compress(&bytes, 19, b"");
        assert_eq!(decode(&packed, b"", bytes.len()).unwrap(), bytes);
    }
}

#[test]
fn a_dictionary_is_found() {
    let dictionary = text(5, 700_000);
    for level in [1, 3, 19] {
        let mut bytes = dictionary[100_000..230_000].to_vec();
        bytes.extend_from_slice(&text(6, 90_000));
        bytes.extend_from_slice(&dictionary[699_000..]);
        let packed = compress(&bytes, level, &dictionary);
        assert_eq!(decode(&packed, &dictionary, bytes.len()).unwrap(), bytes);
        assert_eq!(decode(&packed, &dictionary[..10], bytes.len()), Err(Corrupt));
    }
}

#[test]
fn stops_anywhere_and_goes_on() {
    let dictionary = text(5, 50_000);
    let bytes = [&dictionary[3_000..20_000], &text(8, 280_000)].concat();
    for level in [1, 19] {
        let packed = compress(&bytes, level, &dictionary);
        let mut decoder = Decoder::new();
        for step in [1, 9, 1000, 70_001] {
            decoder.begin(&packed, bytes.len()).unwrap();
            for target in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
                decoder.advance(&packed, &dictionary, target).unwrap();
                let done = decoder.decoded().len();
                assert!(done >= target && done < target + (256 << 10));
                assert!(decoder.decoded()[done.saturating_sub(300)..] == bytes[done.saturating_sub(300)..done]);
            }
            assert!(decoder.decoded() == bytes);
        }
    }
}

#[test]
fn damage_never_panics_or_hangs() {
    let bytes = text(9, 6_000);
    for level in [1, 19] {
        let packed = compress(&bytes, level, &bytes[..500]);
        for cut in 0..packed.len() {
            assert_eq!(decode(&packed[..cut], &bytes[..500], bytes.len()), Err(Corrupt), "cut at {cut}");
        }
        for bit in 0..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = decode(&damaged, &bytes[..500], bytes.len()) {
                assert_eq!(other.len(), bytes.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_the_reference(
        seed in any::<u64>(), len in 0..20_000_usize, level in -3..23_i32, prefix in 0..3_000_usize, flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..3),
    ) {
        let (bytes, dictionary) = (text(seed, len), text(seed ^ 1, prefix));
        let mut packed = compress(&bytes, level, &dictionary);
        for (at, with) in flips {
            // The frame's header is ours to refuse where the reference does not.
            let at = 6 + at % packed.len();
            if let Some(byte) = packed.get_mut(at) {
                *byte ^= with;
            }
        }
        let reference = zstd::bulk::Decompressor::with_dictionary(&dictionary).unwrap().decompress(&packed, len);
        let ours = decode(&packed, &dictionary, len);
        if let Ok(ours) = &ours {
            prop_assert_eq!(ours.len(), len);
        }
        // Both may see damage where the other does not (the reference checks some streams' ends loosely); whole frames agree.
        if let (Ok(ours), Ok(reference)) = (&ours, &reference) {
            prop_assert!(ours == reference);
        }
        if reference.as_ref().is_ok_and(|r| *r == bytes) && packed == compress(&bytes, level, &dictionary) {
            prop_assert!(ours.is_ok());
        }
    }
}
