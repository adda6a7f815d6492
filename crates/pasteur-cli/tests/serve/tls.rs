//! `pasteur serve` in TLS, as curl, OpenSSL and nghttp2 see it.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};

use crate::server::{PATIENCE, Place, Server, fails, rest};

/// A certificate for `name`, and its key, as files.
pub(crate) fn certificate(place: &Place, file: &str, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    (place.write(&format!("{file}.pem"), certificate.pem()), place.write(&format!("{file}.key"), key.serialize_pem()))
}

pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).output().unwrap()
}

/// What curl gets from `url`, whose host is taken for `server`.
pub(crate) fn curl(server: &Server, name: &str, path: &str, options: &[&str]) -> String {
    let (host, port) = server.addresses[0].rsplit_once(':').unwrap();
    let resolve = format!("{name}:{port}:{host}");
    let url = format!("https://{name}:{port}{path}");
    let mut args = vec!["--silent", "--show-error", "--max-time", "100", "--resolve", &resolve];
    args.extend(options);
    args.push(&url);
    let output = run("curl", &args);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn needs_clients_curl_speaks_every_version_it_can() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let server = place.start(&["--tls-cert", &chain, "--tls-key", &key]);
    let what = "%{http_version} %{response_code} %{ssl_verify_result}";
    let options = |more: &[&'static str]| {
        let mut options = vec!["--cacert", chain.as_str(), "--output", "/dev/null", "--write-out", what];
        options.extend(more);
        curl(&server, "a.test", "/", &options)
    };
    assert_eq!(options(&[]), "2 200 0");
    assert_eq!(options(&["--http1.1"]), "1.1 200 0");
    assert_eq!(options(&["--tls-max", "1.2"]), "2 200 0");
    assert_eq!(options(&["--tlsv1.3", "--http1.1"]), "1.1 200 0");
    let headers = curl(&server, "a.test", "/", &["--cacert", &chain, "--head"]);
    assert!(headers.contains("strict-transport-security: max-age="), "{headers}");
    // An upload by HTTP/2 is created, and plain HTTP is told where it is.
    let form = ["--form-string", r#"header={"v":1,"kdf":null,"burn":false,"comments":false}"#];
    let more = ["--form-string", "read=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "--form-string", "expires_in=60"];
    let big = place.write("big", vec![7; 3_000_000]);
    let content = format!("content=@{big};type=application/octet-stream;filename=");
    let mut options = vec!["--cacert", chain.as_str()];
    options.extend(form);
    options.extend(more);
    options.extend(["--form", &content]);
    let created = curl(&server, "a.test", "/api/v1/pastes", &options);
    assert!(created.contains("\"id\":"), "{created}");
    assert!(server.get("/").starts_with("HTTP/1.1 400 "));
    server.end();
}

#[test]
fn needs_clients_prior_knowledge_without_tls() {
    let place = Place::new();
    let server = place.start(&[]);
    let url = format!("http://{}/healthz", server.addresses[0]);
    let output = run("curl", &["--silent", "--http2-prior-knowledge", "--write-out", "%{http_version}", &url]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n2");
    server.end();
}

#[test]
fn needs_clients_http2_is_left_out_where_it_is_told_to_be() {
    let place = Place::new();
    for options in [&["--no-h2"][..], &["--no-h2", "--tls-self-signed"]] {
        let server = place.start(options);
        let scheme = if options.len() > 1 { "https" } else { "http" };
        let url = format!("{scheme}://{}/healthz", server.addresses[0]);
        let asks =
            |how: &str| run("curl", &["--silent", "--insecure", how, "--write-out", "%{http_version}", &url]).stdout;
        assert_eq!(String::from_utf8_lossy(&asks("--http2")), "ok\n1.1", "{options:?}");
        // Where the handshake says so, curl goes on by HTTP/1.1.
        assert_ne!(String::from_utf8_lossy(&asks("--http2-prior-knowledge")), "ok\n2", "{options:?}");
        server.end();
    }
}

#[test]
fn needs_clients_openssl_resumes_and_picks_names() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let (other, other_key) = certificate(&place, "b", "b.test");
    let both = [format!("{chain},{other}"), format!("{key},{other_key}")];
    let server = place.start(&["--tls-cert", &both[0], "--tls-key", &both[1]]);
    let s_client = |options: &[&str]| {
        let mut args = vec!["s_client", "-connect", &server.addresses[0], "-no_ign_eof"];
        args.extend(options);
        String::from_utf8_lossy(&run("openssl", &args).stdout).into_owned()
    };
    for (name, file) in [("a.test", &chain), ("b.test", &other)] {
        let said = s_client(&["-servername", name, "-CAfile", file, "-verify_hostname", name]);
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    let said = s_client(&["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    let said = s_client(&["-reconnect", "-tls1_2"]);
    assert_eq!(said.matches("Reused, TLSv1.2").count(), 5, "{said}");
    for old in ["-tls1", "-tls1_1"] {
        let said = s_client(&[old, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(said.contains("Cipher is (NONE)"), "{said}");
    }
    server.end();
}

#[test]
fn needs_clients_h2load_and_nghttp_find_nothing_wrong() {
    let place = Place::new();
    let server = place.start(&["--tls-self-signed"]);
    let url = format!("https://{}/", server.addresses[0]);
    let load = run("h2load", &["-n", "5000", "-c", "10", "-m", "20", &url]);
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(said.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    let got = run("nghttp", &["--no-verify-peer", "-v", &url, &format!("{url}healthz")]);
    let said = String::from_utf8_lossy(&got.stdout).into_owned();
    assert_eq!(said.matches(":status: 200").count(), 2, "{said}");
    assert!(!said.contains("error_code=PROTOCOL_ERROR"), "{said}");
    server.end();
}

#[test]
fn needs_clients_certificates_are_read_again_at_a_signal() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let server = place.start(&["--tls-cert", &chain, "--tls-key", &key]);
    let reaches = |name: &str| curl(&server, name, "/healthz", &["--cacert", &chain]) == "ok\n";
    assert!(reaches("a.test"));
    // What is not usable changes nothing.
    fs::write(&key, "no key").unwrap();
    server.signal("HUP");
    assert!(reaches("a.test"));
    certificate(&place, "a", "new.test");
    server.signal("HUP");
    let until = Instant::now() + PATIENCE;
    while !reaches("new.test") {
        assert!(Instant::now() < until, "the new certificate is not served");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the old certificates stay: ") && log.contains("were read again"), "{log}");
}

#[test]
fn plain_http_is_sent_to_tls() {
    let place = Place::new();
    let command = place.command(&["--tls-self-signed", "--redirect-http", "127.0.0.1:0"]);
    let server = Server::listening(command, 2);
    let (_, port) = server.addresses[0].rsplit_once(':').unwrap();
    let said = server.get_at(1, "/1z1z23456789?raw");
    assert!(said.starts_with("HTTP/1.1 308 "), "{said}");
    assert!(said.contains(&format!("location: https://a:{port}/1z1z23456789?raw\r\n")), "{said}");
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("SHA-256 fingerprint "), "{log}");
}

/// Connections to both are of one number, and the metrics tell of both.
#[test]
fn whoever_comes_by_plain_http_meets_the_limits_of_the_others() {
    let place = Place::new();
    let options = ["--tls-self-signed", "--redirect-http", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let server = Server::listening(place.command(&[&options[..], &["--connections", "3"]].concat()), 3);
    let metric = |line: &str| server.get_at(2, "/metrics").lines().any(|is| is == line);
    let until = |line: &str| {
        let end = Instant::now() + PATIENCE;
        while !metric(line) {
            assert!(Instant::now() < end, "{line}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let silent: Vec<_> = [0, 0, 1].map(|at| TcpStream::connect(&server.addresses[at]).unwrap()).into();
    until("pasteur_connections_open 3");
    // Who has waited for less than a second makes no room.
    std::thread::sleep(Duration::from_millis(1100));
    assert!(server.get_at(1, "/").starts_with("HTTP/1.1 308 "));
    assert!(metric("pasteur_connections_evicted_total 1"), "{}", server.get_at(2, "/metrics"));
    drop(silent);
    until("pasteur_connections_open 0");
    let mut stream = TcpStream::connect(&server.addresses[1]).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n").unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 400 "));
    assert!(metric("pasteur_refused_heads_total{why=\"malformed\"} 1"));
    server.end();
}

#[test]
fn what_is_wrong_with_certificates_is_told() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "a.test");
    let (no_key, other) = certificate(&place, "b", "b.test");
    let names_the_key = format!("{no_key}: the private key is not usable");
    for (options, code, says) in [
        (vec!["--tls-cert", &chain], 2, "each certificate needs its key"),
        (vec!["--redirect-http", "127.0.0.1:0"], 2, "--redirect-http needs TLS"),
        (vec!["--tls-cert", "nowhere.pem", "--tls-key", &key], 7, "nowhere.pem cannot be read"),
        (vec!["--tls-cert", &chain, "--tls-key", &other], 8, "the private key is not the certificate's"),
        (vec!["--tls-cert", &chain, "--tls-key", &no_key], 8, &names_the_key),
        (vec!["--tls-cert", &key, "--tls-key", &key], 8, "the certificate is not usable"),
        (vec!["--tls-cert", &chain, "--tls-key", &key, "--tls-self-signed"], 2, "--tls-self-signed"),
    ] {
        let (seen, said) = fails(place.command(&options));
        assert_eq!(seen, code, "{options:?}: {said}");
        assert!(said.contains(says), "{options:?}: {said}");
    }
}
