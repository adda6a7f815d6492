//! Heads of requests: good, malformed, large and slow.

use std::time::Duration;

use paf::http::Limits;

use crate::world::{World, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_and_requests_may_queue_on_it() {
    let world = World::new(Limits::default());
    let mut client = world.connect_from("192.0.2.7");
    client.hello().await;
    client.hello().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let both = client.rest().await;
    assert_eq!(both.matches("HTTP/1.1 200 OK").count(), 2, "{both}");
    assert!(both.ends_with("Ip(192.0.2.7:1234)"), "{both}");
    let seen = world.counters();
    assert_eq!((seen.accepted, seen.requests, seen.malformed), (1, 4, 0));
    assert!(seen.received > 100 && seen.sent > 300, "{seen:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_is_told_so_and_closed() {
    for (head, status) in [
        ("\0\0\0\0\r\n\r\n", 400),
        ("GET / HTTP/9.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\na\u{0}b: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b@c/d\r\n\r\n", 400),
        ("GET http://b@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nhost: b@a\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}", 400),
    ] {
        let world = World::new(Limits::default());
        let mut client = world.connect();
        client.send(head).await;
        let said = client.rest().await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {said:?}");
        assert!(said.contains("\r\nconnection: close\r\n") && said.matches("HTTP/").count() == 1, "{head:?}: {said:?}");
        settle().await;
        assert_eq!((world.counters().malformed, world.counters().too_large), (1, 0), "{head:?}");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_too_large_is_refused_with_its_own_status() {
    let world = World::new(Limits::default());
    let long_line = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let many_lines = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65));
    for head in [&long_line, &many_lines] {
        let mut client = world.connect();
        let _ = client.try_send(head).await;
        let said = client.rest().await;
        assert!(said.starts_with("HTTP/1.1 431 "), "{said:?}");
    }
    let mut client = world.connect();
    let _ = client.try_send(&format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(80_000))).await;
    let said = client.rest().await;
    assert!(said.starts_with("HTTP/1.1 414 ") || said.starts_with("HTTP/1.1 431 "), "{said:?}");
    // As many lines as are allowed pass.
    let mut client = world.connect();
    client.send(&format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n", "x: y\r\n".repeat(60))).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
    assert_eq!((world.counters().malformed, world.counters().too_large), (3, 3));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_a_letter_a_second_is_cut_off_in_its_time() {
    let world = World::new(Limits::default());
    let mut client = world.connect();
    let mut letters = 0;
    while client.try_send("G").await.is_ok() && letters < 100 {
        letters += 1;
        tokio::time::sleep(SECOND).await;
        settle().await;
        if world.counters().slow > 0 {
            break;
        }
    }
    assert!((9..=11).contains(&letters), "{letters}");
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!((world.counters().slow, world.counters().slow_heads), (1, 1));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_closed_without_a_word() {
    let world = World::new(Limits::default());
    let (said, after) = world.connect().closed_after().await;
    assert_eq!(said, "");
    assert!(after >= 10 * SECOND && after < 11 * SECOND, "{after:?}");
    // After a request it may be idle for longer.
    let mut client = world.connect();
    client.hello().await;
    let (said, after) = client.closed_after().await;
    assert_eq!(said, "");
    assert!(after >= 75 * SECOND && after < 86 * SECOND, "{after:?}");
    assert_eq!((world.counters().slow, world.counters().idle), (0, 2));
    world.end().await;
}

/// Between requests a connection gives up what it needs for one: after a while, and at once where many are open.
#[tokio::test(start_paused = true)]
async fn a_connection_that_rested_goes_on_wherever_it_was_cut() {
    for connections in [Limits::default().connections, 2] {
        rests(World::new(Limits { connections, ..Limits::default() })).await;
    }
}

async fn rests(world: World) {
    let all = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nfirst\
               GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for pause in [Duration::from_millis(99), Duration::from_millis(101), 5 * SECOND] {
        for cut in 1..all.len() {
            let mut client = world.connect();
            client.hello().await;
            tokio::time::sleep(pause).await;
            client.send(&all[..cut]).await;
            tokio::time::sleep(pause).await;
            client.send(&all[cut..]).await;
            let said = client.rest().await;
            assert!(
                said.contains("\r\n\r\nfirstHTTP/1.1 200 OK") && said.ends_with("hello"),
                "{pause:?}, {cut}: {said}"
            );
        }
    }
    // The start of a head that came with the request before is one that has to come in time.
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT").await;
    let (said, after) = client.closed_after().await;
    assert!(said.contains("\r\n\r\nhelloHTTP/1.1 408 "), "{said}");
    assert!(after >= 10 * SECOND && after < 21 * SECOND, "{after:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = std::sync::Arc::clone(&told);
    let limits = Limits { connections_per_client: 1, ..Limits::default() };
    let service = paf::http(crate::world::Endings::default(), limits)
        .on_fault(move |fault| list.lock().unwrap().push(fault.to_string()));
    let world = World::run(service);
    let _first = world.connect_from("192.0.2.7");
    settle().await;
    world.connect_from("192.0.2.7").rest().await;
    let mut client = world.connect();
    client.send("what\r\n\r\n").await;
    client.rest().await;
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await;
    settle().await;
    drop(client);
    settle().await;
    let told = told.lock().unwrap().clone();
    assert_eq!(told[..2], ["a client was refused with status 503", "a client was refused with status 400"]);
    assert!(told[2].starts_with("a connection broke: "), "{told:?}");
    assert!(!told.concat().contains("192.0.2.7"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_would_leave_http_is_told_from_one_that_answers() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = std::sync::Arc::clone(&told);
    let service = paf::http(crate::world::router(), Limits::default()).plain_with_http2();
    let world = World::run(service.on_fault(move |fault| list.lock().unwrap().push(fault.to_string())));
    let mut client = world.connect();
    client.send("GET /switch HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 500 "));
    client.send("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 500 "));
    // An upgrade that the handler does not take is none.
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n").await;
    assert!(client.until("hello").await.starts_with("HTTP/1.1 200 "));
    let mut client = crate::frames::Frames::connect(&world, &[]).await;
    let connect = [&[0x02, 7][..], b"CONNECT", &[0x41, 1], b"a"].concat();
    client.send(crate::frames::HEADERS, crate::frames::END_HEADERS, 1, &connect).await;
    // `:status: 500`, of the static table (RFC 7541 appendix A).
    assert_eq!(client.until(crate::frames::HEADERS, 1).await.expect("an answer").data[0], 0x8e);
    let expected = ["101 Switching Protocols", "200 OK", "200 OK"];
    assert_eq!(
        told.lock().unwrap()[..],
        expected.map(|status| format!("the handler answered {status}, which ends no request"))
    );
    drop(client);
    world.end().await;
}

/// In HTTP/2 the other requests of the connection go on, and the connection.
#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_fails_alone() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = std::sync::Arc::clone(&told);
    let limits = Limits { connections: 1, ..Limits::default() };
    let service = paf::http(crate::world::router(), limits).plain_with_http2();
    let world = World::run(service.on_fault(move |fault| list.lock().unwrap().push(fault.to_string())));
    let mut client = world.connect();
    client.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 500 "));
    client.hello().await;
    drop(client);
    settle().await;
    assert_eq!(world.counters().open, 0);
    let mut client = crate::frames::Frames::connect(&world, &[]).await;
    client.ask(1, "/echo", true).await;
    client.ask(3, "/panic", false).await;
    assert!(client.until(crate::frames::HEADERS, 3).await.is_some());
    client.send(crate::frames::DATA, crate::frames::END_STREAM, 1, b"whole").await;
    assert_eq!(client.until(crate::frames::DATA, 1).await.expect("an answer").data, b"whole");
    // So does one whose answer breaks off.
    client.ask(5, "/echo", true).await;
    client.ask(7, "/half", false).await;
    assert_eq!(client.until(crate::frames::DATA, 7).await.expect("a beginning").data, b"half of");
    assert!(client.until(crate::frames::RST_STREAM, 7).await.is_some());
    client.send(crate::frames::DATA, crate::frames::END_STREAM, 5, b"whole").await;
    assert_eq!(client.until(crate::frames::DATA, 5).await.expect("an answer").data, b"whole");
    drop(client);
    let mut client = world.connect();
    client.send("GET /half HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains("half of") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    settle().await;
    let (head, body) = ("the handler panicked", "the body of an answer panicked");
    let told: Vec<_> = told.lock().unwrap().iter().filter(|told| told.contains("panicked")).cloned().collect();
    assert_eq!(told, [head, head, body, body]);
    assert_eq!(world.counters().open, 0);
    world.connect().hello().await;
    world.end().await;
}
