//! HTTP/3 as bad clients use it: every limit is met, and told.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use paf::http::Limits;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::time::{Instant, sleep, timeout};

use crate::world::{SERVER, World, ask, hear};

const SECOND: Duration = Duration::from_secs(1);
/// Error codes (RFC 9114 section 8.1).
const EXCESSIVE_LOAD: u32 = 0x107;
const MESSAGE_ERROR: u32 = 0x10e;
const FRAME_UNEXPECTED: u32 = 0x105;
const NO_ERROR: u32 = 0x100;

/// A number of variable length (RFC 9000 section 16).
fn number(n: u64) -> Vec<u8> {
    (n | 0xc000_0000_0000_0000).to_be_bytes().to_vec()
}

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [number(kind), number(payload.len() as u64), payload.to_vec()].concat()
}

/// A field whose name and value are spelt out (RFC 9204 section 4.5.6); both are short.
fn field(name: &str, value: &str) -> Vec<u8> {
    let (name_len, value_len) = (u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap());
    let mut bytes = if name_len < 7 { vec![0x20 | name_len] } else { vec![0x27, name_len - 7] };
    bytes.extend(name.as_bytes());
    if value_len < 127 {
        bytes.push(value_len)
    } else {
        bytes.extend([127, value_len - 127])
    }
    bytes.extend(value.as_bytes());
    bytes
}

/// The head of a request with these fields beside its own.
fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "https"), (":authority", "a.test"), (":path", path)];
    let fields = own.iter().chain(more).flat_map(|(name, value)| field(name, value));
    [0, 0].into_iter().chain(fields).collect()
}

/// Opens a control stream with settings.
async fn begin(quic: &Connection) -> SendStream {
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(&[number(0), frame(4, &[])].concat()).await.unwrap();
    control
}

/// A stream by which these bytes were sent.
async fn send(quic: &Connection, bytes: &[u8]) -> (SendStream, RecvStream) {
    let (mut send, recv) = quic.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    (send, recv)
}

/// The code by which the service closes the connection.
async fn closed(quic: &Connection) -> u64 {
    match timeout(3600 * SECOND, quic.closed()).await.expect("it stays open") {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

/// The code by which the service resets an answer.
async fn reset(recv: &mut RecvStream) -> u64 {
    match recv.read_to_end(1 << 20).await {
        Err(quinn::ReadToEndError::Read(ReadError::Reset(code))) => code.into_inner(),
        other => panic!("{other:?}"),
    }
}

/// The service still serves others.
async fn still_serves(world: &World) {
    let (_quic, mut client) = world.client().await;
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
}

/// What docs/serve.md says of it: the protocol's library does not refuse it.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_said_twice_is_the_last() {
    let world = World::new(Limits::default());
    let (quic, _client) = world.client().await;
    let (mut send, mut recv) = send(&quic, &frame(1, &head("GET", "/nowhere", &[(":path", "/")]))).await;
    send.finish().unwrap();
    let answer = recv.read_to_end(1 << 16).await.unwrap();
    assert!(answer.ends_with(b"hello"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused_and_one_that_is_huge_is_not_read() {
    let world = World::new(Limits::default());
    let (quic, mut client) = world.client().await;
    let limit = Limits::default().head_bytes;
    let request = Request::get("https://a.test/").header("x", "y".repeat(limit)).body(()).unwrap();
    let mut stream = client.send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(hear(&mut stream).await.unwrap().status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    // A megabyte: its length is enough.
    let (_send, mut recv) = send(&quic, &[number(1), number(1 << 20)].concat()).await;
    assert_eq!(reset(&mut recv).await, u64::from(EXCESSIVE_LOAD));
    let mut request = Request::get("https://a.test/");
    for i in 0..100 {
        request = request.header(format!("x-{i}"), "y");
    }
    let mut stream = client.send_request(request.body(()).unwrap()).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(hear(&mut stream).await.unwrap().status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    let seen = world.counters();
    assert_eq!((seen.malformed, seen.too_large, seen.requests), (3, 3, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn half_heads_have_a_bound_in_all_and_a_time() {
    let world = World::new(Limits::default());
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    let half = [number(1), number(60_000), vec![0; 50_000]].concat();
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(send(&quic, &half).await);
    }
    sleep(SECOND).await;
    // Sixteen times the longest head: what is more is rejected at once.
    assert!(world.counters().malformed >= 15, "{:?}", world.counters());
    sleep(10 * SECOND).await;
    let seen = world.counters();
    assert_eq!(seen.malformed + seen.slow, 20, "{seen:?}");
    assert!(seen.slow >= 2 && seen.slow == seen.slow_heads);
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_by_which_nothing_comes_is_closed() {
    let world = World::new(Limits::default());
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(SECOND));
    let quic = world.quic_from("198.51.100.7", transport).await.unwrap();
    let start = Instant::now();
    assert_eq!(closed(&quic).await, u64::from(NO_ERROR));
    assert!(start.elapsed() < 12 * SECOND);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up_and_no_other() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let mut slow = client.send_request(Request::post("https://a.test/count").body(()).unwrap()).await.unwrap();
    let mut steady = client.send_request(Request::post("https://a.test/count").body(()).unwrap()).await.unwrap();
    let mut is_taken = true;
    for _ in 0..100 {
        is_taken = is_taken && slow.send_data(Bytes::from_static(b"x")).await.is_ok();
        steady.send_data(Bytes::from(vec![0; 4096])).await.unwrap();
        sleep(SECOND).await;
    }
    assert!(!is_taken);
    let said = hear(&mut slow).await.unwrap();
    assert!(String::from_utf8(said.body).unwrap().ends_with("too slowly"));
    steady.finish().await.unwrap();
    assert_eq!(hear(&mut steady).await.unwrap().body, b"409600 in all");
    assert_eq!(world.counters().slow, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_given_up() {
    let world = World::new(Limits::default());
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(20_000)).keep_alive_interval(Some(5 * SECOND));
    let quic = world.quic_from("198.51.100.7", transport).await.unwrap();
    let _control = begin(&quic).await;
    let (mut sent, mut recv) = send(&quic, &frame(1, &head("GET", "/large", &[]))).await;
    sent.finish().unwrap();
    let start = Instant::now();
    while world.counters().slow == 0 {
        sleep(SECOND).await;
        assert!(start.elapsed() < 60 * SECOND, "{:?}", world.counters());
    }
    assert!(start.elapsed() >= 29 * SECOND);
    assert_eq!(reset(&mut recv).await, 0x10c);
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn rapid_resets_end_the_connection() {
    let world = World::new(Limits::default());
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    let flood = async {
        for _ in 0..1000 {
            let Ok((mut send, mut recv)) = quic.open_bi().await else { break };
            let _ = send.write_all(&frame(1, &head("GET", "/work", &[]))).await;
            let _ = recv.stop(VarInt::from_u32(0x10c));
            let _ = send.reset(VarInt::from_u32(0x10c));
        }
    };
    let _ = timeout(60 * SECOND, flood).await;
    assert_eq!(closed(&quic).await, u64::from(EXCESSIVE_LOAD));
    assert_eq!(world.counters().http3_flood_resets, 1);
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn control_frames_streams_and_empty_pieces_are_counted() {
    let world = World::new(Limits::default());
    for case in 0..4 {
        let quic = world.quic().await;
        let mut control = begin(&quic).await;
        let flood = async {
            let (mut upload, _answer) = send(&quic, &frame(1, &head("POST", "/count", &[]))).await;
            for _ in 0..3000_u32 {
                let sent = match case {
                    0 => control.write_all(&frame(0x21, &[])).await,
                    // What a client may push at most (MAX_PUSH_ID), again and again.
                    1 => control.write_all(&frame(0xd, &number(1))).await,
                    2 => upload.write_all(&frame(0, &[])).await,
                    _ => match quic.open_uni().await {
                        Ok(mut other) => other.write_all(&number(0x21)).await,
                        Err(_) => break,
                    },
                };
                if sent.is_err() {
                    break;
                }
            }
            quic.closed().await
        };
        let end = timeout(60 * SECOND, flood).await;
        assert!(end.is_ok(), "case {case}: {:?}", world.counters());
        assert_eq!(closed(&quic).await, u64::from(EXCESSIVE_LOAD), "case {case}");
        assert_eq!(world.counters().http3_flood_others, case + 1);
    }
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_ends_the_connection() {
    let world = World::new(Limits::default());
    let settings_twice = [number(0), frame(4, &[]), frame(4, &[])].concat();
    let quic = world.quic().await;
    quic.open_uni().await.unwrap().write_all(&settings_twice).await.unwrap();
    assert_eq!(closed(&quic).await, u64::from(FRAME_UNEXPECTED));
    // Data before a head.
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    let _streams = send(&quic, &frame(0, b"data")).await;
    assert_eq!(closed(&quic).await, u64::from(FRAME_UNEXPECTED));
    // A head that refers to a table that does not exist.
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    let _streams = send(&quic, &frame(1, &[2, 0, 0x80])).await;
    assert_eq!(closed(&quic).await, 0x200);
    assert_eq!(world.counters().http3_errors, 3);
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn ambiguous_requests_are_refused() {
    let world = World::new(Limits::default());
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    for (more, body, says) in [
        (&[("content-length", "5")][..], &b"hello"[..], "5 in all"),
        (&[("content-length", "5")], b"hell", "shorter than its Content-Length"),
        (&[("content-length", "5")], b"hello!", "longer than its Content-Length"),
        (&[("content-length", "5"), ("content-length", "6")], b"hello", "400"),
        (&[("content-length", "+5")], b"hello", "400"),
        (&[("transfer-encoding", "chunked")], b"hello", "400"),
        (&[("connection", "close")], b"hello", "400"),
        (&[("te", "gzip")], b"hello", "400"),
        (&[("te", "trailers")], b"hello", "5 in all"),
    ] {
        let request = [frame(1, &head("POST", "/count", more)), frame(0, body)].concat();
        let (mut sent, mut recv) = send(&quic, &request).await;
        sent.finish().unwrap();
        let said = recv.read_to_end(1 << 20).await.unwrap();
        // In the table of names and values that both know, 400 is the 67th, which is what such an answer begins with.
        let refused = said[..8].windows(2).any(|pair| pair == [0xff, 67 - 63]);
        let said = String::from_utf8_lossy(&said);
        assert_eq!(refused, says == "400", "{more:?} {said:?}");
        assert!(refused || said.contains(says), "{more:?} {said:?}");
    }
    for more in [&[("X", "upper case")][..], &[("x", "line\nbreak")], &[("host", "b.test")], &[(":path", "")]] {
        let (_sent, mut recv) = send(&quic, &frame(1, &head("GET", "/", more))).await;
        assert_eq!(reset(&mut recv).await, u64::from(MESSAGE_ERROR), "{more:?}");
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_not_taken_for_all_of_it() {
    let world = World::new(Limits::default());
    let quic = world.quic().await;
    let _control = begin(&quic).await;
    for cut in [
        [number(0), number(1000), vec![0; 500]].concat(),
        [frame(0, b"data"), number(0)[..3].to_vec()].concat(),
        [frame(0, b"data"), number(1), number(9), vec![0; 3]].concat(),
    ] {
        let (mut sent, mut recv) = send(&quic, &[frame(1, &head("POST", "/count", &[])), cut].concat()).await;
        sent.finish().unwrap();
        let said = recv.read_to_end(1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&said).contains("the body broke off"), "{said:?}");
    }
    // A piece of nothing is not the end.
    let pieces = [frame(0, b"one"), frame(0, b""), frame(0x21, b"?"), frame(0, b"two")].concat();
    let (mut sent, mut recv) = send(&quic, &[frame(1, &head("POST", "/count", &[])), pieces].concat()).await;
    sent.finish().unwrap();
    let said = recv.read_to_end(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&said).contains("6 in all"), "{said:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_counted_and_a_full_service_says_so() {
    let limits = Limits { connections_per_client: 3, ..Limits::default() };
    let world = World::new(limits);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.client().await);
    }
    let quic = world.quic().await;
    assert_eq!(closed(&quic).await, u64::from(EXCESSIVE_LOAD));
    let other = world.quic_from("203.0.113.9", TransportConfig::default()).await.unwrap();
    assert_eq!(ask(&mut crate::world::requests(other).await, "/").await.unwrap().body, b"hello");
    assert_eq!(world.counters().refused, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_one_that_waited_longest_makes_room() {
    let world = World::new(Limits { connections: 2, ..Limits::default() });
    let (first, mut client) = world.client().await;
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    sleep(5 * SECOND).await;
    let (_quic, mut second) = world.client().await;
    assert_eq!(ask(&mut second, "/").await.unwrap().body, b"hello");
    let (_quic, mut third) = world.client().await;
    assert_eq!(ask(&mut third, "/").await.unwrap().body, b"hello");
    assert_eq!(closed(&first).await, u64::from(NO_ERROR));
    // Nobody else has waited for long.
    assert!(world.quic_from("198.51.100.9", TransportConfig::default()).await.is_err());
    assert_eq!((world.counters().evicted, world.counters().refused), (1, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_nothing() {
    let world = World::new(Limits::default());
    let mut seed = 1_u64;
    let mut random = |len: usize| -> Vec<u8> {
        let next = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        };
        (0..len).map(next).collect()
    };
    for i in 0..2000 {
        let mut datagram = random(1 + i % 1300);
        // Half of them look like a first packet of version 1.
        if i % 2 == 0 && datagram.len() > 6 {
            datagram[0] |= 0xc0;
            datagram[1..5].copy_from_slice(&1_u32.to_be_bytes());
        }
        world.net.send(world.address("203.0.113.2"), SERVER, &datagram);
    }
    sleep(SECOND).await;
    assert_eq!((world.counters().open, world.counters().accepted), (0, 0));
    still_serves(&world).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn while_many_addresses_are_not_proven_newcomers_prove_theirs() {
    let mut limits = Limits { connections_per_client: 10, ..Limits::default() };
    limits.http3.unproven = 20;
    let world = World::new(limits);
    // They say who they are not: what is sent to them does not arrive.
    let mut liars = Vec::new();
    for _ in 0..100 {
        let endpoint = world.endpoint("198.51.100.7", &world.root, TransportConfig::default());
        world.net.deafen(endpoint.local_addr().unwrap());
        liars.push((endpoint.connect(SERVER, "a.test").unwrap(), endpoint));
    }
    sleep(SECOND / 10).await;
    let seen = world.counters();
    assert_eq!((seen.open, seen.accepted), (20, 20), "{seen:?}");
    assert!(seen.retries >= 80, "{seen:?}");
    // The one who really has that address is served: nothing was counted against it.
    still_serves(&world).await;
    assert_eq!(world.counters().refused, 0);
    drop(liars);
    // Those that never prove anything are over after the time for a head.
    sleep(15 * SECOND).await;
    assert_eq!(world.counters().open, 0, "{:?}", world.counters());
    assert!(world.counters().handshakes_failed >= 20);
    world.end().await;
}
