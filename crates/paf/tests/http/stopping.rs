//! The end of a service.

use std::time::Duration;

use paf::http::Limits;
use tokio::time::sleep;

use crate::world::{World, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn idle_connections_end_at_once() {
    let world = World::new(Limits::default());
    let mut used = world.connect();
    used.hello().await;
    let mut fresh = world.connect();
    settle().await;
    assert!(world.end().await < SECOND);
    assert_eq!(used.rest().await, "");
    assert_eq!(fresh.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_stopped_leaves_the_others_of_its_service() {
    let service = paf::http(crate::world::router(), Limits { connections: 3, ..Limits::default() });
    let (first, second) = (World::run(service.clone()), World::run(service));
    let (mut going, mut staying) = (first.connect(), second.connect());
    going.hello().await;
    staying.hello().await;
    let mut busy = first.connect();
    busy.send("GET /work HTTP/1.1\r\nhost: a\r\n\r\n").await;
    settle().await;
    assert!(first.stopped().await > 15 * SECOND);
    assert_eq!(going.rest().await, "");
    assert!(busy.rest().await.starts_with("HTTP/1.1 200 "));
    // They have the places of both now.
    let mut more = [second.connect(), second.connect()];
    for client in more.iter_mut().chain([&mut staying]) {
        client.hello().await;
    }
    assert_eq!(second.counters().open, 3);
    assert!(second.end().await < SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_open_request_is_answered_and_nothing_new_is_taken() {
    let world = World::new(Limits::default());
    let mut busy = world.connect();
    busy.send("GET /work HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    sleep(5 * SECOND).await;
    world.stop.pull();
    settle().await;
    let mut late = world.connect();
    let took = world.end().await;
    assert!(took > 14 * SECOND && took < 16 * SECOND, "{took:?}");
    let said = busy.rest().await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("connection: close"), "{said}");
    assert_eq!(late.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_finish() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n").await;
    settle().await;
    world.stop.pull();
    for _ in 0..20 {
        client.send("x").await;
        sleep(SECOND).await;
    }
    assert!(client.rest().await.ends_with(&"x".repeat(20)));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_its_time_is_cut() {
    let world = World::new(Limits { grace: 7 * SECOND, ..Limits::default() });
    let mut busy = world.connect();
    busy.send("GET /work HTTP/1.1\r\nhost: a\r\n\r\n").await;
    settle().await;
    let took = world.end().await;
    assert!(took >= 7 * SECOND && took < 8 * SECOND, "{took:?}");
    assert_eq!(busy.rest().await, "");
}
