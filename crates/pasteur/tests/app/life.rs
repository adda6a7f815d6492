//! From creation to deletion or expiry.

use api::{Created, Info, Kind, PasteState, ServerLimits, Token};

use crate::world::{Form, NOW, World, bearing, noise, read_token};

#[tokio::test]
async fn a_paste_is_created_read_and_deleted() {
    let world = World::new().await;
    let form = Form::new(b"sealed", false).part("expires_in", "3600");
    let said = world.ask(form.request()).await;
    let created: Created = said.json(201);
    assert_eq!(said.header("location"), Some(api::path::paste(&created.id).as_str()));
    assert_eq!(created.expires_at, Some(NOW + 3600));

    let info: Info = world.get(&api::path::paste(&created.id)).await.json(200);
    assert_eq!(info.header.as_bytes(), form.parts[0].1);
    assert_eq!((info.size, info.created_at, info.expires_at), (6, NOW, Some(NOW + 3600)));
    assert_eq!(info.state, PasteState::Open);

    let content = api::path::content(&created.id);
    let said = world.bearing("GET", &content, &read_token()).await;
    assert_eq!((said.status, said.body.as_slice()), (200, b"sealed".as_slice()));
    assert_eq!(said.header("content-type"), Some("application/octet-stream"));
    assert_eq!(said.header("accept-ranges"), Some("bytes"));
    assert_eq!(said.header("cache-control"), Some("no-store"));

    let said = world.bearing("DELETE", &api::path::paste(&created.id), &created.delete_token).await;
    assert_eq!((said.status, said.body.len()), (204, 0));
    world.get(&api::path::paste(&created.id)).await.problem(Kind::NotFound);
    world.bearing("GET", &content, &read_token()).await.problem(Kind::NotFound);
    world.bearing("DELETE", &api::path::paste(&created.id), &created.delete_token).await.problem(Kind::NotFound);
    world.end().await;
}

#[tokio::test]
async fn content_of_every_size_comes_back() {
    let world = World::new().await;
    for len in [0, 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 17] {
        let content = noise(len);
        let paste = world.paste(&content, false).await;
        let said = world.bearing("GET", &paste.content(), &read_token()).await;
        assert_eq!(said.status, 200);
        assert!(said.body == content, "{len} bytes came back otherwise");
        let head = world.bearing("HEAD", &paste.content(), &read_token()).await;
        assert_eq!((head.status, head.header("content-length")), (200, Some(len.to_string().as_str())));
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_in_chunks_is_as_good_and_one_connection_serves_for_all() {
    let world = World::new().await;
    let body = Form::new(b"in chunks", false).body();
    let mut client = world.connect();
    for size in [1, 7, 1000] {
        let mut request =
            b"POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=\"b\"\r\n\
            transfer-encoding: chunked\r\n\r\n"
                .to_vec();
        for chunk in body.chunks(size) {
            request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let created: Created = client.ask(request).await.json(201);
        let said = client.ask(bearing("GET", &api::path::content(&created.id), &read_token(), "")).await;
        assert_eq!(said.body, b"in chunks");
    }
    world.end().await;
}

#[tokio::test]
async fn an_expired_paste_is_as_if_it_never_was() {
    let world = World::new().await;
    let said = world.ask(Form::new(b"soon gone", false).part("expires_in", "60").request()).await;
    let created: Created = said.json(201);
    let forever = world.paste(b"for ever", false).await;
    world.clock.advance(59);
    assert_eq!(world.get(&api::path::paste(&created.id)).await.status, 200);
    world.clock.advance(1);
    let gone = world.get(&api::path::paste(&created.id)).await;
    let never_was = world.get("/api/v1/pastes/zzzzzzzzzzzz").await;
    assert_eq!(gone.problem(Kind::NotFound), never_was.problem(Kind::NotFound));
    world.bearing("GET", &api::path::content(&created.id), &read_token()).await.problem(Kind::NotFound);
    world.bearing("DELETE", &api::path::paste(&created.id), &created.delete_token).await.problem(Kind::NotFound);
    world.clock.advance(100 * 365 * 86400);
    assert_eq!(world.get(&forever.info()).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn each_token_does_one_thing() {
    let world = World::new().await;
    let paste = world.paste(b"sealed", false).await;
    let other = Token::new([6; 32]);
    for (method, path, token) in [
        ("GET", paste.content(), &other),
        ("GET", paste.content(), &paste.delete),
        ("DELETE", paste.info(), &other),
        ("DELETE", paste.info(), &read_token()),
        ("POST", paste.claim(), &paste.delete),
    ] {
        world.bearing(method, &path, token).await.problem(Kind::TokenWrong);
    }
    for (method, path) in [("GET", paste.content()), ("DELETE", paste.info()), ("POST", paste.claim())] {
        for lines in ["", "authorization: Basic YTpi\r\n", "authorization: Bearer\r\n", "authorization: \u{e9}\r\n"] {
            let said = world.ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")).await;
            said.problem(Kind::TokenMissing);
            assert_eq!(said.header("www-authenticate"), Some("Bearer"));
        }
        for token in ["x", "", &"A".repeat(44), &"A".repeat(4000)] {
            let lines = format!("authorization: bearer {token}\r\n");
            let said = world.ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")).await;
            assert!([401, 403].contains(&said.status), "{token}: {}", said.status);
        }
    }
    assert_eq!(world.bearing("GET", &paste.content(), &read_token()).await.body, b"sealed");
    world.end().await;
}

#[tokio::test]
async fn tells_its_limits_and_its_interface() {
    let world = World::with(|config| config.max_expiry = Some(86400), None).await;
    let limits: ServerLimits = world.get("/api/v1/limits").await.json(200);
    assert_eq!((limits.max_paste, limits.max_expiry), (8 << 20, Some(86400)));
    let document: serde_json::Value = world.get("/api/v1/openapi.json").await.json(200);
    assert_eq!(document, pasteur::openapi_document());
    assert_eq!(world.get("/healthz").await.text(), "ok\n");
    world.end().await;
}
