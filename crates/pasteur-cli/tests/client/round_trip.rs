//! What is put comes back byte for byte.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::world::{Ran, World, names, noise};

const MIB: usize = 1024 * 1024;

#[test]
fn texts_from_standard_input_of_every_awkward_length() {
    let world = World::new();
    // Tink's first segment holds 40 bytes of header and 16 of tag; a form of some 500 bytes surrounds the text.
    for length in [0, 1, 4096, MIB - 600, MIB - 1, MIB, MIB + 1, 2 * MIB + 7] {
        let text = noise(length, length as u64);
        let link = world.put(&[], &text);
        let got = world.run(&["get", &link]).ok();
        assert!(got.0.stdout == text, "{length}");
    }
}

#[test]
fn a_text_of_the_command_line_and_its_title() {
    let world = World::new();
    let link = world.put(&["--text", "grüße\n", "--title", "Hello", "--expires", "1d"], b"");
    let got = world.run(&["get", &link]).ok();
    assert_eq!(got.out(), "grüße\n");
    assert!(got.err().contains("Title: Hello"), "{}", got.err());
}

#[test]
fn a_dash_for_a_text_is_standard_input() {
    let world = World::new();
    let file = world.file("beside.log", "file");
    let link = world.put(&["--text", "-", file.to_str().unwrap()], b"read, not the dash");
    assert_eq!(world.run(&["get", &link, "-o", "dash"]).ok().out(), "read, not the dash");
    assert_eq!(names(&world.path("dash")), ["beside.log"]);
    world.run(&["put", "--text", "-", "-"]).fails(2, &["once"]);
    world.run(&["put", "--text", "-", "--password-file", "-"]).fails(2, &["standard input"]);
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let world = World::new();
    let file = world.file("unseen.log", "file");
    // More than a pipe and the blocks on their way hold.
    let text = "0123456789abcdef".repeat(512 << 10);
    for burn in [false, true] {
        let options = ["-", file.to_str().unwrap(), "--burn"];
        let link = world.put(&options[..2 + usize::from(burn)], text.as_bytes());
        let arguments = ["get", &link, "-o", "enough"];
        let mut get = world.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        get.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
        let ended = get.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(141), "{ended:?}");
        assert!(!String::from_utf8_lossy(&ended.stderr).contains("standard output"), "{ended:?}");
        assert_eq!(ended.stderr.is_empty(), !burn, "{ended:?}");
        assert!(names(&world.path("enough")).is_empty());
        // It can be read still, also where it burns.
        assert_eq!(world.run(&["get", &link, "-o", "all"]).ok().out(), text);
    }
}

#[test]
fn a_link_that_nobody_takes_is_told() {
    let world = World::new();
    for options in [&["put"][..], &["put", "--json"], &["put", "--quiet"]] {
        let mut put = world.command(options);
        let mut put = put.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(put.stdout.take());
        drop(put.stdin.take());
        Ran(put.wait_with_output().unwrap()).fails(7, &["link", "standard output"]);
    }
}

#[test]
fn files_of_every_awkward_length_keep_their_names() {
    let world = World::new();
    let mut arguments = vec!["put".to_owned()];
    let mut expected = Vec::new();
    for length in [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 3] {
        let name = format!("{length} ü 'q' & %22.bin");
        let bytes = noise(length, length as u64);
        arguments.push(world.file(&name, &bytes).display().to_string());
        expected.push((name, bytes));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let link = world.run(&arguments).ok().link();
    world.run(&["get", &link, "-o", "deep/out"]).ok();
    for (name, bytes) in &expected {
        assert!(fs::read(world.path("deep/out").join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(names(&world.path("deep/out")).len(), expected.len());
}

#[test]
fn a_text_and_files_together_and_a_stream_with_a_name() {
    let world = World::new();
    let file = world.file("a.log", "file");
    let link = world.put(&["-", file.to_str().unwrap()], b"text");
    assert_eq!(world.run(&["get", &link, "-o", "both"]).ok().out(), "text");
    assert_eq!(fs::read(world.path("both/a.log")).unwrap(), b"file");

    // Of unknown length: sent in chunks.
    let stream = noise(3 * MIB + 11, 5);
    let link = world.put(&["--name", "stream.bin", "-"], &stream);
    assert_eq!(world.run(&["get", &link, "-o", "stream"]).ok().out(), "");
    assert!(fs::read(world.path("stream/stream.bin")).unwrap() == stream);
}

#[test]
fn every_option_together_and_as_json() {
    let world = World::new();
    let secret = world.file("password", "correct horse\nsecond line");
    let file = world.file("a.txt", "file");
    let arguments = ["put", "--json", "--burn", "-e", "2h30m", "--password-file", secret.to_str().unwrap()];
    let ran = world.run_with(&[&arguments[..], &["-", file.to_str().unwrap()]].concat(), b"text").ok();
    let put = ran.json();
    assert_eq!(
        (&put["burn"], &put["password"], &put["server"]),
        (&true.into(), &true.into(), &world.base.clone().into())
    );
    let link = put["link"].as_str().unwrap();
    assert!(put["expires_at"].as_u64().is_some() && put["delete_token"].is_string());

    let info = world.run(&["info", link, "--json"]).ok().json();
    assert_eq!((&info["burn"], &info["password"]), (&true.into(), &true.into()), "{info}");

    let got = world.run(&["get", link, "--json", "-o", "out", "--password", "correct horse"]).ok().json();
    assert_eq!(got["burnt"], true);
    assert_eq!(fs::read_to_string(world.path(got["text"]["path"].as_str().unwrap())).unwrap(), "text");
    assert_eq!((&got["files"][0]["name"], &got["files"][0]["size"]), (&"a.txt".into(), &4.into()));
}

#[test]
fn never_is_never_and_a_paste_ends_when_it_was_told_to() {
    let world = World::new();
    let link = world.put(&["-e", "never"], b"x");
    assert!(world.run(&["info", &link, "--json"]).ok().json()["expires_at"].is_null());
    let link = world.put(&["-e", "1s"], b"x");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    world.run(&["get", &link]).fails(3, &[]);
    world.run(&["info", &link]).fails(3, &[]);
}

#[test]
fn a_deleted_paste_is_gone() {
    let world = World::new();
    let link = world.put(&[], b"x");
    world.run(&["rm", &link]).ok();
    world.run(&["get", &link]).fails(3, &[]);
    world.run(&["rm", &link]).fails(4, &[]);

    // Without the history the token is told, and wanted.
    let put = world.run_with(&["put", "--no-history", "--json"], b"x").ok().json();
    let link = put["link"].as_str().unwrap();
    world.run(&["rm", link]).fails(4, &["token"]);
    world.run(&["rm", link, "--token", &"A".repeat(43)]).fails(4, &[]);
    let token = world.file("token", put["delete_token"].as_str().unwrap());
    world.run(&["rm", link, "--token-file", token.to_str().unwrap()]).ok();
    world.run(&["get", link]).fails(3, &[]);
}

#[test]
fn large_files_in_little_memory() {
    let world = World::new();
    let peak = |arguments: &[&str]| {
        let mut child = world.command(arguments).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let mut out = String::new();
        while child.try_wait().unwrap().is_none() {
            let now = fs::read_to_string(&status).unwrap_or_default();
            let line = now.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
            peak = peak.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success());
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut out).unwrap();
        (peak / 1024, out.trim().to_owned())
    };
    let block = noise(MIB + 1, 3);
    let bytes = block.repeat(208);
    let file = world.file("large.bin", &bytes);
    let (put, link) = peak(&["put", "-q", file.to_str().unwrap()]);
    let (get, _) = peak(&["get", "-q", &link, "-o", "out"]);
    assert!(fs::read(world.path("out/large.bin")).unwrap() == bytes);
    assert!(put < 64 && get < 64, "put took {put} MiB, get {get} MiB");
}

/// A server that tells its limits, and whether anybody has begun to send.
fn watching() -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&sent);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = [0; 4096];
            let amount = stream.read(&mut head).unwrap();
            seen.fetch_or(head[..amount].starts_with(b"POST "), Relaxed);
            let limits = br#"{"max_paste":1000000000,"max_expiry":null}"#;
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 42\r\n\r\n";
            let _ = stream.write_all(&[head.as_bytes(), limits].concat());
        }
    });
    (address, sent)
}

/// A server waits for half a minute and no more; whoever types needs longer.
#[test]
fn what_is_typed_is_sent_when_it_is_all_there() {
    let world = World::new();
    let (address, sent) = watching();
    let mut command = world.command(&["put", "--server", &address]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..5 {
        stdin.write_all(b"a line, and a thought\n").unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!sent.load(Relaxed), "it was sent before it was whole");
    drop(stdin);
    child.wait().unwrap();
    assert!(sent.load(Relaxed), "it was never sent");
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_a_system_makes_up_are_sent_as_they_read() {
    let world = World::new();
    for path in
        ["/proc/version", "/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/notes"]
    {
        let Ok(before) = std::fs::read(path) else { continue };
        let link = world.put(&[path], b"");
        world.run(&["get", &link, "-o", "out", "--force"]).ok();
        let name = std::path::Path::new(path).file_name().unwrap();
        let got = std::fs::read(world.path("out").join(name)).unwrap();
        // A status changes while it is read; nothing else of these does.
        assert!(got == before || path.ends_with("status") && !got.is_empty(), "{path}");
    }
    world.run(&["put", "/proc/kcore"]).fails(7, &["/proc/kcore"]);
}
