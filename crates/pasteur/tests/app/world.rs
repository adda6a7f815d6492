//! A server in memory.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use api::{Created, Id, PublicHeader, Token};
use bytes::Bytes;
use device::sim::{SimBlock, SimClock, SimRandom};
use device::{Listener, Peer, Stack, Timestamp};
use paf::Stop;
use pasteur::{Config, Control, ServeError, Sink, Site};
use store::{Embedded, Options};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::wire::{Client, Said};

/// What a flow holds on its way, each direction.
const WIRE: usize = 256 * 1024;
pub(crate) const NOW: u64 = 1_800_000_000;
const PUBLIC: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 81);

pub(crate) struct World {
    pub(crate) clock: SimClock,
    pub(crate) disk: SimBlock,
    pub(crate) stop: Stop,
    pub(crate) log: Arc<Lines>,
    network: Network,
    served: JoinHandle<Result<(), ServeError>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, None).await
    }

    /// A server whose configuration `change` has changed, with a quota.
    pub(crate) async fn with(change: impl FnOnce(&mut Config), quota: Option<u64>) -> Self {
        let mut config = Config {
            listen: vec![PUBLIC.into()],
            admin_listen: vec![ADMIN.into()],
            max_paste: 8 << 20,
            ..Config::default()
        };
        change(&mut config);
        let clock = SimClock::new(Timestamp(NOW));
        let disk = SimBlock::new();
        let mut options = Options::default();
        options.quota = quota;
        let store = Embedded::open(disk.clone(), options, Arc::new(clock.clone())).unwrap();
        let (network, stop, log) = (Network::default(), Stop::new(), Arc::new(Lines::default()));
        let (ready, listening) = oneshot::channel();
        let control = Control {
            stop: stop.clone(),
            sink: Arc::<Lines>::clone(&log),
            ready: Box::new(move |at| ready.send(at.clone()).unwrap()),
        };
        let served = tokio::spawn({
            let (network, clock) = (network.clone(), Arc::new(clock.clone()));
            let random = Arc::new(SimRandom::new(7));
            async move { pasteur::serve(&network, store, site(), clock, random, config, control).await }
        });
        listening.await.unwrap();
        Self { clock, disk, stop, log, network, served }
    }

    /// A connection from this machine.
    pub(crate) fn connect(&self) -> Client {
        self.network.connect(PUBLIC, Peer::Local)
    }

    pub(crate) fn connect_from(&self, address: &str) -> Client {
        self.network.connect(PUBLIC, Peer::Ip(SocketAddr::new(address.parse().unwrap(), 1234)))
    }

    pub(crate) fn connect_admin(&self) -> Client {
        self.network.connect(ADMIN, Peer::Local)
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Said {
        self.connect().ask(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        self.ask(get(path, "")).await
    }

    /// Asks for `path` with a token.
    pub(crate) async fn bearing(&self, method: &str, path: &str, token: &Token) -> Said {
        self.ask(bearing(method, path, token, "")).await
    }

    /// Makes a paste of this content that never expires.
    pub(crate) async fn paste(&self, content: &[u8], burn: bool) -> Paste {
        let said = self.ask(Form::new(content, burn).request()).await;
        let created: Created = said.json(201);
        Paste { id: created.id, delete: created.delete_token }
    }

    /// The value of one line of the metrics.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let said = self.connect_admin().ask(get("/metrics", "")).await;
        let line = said.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        line.parse().unwrap()
    }

    /// Stops the server in an orderly way.
    pub(crate) async fn end(self) {
        self.stop.pull();
        self.served.await.unwrap().unwrap();
    }

    /// Stops a server that cannot end well.
    pub(crate) async fn end_in_error(self) -> ServeError {
        self.stop.pull();
        self.served.await.unwrap().unwrap_err()
    }
}

/// A paste as its creator knows it. Its read token is [`read_token`].
pub(crate) struct Paste {
    pub(crate) id: Id,
    pub(crate) delete: Token,
}

impl Paste {
    pub(crate) fn info(&self) -> String {
        api::path::paste(&self.id)
    }

    pub(crate) fn content(&self) -> String {
        api::path::content(&self.id)
    }

    pub(crate) fn claim(&self) -> String {
        api::path::claim(&self.id)
    }
}

pub(crate) fn read_token() -> Token {
    Token::new([5; 32])
}

pub(crate) fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
}

pub(crate) fn bearing(method: &str, path: &str, token: &Token, lines: &str) -> String {
    let token = token.encode();
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n{lines}\r\n", token.as_str())
}

/// A form whose parts can be made wrong.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) parts: Vec<(&'static str, Vec<u8>)>,
    pub(crate) part_lines: &'static str,
}

impl Form {
    pub(crate) fn new(content: &[u8], burn: bool) -> Self {
        let header = PublicHeader { v: 1, kdf: None, burn, comments: false }.encode();
        let read = Token::encode_hash(&read_token().hash());
        let parts = vec![
            ("header", header.into_bytes()),
            ("read", read.into_bytes()),
            ("expires_in", b"never".to_vec()),
            ("content", content.to_vec()),
        ];
        Self { parts, part_lines: "" }
    }

    /// With another value of one part.
    pub(crate) fn part(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.parts.iter_mut().find(|(n, _)| *n == name).unwrap().1 = value.into();
        self
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.parts {
            let lines = if *name == "content" { self.part_lines } else { "" };
            body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n{lines}\r\n").into_bytes());
            body.extend(value);
            body.extend(b"\r\n");
        }
        body.extend(b"--b--\r\n");
        body
    }

    pub(crate) fn request(&self) -> Vec<u8> {
        post("multipart/form-data; boundary=b", &self.body())
    }
}

/// A creation with this body.
pub(crate) fn post(content_type: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\ncontent-length: {len}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A small site. One asset is worth compressing.
fn site() -> Site {
    let mut image = docteur_make::Writer::new();
    for page in ["index", "paste", "404"] {
        let text = format!("<!doctype html><title>{page}</title>").into_bytes();
        image.add(&format!("/{page}.html"), "text/html; charset=utf-8", text).unwrap();
    }
    image.add("/assets/app-1f2e3d.js", "text/javascript", "let a = 1;\n".repeat(500).into_bytes()).unwrap();
    Site::open(image.finish().unwrap().into()).unwrap()
}

/// What the server logged.
#[derive(Default)]
pub(crate) struct Lines(Mutex<String>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push_str(line);
    }
}

type Flows = (tokio::io::DuplexStream, Peer);

/// A network of one machine.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<Vec<Address>>>);

/// An address that is listened at, and where its flows go.
type Address = (SocketAddr, UnboundedSender<Flows>);

impl Network {
    fn connect(&self, to: SocketAddr, from: Peer) -> Client {
        let (near, far) = tokio::io::duplex(WIRE);
        let listeners = self.0.lock().unwrap();
        let (_, flows) = listeners.iter().find(|(at, _)| *at == to).unwrap();
        // A server that has stopped takes none.
        let _ = flows.send((far, from));
        Client { flow: near }
    }
}

impl Stack for Network {
    type Listener = Memory;

    async fn listen(&self, address: SocketAddr) -> io::Result<Memory> {
        let (flows, waiting) = unbounded_channel();
        self.0.lock().unwrap().push((address, flows));
        Ok(Memory(waiting, address))
    }
}

struct Memory(UnboundedReceiver<Flows>, SocketAddr);

impl Listener for Memory {
    type Flow = tokio::io::DuplexStream;

    async fn accept(&mut self) -> io::Result<Flows> {
        match self.0.recv().await {
            Some(flow) => Ok(flow),
            None => std::future::pending().await,
        }
    }

    fn local(&self) -> io::Result<Peer> {
        Ok(Peer::Ip(self.1))
    }
}

/// Bytes that do not repeat soon.
pub(crate) fn noise(len: usize) -> Bytes {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(len)
    .collect()
}
