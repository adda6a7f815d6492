//! TLS: protocols, names, resumption, client certificates, replacement, and those who cannot.

use std::sync::Arc;
use std::time::Duration;

use paf::Tls;
use paf::http::Limits;
use paf::tls::{Clients, Identity, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{Client, World, router, settle};

type Flow = TlsStream<Box<dyn device::Flow>>;

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// An authority of these tests.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn identity(&self, names: &[&str]) -> Identity {
        let (chain, key) = self.pem(names);
        Identity::from_pem(&provider(), chain.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn tls(&self, names: &[&[&str]]) -> Tls {
        Tls::new(provider(), names.iter().map(|names| self.identity(names)).collect()).unwrap()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        builder.with_root_certificates(self.roots()).with_no_client_auth()
    }
}

pub(crate) async fn connect(world: &World, config: &Arc<ClientConfig>, name: &str) -> std::io::Result<Flow> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, world.connect().flow).await
}

/// Where HTTP/3 is, is told to whom it serves: who comes by TLS, and by no proxy.
#[tokio::test(start_paused = true)]
async fn http3_is_told_of_to_those_who_can_reach_it() {
    let authority = Authority::new();
    let service = paf::alpn(router(), Limits::default(), &authority.tls(&[&["a.test"]])).unwrap();
    let world = World::run(service.behind(&["10.0.0.0/8".parse().unwrap()]).advertise_h3(8443));
    let config = Arc::new(authority.client(rustls::ALL_VERSIONS));
    for (from, header) in [
        ("203.0.113.5", &b""[..]),
        ("10.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x10\0\0\x50"),
    ] {
        let mut flow = world.connect_from(from).flow;
        flow.write_all(header).await.unwrap();
        let name = ServerName::try_from("a.test").unwrap();
        let flow = TlsConnector::from(Arc::clone(&config)).connect(name, flow).await.unwrap();
        let mut client = Client { flow: Box::new(flow) };
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let said = client.rest().await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        assert_eq!(said.contains("alt-svc: h3=\":8443\"; ma=86400\r\n"), header.is_empty(), "{said}");
    }
    world.end().await;
}

/// What `path` says over HTTP/1.1.
async fn get(flow: Flow, path: &str) -> String {
    let mut client = Client { flow: Box::new(flow) };
    client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test(start_paused = true)]
async fn both_versions_and_both_protocols() {
    let authority = Authority::new();
    let world = World::with_tls(&authority.tls(&[&["a.test"]]), Limits::default());
    for (versions, name) in [(&[&rustls::version::TLS12], "TLSv1.2"), (&[&rustls::version::TLS13], "TLSv1.3")] {
        let config = Arc::new(authority.client(versions));
        let facts = get(connect(&world, &config, "a.test").await.unwrap(), "/tls").await;
        assert!(facts.contains(&format!("version: {name:?}")), "{facts}");
    }
    let mut config = authority.client(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let flow = connect(&world, &Arc::new(config), "a.test").await.unwrap();
    assert_eq!(flow.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = h2::client::handshake(flow).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://a.test/version").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "HTTP/2.0");
    drop((client, body));
    connection.await.unwrap().unwrap();
    let seen = world.counters();
    assert_eq!((seen.handshakes, seen.handshakes_failed, seen.http2, seen.requests), (3, 0, 1, 3));
    world.end().await;
}

/// TLS keeps more than its socket takes: what it keeps has to follow once there is room, however the client reads.
#[tokio::test(start_paused = true)]
async fn large_answers_by_http2_come_whole_through_a_narrow_wire() {
    let authority = Authority::new();
    let world = World::with_tls(&authority.tls(&[&["a.test"]]), Limits::default());
    let mut config = authority.client(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let flow = connect(&world, &Arc::new(config), "a.test").await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .handshake::<_, bytes::Bytes>(flow)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let get = |pause| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let request = http::Request::get("https://a.test/large").body(()).unwrap();
            let mut body = client.send_request(request, true).unwrap().0.await.unwrap().into_body();
            let mut taken = 0;
            while let Some(piece) = body.data().await {
                taken += piece.unwrap().len();
                tokio::time::sleep(pause).await;
            }
            taken
        })
    };
    for pause in [Duration::ZERO, Duration::from_millis(10)] {
        let answers = [get(pause), get(pause), get(pause)];
        for answer in answers {
            let taken = tokio::time::timeout(Duration::from_secs(20), answer).await;
            assert_eq!(taken.expect("an answer stalls").unwrap(), 1 << 20);
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_of_http_1_offers_nothing_else() {
    let authority = Authority::new();
    let tls = authority.tls(&[&["a.test"]]);
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
    let world = World::run(paf::https(router, Limits::default(), &tls).unwrap());
    let mut config = authority.client(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(&world, &Arc::new(config.clone()), "a.test").await.is_err());
    config.alpn_protocols.push(b"http/1.1".to_vec());
    assert_eq!(get(connect(&world, &Arc::new(config), "a.test").await.unwrap(), "/").await, "hello");
    assert_eq!(world.counters().handshakes_failed, 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_name_has_its_certificate() {
    let authority = Authority::new();
    let tls = authority.tls(&[&["first.test"], &["second.test", "*.wild.test"]]);
    let world = World::with_tls(&tls, Limits::default());
    let config = Arc::new(authority.client(rustls::ALL_VERSIONS));
    for name in ["first.test", "second.test", "SECOND.test", "any.wild.test"] {
        get(connect(&world, &config, name).await.unwrap(), "/").await;
    }
    // An unknown name gets the first one, which the client does not accept.
    for name in ["third.test", "wild.test", "a.b.wild.test"] {
        assert!(connect(&world, &config, name).await.is_err(), "{name}");
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn certificates_are_replaced_under_open_connections() {
    let authority = Authority::new();
    let tls = authority.tls(&[&["old.test"]]);
    let world = World::with_tls(&tls, Limits::default());
    let config = Arc::new(authority.client(rustls::ALL_VERSIONS));
    let flow = connect(&world, &config, "old.test").await.unwrap();
    let mut open = Client { flow: Box::new(flow) };
    open.hello().await;
    assert!(matches!(tls.replace(Vec::new()), Err(TlsError::NoIdentity)));
    get(connect(&world, &config, "old.test").await.unwrap(), "/").await;
    tls.replace(vec![authority.identity(&["new.test"])]).unwrap();
    get(connect(&world, &config, "new.test").await.unwrap(), "/").await;
    // Without a session to resume, the old name has no certificate.
    let fresh = Arc::new(authority.client(rustls::ALL_VERSIONS));
    assert!(connect(&world, &fresh, "old.test").await.is_err());
    open.hello().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_resumed_with_tickets_and_without() {
    let authority = Authority::new();
    let plain = authority.tls(&[&["a.test"]]);
    let tickets = plain.clone().with_tickets(rustls::crypto::ring::Ticketer::new().unwrap());
    for tls in [plain, tickets] {
        for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
            let world = World::with_tls(&tls, Limits::default());
            let config = Arc::new(authority.client(versions));
            for resumed in [false, true] {
                let facts = get(connect(&world, &config, "a.test").await.unwrap(), "/tls").await;
                assert!(facts.contains(&format!("resumed: {resumed}")), "{facts}");
            }
            assert_eq!((world.counters().handshakes, world.counters().resumed), (2, 1));
            world.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn clients_show_certificates_where_asked() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let config = |of: Option<&Authority>| {
        let mut config = authority.client(rustls::ALL_VERSIONS);
        if let Some(of) = of {
            let (chain, key) = of.pem(&["client.test"]);
            use rustls::pki_types::pem::PemObject;
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let builder = builder.unwrap().with_root_certificates(authority.roots());
            config = builder.with_client_auth_cert(chain, key).unwrap();
        }
        Arc::new(config)
    };
    for (wanted, nobody) in [(Clients::Asked, true), (Clients::Needed, false)] {
        let tls = authority.tls(&[&["a.test"]]).with_clients(wanted, clients.0.pem().as_bytes()).unwrap();
        let world = World::with_tls(&tls, Limits::default());
        assert_eq!(get(connect(&world, &config(Some(&clients)), "a.test").await.unwrap(), "/client").await, "1");
        if nobody {
            assert_eq!(get(connect(&world, &config(None), "a.test").await.unwrap(), "/client").await, "0");
        } else {
            is_turned_away(&world, &config(None)).await;
        }
        is_turned_away(&world, &config(Some(&strangers))).await;
        world.end().await;
    }
    assert!(matches!(authority.tls(&[&["a.test"]]).with_clients(Clients::Asked, b""), Err(TlsError::Roots(_))));
}

/// In TLS 1.3 a client learns only after its handshake that its certificate was not taken.
async fn is_turned_away(world: &World, config: &Arc<ClientConfig>) {
    let before = world.counters();
    if let Ok(flow) = connect(world, config, "a.test").await {
        let mut client = Client { flow: Box::new(flow) };
        let _ = client.try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(client.rest().await, "");
    }
    settle().await;
    let seen = world.counters();
    assert_eq!((seen.handshakes_failed, seen.requests), (before.handshakes_failed + 1, before.requests));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_speak_tls_is_told_or_cut() {
    let authority = Authority::new();
    let world = World::with_tls(&authority.tls(&[&["a.test"]]), Limits::default());
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    // A record that is none, a handshake that is none, and half of one.
    let (mut garbage, mut cut) = (world.connect(), world.connect());
    garbage.send("\u{16}\u{3}\u{1}\u{0}\u{4}abcd").await;
    let (_, after) = garbage.closed_after().await;
    assert!(after < Duration::from_secs(5), "{after:?}");
    cut.send("\u{16}\u{3}\u{1}\u{7}\u{0}").await;
    let (said, after) = cut.closed_after().await;
    assert_eq!(said, "");
    assert!(after >= Duration::from_secs(9) && after < Duration::from_secs(11), "{after:?}");
    // Who says nothing has failed at nothing.
    let (_, after) = world.connect().closed_after().await;
    assert!(after >= Duration::from_secs(9) && after < Duration::from_secs(11), "{after:?}");
    let seen = world.counters();
    assert_eq!((seen.malformed, seen.handshakes, seen.open), (1, 0, 0));
    assert!(seen.handshakes_failed >= 2, "{seen:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_an_alert_says_so() {
    let authority = Authority::new();
    let limits = Limits { connections_per_client: 1, ..Limits::default() };
    let world = World::with_tls(&authority.tls(&[&["a.test"]]), limits);
    let _first = world.connect_from("192.0.2.1");
    settle().await;
    let second = world.connect_from("192.0.2.1").flow;
    let config = Arc::new(authority.client(rustls::ALL_VERSIONS));
    let name = ServerName::try_from("a.test").unwrap();
    let error = TlsConnector::from(config).connect(name, second).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    drop(_first);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_handshakes() {
    let authority = Authority::new();
    let world = World::with_tls(&authority.tls(&[&["a.test"]]), Limits::default());
    let mut half = world.connect();
    half.send("\u{16}").await;
    settle().await;
    assert!(world.end().await < Duration::from_secs(1));
}

#[test]
fn what_is_no_identity_is_told_without_the_key() {
    let authority = Authority::new();
    let (chain, key) = authority.pem(&["a.test"]);
    let (_, other) = authority.pem(&["a.test"]);
    let of = |chain: &str, key: &str| {
        let error = Identity::from_pem(&provider(), chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("BEGIN"), "{error}");
        error
    };
    assert!(matches!(of(&chain, &other), TlsError::Mismatch));
    assert!(matches!(of("", &key), TlsError::Certificate(_)));
    assert!(matches!(of(&chain, ""), TlsError::Key(_)));
    assert!(matches!(of(&chain, &chain), TlsError::Key(_)));
    let bad = chain.replace("MII", "AAA");
    assert!(matches!(of(&bad, &key), TlsError::Certificate(_)));
    assert!(!format!("{:?}", authority.identity(&["a.test"])).contains("key"));
}
