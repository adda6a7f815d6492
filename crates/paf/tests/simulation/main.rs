//! The service on a simulated network, with clients of every kind, stopped at any moment. All of a run follows from its seed:
//! a failure names it, and `PAF_SIM_SEED=N cargo test -p paf --test simulation` runs it again. `PAF_SIM_RUNS=N` makes
//! other than the few hundred runs of every day; under `CI=true` there are ten thousand.
//!
//! Flows of that network are streams that are split, delayed and cut; what a network loses, repeats and reorders is below a stream. So some
//! runs are on `netstack`, over a cable that does that.
//!
//! What holds in each: a request reaches the handler at most once; its answer is its own, whole and in its turn, or its
//! connection is cut; where nothing is in the way every request is answered; no client waits for ever; the service ends
//! when it is stopped; nothing of it is left in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod answers;
mod cable;
mod clients;
mod handler;
mod two;
mod world;

use std::{env, thread};

/// Of every day.
const RUNS: u64 = 200;
/// In CI.
const RUNS_IN_CI: u64 = 10_000;
/// Of so many runs one is over a cable.
const CABLES: u64 = 10;
/// Runs after which everything that is made once has been made.
const WARM: u64 = 5;
/// Allocations and bytes that all the later runs together may leave: a list of the runtime's or of the standard library's
/// that grew. A connection that leaves anything is a thousand times over it.
const ODD: (i64, i64) = (20, 4096);

/// Tells the seed of a run that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the run of seed {0} failed: PAF_SIM_SEED={0} runs it alone", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_request_is_answered_once_or_its_connection_is_cut() {
    if let Some(seed) = number("PAF_SIM_SEED") {
        let _seed = Seed(seed);
        return println!("{:?}", world::run(seed));
    }
    let runs = runs();
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut seen = world::Seen::default();
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first, threads, runs))).collect();
        parts.into_iter().for_each(|part| seen.add(&part.join().expect("a run fails")));
    });
    println!("{seen:?}");
    if runs >= RUNS {
        assert!(seen.answers > 1000 && seen.cuts > 100 && seen.refusals > 50, "the runs show too little: {seen:?}");
    }
}

/// How many runs there are to be.
fn runs() -> u64 {
    let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    number("PAF_SIM_RUNS").unwrap_or(if in_ci { RUNS_IN_CI } else { RUNS })
}

#[test]
fn what_a_cable_loses_is_asked_and_answered_once_all_the_same() {
    let seeds = number("PAF_SIM_SEED").map_or(0..runs() / CABLES, |seed| seed..seed + 1);
    let answers: usize = seeds
        .map(|seed| {
            let _seed = Seed(seed);
            cable::run(seed)
        })
        .sum();
    println!("{answers} answers");
}

/// Every `step`-th run from `first` on, one after another. What is measured of memory is this thread's own.
fn part(first: u64, step: u64, runs: u64) -> world::Seen {
    let mut seen = world::Seen::default();
    let mut left = (0, 0);
    for seed in (first..runs).step_by(step as usize) {
        let _seed = Seed(seed);
        let mut run = None;
        let memory = allocation_counter::measure(|| run = Some(world::run(seed)));
        seen.add(&run.unwrap());
        if seed >= WARM * step {
            left.0 += memory.count_current;
            left.1 += memory.bytes_current;
            assert!(left.0 < ODD.0 && left.1 < ODD.1, "{left:?} allocations and bytes are left of the runs so far");
        }
    }
    seen
}
