//! HTTP/2 as good clients use it: streams side by side, paces, an orderly end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use paf::http::Limits;
use tokio::time::{Instant, sleep};

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NO_WINDOW, PING, RST_STREAM, WINDOW_UPDATE, field, frame,
    head,
};
use crate::world::{Endings, World, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn one_port_has_both_protocols() {
    let world = World::with_http2(Limits::default());
    let mut old = world.connect();
    old.hello().await;
    // What only begins like the other protocol is HTTP/1.1, and answered.
    let mut odd = world.connect();
    odd.send("PRI / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(odd.rest().await.starts_with("HTTP/1.1 405 "));
    let mut new = Frames::connect(&world, &[]).await;
    new.ask(1, "/version", false).await;
    assert_eq!(new.until(DATA, 1).await.unwrap().data, b"HTTP/2.0");
    new.ask(3, "/peer", false).await;
    assert_eq!(new.until(DATA, 3).await.unwrap().data, b"Local");
    let seen = world.counters();
    assert_eq!((seen.accepted, seen.requests, seen.http2, seen.malformed), (3, 4, 1, 0));
    assert!(seen.received > 50 && seen.sent > 100, "{seen:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_it_does_not_speak_it() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn streams_do_not_wait_for_each_other() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/work", false).await;
    client.ask(3, "/echo", true).await;
    client.ask(5, "/", false).await;
    assert_eq!(client.until(DATA, 5).await.unwrap().data, b"hello");
    client.send(DATA, END_STREAM, 3, b"echo").await;
    assert_eq!(client.until(DATA, 3).await.unwrap().data, b"echo");
    let start = Instant::now();
    let work = client.until(HEADERS, 1).await.unwrap();
    assert_eq!(work.flags & END_STREAM, END_STREAM);
    assert!(start.elapsed() > 19 * SECOND);
    world.end().await;
}

/// Ninety requests that come in one piece do not keep another client waiting until all of them are answered.
#[tokio::test(start_paused = true)]
async fn a_crowd_of_streams_lets_others_have_their_turn() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&asked);
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        list.lock().unwrap().push(request.uri().path().to_owned());
        async { "answer" }
    });
    let world = World::run(paf::http(router, Limits::default()).plain_with_http2());
    let mut crowd = Frames::connect(&world, &[]).await;
    let mut other = world.connect();
    settle().await;
    let flags = END_HEADERS | END_STREAM;
    let ask = |n: u32| frame(HEADERS, flags, 2 * n + 1, &head("/crowd", false));
    assert!(crowd.send_raw(&(0..90).flat_map(ask).collect::<Vec<_>>()).await);
    other.send("GET /other HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(other.until("answer").await.starts_with("HTTP/1.1 200 "));
    for n in 0..90 {
        assert_eq!(crowd.until(DATA, 2 * n + 1).await.expect("an answer").data, b"answer");
    }
    let asked = asked.lock().unwrap();
    let before = asked.iter().position(|path| path == "/other").unwrap();
    assert!(asked.len() == 91 && before <= 40, "{before} requests of the crowd went first");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_comes_whole_through_small_windows() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/large", false).await;
    let mut taken = 0;
    while taken < 1 << 20 {
        let frame = client.until(DATA, 1).await.unwrap();
        assert!(frame.data.iter().all(|b| *b == b'x'));
        taken += frame.data.len();
        let update = u32::try_from(frame.data.len()).unwrap().to_be_bytes();
        client.send(WINDOW_UPDATE, 0, 1, &update).await;
        client.send(WINDOW_UPDATE, 0, 0, &update).await;
    }
    assert_eq!(taken, 1 << 20);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_window_ends_its_stream_and_no_other() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &NO_WINDOW).await;
    client.ask(1, "/large", false).await;
    client.ask(3, "/echo", true).await;
    let start = Instant::now();
    for _ in 0..60 {
        client.send(DATA, 0, 3, &[b'x'; 4096]).await;
        sleep(SECOND).await;
    }
    assert_eq!(world.counters().slow, 1);
    assert!(client.until(RST_STREAM, 1).await.is_some());
    client.send(DATA, END_STREAM, 3, b"").await;
    client.send(WINDOW_UPDATE, 0, 3, &(1_u32 << 20).to_be_bytes()).await;
    assert!(client.until(DATA, 3).await.is_some());
    assert!(start.elapsed() < 100 * SECOND);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_are_told_from_those_that_share() {
    // A byte a second is too slow.
    let endings = Endings::default();
    let world = World::run(paf::http(endings.clone(), Limits::default()).plain_with_http2());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", true).await;
    for _ in 0..60 {
        client.send(DATA, 0, 1, b"x").await;
        sleep(SECOND).await;
    }
    assert_eq!(*endings.0.lock().unwrap(), ["slow"]);
    world.end().await;
    // Ten streams at a tenth of the pace are not.
    let endings = Endings::default();
    let world = World::run(paf::http(endings.clone(), Limits::default()).plain_with_http2());
    let mut client = Frames::connect(&world, &[]).await;
    for stream in 0..10 {
        client.ask(stream * 2 + 1, "/", true).await;
    }
    for second in 0..100 {
        for stream in 0..10 {
            let flags = if second == 99 { END_STREAM } else { 0 };
            client.send(DATA, flags, stream * 2 + 1, &[b'x'; 150]).await;
        }
        sleep(SECOND).await;
    }
    assert_eq!(*endings.0.lock().unwrap(), ["whole"; 10]);
    assert_eq!(world.counters().slow, 0);
    world.end().await;
}

/// Also where the connection has had requests, and has others that are at work.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_whole_is_cut_off_in_its_time() {
    let head = head("/", false);
    let headers = frame(HEADERS, END_HEADERS | END_STREAM, 5, &head);
    let block = frame(HEADERS, END_STREAM, 5, &head);
    let ping = frame(PING, 0, 0, &[0; 8]);
    for half in [&block[..], &headers[..12], &headers[..3], &ping[..16]] {
        for path in ["/", "/slow"] {
            let world = World::with_http2(Limits::default());
            let mut client = Frames::connect(&world, &[]).await;
            client.ask(1, "/", false).await;
            assert!(client.until(DATA, 1).await.is_some());
            client.ask(3, path, false).await;
            sleep(7 * SECOND).await;
            let start = Instant::now();
            assert!(client.send_raw(half).await);
            assert_eq!(client.farewell().await, Some((0, String::new())));
            let took = start.elapsed();
            assert!(took >= 10 * SECOND && took < 21 * SECOND, "{half:?} {path}: {took:?}");
            settle().await;
            let seen = world.counters();
            assert_eq!((seen.open, seen.slow, seen.slow_heads, seen.idle), (0, 1, 1, 0), "{half:?} {path}");
            world.end().await;
        }
    }
}

/// The first head's time runs from the connection's opening.
#[tokio::test(start_paused = true)]
async fn a_first_head_that_does_not_come_whole_is_cut_off_as_others_are() {
    let block = frame(HEADERS, END_STREAM, 1, &head("/", false));
    for half in [&block[..], &block[..5]] {
        let world = World::with_http2(Limits::default());
        let start = Instant::now();
        let mut client = Frames::connect(&world, &[]).await;
        sleep(5 * SECOND).await;
        assert!(client.send_raw(half).await);
        assert_eq!(client.farewell().await, Some((0, String::new())));
        let took = start.elapsed();
        assert!(took >= 10 * SECOND && took < 11 * SECOND, "{took:?}");
        settle().await;
        let seen = world.counters();
        assert_eq!((seen.open, seen.slow_heads, seen.idle), (0, 1, 0));
        world.end().await;
    }
}

/// As long as each frame comes in its time, and data at its rate.
#[tokio::test(start_paused = true)]
async fn frames_that_come_slowly_and_whole_are_let_be() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", false).await;
    assert!(client.until(DATA, 1).await.is_some());
    // Each piece ends a frame and begins another.
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(7);
    assert!(client.send_raw(&pings[..5]).await);
    for piece in pings[5..].chunks(17) {
        sleep(9 * SECOND).await;
        assert!(client.send_raw(piece).await);
    }
    client.ask(3, "/echo", true).await;
    let data = frame(DATA, END_STREAM, 3, &[b'x'; 16_000]);
    for piece in data.chunks(1100) {
        assert!(client.send_raw(piece).await);
        sleep(SECOND).await;
    }
    assert!(client.until(DATA, 3).await.is_some());
    assert_eq!(world.counters().slow, 0);
    // And half of one does not stay, though the handler has no need of it.
    client.ask(5, "/slow", true).await;
    let data = frame(DATA, END_STREAM, 5, &[b'x'; 16_000]);
    assert!(client.send_raw(&data[..1000]).await);
    let start = Instant::now();
    assert!(client.farewell().await.is_some());
    let took = start.elapsed();
    assert!(took >= 44 * SECOND && took < 75 * SECOND, "{took:?}");
    assert_eq!((world.counters().slow, world.counters().slow_heads), (1, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_that_a_stream_was_reset() {
    let endings = Endings::default();
    let world = World::run(paf::http(endings.clone(), Limits::default()).plain_with_http2());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", true).await;
    client.send(DATA, 0, 1, b"abc").await;
    settle().await;
    client.send(RST_STREAM, 0, 1, &crate::frames::CANCEL).await;
    settle().await;
    // Whether it learns or is dropped, nothing of it stays.
    assert!(endings.0.lock().unwrap().iter().all(|end| *end == "broken"));
    client.ask(3, "/", false).await;
    assert!(client.until(HEADERS, 3).await.is_some());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn more_header_lines_than_allowed_are_refused() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    let mut block = head("/", false);
    for _ in 0..65 {
        block.extend(field("x", "y"));
    }
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await;
    let answer = client.until(HEADERS, 1).await.unwrap();
    // `:status` literal with the name's index, not Huffman coded or so: 431 has no index of its own.
    assert_eq!(answer.flags & END_STREAM, END_STREAM);
    client.ask(3, "/", false).await;
    assert_eq!(client.until(DATA, 3).await.unwrap().data, b"hello");
    assert_eq!((world.counters().malformed, world.counters().requests), (1, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_said_goodbye() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", false).await;
    assert!(client.until(DATA, 1).await.is_some());
    let start = Instant::now();
    // Pings keep nothing open.
    for _ in 0..70 {
        client.send(PING, 0, 0, &[0; 8]).await;
        sleep(SECOND).await;
    }
    assert_eq!(client.farewell().await, Some((0, String::new())));
    let took = start.elapsed();
    assert!(took >= 75 * SECOND && took < 90 * SECOND, "{took:?}");
    assert_eq!(world.counters().idle, 1);
    // And who says nothing at all is cut sooner.
    let start = Instant::now();
    let mut silent = Frames::connect(&world, &[]).await;
    assert!(silent.farewell().await.is_some());
    assert!(start.elapsed() < 16 * SECOND);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_open_streams_finish_and_takes_no_more() {
    let world = World::with_http2(Limits::default());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/work", false).await;
    sleep(SECOND).await;
    world.stop.pull();
    let first = client.until(GOAWAY, 0).await.unwrap();
    assert_eq!(first.data[4..8], [0; 4]);
    let answer = client.until(HEADERS, 1).await.unwrap();
    assert_eq!(answer.flags & END_STREAM, END_STREAM);
    assert!(client.next().await.is_none());
    let took = world.end().await;
    assert!(took < 5 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_who_is_idle_or_for_ever() {
    let world = World::with_http2(Limits { grace: 7 * SECOND, ..Limits::default() });
    let mut idle = Frames::connect(&world, &[]).await;
    idle.ask(1, "/", false).await;
    assert!(idle.until(DATA, 1).await.is_some());
    let mut busy = Frames::connect(&world, &[]).await;
    busy.ask(1, "/work", false).await;
    settle().await;
    world.stop.pull();
    let start = Instant::now();
    assert!(idle.farewell().await.is_some());
    assert!(start.elapsed() < SECOND);
    let took = world.end().await;
    assert!(took >= 6 * SECOND && took < 8 * SECOND, "{took:?}");
}
