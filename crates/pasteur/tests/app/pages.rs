//! The site, and the headers of every answer.

use api::Kind;

use crate::world::{World, get};

#[tokio::test]
async fn the_same_two_documents_for_everybody() {
    let world = World::new().await;
    let index = world.get("/").await;
    assert_eq!((index.status, index.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(index.text().contains("<title>index"));
    assert_eq!(index.header("cache-control"), Some("no-cache"));
    // A paste's page says nothing of whether there is such a paste.
    let paste = world.paste(b"sealed", false).await;
    let known = world.get(&format!("/{}", paste.id)).await;
    let unknown = world.get("/zzzzzzzzzzzz").await;
    assert!(known.text().contains("<title>paste"));
    assert_eq!((known.body, known.status), (unknown.body, unknown.status));
    let head = world.ask("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(head.header("content-length"), Some(index.body.len().to_string().as_str()));
    world.end().await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_in_the_smallest_encoding_a_client_takes() {
    let world = World::new().await;
    let path = "/assets/app-1f2e3d.js";
    let plain = world.get(path).await;
    assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    let mut tags = vec![plain.header("etag").unwrap().to_owned()];
    for encoding in ["br", "zstd", "gzip"] {
        let said = world.ask(get(path, &format!("accept-encoding: {encoding}\r\n"))).await;
        assert_eq!(said.header("content-encoding"), Some(encoding));
        assert!(said.body.len() < plain.body.len() / 10);
        tags.push(said.header("etag").unwrap().to_owned());
        let lines = format!("accept-encoding: {encoding}\r\nif-none-match: W/\"x\", {}\r\n", tags.last().unwrap());
        let same = world.ask(get(path, &lines)).await;
        assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, tags.last().map(String::as_str)));
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 4);
    let lines = format!("if-none-match: {}\r\n", tags[0].replace('"', "'"));
    assert_eq!(world.ask(get(path, &lines)).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn an_address_that_is_none_and_a_method_that_is_none() {
    let world = World::new().await;
    for path in ["/nothing", "/assets/", "/assets/../index.html", "/%2e%2e/etc/passwd", "/index.html/", "//", "/api/v2"]
    {
        world.get(path).await.problem(Kind::NoRoute);
    }
    let page = world.ask(get("/nothing", "accept: text/html,*/*;q=0.8\r\n")).await;
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<title>404"));
    for (method, path, allowed) in [
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("PUT", "/api/v1/pastes", "POST, OPTIONS"),
        ("GET", "/api/v1/pastes", "POST, OPTIONS"),
        ("PATCH", "/api/v1/pastes/zzzzzzzzzzzz", "GET, HEAD, DELETE, OPTIONS"),
        ("DELETE", "/api/v1/pastes/zzzzzzzzzzzz/content", "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/pastes/zzzzzzzzzzzz/claim", "POST, OPTIONS"),
    ] {
        let said = world.ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")).await;
        said.problem(Kind::Method);
        assert_eq!(said.header("allow"), Some(allowed), "{method} {path}");
        let options = world.ask(format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!((options.status, options.header("allow")), (204, Some(allowed)));
    }
    world.end().await;
}

#[tokio::test]
async fn every_answer_forbids_what_nobody_needs() {
    let world = World::new().await;
    for path in ["/", "/zzzzzzzzzzzz", "/assets/app-1f2e3d.js", "/nothing", "/api/v1/limits", "/healthz"] {
        let said = world.get(path).await;
        let policy = said.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "connect-src 'self'",
            "worker-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types pasteur",
        ] {
            assert!(policy.split("; ").any(|r| r == rule), "{path}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("http:") && !policy.contains('*'));
        assert_eq!(said.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(said.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(said.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(said.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(said.header("permissions-policy").unwrap().contains("camera=()"));
        assert_eq!(said.header("strict-transport-security"), None);
        assert_eq!(said.header("set-cookie"), None);
        assert_eq!(said.header("server"), None);
    }
    world.end().await;
}

#[tokio::test]
async fn transport_security_is_asked_for_behind_tls_alone() {
    let trust = |config: &mut pasteur::Config| config.trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    let world = World::with(trust, None).await;
    let lines = "x-forwarded-proto: https\r\n";
    let said = world.connect_from("10.0.0.1").ask(get("/", lines)).await;
    assert!(said.header("strict-transport-security").unwrap().starts_with("max-age=63072000"));
    let said = world.connect_from("10.0.0.2").ask(get("/", lines)).await;
    assert_eq!(said.header("strict-transport-security"), None);
    world.end().await;
}
