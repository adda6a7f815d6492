//! What the service is asked: every answer tells which request it is for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use paf::http::Body;

use super::world::Dice;

/// The handler; clones count together.
#[derive(Clone, Default)]
pub(crate) struct Handler(pub(crate) Arc<Mutex<HashMap<u64, u32>>>);

/// `len` bytes that belong to the request `id`.
pub(crate) fn pattern(id: u64, len: usize) -> Vec<u8> {
    let mut dice = Dice::new(id ^ 0x5eed);
    (0..len).map(|_| dice.below(256) as u8).collect()
}

impl Handler {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let mut words = path.trim_start_matches('/').split('/');
        let what = words.next().unwrap_or_default().to_owned();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(id), Some(size)) = (number(), number()) else {
            return http::Response::builder().status(404).body(Full::default()).unwrap();
        };
        *self.0.lock().unwrap().entry(id).or_default() += 1;
        let body = match what.as_str() {
            "give" => pattern(id, size as usize),
            "wait" => {
                tokio::time::sleep(Duration::from_millis(size)).await;
                pattern(id, 10)
            }
            "echo" => match request.into_body().collect().await {
                Ok(body) => body.to_bytes().to_vec(),
                Err(_) => {
                    return http::Response::builder().status(400).header("x-id", id).body(Full::default()).unwrap();
                }
            },
            // The body is not looked at.
            _ => pattern(id, 20),
        };
        http::Response::builder().header("x-id", id).body(Full::from(body)).unwrap()
    }
}

impl tower_service::Service<http::Request<Body>> for Handler {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move { Ok(handler.answer(request).await) })
    }
}
