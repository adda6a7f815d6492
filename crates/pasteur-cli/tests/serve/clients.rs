//! `pasteur serve` as clients see it that others wrote: Python's httpx, wrk, nghttp and h2load, curl that asks for an upgrade, and the
//! checks of testssl.sh.

use std::thread;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use crate::server::Place;
use crate::tls::{certificate, run};

/// Debian's interpreter, which has the packages that `cargo xtask test` installs.
const PYTHON: &str = "/usr/bin/python3";

const DAY: Duration = Duration::from_secs(86_400);

const PASTE: &str = r#"
import sys, httpx
url, trusted, http2 = sys.argv[1:]
content = bytes(range(251)) * 12000
fields = {"header": '{"v":1,"kdf":null,"burn":false,"comments":false}',
    "read": "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU", "expires_in": "3600"}
with httpx.Client(http2=http2 == "2", verify=trusted, trust_env=False, timeout=100) as client:
    made = client.post(url + "/api/v1/pastes", data=fields, files={"content": (None, content, "application/octet-stream")})
    print(made.http_version, made.status_code)
    place = url + "/api/v1/pastes/" + made.json()["id"] + "/content"
    read = client.get(place, headers={"authorization": "Bearer " + "A" * 43})
    print(read.http_version, read.status_code, read.content == content)
"#;

#[test]
fn needs_clients_httpx_makes_and_reads_a_paste_by_both_versions() {
    let place = Place::new();
    let (chain, key) = certificate(&place, "a", "127.0.0.1");
    let server = place.start(&["--tls-cert", &chain, "--tls-key", &key]);
    let url = format!("https://{}", server.addresses[0]);
    for (version, name) in [("1", "HTTP/1.1"), ("2", "HTTP/2")] {
        let output = run(PYTHON, &["-c", PASTE, &url, &chain, version]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(said, format!("{name} 201\n{name} 200 True\n"));
    }
    server.end();
}

#[test]
fn needs_clients_wrk_finds_nothing_wrong() {
    let place = Place::new();
    for (options, scheme) in [(&[][..], "http"), (&["--tls-self-signed"], "https")] {
        let server = place.start(options);
        let url = format!("{scheme}://{}/", server.addresses[0]);
        let said = String::from_utf8(run("wrk", &["-t", "1", "-c", "20", "-d", "1s", &url]).stdout).unwrap();
        let requests = said.lines().find_map(|line| line.trim().split_once(" requests in")?.0.parse::<u32>().ok());
        assert!(requests.is_some_and(|requests| requests > 20), "{said}");
        assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
        server.end();
    }
}

#[test]
fn needs_clients_http2_without_tls_for_those_who_begin_with_it() {
    let place = Place::new();
    let server = place.start(&[]);
    let url = format!("http://{}/", server.addresses[0]);
    let load = run("h2load", &["-n", "2000", "-c", "10", "-m", "20", &url]);
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(said.contains("Application protocol: h2c") && said.contains("2000 succeeded, 0 failed"), "{said}");
    let load = run("h2load", &["-n", "2000", "-c", "10", "--h1", &url]);
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(said.contains("Application protocol: http/1.1") && said.contains("2000 succeeded, 0 failed"), "{said}");
    let got = run("nghttp", &["-v", &url, &format!("{url}healthz")]);
    let said = String::from_utf8_lossy(&got.stdout).into_owned();
    assert_eq!(said.matches(":status: 200").count(), 2, "{said}");
    // An upgrade, which RFC 9113 has done away with, is not taken up: the answer comes as it was asked for.
    let what = "%{http_version} %{response_code}";
    let output = run("curl", &["--silent", "--http2", "--output", "/dev/null", "--write-out", what, &url]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1.1 200");
    server.end();
}

/// What testssl.sh finds and is as it should be.
const EXPECTED: [(&str, &str); 4] = [
    // The machine's own OpenSSL may know no GOST: it says nothing of the server.
    ("engine_problem", "WARN"),
    // The test's own authority has no list of revoked certificates.
    ("cert_revocation", "HIGH"),
    // Its client resumes by its own way of tickets under TLS 1.2 alone; that sessions are resumed is tested with OpenSSL.
    ("sessionresumption_ticket", "WARN"),
    // Pages are compressed: they are the same for everybody, and hold no secret.
    ("BREACH", "MEDIUM"),
];

#[test]
fn needs_clients_testssl_finds_nothing_to_complain_of() {
    let place = Place::new();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    // What an authority of the web gives today.
    let now = rcgen::date_time_ymd(1970, 1, 1) + SystemTime::UNIX_EPOCH.elapsed().unwrap();
    (params.not_before, params.not_after) = (now - DAY, now + 89 * DAY);
    let leaf = params.signed_by(&key, &authority).unwrap();
    let trusted = place.write("authority.pem", authority.pem());
    let (chain, key) = (place.write("a.pem", leaf.pem()), place.write("a.key", key.serialize_pem()));
    let server = place.start(&["--tls-cert", &chain, "--tls-key", &key]);
    let (address, port) = server.addresses[0].rsplit_once(':').unwrap();
    let name = format!("a.test:{port}");
    // The checks run side by side, since most of their time is waiting.
    let checks = [&["-p", "-S", "-f", "-h"][..], &["-U"]];
    let found: Vec<Value> = thread::scope(|scope| {
        let running = checks.map(|checks| {
            let (place, trusted, name) = (&place, &trusted, &name);
            scope.spawn(move || {
                let file = place.path(&format!("found{}.json", checks.len()));
                let mut args =
                    vec!["--quiet", "--color", "0", "--ip", address, "--nodns", "none", "--warnings", "batch"];
                args.extend(["--add-ca", trusted, "--jsonfile", file.to_str().unwrap()]);
                args.extend(checks);
                args.push(name);
                let output = run("testssl", &args);
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let found = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {said}"));
                let found: Vec<Value> =
                    serde_json::from_slice(&found).unwrap_or_else(|error| panic!("{error}: {said}"));
                found
            })
        });
        running.into_iter().flat_map(|found| found.join().unwrap()).collect()
    });
    let word = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    // That it looked at all: what TLS is spoken, and the first and the last of what could be wrong.
    for (id, severity) in [("TLS1_3", "OK"), ("heartbleed", "OK"), ("RC4", "OK"), ("cert_chain_of_trust", "OK")] {
        assert!(found.iter().any(|f| word(f, "id") == id && word(f, "severity") == severity), "{id}: {found:#?}");
    }
    let wrong: Vec<&Value> = found
        .iter()
        .filter(|f| !["OK", "INFO", "LOW"].contains(&word(f, "severity").as_str()))
        .filter(|f| !EXPECTED.contains(&(word(f, "id").as_str(), word(f, "severity").as_str())))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    server.end();
}
