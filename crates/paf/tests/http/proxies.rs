//! Connections that a proxy passes on, and says of whose they are.

use std::time::Duration;

use paf::http::{Limits, Service};
use tokio::io::AsyncWriteExt;

use crate::world::{Client, World, router};

const PROXY: &str = "10.0.0.1";

fn world(limits: Limits) -> World {
    World::run(Service::new(router(), limits).behind(&["10.0.0.0/8".parse().unwrap()]))
}

/// A connection that the proxy passes on for an IPv4 client.
async fn passed_on(world: &World, client: [u8; 4]) -> Client {
    let mut connection = world.connect_from(PROXY);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
    header.extend(client);
    header.extend([10, 0, 0, 1, 0x10, 0, 0, 80]);
    // By TLS.
    header.extend([0x20, 0, 5, 1, 0, 0, 0, 0]);
    connection.flow.write_all(&header).await.unwrap();
    connection
}

async fn asked(client: &mut Client, path: &str) -> String {
    client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
    client.rest().await
}

#[tokio::test(start_paused = true)]
async fn the_client_is_who_the_proxy_says() {
    let world = world(Limits::default());
    let mut client = passed_on(&world, [192, 0, 2, 7]).await;
    assert!(asked(&mut client, "/peer").await.ends_with("Ip(192.0.2.7:4096)"));
    let mut client = passed_on(&world, [192, 0, 2, 7]).await;
    let said = asked(&mut client, "/proxied").await;
    assert!(said.contains("proxy: Ip(10.0.0.1:1234), tls: true"), "{said}");
    // Others have no say in it: to them a header is no HTTP.
    let mut stranger = world.connect_from("203.0.113.5");
    assert!(asked(&mut stranger, "/peer").await.ends_with("Ip(203.0.113.5:1234)"));
    let mut stranger = world.connect_from("203.0.113.5");
    stranger
        .flow
        .write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04")
        .await
        .unwrap();
    assert!(asked(&mut stranger, "/peer").await.starts_with("HTTP/1.1 400 "));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_is_cut() {
    let world = world(Limits::default());
    let mut plain = world.connect_from(PROXY);
    assert_eq!(asked(&mut plain, "/").await, "");
    let (said, after) = world.connect_from(PROXY).closed_after().await;
    assert_eq!((said.as_str(), after), ("", Duration::from_secs(10)));
    assert_eq!((world.counters().malformed, world.counters().open), (2, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn limits_count_clients_and_not_their_proxy() {
    let world = world(Limits { connections_per_client: 2, ..Limits::default() });
    let mut clients = Vec::new();
    for last in 0..6_u8 {
        let mut client = passed_on(&world, [192, 0, 2, last % 3]).await;
        client.hello().await;
        clients.push(client);
    }
    assert!(passed_on(&world, [192, 0, 2, 1]).await.rest().await.starts_with("HTTP/1.1 503 "));
    clients.pop();
    passed_on(&world, [192, 0, 2, 3]).await.hello().await;
    clients.clear();
    let mut again = passed_on(&world, [192, 0, 2, 1]).await;
    again.hello().await;
    assert_eq!((world.counters().refused, world.counters().refused_by_client), (1, 1));
    drop(again);
    world.end().await;
}
