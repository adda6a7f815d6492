//! The API's description and the answers agree: [`crate::wire`] holds every answer of these tests to it, and here each
//! that is described occurs.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use api::{Claimed, Token};

use crate::world::{Form, World, bearing, get, post, read_token};

/// Method, template and status.
type Case = (String, String, u16);

/// Everything that is described.
fn described() -> BTreeSet<Case> {
    let document = pasteur::openapi_document();
    let mut cases = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            for status in operation["responses"].as_object().unwrap().keys() {
                cases.insert((method.to_uppercase(), path.clone(), status.parse().unwrap()));
            }
        }
    }
    cases
}

/// Each operation once, about the paste with this id; its body, if it has one, is a good form.
fn operations(id: &str) -> Vec<(String, String, String)> {
    let mut all: Vec<_> = described().into_iter().map(|(method, template, _)| (method, template)).collect();
    all.dedup();
    let with_path = |(method, template): (String, String)| {
        let path = template.replace("{id}", id);
        (method, template, path)
    };
    all.into_iter().map(with_path).collect()
}

fn request(method: &str, template: &str, path: &str, lines: &str) -> Vec<u8> {
    let bearer = format!("authorization: Bearer {}\r\n", read_token().encode().as_str());
    if template.ends_with("/pastes") {
        let body = Form::new(b"content", false).body();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\n{lines}content-type: multipart/form-data; boundary=b\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        return [head.as_bytes(), &body].concat();
    }
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{bearer}{lines}\r\n").into_bytes()
}

/// What any request may be answered.
async fn everywhere(seen: &mut BTreeSet<Case>) {
    let change = |config: &mut pasteur::Config| {
        config.http.connections_per_client = 1;
        config.http.head_time = Duration::from_millis(100);
    };
    let world = World::with(change, None).await;
    let id = world.paste(b"content", false).await.id.to_string();
    let mut held = world.connect_from("192.0.2.9");
    assert_eq!(held.ask(get("/healthz", "")).await.status, 200);
    for (method, template, path) in operations(&id) {
        let note = |said: crate::wire::Said, status: u16| {
            assert_eq!(said.status, status, "{method} {path}: {}", said.text());
            (method.clone(), template.clone(), status)
        };
        let whole = request(&method, &template, &path, "");
        seen.insert(note(world.ask(request(&method, &template, &path, "host: b\r\n")).await, 400));
        let long = format!("x: {}\r\n", "y".repeat(20_000));
        let said = world.ask(request(&method, &template, &path, &long)).await;
        let problem: api::Problem = serde_json::from_slice(&said.body).unwrap();
        assert_eq!((problem.limit.as_deref(), problem.value), (Some("head_bytes"), Some(16 * 1024)));
        seen.insert(note(said, 431));
        let lines = "x: y\r\n".repeat(65);
        let said = world.ask(request(&method, &template, &path, &lines)).await;
        let problem: api::Problem = serde_json::from_slice(&said.body).unwrap();
        assert_eq!((problem.limit.as_deref(), problem.value), (Some("head_lines"), Some(64)));
        note(said, 431);
        // A head that never ends.
        let mut slow = world.connect();
        slow.send(&whole[..20]).await.unwrap();
        seen.insert(note(slow.read().await, 408));
        seen.insert(note(world.connect_from("192.0.2.9").ask(&whole).await, 503));
    }
    world.end().await;
}

#[tokio::test]
async fn each_described_answer_occurs() {
    let mut seen = BTreeSet::new();
    everywhere(&mut seen).await;

    let world = World::with(|config| config.max_paste = 1000, None).await;
    let mut see = |method: &str, template: &str, said: crate::wire::Said, status: u16| {
        assert_eq!(said.status, status, "{method} {template}: {}", said.text());
        seen.insert((method.to_owned(), template.to_owned(), status));
        said
    };
    let (pastes, info, content, claim) =
        ("/api/v1/pastes", "/api/v1/pastes/{id}", "/api/v1/pastes/{id}/content", "/api/v1/pastes/{id}/claim");
    let (wrong, nobody) = (Token::new([6; 32]), "/api/v1/pastes/1z1z23456789");
    for path in ["/api/v1/limits", "/api/v1/openapi.json", "/healthz"] {
        see("GET", path, world.get(path).await, 200);
    }

    let said = see("POST", pastes, world.ask(Form::new(b"content", false).request()).await, 201);
    assert!(said.header("location").unwrap().starts_with("/api/v1/pastes/"));
    see("POST", pastes, world.ask(Form::new(&[0; 1001], false).request()).await, 413);
    see("POST", pastes, world.ask(post("text/plain", b"")).await, 415);

    let open = world.paste(b"0123456789", false).await;
    let burning = world.paste(b"0123456789", true).await;
    let read = read_token();
    see("GET", info, world.get(&open.info()).await, 200);
    see("GET", info, world.get(nobody).await, 404);
    let said = see("GET", content, world.bearing("GET", &open.content(), &read).await, 200);
    assert!(said.header("etag").is_some() && said.header("accept-ranges") == Some("bytes"));
    let said =
        see("GET", content, world.ask(bearing("GET", &open.content(), &read, "range: bytes=2-3\r\n")).await, 206);
    assert_eq!(said.header("content-range"), Some("bytes 2-3/10"));
    let said =
        see("GET", content, world.ask(bearing("GET", &open.content(), &read, "range: bytes=20-\r\n")).await, 416);
    assert_eq!(said.header("content-range"), Some("bytes */10"));
    see("GET", content, world.bearing("GET", &burning.content(), &read).await, 409);
    see("POST", claim, world.bearing("POST", &open.claim(), &read).await, 409);
    for (method, template, path) in
        [("GET", content, open.content()), ("POST", claim, burning.claim()), ("DELETE", info, open.info())]
    {
        let none = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let said = see(method, template, world.ask(none).await, 401);
        assert_eq!(said.header("www-authenticate"), Some("Bearer"));
        see(method, template, world.bearing(method, &path, &wrong).await, 403);
        let gone = path.replace(&path[15..27], "1z1z23456789");
        see(method, template, world.bearing(method, &gone, &wrong).await, 404);
    }
    let claimed: Claimed = see("POST", claim, world.bearing("POST", &burning.claim(), &read).await, 200).json(200);
    see("POST", claim, world.bearing("POST", &burning.claim(), &read).await, 410);
    see("GET", content, world.bearing("GET", &burning.content(), &read).await, 410);
    see("DELETE", info, world.bearing("DELETE", &burning.info(), &claimed.lease).await, 204);
    see("DELETE", info, world.bearing("DELETE", &burning.info(), &claimed.lease).await, 410);
    see("GET", info, world.get(&burning.info()).await, 410);
    world.end().await;

    let change = |config: &mut pasteur::Config| (config.create_rate, config.wrong_token_rate) = (1, 1);
    let world = World::with(change, None).await;
    let paste = world.paste(b"content", true).await;
    let said = see("POST", pastes, world.ask(Form::new(b"content", false).request()).await, 429);
    assert!(said.header("retry-after").is_some());
    assert_eq!(world.bearing("DELETE", &paste.info(), &wrong).await.status, 403);
    see("DELETE", info, world.bearing("DELETE", &paste.info(), &wrong).await, 429);
    see("GET", content, world.bearing("GET", &paste.content(), &wrong).await, 429);
    see("POST", claim, world.bearing("POST", &paste.claim(), &wrong).await, 429);
    world.end().await;

    for (kind, status) in [(io::ErrorKind::StorageFull, 507), (io::ErrorKind::Other, 500)] {
        let world = World::new().await;
        let paste = world.paste(b"content", true).await;
        world.disk.fail(0, 1_000_000, kind);
        see("POST", pastes, world.ask(Form::new(b"content", false).request()).await, status);
        see("POST", claim, world.bearing("POST", &paste.claim(), &read).await, status);
        see("DELETE", info, world.bearing("DELETE", &paste.info(), &paste.delete).await, status);
        if status == 500 {
            see("GET", info, world.get(&paste.info()).await, status);
            see("GET", content, world.bearing("GET", &paste.content(), &read).await, status);
        }
        world.disk.fail(0, 0, kind);
        world.stop.pull();
    }

    let missing: Vec<_> = described().difference(&seen).cloned().collect();
    assert!(missing.is_empty(), "described, but not seen: {missing:?}");
}
