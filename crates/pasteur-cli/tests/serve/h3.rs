//! `pasteur serve` by HTTP/3, as a client of it and a browser see it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use bytes::{Buf, Bytes};
use http::{Request, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rcgen::{KeyPair, PublicKeyData as _};
use ring::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::server::{FORM, Place, Server, form};
use crate::tls::{certificate, curl, run};

type Requests = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

/// A connection to the server at `address`, whose certificate is in the file `chain`.
pub(crate) async fn connect(address: &str, chain: &str) -> (Endpoint, Requests) {
    let address: SocketAddr = address.parse().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(chain).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut crypto = builder.with_root_certificates(roots).with_no_client_auth();
    crypto.alpn_protocols = vec![b"h3".to_vec()];
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).unwrap()));
    let quic = endpoint.connect_with(config, address, "a.test").unwrap().await.unwrap();
    let (mut driver, requests) = h3::client::new(h3_quinn::Connection::new(quic)).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    (endpoint, requests)
}

/// Sends a request with its body, and gives the answer.
pub(crate) async fn ask(requests: &mut Requests, request: Request<()>, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let mut stream = requests.send_request(request).await.unwrap();
    for piece in body.chunks(60_000) {
        stream.send_data(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    stream.finish().await.unwrap();
    let answer = stream.recv_response().await.unwrap();
    let mut said = Vec::new();
    while let Some(mut data) = stream.recv_data().await.unwrap() {
        said.extend(data.copy_to_bytes(data.remaining()));
    }
    (answer.status(), said)
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("https://a.test{path}")).body(()).unwrap()
}

#[tokio::test]
async fn a_paste_goes_in_and_out_by_http3() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let command = place.command(&["--tls-cert", &chain, "--tls-key", &key, "--admin-listen", "127.0.0.1:0"]);
    let server = Server::listening(command, 2);
    let (_endpoint, mut requests) = connect(&server.addresses[0], &chain).await;
    let (status, page) = ask(&mut requests, get("/"), Vec::new()).await;
    assert_eq!((status, &page[..]), (StatusCode::OK, &b"<title>test</title>"[..]));
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let post = Request::post("https://a.test/api/v1/pastes").header("content-type", FORM).body(()).unwrap();
    let (status, said) = ask(&mut requests, post, form(&content)).await;
    let said = String::from_utf8(said).unwrap();
    assert_eq!(status, StatusCode::CREATED, "{said}");
    let id = said.split_once("\"id\":\"").unwrap().1[..12].to_owned();
    let mut request = get(&format!("/api/v1/pastes/{id}/content"));
    let bearer = "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let (status, read) = ask(&mut requests, request, Vec::new()).await;
    assert!(status == StatusCode::OK && read == content, "{status} {} bytes", read.len());
    let metrics = server.get_at(1, "/metrics");
    assert!(metrics.contains("\npasteur_http3_connections_total 1\n"), "{metrics}");
    server.end();
}

#[test]
fn needs_clients_answers_by_tls_tell_of_http3_where_there_is_some() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let options = ["--tls-cert", &chain, "--tls-key", &key];
    let head = |server: &Server| curl(server, "a.test", "/", &["--cacert", &chain, "--head"]);
    let server = place.start(&options);
    let port = server.addresses[0].rsplit_once(':').unwrap().1.to_owned();
    assert!(head(&server).contains(&format!("\nalt-svc: h3=\":{port}\"; ma=86400\r\n")), "{}", head(&server));
    server.end();
    // Where a port is mapped, clients are told the one that they can reach.
    let server = place.start(&[&options[..], &["--h3-port", "443"]].concat());
    assert!(head(&server).contains("\nalt-svc: h3=\":443\"; ma=86400\r\n"), "{}", head(&server));
    server.end();
    for silent in [&["--no-h3"][..], &["--h3-port", "0"]] {
        let server = place.start(&[&options[..], silent].concat());
        let head = head(&server);
        assert!(head.starts_with("HTTP/2 200") && !head.contains("alt-svc"), "{head}");
        server.end();
    }
}

/// Chromium, told that the place speaks HTTP/3, comes by nothing else.
#[test]
fn needs_chromium_a_browser_has_the_page_by_http3() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let command = place.command(&["--tls-cert", &chain, "--tls-key", &key, "--admin-listen", "127.0.0.1:0"]);
    let server = Server::listening(command, 2);
    let (address, port) = server.addresses[0].rsplit_once(':').unwrap();
    let key = KeyPair::from_pem(&std::fs::read_to_string(&key).unwrap()).unwrap();
    // It takes the certificate of no known authority by the hash of its key alone.
    let hash = digest(&SHA256, &key.subject_public_key_info());
    let profile = place.path("profile");
    let options = [
        format!("--user-data-dir={}", profile.display()),
        format!("--ignore-certificate-errors-spki-list={}", Base64::encode_string(hash.as_ref())),
        format!("--host-resolver-rules=MAP a.test {address}"),
        format!("--origin-to-force-quic-on=a.test:{port}"),
        format!("https://a.test:{port}/"),
    ];
    let mut args = vec!["100", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
    args.extend(options.iter().map(String::as_str));
    let output = run("timeout", &args);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("<title>test</title>"), "{page} {}", String::from_utf8_lossy(&output.stderr));
    let metrics = server.get_at(1, "/metrics");
    let counted = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {metrics}")).to_owned()
    };
    let connections = counted("pasteur_http3_connections_total");
    assert_ne!(connections, "0");
    // Handshakes by TCP are counted here as well: there was none.
    assert_eq!(counted("pasteur_tls_handshakes_total"), connections);
    server.end();
}

#[test]
fn a_port_that_is_taken_is_told_and_the_rest_is_served() {
    let place = Place::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = place.bare(&["--tls-self-signed", "--listen", &address]);
    command.arg("--store").arg(place.path("store.redb")).arg("--site").arg(place.path("site.img"));
    let server = Server::start(command);
    assert!(server.get("/").starts_with("HTTP/1.1 400 "));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains(&format!("pasteur: no HTTP/3 at {address}, by UDP: address in use")), "{log}");
}
