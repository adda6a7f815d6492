//! Many readers that take nothing hold little memory, and get every byte in the end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod common;

use std::sync::Arc;

use common::run;
use device::Timestamp;
use device::sim::{SimBlock, SimClock};
use store::conformance::{content, id, paste, put};
use store::{Embedded, Options, Reader, Store};

#[test]
fn readers_that_stall_hold_little_and_are_served_in_the_end() {
    run(async {
        let clock = SimClock::new(Timestamp(1_700_000_000));
        let store = Embedded::open(SimBlock::new(), Options::default(), Arc::new(clock)).unwrap();
        let whole = content(1, 3 << 20);
        put(&store, paste(1, None), &whole, 1 << 20).await.unwrap();
        let (mut readers, mut held) = (Vec::new(), Vec::new());
        for _ in 0..400 {
            let mut reader = store.read(&id(1), 0..whole.len() as u64).await.unwrap();
            held.push(reader.next().await.unwrap().unwrap());
            readers.push(reader);
        }
        let sum: usize = held.iter().map(|piece| piece.len()).sum();
        // Whole pieces up to the bound and one past it, then 16 KiB each.
        assert!(sum <= (17 << 20) + 400 * (16 << 10), "{sum} bytes");
        // The last of them, all the others still stalled.
        let (mut reader, first) = (readers.pop().unwrap(), held.pop().unwrap());
        let mut got = first.to_vec();
        while let Some(piece) = reader.next().await.unwrap() {
            got.extend_from_slice(&piece);
        }
        assert!(got == whole);
        // When they have gone, a piece is whole again.
        drop(held);
        let first = store.read(&id(1), 0..whole.len() as u64).await.unwrap().next().await.unwrap().unwrap();
        assert!(first.len() > 64 << 10, "{}", first.len());
    });
}
