//! Certificates by ACME, from an authority on this machine.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::authority::{Authority, NAME};
use crate::server::{PATIENCE, Place, Server, fails};

/// A server for the authority's name, with a port for plain HTTP. Its addresses are TLS, then plain.
fn start(place: &Place, authority: &Arc<Authority>) -> Server {
    start_with(place, authority, "admin@pasteur.test")
}

/// The same, with this contact.
fn start_with(place: &Place, authority: &Arc<Authority>, contact: &str) -> Server {
    let root = place.write("root.pem", authority.root());
    let options = ["--redirect-http", "127.0.0.1:0", "--acme", NAME, "--acme-contact", contact];
    let mut command = place.command(&options);
    command.args(["--acme-directory", &authority.directory(), "--acme-root", &root]);
    let server = Server::listening(command, 2);
    authority.lead(&server.addresses[1], &server.addresses[0]);
    server
}

/// Waits until the server shows a certificate of the authority, other than `before`.
fn certified(authority: &Authority, server: &Server, before: Option<&[u8]>) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok((said, shown)) = authority.ask(&server.addresses[0])
            && before != Some(shown.as_ref())
        {
            assert!(said.ends_with("ok\n"), "{said}");
            return shown.to_vec();
        }
        assert!(Instant::now() < until, "no certificate comes");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_certificate_is_had_kept_and_served_again() {
    let (place, authority) = (Place::new(), Authority::start());
    let server = start(&place, &authority);
    let shown = certified(&authority, &server, None);
    assert_eq!(authority.counts(), (1, 1, vec!["tls-alpn-01"]));
    // Who asks for proof now gets none, and whoever asks for the site gets it.
    assert!(server.get_at(1, "/.well-known/acme-challenge/token-1").starts_with("HTTP/1.1 308 "));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("pasteur: a certificate for pasteur.test is there; it is renewed in 8w"), "{log}");

    use std::os::unix::fs::PermissionsExt as _;
    let folder = place.path("store.redb.acme");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&folder), mode(&folder.join("certificate.pem")), mode(&folder.join("account.json"))),
        (0o700, 0o600, 0o600)
    );
    // It is there from the first connection on, and nobody is asked for it.
    let server = start(&place, &authority);
    assert_eq!(authority.ask(&server.addresses[0]).unwrap().1.as_ref(), shown);
    assert_eq!(authority.counts().1, 1);
    server.end();
    // What cannot be read is asked for anew, of the account there is.
    place.write("store.redb.acme/certificate.pem", "damaged");
    let server = start(&place, &authority);
    let again = certified(&authority, &server, None);
    assert!(again != shown && authority.counts().0 == 1 && authority.counts().1 == 2);
    server.signal("TERM");
    assert!(server.ended().1.contains("the certificate that was kept for pasteur.test cannot be used: "));
}

/// As one tries an authority that nobody believes first.
#[test]
fn another_authority_is_asked_in_place_of_the_one_before() {
    let (place, first) = (Place::new(), Authority::start());
    let server = start(&place, &first);
    let shown = certified(&first, &server, None);
    server.end();
    let second = Authority::start();
    let server = start(&place, &second);
    certified(&second, &server, Some(&shown));
    assert_eq!((first.counts().1, second.counts().0, second.counts().1), (1, 1, 1));
    server.end();
    // From then on it is asked for nothing.
    let server = start(&place, &second);
    assert!(second.ask(&server.addresses[0]).is_ok());
    thread::sleep(Duration::from_millis(500));
    assert_eq!(second.counts().1, 1);
    server.end();
}

/// At once, and not only with the next certificate; and once.
#[test]
fn a_contact_that_changes_is_told() {
    let (place, authority) = (Place::new(), Authority::start());
    let server = start_with(&place, &authority, "one@pasteur.test");
    let shown = certified(&authority, &server, None);
    server.end();
    let server = start_with(&place, &authority, "two@pasteur.test");
    let until = Instant::now() + PATIENCE;
    while authority.contacts().len() < 2 {
        assert!(Instant::now() < until, "nobody was told");
        thread::sleep(Duration::from_millis(20));
    }
    server.end();
    place.write("store.redb.acme/certificate.pem", "damaged");
    let server = start_with(&place, &authority, "two@pasteur.test");
    certified(&authority, &server, Some(&shown));
    server.end();
    assert_eq!(authority.contacts(), [json!(["mailto:one@pasteur.test"]), json!(["mailto:two@pasteur.test"])]);
    assert_eq!(authority.counts().0, 1);
}

#[test]
fn an_authority_that_forgot_its_accounts_gets_a_new_one() {
    let (place, authority) = (Place::new(), Authority::start());
    let server = start(&place, &authority);
    let shown = certified(&authority, &server, None);
    server.end();
    authority.forgets();
    place.write("store.redb.acme/certificate.pem", "damaged");
    let server = start(&place, &authority);
    certified(&authority, &server, Some(&shown));
    assert_eq!(authority.counts().0, 2);
    server.end();
}

#[test]
fn a_name_that_is_not_seen_in_one_way_is_proven_in_the_other() {
    for (offered, blind, looked, slow) in [
        (&["http-01", "tls-alpn-01"][..], &["tls-alpn-01"][..], &["tls-alpn-01", "http-01"][..], false),
        (&["http-01", "tls-alpn-01"], &["tls-alpn-01"], &["tls-alpn-01", "http-01"], true),
        (&["http-01"], &[], &["http-01"], true),
    ] {
        let (place, authority) = (Place::new(), Authority::start());
        authority.offer(offered);
        authority.is_blind_to(blind);
        if slow {
            authority.takes_its_time();
        }
        let server = start(&place, &authority);
        certified(&authority, &server, None);
        assert_eq!(authority.counts().2, looked);
        server.end();
    }
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let (place, authority) = (Place::new(), Authority::start());
    authority.signs_for(Duration::from_secs(12));
    let server = start(&place, &authority);
    let first = certified(&authority, &server, None);
    let mut open = server.connect();
    let begun = Instant::now();
    let second = certified(&authority, &server, Some(&first));
    assert!(second != first && begun.elapsed() < Duration::from_secs(12), "it was late");
    // Nothing that was open is cut by it.
    open.set_nonblocking(true).unwrap();
    let seen = std::io::Read::read(&mut open, &mut [0; 1]);
    assert_eq!(seen.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    server.end();
}

/// As where this machine's clock or the authority's is wrong.
#[test]
fn a_certificate_that_is_due_at_once_is_asked_for_once_in_a_while() {
    let (place, authority) = (Place::new(), Authority::start());
    authority.signs_for(Duration::ZERO);
    let server = start(&place, &authority);
    let until = Instant::now() + PATIENCE;
    while authority.counts().1 == 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    // Long enough for some more.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(authority.counts().1, 1);
    server.signal("TERM");
    let log = server.ended().1;
    assert!(log.contains("pasteur: a certificate for pasteur.test is there; it is renewed in 1m"), "{log}");
}

#[test]
fn an_authority_that_refuses_or_is_not_there_stops_nothing() {
    let (place, authority) = (Place::new(), Authority::start());
    authority.is_blind_to(&["tls-alpn-01", "http-01"]);
    let server = start(&place, &authority);
    let until = Instant::now() + PATIENCE;
    while authority.counts().2.len() < 2 && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    // It serves, with a certificate that nobody has to believe.
    assert!(authority.ask(&server.addresses[0]).is_err());
    assert!(server.get_at(1, "/").starts_with("HTTP/1.1 308 "));
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    let says = "pasteur: no certificate for pasteur.test: the authority did not find pasteur.test proven: API error: http-01 could not be seen";
    assert!(log.contains(says) && log.contains("; tried again in 1m"), "{log}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start({
        let mut command = place.command(&["--acme", NAME]);
        command.args(["--acme-directory", &format!("https://{nobody}/directory")]);
        command
    });
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("no certificate for pasteur.test: the authority: "), "{log}");
}

/// As on a disk that is full: what the authority gave is used, and asked for once.
#[test]
fn what_cannot_be_written_is_served_all_the_same() {
    let (place, authority) = (Place::new(), Authority::start());
    let obstacles = ["account.json", "certificate.pem"].map(|name| place.path(&format!("store.redb.acme/{name}.new")));
    for obstacle in &obstacles {
        std::fs::create_dir_all(obstacle).unwrap();
    }
    let server = start(&place, &authority);
    certified(&authority, &server, None);
    assert_eq!(authority.counts(), (1, 1, vec!["tls-alpn-01"]));
    // The second line is written after the certificate is shown.
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("pasteur: a certificate for pasteur.test is there; it is renewed in 8w"), "{log}");
    let says = log.lines().find(|line| line.starts_with("pasteur: account.json cannot be kept: "));
    assert!(says.is_some_and(|says| says.ends_with("; tried again in 1m")), "{log}");
    for obstacle in &obstacles {
        std::fs::remove_dir(obstacle).unwrap();
    }
    let server = start(&place, &authority);
    certified(&authority, &server, None);
    server.end();
    assert!(place.path("store.redb.acme/certificate.pem").is_file());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_at_the_start() {
    let place = Place::new();
    place.write("store.redb.acme", "no folder");
    let (code, said) = fails(place.command(&["--acme", NAME]));
    assert_eq!(code, 7, "{said}");
    let folder = place.path("store.redb.acme");
    let says = format!("pasteur: the folder {} cannot be written, which --acme-dir names: ", folder.display());
    assert!(said.starts_with(&says), "{said}");
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    let place = Place::new();
    for (options, says) in [
        (&["--acme", "127.0.0.1"][..], "no address, no wildcard"),
        (&["--acme", "*.pasteur.test"], "no address, no wildcard"),
        (&["--acme", NAME, "--tls-self-signed"], "--tls-self-signed"),
        (&["--acme-dir", "x"], "--acme-dir needs --acme"),
    ] {
        let (code, said) = fails(place.command(options));
        assert!(code == 2 && said.contains(says), "{said}");
    }
    let (code, said) = fails(place.command(&["--acme", NAME, "--acme-root", "nowhere.pem"]));
    assert_eq!(code, 7, "{said}");
    assert!(said.starts_with("pasteur: nowhere.pem cannot be read: "), "{said}");
}
