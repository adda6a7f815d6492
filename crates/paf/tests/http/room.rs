//! How many connections there may be, and who has to go.

use std::time::Duration;

use paf::http::Limits;
use tokio::time::{Instant, sleep};

use crate::frames::{DATA, Frames};
use crate::world::{Client, World, settle};

const SECOND: Duration = Duration::from_secs(1);

fn limits(connections: usize, per_client: usize) -> Limits {
    Limits { connections, connections_per_client: per_client, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn the_one_that_waited_longest_makes_room() {
    let world = World::new(limits(3, 0));
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..3 {
        let mut client = world.connect();
        client.hello().await;
        clients.push(client);
        sleep(2 * SECOND).await;
    }
    clients[0].hello().await;
    sleep(SECOND).await;
    world.connect().hello().await;
    settle().await;
    assert_eq!((world.counters().evicted, world.counters().refused), (1, 0));
    assert_eq!(clients[1].rest().await, "");
    clients[0].hello().await;
    clients[2].hello().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn where_all_are_at_work_a_newcomer_is_soon_told() {
    let world = World::new(limits(2, 0));
    let mut busy = [world.connect(), world.connect()];
    for client in &mut busy {
        client.send("GET /work HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    }
    sleep(5 * SECOND).await;
    let (said, after) = world.connect().closed_after().await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    assert!(after <= 2 * SECOND, "{after:?}");
    for client in &mut busy {
        assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
    }
    world.connect().hello().await;
    assert_eq!((world.counters().refused, world.counters().refused_by_client), (1, 0));
    world.end().await;
}

/// A crowd that comes at once waits in line for a moment, and is served.
#[tokio::test(start_paused = true)]
async fn newcomers_wait_a_moment_for_a_place() {
    let world = World::new(limits(4, 0));
    let mut crowd: Vec<Client> = (0..4 + 64).map(|_| world.connect()).collect();
    settle().await;
    for client in &mut crowd {
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    }
    let begun = Instant::now();
    for client in &mut crowd {
        let said = client.rest().await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    }
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!((world.counters().refused, world.counters().evicted), (0, 0));
    world.end().await;
}

/// Who was answered a moment ago keeps its place, and keeps nobody out.
#[tokio::test(start_paused = true)]
async fn those_at_rest_keep_nobody_out() {
    let world = World::new(limits(2, 0));
    let mut resting = [world.connect(), world.connect()];
    for client in &mut resting {
        client.hello().await;
    }
    let mut crowd: Vec<Client> = (0..2).map(|_| world.connect()).collect();
    for client in &mut crowd {
        client.hello().await;
    }
    assert_eq!((world.counters().refused, world.counters().evicted), (0, 2));
    world.end().await;
}

/// Those who wait for a place when the service stops are not waited for.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_does_not_hold_up_the_stop() {
    let world = World::new(limits(1, 0));
    let mut busy = world.connect();
    busy.send("GET /work HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    settle().await;
    let mut waiting = world.connect();
    settle().await;
    let stopped = tokio::spawn(world.end());
    let (said, after) = waiting.closed_after().await;
    assert!(said.starts_with("HTTP/1.1 503 ") && after < SECOND, "{after:?}: {said}");
    assert!(busy.rest().await.starts_with("HTTP/1.1 200 "));
    stopped.await.unwrap();
}

/// To be told no costs a descriptor and memory for a second: a crowd that is refused must not cost more than one that is let in.
#[tokio::test(start_paused = true)]
async fn of_a_crowd_that_is_refused_some_are_told() {
    let world = World::new(limits(1, 0));
    let mut busy = world.connect();
    busy.send("GET /work HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    settle().await;
    for _ in 0..2 {
        let crowd: Vec<Client> = (0..500).map(|_| world.connect()).collect();
        settle().await;
        let mut told = 0;
        for mut client in crowd {
            let said = client.rest().await;
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 503 "), "{said}");
            told += usize::from(!said.is_empty());
        }
        // Those who waited are told after those who could not, who have left by then.
        assert_eq!(told, 2 * 64);
        sleep(2 * SECOND).await;
    }
    assert_eq!(world.counters().refused, 1000);
    assert!(busy.rest().await.starts_with("HTTP/1.1 200 "));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn bodies_of_a_byte_a_second_cannot_keep_others_out() {
    let world = World::new(limits(8, 0));
    let mut slow: Vec<Client> = Vec::new();
    for _ in 0..8 {
        let mut client = world.connect();
        client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
        slow.push(client);
    }
    for _ in 0..5 {
        for client in &mut slow {
            client.send("x").await;
        }
        sleep(SECOND / 2).await;
    }
    // Each of them has just moved a byte; what they owe counts.
    for client in &mut slow {
        client.send("x").await;
    }
    settle().await;
    for _ in 0..4 {
        world.connect().hello().await;
    }
    assert_eq!(world.counters().refused, 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_client_has_its_share_and_no_more() {
    let world = World::new(limits(100, 2));
    let _first = [world.connect_from("2001:db8:1:2::1"), world.connect_from("2001:db8:1:2::2")];
    settle().await;
    // The same subscriber from another of its addresses, and its neighbour.
    assert!(world.connect_from("2001:db8:1:2:ffff::3").rest().await.starts_with("HTTP/1.1 503 "));
    let mut neighbour = world.connect_from("2001:db8:1:3::1");
    neighbour.hello().await;
    drop(_first);
    settle().await;
    world.connect_from("2001:db8:1:2::4").hello().await;
    assert_eq!((world.counters().refused, world.counters().refused_by_client), (1, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_not_one_client() {
    let world = World::new(Limits { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..limits(100, 1) });
    let mut clients: Vec<Client> = (0..20).map(|_| world.connect_from("10.0.0.9")).collect();
    for client in &mut clients {
        client.hello().await;
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_times() {
    let whole = Limits::default();
    for limits in [
        Limits { head_time: Duration::MAX, ..whole.clone() },
        Limits { idle_time: Duration::MAX, ..whole.clone() },
        Limits { patience: Duration::MAX, ..whole.clone() },
        Limits { grace: Duration::MAX, ..whole },
    ] {
        let world = World::new(limits);
        let mut client = world.connect();
        client.hello().await;
        sleep(SECOND).await;
        client.hello().await;
        drop(client);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_makes_room_is_told_so_by_http2() {
    let world = World::with_http2(limits(1, 0));
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", false).await;
    assert!(client.until(DATA, 1).await.is_some());
    sleep(SECOND).await;
    world.connect().hello().await;
    let (code, _) = client.farewell().await.expect("GOAWAY");
    assert_eq!((code, world.counters().evicted), (0, 1));
    world.end().await;
}
