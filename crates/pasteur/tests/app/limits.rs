//! How often a client may do what, and what it is told.

use api::{Kind, Token};
use pasteur::ForwardedHeader;

use crate::wire::Said;
use crate::world::{Form, World, bearing, get, read_token};

fn wait(said: &Said) -> u64 {
    let problem = said.problem(Kind::TooMany);
    let seconds = said.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(problem.retry_after, Some(seconds));
    seconds
}

#[tokio::test]
async fn creations_are_counted_by_client() {
    let world = World::with(|config| config.create_rate = 6, None).await;
    let request = Form::new(b"content", false).request();
    let mut client = world.connect_from("192.0.2.1");
    for _ in 0..6 {
        assert_eq!(client.ask(&request).await.status, 201);
    }
    let said = client.ask(&request).await;
    assert_eq!(wait(&said), 10);
    let problem = said.problem(Kind::TooMany);
    assert_eq!((problem.limit.as_deref(), problem.value), (Some("create_rate"), Some(6)));
    // The address counts, not the connection; a neighbour is not hindered.
    wait(&world.connect_from("192.0.2.1").ask(&request).await);
    assert_eq!(world.connect_from("192.0.2.2").ask(&request).await.status, 201);
    world.clock.advance(10);
    assert_eq!(world.connect_from("192.0.2.1").ask(&request).await.status, 201);
    wait(&world.connect_from("192.0.2.1").ask(&request).await);
    assert_eq!(world.metric("pasteur_limited_creations_total").await, 3);
    world.end().await;
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_right_ones_are_not() {
    let world = World::with(|config| config.wrong_token_rate = 5, None).await;
    let paste = world.paste(b"sealed", true).await;
    let (right, wrong) = (read_token(), Token::new([6; 32]));
    let mut client = world.connect_from("2001:db8::1");
    for _ in 0..20 {
        client.ask(bearing("GET", &paste.content(), &right, "")).await.problem(Kind::ClaimNeeded);
    }
    for n in 0..5 {
        let (method, path) =
            [("GET", paste.content()), ("POST", paste.claim()), ("DELETE", paste.info())][n % 3].clone();
        client.ask(bearing(method, &path, &wrong, "")).await.problem(Kind::TokenWrong);
    }
    assert_eq!(wait(&client.ask(bearing("POST", &paste.claim(), &wrong, "")).await), 12);
    // Otherwise the next guess would be told from a wrong one.
    wait(&client.ask(bearing("POST", &paste.claim(), &right, "")).await);
    wait(&world.connect_from("2001:db8::2").ask(bearing("GET", &paste.content(), &right, "")).await);
    world
        .connect_from("2001:db8:0:1::1")
        .ask(bearing("GET", &paste.content(), &right, ""))
        .await
        .problem(Kind::ClaimNeeded);
    world.clock.advance(60);
    assert_eq!(client.ask(bearing("POST", &paste.claim(), &right, "")).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn only_a_trusted_proxy_speaks_for_others() {
    let change = |config: &mut pasteur::Config| {
        config.create_rate = 1;
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        config.forwarded_header = ForwardedHeader::XForwardedFor;
    };
    let world = World::with(change, None).await;
    let from = |client: &str| {
        let mut request = Form::new(b"content", false).request();
        let at = "POST /api/v1/pastes HTTP/1.1\r\n".len();
        request.splice(at..at, format!("x-forwarded-for: {client}\r\n").into_bytes());
        request
    };
    let mut proxy = world.connect_from("10.0.0.1");
    assert_eq!(proxy.ask(from("192.0.2.1")).await.status, 201);
    assert_eq!(proxy.ask(from("192.0.2.2")).await.status, 201);
    wait(&proxy.ask(from("192.0.2.1")).await);
    wait(&proxy.ask(from("203.0.113.77, 192.0.2.1")).await);
    let mut stranger = world.connect_from("198.51.100.1");
    assert_eq!(stranger.ask(from("192.0.2.3")).await.status, 201);
    wait(&stranger.ask(from("192.0.2.4")).await);
    assert_eq!(proxy.ask(from("192.0.2.3")).await.status, 201);
    world.end().await;
}

#[tokio::test]
async fn what_never_reaches_the_application_is_answered_in_the_same_way() {
    let world = World::with(|config| config.http.connections_per_client = 1, None).await;
    let mut held = world.connect_from("192.0.2.1");
    assert_eq!(held.ask(get("/healthz", "")).await.status, 200);
    let full = world.connect_from("192.0.2.1").read().await;
    full.problem(Kind::Unavailable);
    assert_eq!(full.header("retry-after"), Some("1"));
    let bad = world.ask("EHLO example.org\r\n\r\n").await;
    bad.problem(Kind::Malformed);
    let large = world.ask(get("/", &format!("x: {}\r\n", "y".repeat(20_000)))).await;
    assert_eq!(large.status, 431);
    for said in [full, bad, large] {
        assert_eq!(said.header("connection"), Some("close"));
        assert_eq!(said.header("content-type"), Some("application/problem+json"));
        assert_eq!(said.header("x-content-type-options"), Some("nosniff"));
        assert!(said.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
    world.end().await;
}
