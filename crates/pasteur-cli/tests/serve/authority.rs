//! A certificate authority that speaks ACME (RFC 8555), as far as a server that asks it for certificates needs: it checks every
//! signature and nonce, looks for its challenges where it was told to, and signs.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use base64ct::{Base64UrlUnpadded as Base64, Encoding};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::server::PATIENCE;

/// The one name it certifies.
pub(crate) const NAME: &str = "pasteur.test";

pub(crate) struct Authority {
    port: u16,
    issuer: CertifiedIssuer<'static, KeyPair>,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    nonces: HashSet<String>,
    next: u64,
    /// The account's key as a JWK.
    jwk: Option<Value>,
    orders: BTreeMap<u64, Order>,
    accounts: usize,
    /// Where it may write to, as it was told each time.
    contacts: Vec<Value>,
    /// Where the name leads: plain HTTP, TLS.
    target: Option<(String, String)>,
    /// What it offers.
    offered: Vec<&'static str>,
    /// What it finds unproven whatever it sees.
    blind: Vec<&'static str>,
    /// Whether it looks later than it is told to, and is asked again meanwhile.
    slow: bool,
    /// How long what it signs is good for.
    life: Duration,
    /// What was looked at.
    pub(crate) looked: Vec<&'static str>,
}

#[derive(Clone)]
struct Order {
    status: &'static str,
    token: String,
    failed: Option<String>,
    chain: Option<String>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Authority {
    pub(crate) fn start() -> Arc<Self> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            offered: vec!["http-01", "tls-alpn-01"],
            life: Duration::from_secs(90 * 86_400),
            ..State::default()
        };
        let authority = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            issuer,
            state: Mutex::new(state),
            told: Condvar::new(),
        });
        let (serving, config) = (Arc::clone(&authority), Arc::new(config));
        thread::spawn(move || {
            while let Ok((flow, _)) = listener.accept() {
                let (serving, config) = (Arc::clone(&serving), Arc::clone(&config));
                thread::spawn(move || serving.serve(flow, config));
            }
        });
        authority
    }

    pub(crate) fn directory(&self) -> String {
        self.url("directory")
    }

    /// The certificate that all it does can be checked by.
    pub(crate) fn root(&self) -> String {
        self.issuer.pem()
    }

    /// The name leads here from now on.
    pub(crate) fn lead(&self, plain: &str, tls: &str) {
        self.state.lock().unwrap().target = Some((plain.to_owned(), tls.to_owned()));
        self.told.notify_all();
    }

    pub(crate) fn offer(&self, ways: &[&'static str]) {
        self.state.lock().unwrap().offered = ways.to_vec();
    }

    pub(crate) fn is_blind_to(&self, ways: &[&'static str]) {
        self.state.lock().unwrap().blind = ways.to_vec();
    }

    pub(crate) fn takes_its_time(&self) {
        self.state.lock().unwrap().slow = true;
    }

    pub(crate) fn signs_for(&self, life: Duration) {
        self.state.lock().unwrap().life = life;
    }

    /// It knows none of its accounts any more.
    pub(crate) fn forgets(&self) {
        self.state.lock().unwrap().jwk = None;
    }

    /// Where it may write to, as it was told each time.
    pub(crate) fn contacts(&self) -> Vec<Value> {
        self.state.lock().unwrap().contacts.clone()
    }

    /// Accounts, orders, and what was looked at.
    pub(crate) fn counts(&self) -> (usize, usize, Vec<&'static str>) {
        let state = self.state.lock().unwrap();
        (state.accounts, state.orders.len(), state.looked.clone())
    }

    /// What the server at `address` says to one who trusts this authority alone; an error where it has no certificate of it.
    pub(crate) fn ask(&self, address: &str) -> std::io::Result<(String, CertificateDer<'static>)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut flow = connect(config, address)?;
        flow.write_all(b"GET /healthz HTTP/1.1\r\nhost: pasteur.test\r\nconnection: close\r\n\r\n")?;
        let mut said = Vec::new();
        let _ = flow.read_to_end(&mut said);
        let shown = flow.conn.peer_certificates().unwrap()[0].clone().into_owned();
        Ok((String::from_utf8_lossy(&said).into_owned(), shown))
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    fn serve(self: &Arc<Self>, flow: TcpStream, config: Arc<ServerConfig>) {
        flow.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut flow = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), flow));
        let mut line = String::new();
        if flow.read_line(&mut line).is_err() {
            return;
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            flow.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        flow.read_exact(&mut body).unwrap();
        let (status, location, kind, said) = self.answer(&method, path.trim_start_matches('/'), &body);
        let nonce = {
            let mut state = self.state.lock().unwrap();
            state.next += 1;
            let nonce = format!("nonce{}", state.next);
            state.nonces.insert(nonce.clone());
            nonce
        };
        let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} .\r\nreplay-nonce: {nonce}\r\ncache-control: no-store\r\n{location}content-type: {kind}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            said.len()
        );
        let flow = flow.get_mut();
        let _ = flow.write_all(head.as_bytes());
        if method != "HEAD" {
            let _ = flow.write_all(said.as_bytes());
        }
        flow.conn.send_close_notify();
        let _ = flow.flush();
    }

    fn answer(self: &Arc<Self>, method: &str, path: &str, body: &[u8]) -> (u16, Option<String>, &'static str, String) {
        const JSON: &str = "application/json";
        if path == "directory" {
            let urls = json!({
                "newNonce": self.url("nonce"), "newAccount": self.url("account"), "newOrder": self.url("order"),
                "revokeCert": self.url("revoke"), "keyChange": self.url("change"),
            });
            return (200, None, JSON, urls.to_string());
        }
        if path == "nonce" {
            return (if method == "HEAD" { 200 } else { 204 }, None, JSON, String::new());
        }
        assert_eq!(method, "POST", "{path}");
        if path != "account" && self.state.lock().unwrap().jwk.is_none() {
            let problem = json!({"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "who is it?"});
            return (400, None, "application/problem+json", problem.to_string());
        }
        let payload = self.checked(path, body);
        let steps: Vec<&str> = path.split('/').collect();
        match steps[..] {
            ["account"] => {
                let mut state = self.state.lock().unwrap();
                state.accounts += 1;
                state.contacts.push(payload["contact"].clone());
                (201, Some(self.url("account/1")), JSON, json!({"status": "valid"}).to_string())
            }
            ["account", "1"] => {
                self.state.lock().unwrap().contacts.push(payload["contact"].clone());
                (200, None, JSON, json!({"status": "valid"}).to_string())
            }
            ["order"] => {
                assert_eq!(payload["identifiers"], json!([{"type": "dns", "value": NAME}]));
                let mut state = self.state.lock().unwrap();
                state.next += 1;
                let n = state.next;
                let order = Order { status: "pending", token: format!("token-{n}"), failed: None, chain: None };
                state.orders.insert(n, order.clone());
                (201, Some(self.url(&format!("order/{n}"))), JSON, self.order(n, &order).to_string())
            }
            ["order", n] => {
                let n = n.parse().unwrap();
                let order = self.state.lock().unwrap().orders[&n].clone();
                (200, None, JSON, self.order(n, &order).to_string())
            }
            ["authz", n] => {
                let n: u64 = n.parse().unwrap();
                let state = self.state.lock().unwrap();
                let (order, offered) = (&state.orders[&n], &state.offered);
                let challenge = |way: &&'static str| self.challenge(n, way, order);
                let status = if order.status == "ready" { "valid" } else { order.status };
                let said = json!({
                    "identifier": {"type": "dns", "value": NAME}, "status": status,
                    "challenges": offered.iter().map(challenge).collect::<Vec<_>>(),
                });
                (200, None, JSON, said.to_string())
            }
            ["challenge", n, way] => {
                let n: u64 = n.parse().unwrap();
                let way = ["http-01", "tls-alpn-01"].into_iter().find(|known| *known == way).unwrap();
                let order = if self.state.lock().unwrap().slow {
                    let later = Arc::clone(self);
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(600));
                        later.look(n, way)
                    });
                    self.state.lock().unwrap().orders[&n].clone()
                } else {
                    self.look(n, way)
                };
                (200, None, JSON, self.challenge(n, way, &order).to_string())
            }
            ["finalize", n] => {
                let n = n.parse().unwrap();
                let request = Base64::decode_vec(payload["csr"].as_str().unwrap()).unwrap();
                let mut request = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
                let mut state = self.state.lock().unwrap();
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                request.params.not_before = date_time_ymd(1970, 1, 1) + now;
                request.params.not_after = date_time_ymd(1970, 1, 1) + now + state.life;
                let signed = request.signed_by(&self.issuer).unwrap();
                let order = state.orders.get_mut(&n).unwrap();
                assert_eq!(order.status, "ready");
                (order.status, order.chain) = ("valid", Some(signed.pem()));
                (200, None, JSON, self.order(n, &order.clone()).to_string())
            }
            ["certificate", n] => {
                let chain = self.state.lock().unwrap().orders[&n.parse().unwrap()].chain.clone().unwrap();
                (200, None, "application/pem-certificate-chain", chain)
            }
            _ => (404, None, "application/problem+json", json!({"detail": "no such thing"}).to_string()),
        }
    }

    fn order(&self, n: u64, order: &Order) -> Value {
        let mut said = json!({
            "status": order.status,
            "identifiers": [{"type": "dns", "value": NAME}],
            "authorizations": [self.url(&format!("authz/{n}"))],
            "finalize": self.url(&format!("finalize/{n}")),
        });
        if order.chain.is_some() {
            said["certificate"] = self.url(&format!("certificate/{n}")).into();
        }
        said
    }

    fn challenge(&self, n: u64, way: &str, order: &Order) -> Value {
        let status = if order.status == "ready" { "valid" } else { order.status };
        let mut said = json!({
            "type": way, "url": self.url(&format!("challenge/{n}/{way}")), "token": order.token, "status": status,
        });
        if let Some(why) = &order.failed {
            said["error"] = json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": why, "status": 403});
        }
        said
    }

    /// The payload of a signed request.
    fn checked(&self, path: &str, body: &[u8]) -> Value {
        let signed: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| signed[name].as_str().unwrap().to_owned();
        let header: Value = serde_json::from_slice(&Base64::decode_vec(&part("protected")).unwrap()).unwrap();
        let mut state = self.state.lock().unwrap();
        assert!(state.nonces.remove(header["nonce"].as_str().unwrap()), "a nonce came twice, or was never given");
        assert_eq!((&header["alg"], &header["url"]), (&"ES256".into(), &self.url(path).into()));
        if path == "account" {
            state.jwk = Some(header["jwk"].clone());
        } else {
            assert_eq!(header["kid"], self.url("account/1"));
        }
        let jwk = state.jwk.clone().unwrap();
        let coordinate = |name: &str| Base64::decode_vec(jwk[name].as_str().unwrap()).unwrap();
        let key = [vec![4], coordinate("x"), coordinate("y")].concat();
        let message = format!("{}.{}", part("protected"), part("payload"));
        let signature = Base64::decode_vec(&part("signature")).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message.as_bytes(), &signature).unwrap();
        // An empty payload asks for what is there (RFC 8555 section 6.3).
        let payload = Base64::decode_vec(&part("payload")).unwrap();
        serde_json::from_slice(&payload).unwrap_or(Value::Null)
    }

    /// Looks for a challenge's answer.
    fn look(&self, n: u64, way: &'static str) -> Order {
        let mut state = self.state.lock().unwrap();
        while state.target.is_none() {
            state = self.told.wait(state).unwrap();
        }
        let (plain, tls) = state.target.clone().unwrap();
        let jwk = state.jwk.clone().unwrap();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        let thumbprint = Base64::encode_string(digest(&SHA256, canonical.as_bytes()).as_ref());
        let token = state.orders[&n].token.clone();
        let blind = state.blind.contains(&way);
        state.looked.push(way);
        drop(state);
        let expected = format!("{token}.{thumbprint}");
        let found = match way {
            "http-01" => by_http(&plain, &token) == expected,
            _ => by_tls(&tls, &expected),
        };
        assert!(found, "{way}: what it proves the name by is not there");
        let mut state = self.state.lock().unwrap();
        let order = state.orders.get_mut(&n).unwrap();
        order.status = if blind { "invalid" } else { "ready" };
        order.failed = blind.then(|| format!("{way} could not be seen"));
        order.clone()
    }
}

fn by_http(address: &str, token: &str) -> String {
    let mut flow = TcpStream::connect(address).unwrap();
    flow.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = format!("/.well-known/acme-challenge/{token}");
    write!(flow, "GET {path} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n").unwrap();
    let answer = crate::server::rest(&mut flow);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Whether the certificate that is shown has the digest in a critical extension (RFC 8737 section 3).
fn by_tls(address: &str, expected: &str) -> bool {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let mut flow = connect(config, address).unwrap();
    // The server has nothing to say, and closes.
    let _ = flow.read_to_end(&mut Vec::new());
    assert_eq!(flow.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let shown = flow.conn.peer_certificates().unwrap()[0].clone();
    let oid_and_critical = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20";
    let extension = [&oid_and_critical[..], digest(&SHA256, expected.as_bytes()).as_ref()].concat();
    let holds = |part: &[u8]| shown.windows(part.len()).any(|window| window == part);
    holds(&extension) && holds(NAME.as_bytes())
}

fn connect(config: ClientConfig, address: &str) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let flow = TcpStream::connect(address)?;
    flow.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(NAME).unwrap();
    let mut flow = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), flow);
    flow.conn.complete_io(&mut flow.sock)?;
    Ok(flow)
}

/// Takes every certificate: it is looked at afterwards. Its critical extension is one that rustls does not know.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
