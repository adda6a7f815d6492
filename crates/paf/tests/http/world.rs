//! A service in memory, and its clients.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::{any, get, post};
use device::{Flow, Listener, Peer};
use http_body_util::{BodyExt, Full};
use paf::http::{Body, BodyError, Handler, Limits, Service, serve};
use paf::{Counters, Proxied, Snapshot, Stop, Tls, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// What a flow holds on its way, each direction.
const WIRE: usize = 16 * 1024;
/// No wait for an answer is longer, on the clock that jumps.
const FOREVER: Duration = Duration::from_secs(3600);

/// A body that panics a while after its first piece.
struct Half(Option<&'static str>, Pin<Box<tokio::time::Sleep>>);

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.0.take() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from(first)))));
        }
        match self.1.as_mut().poll(cx) {
            Poll::Ready(()) => panic!("the body's own fault"),
            Poll::Pending => Poll::Pending,
        }
    }
}

pub(crate) struct World {
    flows: UnboundedSender<(DuplexStream, Peer)>,
    pub(crate) stop: Stop,
    counters: Arc<Counters>,
    served: JoinHandle<()>,
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::of(router(), limits)
    }

    /// A service of another handler.
    pub(crate) fn of(handler: impl Handler, limits: Limits) -> Self {
        Self::run(Service::new(handler, limits))
    }

    /// A service that takes HTTP/2 as well.
    pub(crate) fn with_http2(limits: Limits) -> Self {
        Self::run(Service::new(router(), limits).plain_with_http2())
    }

    /// A service in TLS.
    pub(crate) fn with_tls(tls: &Tls, limits: Limits) -> Self {
        Self::run(paf::alpn(router(), limits, tls).unwrap())
    }

    /// Any service.
    pub(crate) fn run(service: Service<impl Handler>) -> Self {
        let (flows, waiting) = unbounded_channel();
        let stop = Stop::new();
        let counters = service.counters();
        let served = tokio::spawn(serve(service, Memory(waiting), stop.clone()));
        Self { flows, stop, counters, served }
    }

    /// A connection from a process of this machine, which no limit by client counts.
    pub(crate) fn connect(&self) -> Client {
        self.connect_as(Peer::Local)
    }

    pub(crate) fn connect_from(&self, address: &str) -> Client {
        self.connect_as(Peer::Ip(SocketAddr::new(address.parse().unwrap(), 1234)))
    }

    fn connect_as(&self, peer: Peer) -> Client {
        let (near, far) = tokio::io::duplex(WIRE);
        // A service that has ended takes none.
        let _ = self.flows.send((far, peer));
        Client { flow: Box::new(near) }
    }

    pub(crate) fn counters(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Pulls the switch, and tells how long the service took to end.
    pub(crate) async fn end(self) -> Duration {
        let counters = Arc::clone(&self.counters);
        let took = self.stopped().await;
        assert_eq!(counters.snapshot().open, 0);
        took
    }

    /// The same for one listener of several.
    pub(crate) async fn stopped(self) -> Duration {
        let start = Instant::now();
        self.stop.pull();
        self.served.await.unwrap();
        start.elapsed()
    }
}

/// Everything that a handler can do to a connection. That it is axum's router proves that one fits.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { format!("{peer:?}") }))
        .route("/proxied", get(|proxied: Option<Extension<Proxied>>| async move { format!("{proxied:?}") }))
        .route("/tls", get(|facts: Option<Extension<tls::Facts>>| async move { format!("{facts:?}") }))
        .route(
            "/client",
            get(|facts: Extension<tls::Facts>| async move { facts.client().map_or(0, <[_]>::len).to_string() }),
        )
        .route("/version", get(|request: Request<axum::body::Body>| async move { format!("{:?}", request.version()) }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/refuse", post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "no") }))
        .route("/work", any(work))
        .route("/slow", any(|| sleep(Duration::from_secs(1000))))
        .route("/switch", any(switch))
        .fallback(other)
        .route(
            "/half",
            get(|| async { axum::body::Body::new(Half(Some("half of"), Box::pin(sleep(Duration::from_secs(1))))) }),
        )
        .route("/panic", get(|| async { panic!("the handler's own fault") as &'static str }))
        .route("/large", get(|| async { vec![b'x'; 1 << 20] }))
}

/// Would leave HTTP.
async fn switch(request: Request<axum::body::Body>) -> StatusCode {
    assert!(request.extensions().get::<hyper::upgrade::OnUpgrade>().is_none());
    StatusCode::SWITCHING_PROTOCOLS
}

/// Agrees to a tunnel.
async fn other(method: Method) -> StatusCode {
    if method == Method::CONNECT { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

/// Does something else before it looks at the body.
async fn work(body: axum::body::Body) {
    sleep(Duration::from_secs(20)).await;
    drop(body);
}

/// A handler that reads bodies, and keeps how they ended.
#[derive(Clone, Default)]
pub(crate) struct Endings(pub(crate) Arc<Mutex<Vec<&'static str>>>);

impl tower_service::Service<Request<Body>> for Endings {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ends = Arc::clone(&self.0);
        Box::pin(async move {
            let end = ending(request.into_body()).await;
            ends.lock().unwrap().push(end);
            Ok(Response::new(Full::from("")))
        })
    }
}

/// Reads a body as a handler does, and names how it ended.
async fn ending(mut body: Body) -> &'static str {
    loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(BodyError::TooSlow)) => return "slow",
            Some(Err(_)) => return "broken",
            None => return "whole",
        }
    }
}

struct Memory(UnboundedReceiver<(DuplexStream, Peer)>);

impl Listener for Memory {
    type Flow = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.recv().await {
            Some(flow) => Ok(flow),
            None => std::future::pending().await,
        }
    }

    fn local(&self) -> io::Result<Peer> {
        Ok(Peer::Local)
    }
}

/// The other end of a flow.
pub(crate) struct Client {
    pub(crate) flow: Box<dyn Flow>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.flow.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends what nobody may want any more.
    pub(crate) async fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.flow.write_all(text.as_bytes()).await
    }

    /// Everything up to the connection's end.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        // An end that is not orderly is one too.
        let _ = timeout(FOREVER, self.flow.read_to_end(&mut text)).await.expect("the connection stays open");
        String::from_utf8(text).unwrap()
    }

    /// Up to so many bytes; fewer only at the end.
    pub(crate) async fn take(&mut self, most: usize) -> usize {
        let mut bytes = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match timeout(FOREVER, self.flow.read(&mut bytes[filled..])).await.expect("nothing comes") {
                Ok(0) | Err(_) => break,
                Ok(n) => filled += n,
            }
        }
        filled
    }

    /// One answer whose body ends in `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let mut byte = [0];
            let n = timeout(FOREVER, self.flow.read(&mut byte)).await.expect("nothing comes").unwrap();
            assert_ne!(n, 0, "ended after {:?}", String::from_utf8_lossy(&text));
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    }

    /// Asks for `/`, and gets it.
    pub(crate) async fn hello(&mut self) {
        self.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(self.until("hello").await.starts_with("HTTP/1.1 200"));
    }

    /// Waits for the connection's end, and tells how long it took.
    pub(crate) async fn closed_after(&mut self) -> (String, Duration) {
        let start = Instant::now();
        let said = self.rest().await;
        (said, start.elapsed())
    }
}

/// Lets everything that can run do so.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
