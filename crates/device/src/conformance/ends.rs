//! How flows end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{World, bytes, done, meet, pair, receive, same, send};
use crate::Flow;

/// More than a flow's buffers hold.
const ENDLESS: usize = 256 << 20;

/// An end that has finished writing still reads, and the other still writes: either way round.
pub async fn either_end_may_finish_first<W: World>(world: &W) {
    let long = bytes(11, 300_000);
    let (mut client, mut server) = pair(world).await;
    send(&mut client, b"all I have to say").await;
    assert_eq!(receive(&mut server).await, b"all I have to say");
    world.settle().await;
    let ((), got) = tokio::join!(send(&mut server, &long), receive(&mut client));
    same("to the client that finished first", &got, &long);
    let (mut client, mut server) = pair(world).await;
    send(&mut server, b"hello and goodbye").await;
    assert_eq!(receive(&mut client).await, b"hello and goodbye");
    world.settle().await;
    let ((), got) = tokio::join!(send(&mut client, &long), receive(&mut server));
    same("to the server that finished first", &got, &long);
    // The end stays the end.
    assert_eq!(done("read behind the end", server.read(&mut [0; 9]).await), 0);
}

/// A flow that is finished and dropped has not lost what it still had to send.
pub async fn what_was_written_before_the_end_arrives<W: World>(world: &W) {
    for len in [0, 1, 60_000] {
        let (mut client, mut server) = pair(world).await;
        let data = bytes(12, len);
        send(&mut server, &data).await;
        drop(server);
        world.settle().await;
        same("of a flow that is gone", &receive(&mut client).await, &data);
    }
}

/// A flow that breaks is an error to who reads it, not an end: half an answer must not pass for a whole one.
pub async fn a_reset_is_no_end<W: World>(world: &W) {
    let (mut client, mut server) = pair(world).await;
    done("write", server.write_all(b"not read before it breaks").await);
    world.settle().await;
    world.reset(client);
    world.settle().await;
    let read = server.read(&mut [0; 9]).await;
    assert!(read.is_err(), "a reset was read as {read:?}");
    // A reader that waits already is woken.
    (client, server) = pair(world).await;
    done("write", client.write_all(b"x").await);
    assert_eq!(done("read", server.read_u8().await), b'x');
    done("write", server.write_all(b"not read before it breaks").await);
    let breaking = async {
        world.settle().await;
        world.reset(client);
    };
    let mut end = [0; 9];
    let (read, ()) = tokio::join!(server.read(&mut end), breaking);
    assert!(read.is_err(), "a reset was read as {read:?}");
}

/// Who writes to a flow whose other end is gone is told so, also in the middle of it.
pub async fn a_dropped_flow_ends_a_writer<W: World>(world: &W) {
    let (client, mut server) = pair(world).await;
    let leaving = async {
        let mut client = client;
        done("read", client.read_exact(&mut [0; 100_000]).await);
        drop(client);
    };
    let ((), ()) = tokio::join!(writes_until_told(&mut server), leaving);
    let (mut client, server) = pair(world).await;
    drop(server);
    writes_until_told(&mut client).await;
}

async fn writes_until_told(flow: &mut impl Flow) {
    let piece = bytes(13, 64 * 1024);
    for _ in 0..ENDLESS / piece.len() {
        if flow.write_all(&piece).await.is_err() {
            return;
        }
    }
    panic!("{ENDLESS} bytes were written to nobody");
}

/// Who waits to read from a flow is woken when the other end goes.
pub async fn a_dropped_flow_ends_a_reader<W: World>(world: &W) {
    let (mut client, server) = pair(world).await;
    let leaving = async {
        world.settle().await;
        drop(server);
    };
    let mut byte = [0];
    let (read, ()) = tokio::join!(client.read(&mut byte), leaving);
    assert_eq!(done("read the end of a flow that carried nothing", read), 0);
}

/// Flows that were accepted go on when their listener stops.
pub async fn a_flow_outlives_its_listener<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    let (mut client, mut server) = meet(world, &mut listener, &address).await;
    drop(listener);
    world.settle().await;
    done("write", client.write_all(b"still there").await);
    let mut got = [0; 11];
    done("read", server.read_exact(&mut got).await);
    assert_eq!(&got, b"still there");
}

/// Where nobody listens any more, connecting fails, and who waited to be accepted is let go.
pub async fn a_listener_that_is_gone_takes_nobody<W: World>(world: &W) {
    let (mut listener, address) = done("listen", world.listen().await);
    let (first, second) = meet(world, &mut listener, &address).await;
    let (mut waiting, _) = done("connect", world.connect(&address).await);
    world.settle().await;
    drop(listener);
    world.settle().await;
    // A reset or an end: both let go.
    assert!(matches!(waiting.read(&mut [0; 9]).await, Ok(0) | Err(_)), "nobody has written");
    assert!(world.connect(&address).await.is_err(), "a listener that is gone was reached");
    drop((first, second));
}
