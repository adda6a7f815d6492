//! What an operator sees: metrics, readiness and the log.

use api::Kind;
use device::Block;
use pasteur::LogFormat;

use crate::world::{Form, World, bearing, get, read_token};

#[tokio::test]
async fn metrics_count_what_happened() {
    let world = World::new().await;
    let paste = world.paste(b"0123456789", false).await;
    world.bearing("GET", &paste.content(), &read_token()).await;
    world.get("/nothing").await;
    for (name, value) in [
        ("pasteur_pastes_created_total", 1),
        ("pasteur_created_bytes_total", 10),
        ("pasteur_reads_total", 1),
        ("pasteur_read_bytes_total", 10),
        ("pasteur_pastes", 1),
        ("pasteur_stored_bytes", 10),
        ("pasteur_http_requests_total", 3),
        ("pasteur_limit{limit=\"head_lines\"}", 64),
        ("pasteur_requests_total{route=\"/api/v1/pastes\",status=\"2xx\"}", 1),
        ("pasteur_requests_total{route=\"/{file}\",status=\"4xx\"}", 1),
        ("pasteur_request_seconds_count{route=\"/api/v1/pastes/{id}/content\"}", 1),
    ] {
        assert_eq!(world.metric(name).await, value, "{name}");
    }
    let said = world.connect_admin().ask(get("/metrics", "")).await;
    assert_eq!(said.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    // Every line is a comment, or a name with perhaps labels, and a number.
    for line in said.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("pasteur_") && value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(!said.text().contains(&paste.id.to_string()));
    world.end().await;
}

#[tokio::test]
async fn the_admin_listener_and_the_public_one_are_apart() {
    let world = World::new().await;
    for path in ["/metrics", "/readyz", "/livez"] {
        world.get(path).await.problem(Kind::NoRoute);
        assert_eq!(world.connect_admin().ask(get(path, "")).await.status, 200);
    }
    world.connect_admin().ask(get("/", "")).await.problem(Kind::NoRoute);
    world.connect_admin().ask("POST /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.problem(Kind::Method);
    world.end().await;
}

#[tokio::test]
async fn the_admin_listener_ends_a_server_that_is_told_so() {
    let stop = |path| format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    let world = World::new().await;
    world.connect_admin().ask(stop("/stop")).await.problem(Kind::Method);
    world.connect_admin().ask(get("/stop", "")).await.problem(Kind::NoRoute);
    assert!(!world.stop.is_pulled());
    world.end().await;
    let world = World::with(|config| config.stop_by_admin = true, None).await;
    world.ask(stop("/stop")).await;
    world.connect_admin().ask(get("/stop", "")).await.problem(Kind::Method);
    // Any page that the operator looks at could ask.
    for page in ["origin: http://evil.example", "origin: null", "sec-fetch-site: same-origin"] {
        let asked = stop("/stop").replace("host: a", &format!("host: a\r\n{page}"));
        assert_eq!(world.connect_admin().ask(asked).await.status, 403, "{page}");
    }
    assert!(!world.stop.is_pulled());
    assert_eq!(world.connect_admin().ask(stop("/stop")).await.status, 202);
    assert!(world.stop.is_pulled());
    world.end().await;
}

#[tokio::test]
async fn a_server_that_stops_is_alive_but_no_longer_ready() {
    let world = World::new().await;
    // An upload under way keeps it from ending.
    let mut client = world.connect();
    client.send("POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n").await.unwrap();
    client.send("content-type: multipart/form-data; boundary=b\r\n\r\n").await.unwrap();
    while world.metric("pasteur_http_requests_total").await == 0 {
        tokio::task::yield_now().await;
    }
    world.stop.pull();
    let said = world.connect_admin().ask(get("/readyz", "")).await;
    assert_eq!((said.status, said.text()), (503, "stopping\n"));
    assert_eq!(world.connect_admin().ask(get("/livez", "")).await.status, 200);
    drop(client);
    world.end().await;
}

#[tokio::test]
async fn a_server_whose_store_has_failed_is_alive_but_not_ready() {
    let world = World::new().await;
    assert_eq!(world.connect_admin().ask(get("/readyz", "")).await.text(), "ready\n");
    world.disk.cut_power_now(device::sim::Unflushed::Dropped);
    // What is in memory is still told; the disk is asked for by the next paste.
    let said = world.ask(Form::new(b"unkept", false).request()).await;
    assert_eq!(said.status, 500, "{}", said.text());
    let said = world.connect_admin().ask(get("/readyz", "")).await;
    assert_eq!(said.status, 503);
    assert!(said.text().starts_with("the store does not answer: "), "{}", said.text());
    assert_eq!(world.connect_admin().ask(get("/livez", "")).await.status, 200);
    // What can be told without the store still is.
    assert!(world.connect_admin().ask(get("/metrics", "")).await.text().contains("pasteur_http_requests_total"));
    assert!(matches!(world.end_in_error().await, pasteur::ServeError::Close(_)));
}

/// Someone, or the disk, has written over the store's file.
#[tokio::test]
async fn damage_under_a_running_server_is_logged_and_told_by_readiness() {
    let world = World::new().await;
    let first = world.paste(&crate::world::noise(6 << 20), false).await;
    for _ in 0..2 {
        world.paste(&crate::world::noise(6 << 20), false).await;
    }
    assert_eq!(world.connect_admin().ask(get("/readyz", "")).await.text(), "ready\n");
    let len = world.disk.contents().len();
    world.disk.write(8192, &vec![0xff; len - 8192]).unwrap();
    for _ in 0..20 {
        let mut client = world.connect();
        client.send(bearing("GET", &first.content(), &read_token(), "")).await.unwrap();
        let _ = client.drain().await;
    }
    let said = world.connect_admin().ask(get("/readyz", "")).await;
    assert_eq!((said.status, said.text().starts_with("the store is damaged: ")), (503, true), "{}", said.text());
    let log = world.log.text();
    assert_eq!(log.matches(" error the store is damaged: ").count(), 1, "{log}");
    assert!(world.metric("pasteur_store_failures_total").await >= 20);
    world.clock.advance(60);
    let mut client = world.connect();
    client.send(bearing("GET", &first.content(), &read_token(), "")).await.unwrap();
    let _ = client.drain().await;
    assert_eq!(world.log.text().matches(" error the store is damaged: ").count(), 2);
    world.stop.pull();
}

#[tokio::test]
async fn the_log_names_nobody_unless_it_is_told_to() {
    for (format, clients) in [(LogFormat::Text, false), (LogFormat::Json, false), (LogFormat::Json, true)] {
        let change = |config: &mut pasteur::Config| {
            config.log = Some(format);
            config.log_clients = clients;
        };
        let world = World::with(change, None).await;
        let paste = world.paste(b"sealed", false).await;
        let mut client = world.connect_from("192.0.2.55");
        client.ask(get(&paste.info(), "")).await;
        client.ask(get("/secret-path?and=query", "user-agent: nosy/1.0\r\nreferer: http://x/\r\n")).await;
        // A form that breaks off after these bytes: they are counted, and not what it announced.
        let mut broken = world.connect();
        let body = Form::new(b"sealed", false).body();
        let head = String::from("POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n");
        broken.send(format!("{head}content-type: multipart/form-data; boundary=b\r\n\r\n")).await.unwrap();
        broken.send(&body[..100]).await.unwrap();
        broken.end().await;
        client.ask(crate::world::bearing("GET", &paste.content(), &read_token(), "")).await;
        let log = world.log.clone();
        world.end().await;
        let log = log.text();
        let token = read_token().encode();
        for secret in
            [paste.id.to_string().as_str(), "secret-path", "query", "nosy", "http://x", token.as_str(), "1234"]
        {
            assert!(!log.contains(secret), "{secret} is in\n{log}");
        }
        assert_eq!(log.contains("192.0.2.55"), clients, "{log}");
        let line = log.lines().find(|line| line.contains("/content")).unwrap();
        match format {
            LogFormat::Text => {
                assert!(line.contains(" info GET /api/v1/pastes/{id}/content 200 "), "{line}");
                let broken = log.lines().find(|line| line.contains("POST /api/v1/pastes 400 ")).unwrap();
                assert!(broken.contains(" in=100 "), "{broken}");
            }
            LogFormat::Json => {
                for line in log.lines() {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert!(line["time"].as_str().unwrap().ends_with('Z'));
                }
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!((&line["status"], &line["out"]), (&200.into(), &6.into()));
            }
        }
    }
}
