//! The machine speaks TLS with a certificate that came by a disk, as on a host.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::certificate::{self, CHAIN, KEY};
use crate::http::request;
use crate::machine::{Machine, Setup, blank, free_port, image};
use crate::program::{binary, get, pasteur, put};

/// What a client gets or says.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// What curl says of the version, the status and the certificate.
fn curl(folder: &Path, machine: &Machine, options: &[&str]) -> String {
    let (chain, url) = (folder.join(CHAIN).display().to_string(), machine.secure_origin());
    let what = "%{http_version} %{response_code} %{ssl_verify_result}";
    let always = ["--silent", "--show-error", "--max-time", "100", "--output", "/dev/null", "--write-out", what];
    run("curl", &[&always[..], &["--cacert", &chain], options, &[&url]].concat())
}

#[test]
fn needs_qemu_needs_clients_both_versions_with_keys_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup::new(&blank(folder, "store", 32 << 20));
    let kinds: [&[&str]; 4] = [
        &["rsa:2048"],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["ed25519"],
    ];
    for kind in kinds {
        let config = certificate::pair(folder, &certificate::make_of(folder, kind));
        let machine = setup.clone().with_config(&config).boot();
        assert!(machine.said().contains("listening on https://"), "{}", machine.said());
        // By TLS 1.2 graviola has no signatures of Ed25519.
        let old = if kind == ["ed25519"] { "0 000" } else { "2 200 0" };
        for (options, expected) in [
            (&[][..], "2 200 0"),
            (&["--http1.1"], "1.1 200 0"),
            (&["--tlsv1.3"], "2 200 0"),
            (&["--tls-max", "1.2"], old),
        ] {
            let said = curl(folder, &machine, options);
            assert!(said.starts_with(expected), "{kind:?} {options:?}: {said}");
        }
        machine.stop();
    }
}

#[test]
fn needs_qemu_needs_clients_curves_suites_and_sessions_are_those_of_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = certificate::pair(folder, &certificate::make(folder));
    let setup = Setup::new(&blank(folder, "store", 32 << 20)).with_config(&config);
    let machine = setup.boot();
    let to = machine.secure_origin().replace("https://", "");
    let s_client =
        |options: &[&str]| run("openssl", &[&["s_client", "-connect", &to, "-no_ign_eof"], options].concat());
    for curve in ["X25519", "P-256", "P-384"] {
        for version in ["-tls1_2", "-tls1_3"] {
            let said = s_client(&[version, "-groups", curve, "-alpn", "h2"]);
            assert!(said.contains("ALPN protocol: h2"), "{curve} {version}: {said}");
        }
    }
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] {
        let said = s_client(&["-tls1_3", "-ciphersuites", suite]);
        assert!(said.contains(&format!("Cipher is {suite}")), "{said}");
    }
    let said = s_client(&["-reconnect", "-tls1_2"]);
    assert_eq!(said.matches("Reused, TLSv1.2").count(), 5, "{said}");
    let said = s_client(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(said.contains("Cipher is (NONE)"), "{said}");
    assert_eq!(curl(folder, &machine, &[]), "2 200 0");
    machine.stop();
}

#[test]
fn needs_qemu_pastes_go_by_tls_and_plain_http_is_sent_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pair = certificate::make(folder);
    let config = certificate::pair(folder, &pair);
    let setup = Setup::new(&blank(folder, "store", 32 << 20)).with_config(&config);
    let machine = setup.words("--redirect-http [::]:80").boot();
    machine.until("redirecting on http://");
    let kept = put(folder, &machine.secure_origin(), "kept", &[]);
    let burnt = put(folder, &machine.secure_origin(), "burnt", &["--burn"]);
    assert!(kept.starts_with("https://"), "{kept}");
    assert_eq!((get(folder, &kept).as_str(), get(folder, &burnt).as_str()), ("kept", "burnt"));
    assert_ne!(pasteur(folder, &["get", &burnt], b"").code, 0);
    let (status, said) = request(machine.public, "GET", "/1z1z23456789?raw");
    assert!(status == 308 && said.contains("location: https://a/1z1z23456789?raw\r\n"), "{said}");
    let (status, said) = request(machine.secure, "GET", "/");
    assert!(status == 400 && said.contains("plain HTTP at a port that speaks TLS"), "{said}");
    // Who does not believe the certificate sends nothing.
    fs::write(folder.join(CHAIN), certificate::make(tempfile::tempdir().unwrap().path()).0).unwrap();
    assert_eq!(pasteur(folder, &["get", &kept], b"").code, 5);
    let said = machine.stop();
    assert!(!pair.1.lines().any(|line| said.contains(line)), "the key is on the console: {said}");
}

#[test]
fn needs_qemu_the_command_that_runs_a_machine_gives_it_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate::make(folder);
    let publish = format!("{}:443", free_port());
    let mut command = Command::new(binary());
    command.args(["unikernel", "run", "--accelerator", "tcg", "--publish", &publish, "--disk", "store"]);
    command.args(["--tls-cert", CHAIN, "--tls-key", KEY]).arg(image()).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let origin = said
        .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned).filter(|at| at.contains("127.0.0.1")));
    let origin = origin.unwrap();
    assert!(origin.starts_with("https://"), "{origin}");
    let link = put(folder, &origin, "by TLS", &[]);
    assert_eq!(get(folder, &link), "by TLS");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn needs_qemu_a_certificate_that_is_not_usable_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup::new(&blank(folder, "store", 8 << 20));
    let (certificate, key) = certificate::make(folder);
    let (_, other) = certificate::make(folder);
    let damaged = key.replacen("\n", "\nAAAA", 1);
    let (name, key_name) = ("/tls/cert.pem", "/tls/key.pem");
    for (files, told) in [
        (
            &[(name, certificate.as_str()), (key_name, other.as_str())][..],
            "/tls/cert.pem: the private key is not the certificate's",
        ),
        (&[(name, &certificate), (key_name, &damaged)], "/tls/key.pem: the private key is not usable: "),
        (&[(name, &certificate), (key_name, &certificate)], "/tls/key.pem: the private key is not usable: "),
        (&[(name, &key), (key_name, &key)], "/tls/cert.pem: the certificate is not usable: there is none"),
        (&[(name, &certificate)], "has no file /tls/key.pem"),
        (&[], "has no file /tls/cert.pem"),
    ] {
        let (said, status) = setup.clone().with_config(&certificate::disk(folder, files)).fails();
        assert!(
            said.contains("pasteur: the disk \"config\"") && said.contains(told) && status == 8,
            "{status}: {said}"
        );
        let secret = |line: &str| line.len() > 30 && said.contains(line);
        assert!(
            !key.lines().chain(other.lines()).chain(damaged.lines()).any(secret),
            "a key is on the console: {said}"
        );
    }
    let (said, status) = setup.clone().with_config(&blank(folder, "blank", 4096)).fails();
    assert!(said.contains("does not begin with docteur's magic") && status == 8, "{status}: {said}");
    let (said, status) = setup.clone().words("--redirect-http [::]:8080").fails();
    assert!(said.contains("--redirect-http needs TLS") && status == 2, "{status}: {said}");
    let setup = setup.with_config(&certificate::disk(folder, &[(name, &certificate), (key_name, &key)]));
    let (said, status) = Setup { processor: "max,adx=off,bmi1=off", ..setup }.fails();
    assert!(said.contains("cannot speak TLS: the processor lacks adx, bmi1") && status == 1, "{status}: {said}");
}
