//! Hostile clients of HTTP/2. Each is told so, counted and cut, and good ones are served meanwhile.

use std::time::Duration;

use paf::Snapshot;
use paf::http::Limits;
use tokio::time::sleep;

use crate::frames::{
    ACK, CALM, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NO_WINDOW, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, field, head,
};
use crate::world::{World, settle};

/// Sends frames until the service has enough, and gives what it said last and how many it took.
async fn flood(world: &World, most: u32, mut frames: impl FnMut(u32) -> Vec<(u8, u8, u32, Vec<u8>)>) -> (u32, u32) {
    let mut client = Frames::connect(world, &[]).await;
    let mut sent = 0;
    'all: for n in 0..most {
        for (kind, flags, stream, data) in frames(n) {
            if !client.send(kind, flags, stream, &data).await {
                break 'all;
            }
        }
        sent = n + 1;
        // What comes back is not read, as by a client that does not care; but nothing is to wait for it either.
        if n % 8 == 0 {
            settle().await;
        }
        if world.counters().open == 0 {
            break;
        }
    }
    let code = client.farewell().await.map_or(u32::MAX, |(code, _)| code);
    (code, sent)
}

async fn is_cut(name: &str, counted: fn(Snapshot) -> u64, frames: impl FnMut(u32) -> Vec<(u8, u8, u32, Vec<u8>)>) {
    let world = World::with_http2(Limits::default());
    let mut good = Frames::connect(&world, &[]).await;
    good.ask(1, "/", false).await;
    assert!(good.until(DATA, 1).await.is_some());
    let before = world.counters().open;
    assert_eq!(before, 1);
    // The good one makes room for the count of what is open.
    drop(good);
    settle().await;
    let (code, sent) = flood(&world, 5000, frames).await;
    assert!(sent < 3000, "{name}: {sent} were taken");
    assert_eq!(code, CALM, "{name}");
    settle().await;
    assert_eq!(counted(world.counters()), 1, "{name}");
    assert_eq!(world.counters().open, 0, "{name}");
    world.connect().hello().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn rapid_resets() {
    is_cut(
        "resets",
        |seen| seen.flood_resets + seen.http2_errors,
        |n| {
            let stream = 2 * n + 1;
            vec![
                (HEADERS, END_HEADERS | END_STREAM, stream, head("/work", false)),
                (RST_STREAM, 0, stream, CANCEL.to_vec()),
            ]
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn pings() {
    is_cut("pings", |seen| seen.flood_pings, |_| vec![(PING, 0, 0, vec![0; 8])]).await;
}

#[tokio::test(start_paused = true)]
async fn settings() {
    is_cut("settings", |seen| seen.flood_settings, |_| vec![(SETTINGS, 0, 0, vec![])]).await;
}

#[tokio::test(start_paused = true)]
async fn priorities_and_what_nobody_knows() {
    is_cut("priorities", |seen| seen.flood_others, |_| vec![(PRIORITY, 0, 1, vec![0; 5])]).await;
    is_cut("unknown", |seen| seen.flood_others, |_| vec![(0xfa, 0, 0, vec![7; 20])]).await;
    is_cut("window updates", |seen| seen.flood_others, |_| vec![(WINDOW_UPDATE, 0, 0, vec![0, 0, 0, 1])]).await;
}

#[tokio::test(start_paused = true)]
async fn empty_data() {
    is_cut(
        "empty",
        |seen| seen.flood_others + seen.http2_errors,
        |n| match n {
            0 => vec![(HEADERS, END_HEADERS, 1, head("/echo", true))],
            _ => vec![(DATA, 0, 1, vec![])],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn continuations_without_end() {
    is_cut(
        "continuations",
        |seen| seen.flood_others + seen.http2_errors,
        |n| match n {
            0 => vec![(HEADERS, END_STREAM, 1, head("/", false))],
            _ => vec![(CONTINUATION, 0, 1, field("x", "y"))],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_header_that_unpacks_to_much_is_refused_and_harms_nobody() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    // A field of 100 bytes in the dynamic table, and a reference of one byte to it, ten thousand times.
    let mut block = head("/", false);
    block.extend([0x40, 1, b'x', 100]);
    block.extend([b'y'; 100]);
    block.extend(vec![0xbe; 10_000]);
    assert!(client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await);
    settle().await;
    assert_eq!(world.counters().requests, 0);
    world.connect().hello().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_allowed_are_refused() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &NO_WINDOW).await;
    for n in 0..150 {
        client.ask(2 * n + 1, "/work", false).await;
    }
    settle().await;
    assert!(world.counters().requests <= 100, "{:?}", world.counters());
    let refused = client.until(RST_STREAM, 201).await.unwrap();
    assert_eq!(refused.data, [0, 0, 0, 7]);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn closed_windows_hold_nothing_for_long() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &NO_WINDOW).await;
    for n in 0..100 {
        client.ask(2 * n + 1, "/large", false).await;
    }
    sleep(Duration::from_secs(60)).await;
    let seen = world.counters();
    assert_eq!((seen.requests, seen.slow), (100, 100));
    assert!(client.until(RST_STREAM, 199).await.is_some());
    drop(client);
    settle().await;
    assert_eq!(world.counters().open, 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_is_cut() {
    for (kind, flags, stream, data) in [
        // On stream 0, where none belongs; longer than allowed; an acknowledgement of nothing.
        (HEADERS, END_HEADERS, 0, head("/", false)),
        (DATA, 0, 0, vec![1]),
        (PING, 0, 0, vec![1; 7]),
        (SETTINGS, ACK, 0, vec![0; 6]),
        (WINDOW_UPDATE, 0, 0, vec![0; 4]),
        (DATA, 0, 1, vec![0; 60_000]),
        (HEADERS, END_HEADERS, 1, vec![0xff; 9]),
    ] {
        let world = World::with_http2(Limits::default());
        let mut client = Frames::connect(&world, &[]).await;
        client.send(kind, flags, stream, &data).await;
        let (code, _) = client.farewell().await.expect("a word");
        assert_ne!(code, 0, "{kind} {flags} {stream}");
        settle().await;
        let seen = world.counters();
        assert_eq!((seen.open, seen.http2_errors, seen.requests), (0, 1, 0), "{kind} {flags} {stream}");
        world.end().await;
    }
}
