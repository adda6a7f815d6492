//! A service in memory, and its clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::Extension;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::{get, post};
use bytes::{Buf, Bytes};
use device::Peer;
use futures_util::future;
use http_body_util::BodyExt as _;
use paf::http::{Limits, Service, serve_h3};
use paf::{Counters, Snapshot, Stop, Tls, tls};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, TransportConfig};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::net::{Jumping, Net};

/// No wait for an answer is longer, on the clock that jumps.
const FOREVER: Duration = Duration::from_secs(3600);
/// Where the service is.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 443);

pub(crate) type Requests = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) stop: Stop,
    pub(crate) tls: Tls,
    pub(crate) root: CertificateDer<'static>,
    counters: Arc<Counters>,
    served: JoinHandle<()>,
    ports: AtomicU16,
}

/// A certificate for `name`.
pub(crate) fn identity(name: &str) -> (tls::Identity, CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = certificate.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (tls::Identity::from_der(&ring::default_provider(), vec![der.clone()], key).unwrap(), der)
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        let (identity, root) = identity("a.test");
        let tls = Tls::new(Arc::new(ring::default_provider()), vec![identity]).unwrap();
        let service = Service::new(router(), limits);
        let net = Net::default();
        let stop = Stop::new();
        let counters = service.counters();
        let served = tokio::spawn(serve_h3(service.h3(&tls).unwrap(), net.socket(SERVER), stop.clone()));
        Self { net, stop, tls, root, counters, served, ports: AtomicU16::new(1000) }
    }

    /// An address of `host` that nobody has yet.
    pub(crate) fn address(&self, host: &str) -> SocketAddr {
        SocketAddr::new(host.parse().unwrap(), self.ports.fetch_add(1, Ordering::Relaxed))
    }

    /// A client's end of QUIC.
    pub(crate) fn endpoint(&self, host: &str, root: &CertificateDer<'static>, transport: TransportConfig) -> Endpoint {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let mut crypto = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        crypto.alpn_protocols = vec![b"h3".to_vec()];
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).unwrap()));
        config.transport_config(Arc::new(transport));
        let socket = self.net.socket(self.address(host));
        let runtime = Arc::new(Jumping);
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime);
        let mut endpoint = endpoint.unwrap();
        endpoint.set_default_client_config(config);
        endpoint
    }

    /// A connection of QUIC, by which nothing was said yet.
    pub(crate) async fn quic(&self) -> Connection {
        self.quic_from("198.51.100.7", TransportConfig::default()).await.unwrap()
    }

    pub(crate) async fn quic_from(
        &self,
        host: &str,
        transport: TransportConfig,
    ) -> Result<Connection, quinn::ConnectionError> {
        let connecting = self.endpoint(host, &self.root, transport).connect(SERVER, "a.test").unwrap();
        timeout(FOREVER, connecting).await.expect("the handshake goes on for ever")
    }

    /// A client of h3's own.
    pub(crate) async fn client(&self) -> (Connection, Requests) {
        let quic = self.quic().await;
        (quic.clone(), requests(quic).await)
    }

    pub(crate) fn counters(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Pulls the switch, and tells how long the service took to end.
    pub(crate) async fn end(self) -> Duration {
        let start = Instant::now();
        self.stop.pull();
        timeout(FOREVER, self.served).await.expect("the service does not end").unwrap();
        assert_eq!(self.counters.snapshot().open, 0);
        start.elapsed()
    }
}

/// h3's client over a connection.
pub(crate) async fn requests(quic: Connection) -> Requests {
    let (mut driver, requests) = h3::client::new(h3_quinn::Connection::new(quic)).await.unwrap();
    tokio::spawn(async move { future::poll_fn(|cx| driver.poll_close(cx)).await });
    requests
}

/// An answer, with all of its body.
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Asks for something, and gets it.
pub(crate) async fn ask(requests: &mut Requests, path: &str) -> Result<Said, h3::error::StreamError> {
    let request = Request::get(format!("https://a.test{path}")).body(()).unwrap();
    let mut stream = requests.send_request(request).await?;
    stream.finish().await?;
    hear(&mut stream).await
}

/// Waits for an answer.
pub(crate) async fn hear<S: h3::quic::RecvStream>(
    stream: &mut h3::client::RequestStream<S, Bytes>,
) -> Result<Said, h3::error::StreamError> {
    let answer: Response<()> = timeout(FOREVER, stream.recv_response()).await.expect("no answer comes")?;
    let mut body = Vec::new();
    while let Some(mut data) = timeout(FOREVER, stream.recv_data()).await.expect("the answer stays open")? {
        body.extend(data.copy_to_bytes(data.remaining()));
    }
    Ok(Said { status: answer.status(), headers: answer.headers().clone(), body })
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { format!("{peer:?}") }))
        .route("/tls", get(|Extension(facts): Extension<tls::Facts>| async move { format!("{facts:?}") }))
        .route("/version", get(|request: Request<AxumBody>| async move { format!("{:?}", request.version()) }))
        .route("/echo", post(|body: AxumBody| async { Response::new(body) }))
        .route("/count", post(count))
        .route("/refuse", post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "no") }))
        .route("/panic", get(|| async { panic!("the handler's own fault") as &'static str }))
        .route("/switch", get(|| async { StatusCode::SWITCHING_PROTOCOLS }))
        .route("/work", get(|| async { sleep(Duration::from_secs(20)).await }))
        .route("/large", get(|| async { vec![b'x'; 4 << 20] }))
        .route("/hop", get(|| async { ([("connection", "close"), ("keep-alive", "timeout=5")], "hop") }))
}

/// How long the body is, and how it ended.
async fn count(request: Request<AxumBody>) -> String {
    let mut body = request.into_body();
    let mut bytes = 0;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(error)) => return format!("{bytes} and {error}"),
            None => return format!("{bytes} in all"),
        }
    }
}
