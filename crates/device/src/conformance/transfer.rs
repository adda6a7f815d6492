//! Bytes on their way.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{World, bytes, done, pair, receive, same, send};

const LARGE: usize = 8 << 20;
/// More than any buffers on the way may hold for a reader that does not read.
const TOO_MUCH: usize = 64 << 20;

/// What one end writes the other reads, and the other way round, without either having finished.
pub async fn a_flow_carries_both_ways<W: World>(world: &W) {
    let (mut client, mut server) = pair(world).await;
    for turn in 0..50_u8 {
        let (ping, pong) = ([turn; 100], [!turn; 70]);
        done("write", client.write_all(&ping).await);
        let mut got = [0; 100];
        done("read", server.read_exact(&mut got).await);
        assert_eq!(got, ping, "turn {turn} to the server");
        done("write", server.write_all(&pong).await);
        let mut got = [0; 70];
        done("read", client.read_exact(&mut got).await);
        assert_eq!(got, pong, "turn {turn} to the client");
    }
}

/// A long transfer one way does not wait for one the other way.
pub async fn both_ways_at_once<W: World>(world: &W) {
    let (client, server) = pair(world).await;
    let (there, back) = (bytes(1, LARGE), bytes(2, LARGE));
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut server_in, mut server_out) = tokio::io::split(server);
    let reading = |what| move |result: std::io::Result<usize>| done(what, result);
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    tokio::join!(
        async {
            done("write to the server", client_out.write_all(&there).await);
            done("finish", client_out.shutdown().await);
        },
        async {
            done("write to the client", server_out.write_all(&back).await);
            done("finish", server_out.shutdown().await);
        },
        async { reading("read at the server")(server_in.read_to_end(&mut at_server).await) },
        async { reading("read at the client")(client_in.read_to_end(&mut at_client).await) },
    );
    same("to the server", &at_server, &there);
    same("to the client", &at_client, &back);
}

/// However a writer and a reader cut a stream up, and with vectored writes, the bytes are the same.
pub async fn any_pieces_give_the_same_bytes<W: World>(world: &W) {
    let all = bytes(3, 1 << 20);
    let cuts = bytes(4, 4096);
    let (mut client, mut server) = pair(world).await;
    let mut cut = cuts.iter().cycle().map(|&n| 1 + usize::from(n) * usize::from(n) / 8);
    let mut pieces = Vec::new();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut.next().unwrap_or(1).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    let writing = async {
        for group in pieces.chunks(3) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut slices = &mut slices[..];
            while !slices.is_empty() {
                let written = done("write pieces", server.write_vectored(slices).await);
                assert!(written > 0, "a write of something took nothing");
                IoSlice::advance_slices(&mut slices, written);
            }
        }
        done("finish", server.shutdown().await);
    };
    let reading = async {
        let mut got = Vec::new();
        let mut buffer = vec![0; 8192];
        for most in (1..8192).cycle().step_by(611) {
            match done("read", client.read(&mut buffer[..most]).await) {
                0 => break,
                n => got.extend_from_slice(&buffer[..n]),
            }
        }
        got
    };
    let ((), got) = tokio::join!(writing, reading);
    same("in pieces", &got, &all);
}

/// Single bytes arrive without more being written after them.
pub async fn byte_by_byte<W: World>(world: &W) {
    let (mut client, mut server) = pair(world).await;
    for (i, byte) in bytes(5, 300).into_iter().enumerate() {
        done("write a byte", client.write_all(&[byte]).await);
        done("flush", client.flush().await);
        assert_eq!(done("read a byte", server.read_u8().await), byte, "byte {i}");
    }
}

/// A writer is held up by a reader that does not read, before much is buffered; nothing is lost over it.
pub async fn a_slow_reader_slows_the_writer<W: World>(world: &W) {
    let (mut client, mut server) = pair(world).await;
    let piece = bytes(6, 64 * 1024);
    let mut written = 0;
    let mut still = 0;
    while still < 5 {
        let before = written;
        while written < TOO_MUCH {
            let from = written % piece.len();
            let Some(n) = now(poll_fn(|cx| Pin::new(&mut server).poll_write(cx, &piece[from..]))).await else { break };
            written += done("write", n);
        }
        assert!(written < TOO_MUCH, "a writer wrote {written} bytes that nobody read");
        world.settle().await;
        still = if written == before { still + 1 } else { 0 };
    }
    let reading = receive(&mut client);
    let writing = async { done("finish", poll_fn(|cx| Pin::new(&mut server).poll_shutdown(cx)).await) };
    let (got, ()) = tokio::join!(reading, writing);
    let expected: Vec<u8> = piece.iter().copied().cycle().take(written).collect();
    same("for a slow reader", &got, &expected);
    // And a reader that wakes up wakes the writer.
    let (mut client, mut server) = pair(world).await;
    let long = bytes(7, 4 << 20);
    let slowly = async {
        let mut got = Vec::new();
        let mut buffer = vec![0; 300_000];
        loop {
            world.settle().await;
            match done("read", client.read(&mut buffer).await) {
                0 => return got,
                n => got.extend_from_slice(&buffer[..n]),
            }
            if got.len() > 1 << 20 {
                got.extend(receive(&mut client).await);
                return got;
            }
        }
    };
    let (got, ()) = tokio::join!(slowly, send(&mut server, &long));
    same("for a reader that wakes up", &got, &long);
}

/// What is there at once, if anything.
async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
