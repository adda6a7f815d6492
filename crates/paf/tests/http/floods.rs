//! Hostile clients of HTTP/2. Each is told so, counted and cut, and good ones are served meanwhile.

use std::time::Duration;

use paf::Snapshot;
use paf::http::{Http2Limits, Limits};
use tokio::time::sleep;

use crate::frames::{
    ACK, CALM, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NO_WINDOW, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame, head,
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
        |seen| seen.flood_resets,
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

/// A browser that leaves a page takes back all that it asked for, and the connection goes on.
#[tokio::test(start_paused = true)]
async fn as_many_resets_as_may_come_at_once_harm_nobody() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/echo", true).await;
    // All in one piece, so that no request is looked at before it is taken back.
    let mut taken_back = Vec::new();
    let most = 10 * Http2Limits::default().resets;
    for n in 1..=most {
        taken_back.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &head("/work", false)));
        taken_back.extend(frame(RST_STREAM, 0, 2 * n + 1, &CANCEL));
    }
    assert!(client.send_raw(&taken_back).await);
    settle().await;
    client.send(DATA, END_STREAM, 1, b"whole").await;
    assert_eq!(client.until(DATA, 1).await.expect("an answer").data, b"whole");
    let seen = world.counters();
    assert_eq!((seen.open, seen.flood_resets, seen.http2_errors), (1, 0, 0));
    drop(client);
    world.end().await;
}

/// Streams that the service has to reset by the client's fault count as those that the client resets ("MadeYouReset", CVE-2025-8671).
#[tokio::test(start_paused = true)]
async fn resets_that_the_client_provokes() {
    is_cut(
        "provoked",
        // No window is overrun by it.
        |seen| seen.flood_resets + seen.overrun_windows,
        |n| {
            let stream = 2 * n + 1;
            vec![
                (HEADERS, END_HEADERS | END_STREAM, stream, head("/work", false)),
                (WINDOW_UPDATE, 0, stream, vec![0x7f, 0xff, 0xff, 0xff]),
            ]
        },
    )
    .await;
    is_cut(
        "malformed",
        |seen| seen.flood_resets,
        |n| {
            let stream = 2 * n + 1;
            let block = [head("/", false), field("connection", "close")].concat();
            vec![(HEADERS, END_HEADERS | END_STREAM, stream, block)]
        },
    )
    .await;
}

/// The library looks at all of a piece before what it says goes out, and has a bound of its own.
#[tokio::test(start_paused = true)]
async fn resets_that_the_client_provokes_in_one_piece() {
    let block = [head("/", false), field("connection", "close")].concat();
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", false).await;
    assert!(client.until(DATA, 1).await.is_some());
    let piece: Vec<u8> = (1..3000).flat_map(|n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block)).collect();
    client.send_raw(&piece).await;
    assert_eq!(client.farewell().await.unwrap().0, CALM);
    settle().await;
    let seen = world.counters();
    assert_eq!((seen.open, seen.flood_resets, seen.http2_errors), (0, 1, 0));
    world.end().await;
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
        |seen| seen.flood_others,
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
        |seen| seen.flood_others,
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
    assert_eq!(client.farewell().await.unwrap().0, CALM);
    let seen = world.counters();
    assert_eq!((seen.requests, seen.http2_errors), (0, 1));
    world.connect().hello().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused_alone() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    let large = |mut block: Vec<u8>| {
        for n in 0..130 {
            block.extend(field(&format!("x-{n}"), &"y".repeat(100)));
        }
        block
    };
    assert!(client.send(HEADERS, END_HEADERS | END_STREAM, 1, &large(head("/", false))).await);
    let refused = client.until(HEADERS, 1).await.unwrap();
    assert_eq!(refused.flags & END_STREAM, END_STREAM);
    // One with a body to come is ended, and counts once.
    assert!(client.send(HEADERS, END_HEADERS, 3, &large(head("/echo", true))).await);
    assert!(client.until(RST_STREAM, 3).await.is_some());
    client.ask(5, "/", false).await;
    assert!(client.until(DATA, 5).await.is_some());
    let seen = world.counters();
    assert_eq!((seen.requests, seen.too_large, seen.malformed), (1, 2, 2));
    world.end().await;
}

/// Fields of a connection are none of a request's (RFC 9113 section 8.2.2).
#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_http_is_refused_alone() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    let block = [head("/", false), field("connection", "close")].concat();
    assert!(client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await);
    assert_eq!(client.until(RST_STREAM, 1).await.unwrap().data, [0, 0, 0, 1]);
    client.ask(3, "/", false).await;
    assert!(client.until(DATA, 3).await.is_some());
    let seen = world.counters();
    assert_eq!((seen.requests, seen.malformed, seen.too_large, seen.http2_errors), (1, 1, 0, 0));
    world.end().await;
}

/// More than a window allows ends the stream, or, where it is the connection's window, all of it.
#[tokio::test(start_paused = true)]
async fn more_than_a_window_allows_is_refused() {
    for (limits, ends_all) in [
        (Http2Limits { stream_window: 100_000, ..Http2Limits::default() }, false),
        (Http2Limits { stream_window: 1 << 20, connection_window: 100_000, ..Http2Limits::default() }, true),
    ] {
        let world = World::with_http2(Limits { http2: limits, ..Limits::default() });
        let mut client = Frames::connect(&world, &[]).await;
        // The windows are those of the settings once they are acknowledged.
        assert!(client.until(SETTINGS, 0).await.is_some());
        client.send(SETTINGS, ACK, 0, &[]).await;
        // The handler does not read it.
        client.ask(1, "/work", true).await;
        for _ in 0..6 {
            client.send(DATA, 0, 1, &[0; 16_000]).await;
        }
        settle().await;
        assert_eq!(world.counters().overrun_windows, 0);
        client.send(DATA, 0, 1, &[0; 16_000]).await;
        if ends_all {
            assert_eq!(client.farewell().await.unwrap().0, 3);
        } else {
            assert_eq!(client.until(RST_STREAM, 1).await.unwrap().data, [0, 0, 0, 3]);
        }
        let seen = world.counters();
        assert_eq!((seen.overrun_windows, seen.http2_errors), (1, u64::from(ends_all)));
        world.end().await;
    }
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
    assert!(client.until(RST_STREAM, 299).await.is_some());
    assert_eq!(world.counters().refused_streams, 50);
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
