//! Pastes that are read once.

use std::fs;

use crate::world::{World, names};

#[test]
fn it_is_read_once() {
    let world = World::new();
    let link = world.put(&["--burn"], b"once");
    let first = world.run(&["get", &link]).ok();
    assert_eq!(first.out(), "once");
    assert!(first.err().contains("destroyed"), "{}", first.err());
    let second = world.run(&["get", &link]);
    second.fails(3, &[]);
    assert_eq!(second.out(), "");
}

#[test]
fn looking_at_it_burns_nothing() {
    let world = World::new();
    let link = world.put(&["--burn"], b"once");
    for _ in 0..3 {
        world.run(&["info", &link]).ok();
    }
    assert_eq!(world.run(&["get", &link]).ok().out(), "once");
}

#[test]
fn a_wrong_password_burns_nothing() {
    let world = World::new();
    let link = world.put(&["--burn", "--password", "right"], b"once");
    world.run(&["get", &link, "--password", "wrong"]).fails(4, &["password is wrong"]);
    // Without one, and no terminal to ask on.
    world.run(&["get", &link]).fails(4, &["--password-file"]);
    assert_eq!(world.run(&["get", &link, "--password", "right"]).ok().out(), "once");
}

#[test]
fn a_folder_that_cannot_be_written_burns_nothing() {
    let world = World::new();
    let file = world.file("a.bin", "once");
    let link = world.put(&["--burn", file.to_str().unwrap()], b"");
    world.run(&["get", &link, "-o", "a.bin/out"]).fails(7, &["a.bin/out"]);
    world.run(&["get", &link, "-o", "out"]).ok();
    assert_eq!(fs::read(world.path("out/a.bin")).unwrap(), b"once");
    assert_eq!(names(&world.path("out")), ["a.bin"]);
}

#[test]
fn two_readers_race_and_one_wins() {
    let world = World::new();
    let link = world.put(&["--burn"], b"once");
    let results = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| world.run(&["get", &link]))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
    });
    let winners: Vec<_> = results.iter().filter(|ran| ran.code() == 0).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].out(), "once");
    for loser in results.iter().filter(|ran| ran.code() != 0) {
        loser.fails(3, &[]);
        assert_eq!(loser.out(), "");
    }
}

#[test]
fn what_was_claimed_and_not_read_is_taken_up_by_the_same_command() {
    let world = World::new();
    let link = world.put(&["--burn"], b"once");
    // Standard output is full: the text is lost, the claim made.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let failed = world.command(&["get", &link]).stdout(full).output().unwrap();
    assert_eq!(failed.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("same command"), "{failed:?}");
    // Nobody else has the lease.
    let other = world.command(&["get", &link]).env("XDG_STATE_HOME", world.path("other")).output().unwrap();
    assert_eq!(other.status.code(), Some(3));
    assert_eq!(world.run(&["get", &link]).ok().out(), "once");
    world.run(&["get", &link]).fails(3, &[]);
    assert!(names(&world.path("state/pasteur")).iter().all(|name| !name.starts_with("lease")));
}

#[test]
fn what_is_being_read_is_not_taken_up_by_the_same_command() {
    use std::io::Read;
    let world = World::new();
    let text = "0123456789abcdef".repeat(64 << 10);
    let link = world.put(&["--burn"], text.as_bytes());
    // It stops where its output is full, in the middle.
    let mut first = world.command(&["get", &link]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let claimed = || names(&world.path("state/pasteur")).iter().any(|name| name.starts_with("lease"));
    let begun = std::time::Instant::now();
    while !claimed() {
        assert!(begun.elapsed().as_secs() < 60, "it claims");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    world.run(&["get", &link]).fails(3, &[]);
    let mut read = String::new();
    first.stdout.take().unwrap().read_to_string(&mut read).unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(read, text);
}
