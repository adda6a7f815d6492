//! Clients that leave or lie in the middle, and a disk that fills up.

use std::io;
use std::time::Duration;

use api::{Created, Kind};

use crate::world::{Form, World, get, noise, post, read_token};

/// Waits until nothing of an upload is left.
async fn nothing_left(world: &World) {
    for _ in 0..600 {
        if world.metric("pasteur_stored_bytes").await == 0 && world.metric("pasteur_connections_open").await == 0 {
            assert_eq!(world.metric("pasteur_pastes").await, 0);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("an upload that broke off left something behind");
}

#[tokio::test]
async fn an_upload_that_breaks_off_anywhere_leaves_nothing() {
    let world = World::new().await;
    let request = Form::new(&noise(3 << 20), false).request();
    let len = request.len();
    for cut in [1, 100, 250, 400, 500, 1 << 20, (2 << 20) + 7, len - 10, len - 1] {
        let mut client = world.connect();
        client.send(&request[..cut]).await.unwrap();
        drop(client);
    }
    nothing_left(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_body_longer_than_it_said_is_no_second_request() {
    let world = World::new().await;
    let mut request = Form::new(b"content", false).request();
    request.extend(b"and more of it\r\n\r\n");
    let mut client = world.connect();
    let _: Created = client.ask(&request).await.json(201);
    client.read().await.problem(Kind::Malformed);
    assert!(client.is_over().await);
    // What was said is there; what came after it was not taken for anything.
    assert_eq!(world.metric("pasteur_pastes").await, 1);
    world.end().await;
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused() {
    let world = World::new().await;
    let body = Form::new(b"content", false).body();
    for lines in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n", "transfer-encoding: gzip, chunked\r\n"] {
        let mut request = post("multipart/form-data; boundary=b", &body);
        let at = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 2;
        request.splice(at..at, lines.bytes());
        let said = world.ask(&request).await;
        assert_eq!(said.status, 400, "{lines}");
    }
    assert_eq!(world.metric("pasteur_pastes").await, 0);
    world.end().await;
}

#[tokio::test]
async fn a_disk_that_fills_up_harms_nothing_stored() {
    let world = World::new().await;
    let kept = world.paste(&noise(1 << 20), false).await;
    let used = world.disk.contents().len() as u64;
    world.disk.set_capacity(Some(used + (1 << 20)));
    let said = world.ask(Form::new(&noise(6 << 20), false).request()).await;
    said.problem(Kind::Full);
    let said = world.bearing("GET", &kept.content(), &read_token()).await;
    assert!(said.status == 200 && said.body == noise(1 << 20));
    world.disk.set_capacity(None);
    let after = world.paste(&noise(6 << 20), false).await;
    assert_eq!(world.get(&after.info()).await.status, 200);
    assert_eq!(world.metric("pasteur_pastes").await, 2);
    world.end().await;
}

async fn until(comes: impl AsyncFn() -> bool) {
    let waiting = async {
        while !comes().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
}

/// Others may fill the disk to its last byte.
#[tokio::test]
async fn what_has_expired_goes_once_a_full_disk_has_room_again() {
    let world = World::with(|config| config.sweep_every = Duration::from_millis(20), None).await;
    for _ in 0..20 {
        let said = world.ask(Form::new(&noise(3000), false).part("expires_in", "60").request()).await;
        assert_eq!(said.status, 201);
    }
    world.disk.fail(0, 1_000_000, io::ErrorKind::StorageFull);
    world.clock.advance(60);
    until(async || world.log.text().contains("warn the store's device is full")).await;
    world.disk.fail(0, 0, io::ErrorKind::StorageFull);
    until(async || world.metric("pasteur_pastes").await == 0).await;
    world.end().await;
}

#[tokio::test]
async fn a_quota_is_told_and_its_space_comes_back() {
    let world = World::with(|_| {}, Some(3 << 20)).await;
    let first = world.paste(&noise(2 << 20), false).await;
    let said = world.ask(Form::new(&noise(2 << 20), false).request()).await;
    let problem = said.problem(Kind::Full);
    assert_eq!((problem.limit.as_deref(), problem.value), (Some("quota"), Some(3 << 20)));
    assert_eq!(world.bearing("DELETE", &first.info(), &first.delete).await.status, 204);
    world.paste(&noise(2 << 20), false).await;
    world.end().await;
}

#[tokio::test]
async fn an_upload_under_way_is_finished_when_the_server_stops() {
    let world = World::new().await;
    let request = Form::new(&noise(1 << 20), false).request();
    let mut client = world.connect();
    client.send(&request[..500_000]).await.unwrap();
    let mut idle = world.connect();
    assert_eq!(idle.ask(get("/healthz", "")).await.status, 200);
    world.stop.pull();
    assert!(idle.is_over().await);
    client.send(&request[500_000..]).await.unwrap();
    let said = client.read().await;
    assert_eq!(said.header("connection"), Some("close"));
    let _: Created = said.json(201);
    let log = world.log.clone();
    world.end().await;
    assert!(log.text().contains("stopping") && log.text().ends_with("stopped\n"), "{}", log.text());
}

#[tokio::test]
async fn a_request_says_once_whom_it_is_for() {
    let world = World::new().await;
    for lines in ["", "host: a\r\nhost: a\r\n", "host: a\r\nHost: b\r\n"] {
        let said = world.ask(format!("GET / HTTP/1.1\r\n{lines}\r\n")).await;
        assert_eq!((said.status, said.text().contains("exactly one Host")), (400, true), "{lines:?}");
    }
    world.end().await;
}
