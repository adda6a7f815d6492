//! The service on a simulated network, with clients of every kind, stopped at any moment. All of a run follows from its seed:
//! a failure names it, and `PAF_SIM_SEED=N cargo test -p paf --test simulation` runs it again. `PAF_SIM_RUNS=N` makes
//! more runs than the few hundred of every day.
//!
//! What holds in each: a request reaches the handler at most once; its answer is its own, whole and in its turn, or its
//! connection is cut; where nothing is in the way every request is answered; no client waits for ever; the service ends
//! when it is stopped; nothing of it is left in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod answers;
mod clients;
mod handler;
mod two;
mod world;

use std::env;

/// Of every day.
const RUNS: u64 = 200;
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
    let seeds = match number("PAF_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("PAF_SIM_RUNS").unwrap_or(RUNS)).collect(),
    };
    let mut seen = world::Seen::default();
    let mut left = (0, 0);
    for seed in seeds {
        let _seed = Seed(seed);
        let mut run = None;
        let memory = allocation_counter::measure(|| run = Some(world::run(seed)));
        seen.add(&run.unwrap());
        if seed >= WARM && number("PAF_SIM_SEED").is_none() {
            left.0 += memory.count_current;
            left.1 += memory.bytes_current;
            assert!(left.0 < ODD.0 && left.1 < ODD.1, "{left:?} allocations and bytes are left of the runs so far");
        }
    }
    println!("{seen:?}");
    if number("PAF_SIM_SEED").or(number("PAF_SIM_RUNS")).is_none() {
        assert!(seen.answers > 1000 && seen.cuts > 100 && seen.refusals > 50, "the runs show too little: {seen:?}");
    }
}
