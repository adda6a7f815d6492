//! Why a server does not start: one line that says what and where, and an exit code.

use std::fs;

use crate::server::{Place, fails};

/// The one line and the code of a start that fails.
fn refused(place: &Place, options: &[&str]) -> (i32, String) {
    let (code, said) = fails(place.command(options));
    assert_eq!(said.lines().count(), 1, "{said}");
    (code, said)
}

#[test]
fn a_port_in_use() {
    let place = Place::new();
    let first = place.start(&[]);
    let other = Place::new();
    let mut command = other.bare(&["--listen", &first.addresses[0]]);
    command.arg("--store").arg(other.path("store.redb")).arg("--site").arg(other.path("site.img"));
    let (code, said) = fails(command);
    assert_eq!(code, 5, "{said}");
    assert!(said.starts_with(&format!("pasteur: cannot listen at {}: ", first.addresses[0])), "{said}");
    // A start that fails leaves nothing that it made.
    assert!(!other.path("store.redb").exists() && !other.path("store.redb.journal").exists());
    first.end();
}

#[test]
fn a_store_in_use() {
    let place = Place::new();
    let first = place.start(&[]);
    let id = first.paste(b"kept");
    let (code, said) = refused(&place, &[]);
    assert_eq!(code, 9);
    let store = place.path("store.redb");
    assert_eq!(said, format!("pasteur: the store {} is in use by another process\n", store.display()));
    assert!(first.info(&id).starts_with("HTTP/1.1 200 "));
    first.end();
}

#[test]
fn a_file_that_is_no_store_is_left_as_it_is() {
    let place = Place::new();
    let text = "my letters\n".repeat(5000);
    let store = place.write("store.redb", &text);
    let (code, said) = refused(&place, &[]);
    assert_eq!(code, 10, "{said}");
    assert!(said.starts_with(&format!("pasteur: {store}: ")), "{said}");
    assert_eq!(fs::read_to_string(store).unwrap(), text);
    assert!(!place.path("store.redb.journal").exists());
}

#[test]
fn a_store_that_is_damaged() {
    let place = Place::new();
    let server = place.start(&[]);
    server.paste(&[7; 300_000]);
    server.end();
    let store = place.path("store.redb");
    let good = fs::read(&store).unwrap();
    // All but the first page is gone, as after a disk's failure.
    let mut bad = good.clone();
    bad[4096..].fill(0xa5);
    fs::write(&store, &bad).unwrap();
    let (code, said) = refused(&place, &[]);
    assert_eq!(code, 8, "{said}");
    assert!(said.starts_with(&format!("pasteur: {}: ", store.display())), "{said}");
    // And half a file.
    fs::write(&store, &good[..good.len() / 2]).unwrap();
    let (code, said) = refused(&place, &[]);
    assert_eq!(code, 8, "{said}");
}

#[test]
fn a_store_where_no_file_can_be() {
    let place = Place::new();
    for path in ["missing/store.redb", "."] {
        let mut command = place.bare(&["--listen", "127.0.0.1:0", "--store", path]);
        command.arg("--site").arg(place.path("site.img"));
        let (code, said) = fails(command);
        assert_eq!(code, 7, "{said}");
        assert!(said.starts_with(&format!("pasteur: the store {path} cannot be opened: ")), "{said}");
    }
}

#[test]
fn a_site_that_is_missing_or_damaged() {
    let place = Place::new();
    let with = |site: &str| {
        let mut command = place.bare(&["--listen", "127.0.0.1:0", "--site", site]);
        command.arg("--store").arg(place.path("store.redb"));
        fails(command)
    };
    let (code, said) = with("nowhere.img");
    assert_eq!(code, 7, "{said}");
    assert!(said.starts_with("pasteur: the site nowhere.img cannot be read: "), "{said}");
    let mut image = fs::read(place.path("site.img")).unwrap();
    let last = image.len() - 1;
    image[last] ^= 1;
    let site = place.write("bad.img", &image);
    let (code, said) = with(&site);
    assert_eq!(code, 8, "{said}");
    assert!(said.starts_with(&format!("pasteur: {site}: the site's image is damaged: ")), "{said}");
}
