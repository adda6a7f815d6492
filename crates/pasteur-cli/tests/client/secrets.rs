//! What the server holds and logs, and what the client leaves behind.

use std::fs;

use crate::world::World;

#[test]
fn the_server_holds_and_logs_nothing_readable() {
    let world = World::new();
    let file = world.file("needle-name.txt", "needle-in-file needle-in-file");
    let link = world.put(
        &["--title", "needle-title", "--password", "needle-password", "-", file.to_str().unwrap()],
        b"needle-in-text",
    );
    world.run(&["get", &link, "--password", "needle-password", "-o", "out"]).ok();
    world.run(&["get", &link, "--password", "needle-wrong", "-o", "out"]).fails(4, &[]);
    world.run(&["rm", &link]).ok();
    let link2 = world.put(&["--burn"], b"needle-in-burn");
    let (place, fragment) = link.split_once('#').unwrap();
    let id = place.rsplit('/').next().unwrap().to_owned();
    let fragments = [fragment.to_owned(), link2.split_once('#').unwrap().1.to_owned()];
    let (log, store) = world.remains();
    let holds = |hay: &[u8], needle: &str| hay.windows(needle.len()).any(|w| w == needle.as_bytes());
    for needle in ["needle", &fragments[0], &fragments[1]] {
        assert!(!holds(&store, needle) && !log.contains(needle), "{needle}");
    }
    // By default the log has neither addresses nor ids.
    assert!(!log.contains(&id) && !log.contains("127.0.0.1"), "{log}");
    assert!(log.contains("POST"), "the log tells of requests: {log}");
}

#[cfg(unix)]
#[test]
fn the_history_is_the_users_alone_and_opens_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let link = world.put(&[], b"x");
    let path = world.path("state/pasteur/history.jsonl");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let history = fs::read_to_string(&path).unwrap();
    let (place, fragment) = link.split_once('#').unwrap();
    assert!(history.contains(place.rsplit('/').next().unwrap()) && !history.contains(fragment));
}

/// Nobody else has it, so that not even `--quiet` swallows it.
#[test]
fn a_delete_token_that_is_not_remembered_is_told() {
    let world = World::new();
    let unwritable = world.file("in-the-way", "a file where the folder has to be");
    let cases: [(&[&str], bool); 4] = [
        (&["put", "-q", "--no-history"], false),
        (&["put", "--no-history"], false),
        (&["put", "-q"], true),
        (&["put"], true),
    ];
    for (arguments, broken) in cases {
        let mut command = world.command(arguments);
        if broken {
            command.env("XDG_STATE_HOME", &unwritable);
        }
        let ran = world.finish(command, b"x").ok();
        let (said, link) = (ran.err(), ran.link());
        let token = said.lines().find_map(|line| line.split_once("this token is needed: ")).unwrap().1.to_owned();
        let place = link.split_once('#').unwrap().0;
        assert!(!ran.out().contains(&token));
        world.run(&["rm", place, "--token", &token]).ok();
        world.run(&["info", place]).fails(3, &[]);
    }
}

#[test]
fn the_link_alone_is_on_standard_output() {
    let world = World::new();
    let ran = world.run_with(&["put"], b"x").ok();
    assert_eq!(ran.out().lines().count(), 1);
    assert!(!ran.err().contains(ran.link().split_once('#').unwrap().1));
}
