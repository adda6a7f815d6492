//! What connections keep between requests: their flow, their TLS and a small task, and no buffers.

use std::sync::Arc;
use std::time::Duration;

use paf::Tls;
use paf::http::Limits;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::tls::{Authority, connect};
use crate::world::{Client, World};

const CONNECTIONS: usize = 50;

/// Bytes that a connection keeps on both of its ends once it was used.
fn kept(runtime: &Runtime, world: &World, tls: bool, authority: &Authority) -> usize {
    let config = Arc::new(authority.client(rustls::ALL_VERSIONS));
    let mut open = Vec::with_capacity(CONNECTIONS);
    let used = async || {
        let flow = match tls {
            true => Box::new(connect(world, &config, "a.test").await.unwrap()),
            false => world.connect().flow,
        };
        let mut client = Client { flow };
        client.hello().await;
        client
    };
    // What is made once is made.
    let first = runtime.block_on(used());
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..CONNECTIONS {
                open.push(used().await);
            }
            sleep(Duration::from_secs(1)).await;
        });
    });
    assert_eq!(usize::try_from(world.counters().open).unwrap(), CONNECTIONS + 1);
    drop(first);
    usize::try_from(memory.bytes_current).unwrap() / CONNECTIONS
}

#[test]
fn a_connection_at_rest_keeps_no_buffers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let authority = Authority::new();
    let tls: Tls = authority.tls(&[&["a.test"]]);
    // hyper's would be 16 KiB. A flow of these tests keeps half a KiB, and the client's end of TLS some nine.
    for (is_tls, most) in [(false, 4 * 1024), (true, 23 * 1024)] {
        let world = runtime.block_on(async {
            match is_tls {
                true => World::with_tls(&tls, Limits::default()),
                false => World::new(Limits::default()),
            }
        });
        let kept = kept(&runtime, &world, is_tls, &authority);
        assert!(kept < most, "{kept} bytes, TLS {is_tls}");
        runtime.block_on(world.end());
    }
}
