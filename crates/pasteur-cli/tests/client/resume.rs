//! Connections that drop in the middle, cut by a proxy of the test's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{PATIENCE, World, names, noise};

/// Passes connections on to `to`; each of the first `cuts` that answers more than `after` bytes is dropped there.
struct Cutter {
    address: String,
    made: Arc<AtomicUsize>,
}

impl Cutter {
    fn new(to: &str, after: usize, cuts: usize) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = TcpStream::connect(&to).unwrap();
                let (mut up, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from_client, &mut up);
                    let _ = up.shutdown(Shutdown::Write);
                });
                let count = Arc::clone(&count);
                thread::spawn(move || pass(server, client, after, cuts, &count));
            }
        });
        Self { address, made }
    }
}

/// Passes connections on, and drops them when they ask for content.
fn deaf_to_content(to: &str) -> String {
    let to = to.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut server = TcpStream::connect(&to).unwrap();
            let (mut down, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut down, &mut to_client));
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(amount @ 1..) = client.read(&mut buffer) {
                    if buffer[..amount].windows(9).any(|w| w == b"/content ")
                        || server.write_all(&buffer[..amount]).is_err()
                    {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn pass(mut server: TcpStream, mut client: TcpStream, after: usize, cuts: usize, made: &AtomicUsize) {
    let mut passed = 0;
    let mut buffer = [0; 16 * 1024];
    while let Ok(amount @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..amount]).is_err() {
            break;
        }
        passed += amount;
        if passed > after
            && made.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < cuts).then_some(n + 1)).is_ok()
        {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    for burn in [false, true] {
        let world = World::new();
        let bytes = noise(8 << 20, 1);
        let file = world.file("f.bin", &bytes);
        let mut arguments = vec![file.to_str().unwrap()];
        if burn {
            arguments.push("--burn");
        }
        let link = world.put(&arguments, b"");
        let cutter = Cutter::new(&world.base, 1_500_000, 3);
        let link = link.replace(&world.base, &format!("http://{}", cutter.address));
        world.run(&["get", &link, "-o", "out"]).ok();
        assert!(fs::read(world.path("out/f.bin")).unwrap() == bytes);
        assert_eq!(cutter.made.load(Ordering::SeqCst), 3);
    }
}

/// Passes connections on; from their answers the first `after` bytes alone, and then nothing, for ever.
fn stalling(to: &str, after: usize) -> String {
    let to = to.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut server = TcpStream::connect(&to).unwrap();
            let (down, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut client, &mut server));
            thread::spawn(move || {
                let _ = std::io::copy(&mut down.take(after as u64), &mut to_client);
                thread::sleep(PATIENCE);
            });
        }
    });
    address
}

#[test]
fn a_signal_takes_away_what_was_begun() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let world = World::new();
        let link = world.put(&[world.file("f.bin", noise(4 << 20, 1)).to_str().unwrap()], b"");
        let address = stalling(&world.base, 2_500_000);
        let link = link.replace(&world.base, &format!("http://{address}"));
        let mut get = world.command(&["get", &link, "-o", "out"]).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while names(&world.path("out")).is_empty() {
            assert!(get.try_wait().unwrap().is_none() && Instant::now() < until);
            thread::sleep(Duration::from_millis(10));
        }
        assert!(Command::new("kill").args([signal, &get.id().to_string()]).status().unwrap().success());
        assert_eq!(get.wait().unwrap().code(), Some(code));
        assert!(!world.path("out").exists());
    }
}

#[test]
fn it_gives_up_after_so_many_vain_tries() {
    let world = World::new();
    let bytes = noise(4 << 20, 1);
    let link = world.put(&[world.file("f.bin", &bytes).to_str().unwrap()], b"");
    // The head of an answer passes, its content never does.
    let address = deaf_to_content(&world.base);
    let link = link.replace(&world.base, &format!("http://{address}"));
    world.run(&["get", &link, "-o", "out", "--retries", "1"]).fails(5, &[]);
    assert!(!world.path("out").exists());
}
