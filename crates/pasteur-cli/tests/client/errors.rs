//! Every failure has its exit code and says what is wrong and where.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::world::World;

#[test]
fn arguments_that_do_not_go_together() {
    let world = World::new();
    world.run(&["put", "--expires", "soon"]).fails(2, &["soon"]);
    world.run(&["put", "--server", "ftp://example"]).fails(2, &["ftp://example"]);
    world.run(&["put", "-", "-"]).fails(2, &["once"]);
    // A token may begin with any of its letters.
    world.run(&["rm", "https://example", "--token", "-"]).fails(4, &["link"]);
    world.run(&["put", "--nonsense"]).fails(2, &["--nonsense"]);
    world.run(&["get", "-", "--password-file", "-"]).fails(2, &["standard input"]);
    world.run(&[]).fails(2, &["Usage"]);
}

#[test]
fn links_that_are_cut_mistyped_or_of_no_paste() {
    let world = World::new();
    let link = world.put(&[], b"x");
    let last = link.chars().last().unwrap();
    let other = if last == 'A' { 'B' } else { 'A' };
    let mistyped = format!("{}{other}", &link[..link.len() - 1]);
    for wrong in [&link[..link.len() - 1], &mistyped, link.split('#').next().unwrap(), "nonsense", ""] {
        let ran = world.run(&["get", wrong]);
        ran.fails(4, &["pasteur: "]);
        assert_eq!(ran.out(), "");
    }
    // A link whose check is right and whose paste is not.
    let other = world.put(&[], b"y");
    let (place, _) = link.split_once('#').unwrap();
    let (_, fragment) = other.split_once('#').unwrap();
    world.run(&["get", &format!("{place}#{fragment}")]).fails(4, &["not this paste's"]);
    let unknown = format!("{}/111111111111#{fragment}", world.base);
    world.run(&["get", &unknown]).fails(3, &[]);
    world.run(&["info", &unknown]).fails(3, &[]);
}

#[test]
fn a_link_by_standard_input() {
    let world = World::new();
    let link = world.put(&[], b"x");
    assert_eq!(world.run_with(&["get", "-"], format!("{link}\n").as_bytes()).ok().out(), "x");
}

#[test]
fn files_that_cannot_be_sent() {
    let world = World::new();
    world.run(&["put", "missing.txt"]).fails(7, &["missing.txt"]);
    world.run(&["put", "."]).fails(7, &["folder"]);
    world.run(&["put", "--password-file", "missing"]).fails(7, &["missing"]);
}

#[test]
fn a_server_that_refuses_or_is_not_there() {
    let world = World::with(&["--max-paste", "64K", "--max-expiry", "1d"]);
    let file = world.file("large", vec![7; 100_000]);
    world.run(&["put", file.to_str().unwrap()]).fails(6, &["64.0 KiB"]);
    // Of unknown length, so that the server itself says it, in the middle.
    world.run_with(&["put"], &vec![7; 3_000_000]).fails(6, &["max_paste"]);
    world.run_with(&["put", "-e", "2d"], b"x").fails(6, &["1d"]);
    world.run_with(&["put", "-e", "never"], b"x").fails(6, &["1d"]);
    assert!(world.run(&["put", "--json", "-e", "2d"]).err().starts_with("{\"error\":{\"exit_code\":6"));

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.run_with(&["put", "--server", &format!("http://{port}")], b"x").fails(5, &["no server listens"]);
}

#[test]
fn something_that_is_no_pasteur_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        }
    });
    let world = World::new();
    world.run_with(&["put", "--server", &format!("https://{address}")], b"x").fails(5, &["no TLS is spoken there"]);
    let wrong_path = format!("{}/x", world.base);
    world.run_with(&["put", "--server", &wrong_path], b"x").fails(5, &["404", "is the address right, with its path?"]);
    world.run_with(&["put", "--server", &format!("http://{address}")], b"x").fails(5, &["Pasteur server"]);
}

/// As by a disk that fails, or somebody who writes over the file.
#[test]
fn a_store_that_is_damaged_under_the_server_is_told_to_its_operator() {
    use std::os::unix::fs::FileExt;
    let world = World::new();
    let file = world.file("large", crate::world::noise(6 << 20, 1));
    let link = world.put(&[file.to_str().unwrap()], b"");
    // Others take its place in the server's memory.
    for _ in 0..2 {
        world.put(&[file.to_str().unwrap()], b"");
    }
    let store = std::fs::File::options().write(true).open(world.path("store.redb")).unwrap();
    let len = usize::try_from(store.metadata().unwrap().len()).unwrap();
    store.write_all_at(&vec![0xff; len - 8192], 8192).unwrap();
    for _ in 0..3 {
        let ran = world.run(&["get", &link, "-o", "out", "--retries", "1"]);
        assert!(ran.code() != 0 && !world.path("out").exists(), "{}", ran.err());
    }
    let (log, _) = world.remains();
    assert_eq!(log.matches(" error the store is damaged: ").count(), 1, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
