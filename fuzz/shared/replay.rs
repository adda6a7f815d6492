//! Runs a fuzz target's body on its seeds and on some thousands of mutations of them, always the same ones: so a machine
//! without the fuzzer still runs what it runs.

use std::fs;
use std::path::Path;

use crate::input::Numbers;

/// Mutations that are tried.
const ROUNDS: usize = 4000;

/// Runs `run` on the seeds of `target`, and on mutations of those of at most `longest` bytes. `words` are put in here and
/// there: what means something in the format.
pub(crate) fn replay(target: &str, run: fn(&[u8]), longest: usize, words: &[&[u8]]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    seeds.iter().for_each(|seed| run(seed));
    let short: Vec<&Vec<u8>> = seeds.iter().filter(|seed| seed.len() <= longest).collect();
    assert!(short.len() >= 3, "{target} has seeds to mutate");
    let mut numbers = Numbers::new(1);
    for _ in 0..ROUNDS {
        let mut bytes = short[numbers.below(short.len())].clone();
        let other = short[numbers.below(short.len())];
        for _ in 0..=numbers.below(4) {
            mutate(&mut bytes, other, words, &mut numbers);
        }
        run(&bytes);
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let to = (at + numbers.below(20)).min(bytes.len());
    match numbers.below(7) {
        0 => drop(bytes.drain(at..to)),
        1 => bytes.extend_from_within(at..to),
        2 => bytes.truncate(at),
        3 => drop(bytes.splice(at.., other[numbers.below(other.len() + 1)..].iter().copied())),
        4 if !words.is_empty() => drop(bytes.splice(at..at, words[numbers.below(words.len())].iter().copied())),
        // What changes no length gets furthest.
        _ => bytes[at..to].iter_mut().take(2).for_each(|b| *b = numbers.next().to_be_bytes()[0]),
    }
}
