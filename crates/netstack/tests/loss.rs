//! What lost packets cost, in virtual time on a cable that takes none: only timers count.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Listener, Stack};
use netstack::{Config, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

fn stack(card: SimEthernet, seed: u64, address: &str) -> Netstack {
    let config = Config::default().address(address.parse().unwrap());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(seed), config).unwrap();
    tokio::spawn(driver);
    stack
}

/// Answers of `len` bytes, one after the other over one connection, each asked for by a byte. How long all took.
async fn answers(trouble: WireTrouble, count: u32, len: usize) -> Duration {
    let (card, other) = SimEthernet::pair(trouble);
    let (server, client) = (stack(card, 1, "10.0.0.1/24"), stack(other, 2, "10.0.0.2/24"));
    let at = "10.0.0.1:80".parse().unwrap();
    let mut listener = server.listen(at).await.unwrap();
    let mut flow = client.connect(at).await.unwrap();
    let (mut served, _) = listener.accept().await.unwrap();
    let serving = async {
        let body: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        while served.read_u8().await.is_ok() {
            served.write_all(&body).await.unwrap();
        }
    };
    let asking = async {
        let begin = Instant::now();
        let mut body = vec![0; len];
        for _ in 0..count {
            flow.write_u8(1).await.unwrap();
            flow.read_exact(&mut body).await.unwrap();
            assert!(body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251), "a byte is another");
        }
        drop(flow);
        begin.elapsed()
    };
    tokio::join!(serving, asking).1
}

/// The same over ten cables that lose one frame in a hundred each way, but not the same.
async fn over_ten_cables(count: u32, len: usize) -> Duration {
    let mut all = Duration::ZERO;
    for seed in 1..=10 {
        all += answers(WireTrouble { seed, lost: 10, ..WireTrouble::default() }, count, len).await;
    }
    all
}

/// Some 300 segments are lost: 30 seconds of smoltcp's own timers, without those that are lost again.
#[tokio::test(start_paused = true)]
async fn losses_in_long_answers_cost_no_seconds() {
    let took = over_ten_cables(1, 4 << 20).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// Some 80 of them are lost, or what asks for them: each a second or more of smoltcp's own timers.
#[tokio::test(start_paused = true)]
async fn losses_in_short_answers_cost_no_seconds() {
    let took = over_ten_cables(200, 3000).await;
    assert!(took < Duration::from_secs(25), "{took:?}");
}
