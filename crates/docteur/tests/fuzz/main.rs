//! The fuzz targets of `fuzz/`, run on their seeds and on some thousands of mutations of them, always the same ones: so a
//! machine without the fuzzer still runs what it runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what is shared with the form parser's targets is not used whole")]

mod crafted;
#[path = "../../../multipart-form/tests/fuzz/input.rs"]
mod input;
mod reading;
mod structures;
mod whole;

use std::fs;
use std::path::Path;

use input::Numbers;

#[test]
fn whole_seeds() {
    replay("docteur_whole", whole::run);
}

#[test]
fn crafted_seeds() {
    replay("docteur_crafted", crafted::run);
}

#[test]
fn structures_seeds() {
    replay("docteur_structures", structures::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 3, "{target} has seeds");
    seeds.iter().for_each(|seed| run(seed));
    let mut numbers = Numbers::new(1);
    for _ in 0..3000 {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        let other = &seeds[numbers.below(seeds.len())];
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len() + 1);
            let to = (at + numbers.below(12)).min(bytes.len());
            match numbers.below(6) {
                0 => drop(bytes.drain(at..to)),
                1 => bytes.extend_from_within(at..to),
                2 => bytes.truncate(at),
                3 => drop(bytes.splice(at.., other[numbers.below(other.len() + 1)..].iter().copied())),
                // What changes no length gets furthest.
                _ => bytes[at..to].iter_mut().take(2).for_each(|b| *b = numbers.next().to_be_bytes()[0]),
            }
        }
        run(&bytes);
    }
}
