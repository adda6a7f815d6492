//! Backpressure: what one end does not take, the other is not asked for.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use http_body::Frame;
use paf::http::{Body, Limits, Service};
use tokio::time::{sleep, timeout};

use crate::frames::{DATA, Frames, WINDOW_UPDATE};
use crate::world::World;

/// Bytes of an answer, in pieces.
const LEN: usize = 8 << 20;
const PIECE: usize = 8 * 1024;
/// More than flow, HTTP library and windows hold together.
const HELD: usize = 512 * 1024;

/// A handler whose answers count what is taken of them.
#[derive(Clone, Default)]
struct Endless(Arc<AtomicUsize>);

impl tower_service::Service<Request<Body>> for Endless {
    type Response = Response<Endless>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(self.clone())))
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let made = self.0.fetch_add(PIECE, Relaxed);
        Poll::Ready((made < LEN).then(|| Ok(Frame::data(Bytes::from_static(&[b'x'; PIECE])))))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_made_as_it_is_taken() {
    let handler = Endless::default();
    let made = Arc::clone(&handler.0);
    let world = World::of(handler, Limits::default());
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    for taken in [0, 1 << 20, 2 << 20] {
        sleep(Duration::from_secs(10)).await;
        let made = made.load(Relaxed);
        assert!((taken..taken + HELD).contains(&made), "{made} bytes were made, {taken} taken");
        client.take(1 << 20).await;
    }
    assert!(client.rest().await.len() > LEN - (3 << 20));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_by_http2_is_made_as_it_is_taken() {
    let handler = Endless::default();
    let made = Arc::clone(&handler.0);
    let world = World::run(Service::new(handler, Limits::default()).plain_with_http2());
    let mut client = Frames::connect(&world, &[]).await;
    client.ask(1, "/", false).await;
    let mut taken = 0;
    for most in [0, 1 << 20, 2 << 20] {
        while taken < most {
            let len = client.until(DATA, 1).await.unwrap().data.len();
            taken += len;
            for stream in [0, 1] {
                client.send(WINDOW_UPDATE, 0, stream, &u32::try_from(len).unwrap().to_be_bytes()).await;
            }
        }
        sleep(Duration::from_secs(10)).await;
        let made = made.load(Relaxed);
        assert!((taken..taken + HELD).contains(&made), "{made} bytes were made, {taken} taken");
    }
    drop(client);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_as_the_handler_takes_it() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    // The handler works for twenty seconds before it looks at it.
    client.send(&format!("POST /work HTTP/1.1\r\nhost: a\r\ncontent-length: {LEN}\r\n\r\n")).await;
    let body = "x".repeat(LEN);
    assert!(timeout(Duration::from_secs(10), client.try_send(&body)).await.is_err(), "all of it was taken");
    let received = usize::try_from(world.counters().received).unwrap();
    assert!(received < HELD, "{received} bytes were taken");
    assert_eq!(world.counters().slow, 0);
    drop(client);
    world.end().await;
}
