//! HTTP/3 as good clients use it.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use paf::http::Limits;
use quinn::TransportConfig;
use tokio::time::{Instant, sleep};

use crate::world::{SERVER, World, ask, hear, identity, requests};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_handler_is_the_same_and_knows_how_it_was_asked() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let said = ask(&mut client, "/").await.unwrap();
    assert_eq!((said.status, &said.body[..]), (StatusCode::OK, &b"hello"[..]));
    assert_eq!(said.headers["content-length"], "5");
    assert!(said.headers.contains_key("date"));
    assert_eq!(ask(&mut client, "/version").await.unwrap().body, b"HTTP/3.0");
    let peer = String::from_utf8(ask(&mut client, "/peer").await.unwrap().body).unwrap();
    assert!(peer.starts_with("Ip(198.51.100.7:"), "{peer}");
    let facts = String::from_utf8(ask(&mut client, "/tls").await.unwrap().body).unwrap();
    assert!(facts.contains("TLSv1.3"), "{facts}");
    // What means something for a connection of HTTP/1.1 stays where it is.
    let hop = ask(&mut client, "/hop").await.unwrap();
    assert_eq!(hop.body, b"hop");
    assert!(!hop.headers.contains_key("connection") && !hop.headers.contains_key("keep-alive"));
    let seen = world.counters();
    assert_eq!((seen.accepted, seen.http3, seen.handshakes, seen.requests, seen.open), (1, 1, 1, 5, 1));
    assert!(seen.received > 50 && seen.sent > 100, "{seen:?}");
    assert!(world.end().await < 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_head_request_has_no_body() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let request = Request::head("https://a.test/large").body(()).unwrap();
    let mut stream = client.send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    let said = hear(&mut stream).await.unwrap();
    assert_eq!((said.headers["content-length"].to_str().unwrap(), said.body.len()), ("4194304", 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn bodies_go_both_ways_through_a_network_that_loses() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    world.net.lose(50);
    let request = Request::post("https://a.test/echo").body(()).unwrap();
    let stream = client.send_request(request).await.unwrap();
    let (mut send, mut recv) = stream.split();
    let sender = tokio::spawn(async move {
        for i in 0..100 {
            send.send_data(Bytes::from(vec![i; 30_000])).await.unwrap();
        }
        send.finish().await.unwrap();
    });
    let said = hear(&mut recv).await.unwrap();
    sender.await.unwrap();
    let expected: Vec<u8> = (0..100).flat_map(|i| vec![i; 30_000]).collect();
    assert!(said.body == expected, "{} bytes", said.body.len());
    assert_eq!(ask(&mut client, "/large").await.unwrap().body.len(), 4 << 20);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn streams_do_not_wait_for_each_other() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let start = Instant::now();
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { ask(&mut slow, "/work").await.unwrap().status });
    for _ in 0..50 {
        assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    }
    assert!(start.elapsed() < 5 * SECOND);
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    assert!(start.elapsed() >= 20 * SECOND);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_or_would_leave_http_fails_alone() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { ask(&mut slow, "/work").await.unwrap().status });
    for path in ["/panic", "/switch"] {
        assert_eq!(ask(&mut client, path).await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    // A request names no user (RFC 9114 section 4.3.1).
    let mut stream = client.send_request(Request::get("https://b@a.test/").body(()).unwrap()).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(hear(&mut stream).await.unwrap().status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_ends_the_upload() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let request = Request::post("https://a.test/refuse").body(()).unwrap();
    let mut stream = client.send_request(request).await.unwrap();
    stream.send_data(Bytes::from_static(b"much more is to come")).await.unwrap();
    let said = hear(&mut stream).await.unwrap();
    assert_eq!((said.status, &said.body[..]), (StatusCode::PAYLOAD_TOO_LARGE, &b"no"[..]));
    let more = Bytes::from(vec![0; 10_000]);
    while stream.send_data(more.clone()).await.is_ok() {}
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_waited_for_before_more_is_taken() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    // Its handler works for twenty seconds and does not look at the body.
    let request = Request::get("https://a.test/work").body(()).unwrap();
    let mut stream = client.send_request(request).await.unwrap();
    let mut taken = 0;
    let piece = Bytes::from(vec![0; 64 * 1024]);
    let sending = async {
        while stream.send_data(piece.clone()).await.is_ok() {
            taken += piece.len();
        }
    };
    let _ = tokio::time::timeout(10 * SECOND, sending).await;
    let window = Limits::default().http3.stream_window as usize;
    // The client's own buffer takes some as well.
    let buffered = 10_000_000 + 2 * piece.len();
    assert!(taken <= window + buffered, "{taken}");
    assert!(world.counters().received < 64 * 1024 * 3, "{:?}", world.counters());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn open_requests_finish_when_the_service_stops_and_new_ones_are_refused() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { ask(&mut slow, "/work").await.unwrap().status });
    let mut large = client.clone();
    let large = tokio::spawn(async move { ask(&mut large, "/large").await.unwrap().body.len() });
    sleep(SECOND / 100).await;
    world.stop.pull();
    sleep(SECOND).await;
    assert!(ask(&mut client, "/").await.is_err());
    assert!(world.quic_from("198.51.100.8", TransportConfig::default()).await.is_err());
    assert_eq!(large.await.unwrap(), 4 << 20);
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    let took = world.end().await;
    assert!(took < 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_is_cut() {
    let world = World::new(Limits { grace: 3 * SECOND, ..Limits::default() });
    let (_quic, mut client) = world.client().await;
    let slow = tokio::spawn(async move { ask(&mut client, "/work").await.is_err() });
    sleep(SECOND).await;
    let took = world.end().await;
    assert!(took >= 3 * SECOND && took < 5 * SECOND, "{took:?}");
    assert!(slow.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_time() {
    let world = World::new(Limits::default());
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(None).keep_alive_interval(Some(5 * SECOND));
    let quic = world.quic_from("198.51.100.7", transport).await.unwrap();
    let mut client = requests(quic.clone()).await;
    ask(&mut client, "/").await.unwrap();
    let start = Instant::now();
    quic.closed().await;
    let after = start.elapsed();
    assert!(after >= 75 * SECOND && after < 85 * SECOND, "{after:?}");
    assert_eq!(world.counters().idle, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn certificates_are_replaced_and_connections_go_on() {
    let world = World::new(Limits::default());
    let (_quic, mut client) = world.client().await;
    let (new, root) = identity("a.test");
    world.tls.replace(vec![new]).unwrap();
    assert_eq!(ask(&mut client, "/").await.unwrap().body, b"hello");
    assert!(world.quic_from("198.51.100.8", TransportConfig::default()).await.is_err());
    let endpoint = world.endpoint("198.51.100.8", &root, TransportConfig::default());
    let mut other = requests(endpoint.connect(SERVER, "a.test").unwrap().await.unwrap()).await;
    assert_eq!(ask(&mut other, "/").await.unwrap().body, b"hello");
    assert_eq!(world.counters().handshakes_failed, 1);
    world.end().await;
}
