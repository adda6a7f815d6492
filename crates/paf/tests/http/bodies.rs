//! Bodies both ways: their pace, their breaking off, and answers that come before their end.

use std::time::Duration;

use paf::http::Limits;
use tokio::time::sleep;

use crate::world::{Client, Endings, World, settle};

const SECOND: Duration = Duration::from_secs(1);

/// Sends `bytes` a second until the service has enough of it, at most `seconds` long; gives how long it lasted.
async fn trickle(client: &mut Client, world: &World, bytes: usize, seconds: u32) -> u32 {
    let piece = "x".repeat(bytes);
    for second in 0..seconds {
        if client.try_send(&piece).await.is_err() || world.counters().slow > 0 {
            return second;
        }
        sleep(SECOND).await;
    }
    seconds
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_not_a_body() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await;
    let lasted = trickle(&mut client, &world, 1, 600).await;
    assert!((29..=41).contains(&lasted), "{lasted}");
    // The handler said something, and nothing more is read.
    assert!(client.rest().await.starts_with("HTTP/1.1 4"));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_modem_is_fast_enough() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 614400\r\n\r\n").await;
    assert_eq!(trickle(&mut client, &world, 2048, 300).await, 300);
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() > 614_400, "{}", answer.len());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_how_a_body_ended() {
    let endings = Endings::default();
    let world = World::of(endings.clone(), Limits::default());
    let head = "POST / HTTP/1.1\r\nhost: a\r\n";
    for (text, leave) in [
        (format!("{head}content-length: 3\r\n\r\nabc"), false),
        (format!("{head}content-length: 4\r\n\r\nabc"), true),
        (format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), false),
        (format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), true),
        (format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n"), false),
        (format!("{head}content-length: 4\r\n\r\nabc"), false),
    ] {
        let mut client = world.connect();
        client.send(&text).await;
        settle().await;
        if leave {
            drop(client);
            settle().await;
        } else {
            sleep(100 * SECOND).await;
        }
    }
    assert_eq!(*endings.0.lock().unwrap(), ["whole", "broken", "whole", "broken", "broken", "slow"]);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_cut() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    sleep(45 * SECOND).await;
    let seen = world.counters();
    assert_eq!((seen.slow, seen.slow_heads, seen.open), (1, 0, 0));
    assert!(client.take(2 << 20).await < 1 << 20);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_is_not() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let mut taken = 0;
    loop {
        match client.take(16 * 1024).await {
            0 => break,
            n => taken += n,
        }
        sleep(4 * SECOND).await;
    }
    assert!(taken > 1 << 20, "{taken}");
    assert_eq!(world.counters().slow, 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    client.send("POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n").await;
    let mut sent = 0;
    // A client that sends all it has before it reads.
    while sent < 10_000_000 && client.try_send(&"x".repeat(10_000)).await.is_ok() {
        sent += 10_000;
    }
    let said = client.rest().await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.ends_with("no"), "{said:?} after {sent}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_first_is_told_to_go_on_only_if_the_body_is_wanted() {
    let world = World::new(Limits::default());
    let head = "HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n";
    let mut client = world.connect();
    client.send(&format!("POST /echo {head}")).await;
    client.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("abc").await;
    assert!(client.rest().await.ends_with("\r\n\r\nabc"));
    let mut client = world.connect();
    client.send(&format!("POST /refuse {head}")).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 413 "));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_leave_nothing_behind() {
    let world = World::new(Limits::default());
    for text in [
        "",
        "GE",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /large HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /work HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab",
        "POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab",
    ] {
        let mut client = world.connect();
        client.send(text).await;
        settle().await;
        drop(client);
    }
    sleep(30 * SECOND).await;
    assert_eq!((world.counters().open, world.counters().slow), (0, 0));
    world.connect().hello().await;
    world.end().await;
}
