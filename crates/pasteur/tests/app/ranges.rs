//! Parts of content (RFC 9110 section 14).

use api::Kind;

use crate::world::{World, bearing, noise, read_token};

#[tokio::test]
async fn any_range_is_those_bytes() {
    let world = World::new().await;
    let content = noise((2 << 20) + 100);
    let len = content.len();
    let paste = world.paste(&content, false).await;
    let mut client = world.connect();
    for (asked, from, to) in [
        ("0-0".to_owned(), 0, 1),
        ("0-".to_owned(), 0, len),
        ("1048575-1048576".to_owned(), 1_048_575, 1_048_577),
        (format!("{}-", len - 1), len - 1, len),
        ("-100".to_owned(), len - 100, len),
        ("5-99999999999999999999".to_owned(), 5, len),
    ] {
        let range = format!("range: bytes={asked}\r\n");
        let said = client.ask(bearing("GET", &paste.content(), &read_token(), &range)).await;
        assert_eq!(said.status, 206, "{asked}");
        assert_eq!(said.header("content-range"), Some(format!("bytes {from}-{}/{len}", to - 1).as_str()));
        assert!(said.body == content[from..to], "{asked}");
        let head = client.ask(bearing("HEAD", &paste.content(), &read_token(), &range)).await;
        // Only GET has ranges.
        assert_eq!((head.status, head.header("content-length")), (200, Some(len.to_string().as_str())));
    }
    for asked in ["bytes=0-1,5-6", "bytes=9-3", "lines=1-2", "bytes"] {
        let range = format!("range: {asked}\r\n");
        let said = client.ask(bearing("GET", &paste.content(), &read_token(), &range)).await;
        assert_eq!((said.status, said.body.len()), (200, len), "{asked}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_range_outside_is_refused_with_the_size() {
    let world = World::new().await;
    let (some, none) = (world.paste(b"0123456789", false).await, world.paste(b"", false).await);
    for (paste, asked, size) in [(&some, "10-", 10), (&some, "-0", 10), (&none, "0-", 0), (&none, "-1", 0)] {
        let range = format!("range: bytes={asked}\r\n");
        let said = world.ask(bearing("GET", &paste.content(), &read_token(), &range)).await;
        assert_eq!(said.problem(Kind::Range).value, Some(size), "{asked}");
        assert_eq!(said.header("content-range"), Some(format!("bytes */{size}").as_str()));
    }
    // The range of a stranger is not looked at.
    let range = "range: bytes=10-\r\n";
    world.ask(bearing("GET", &some.content(), &some.delete, range)).await.problem(Kind::TokenWrong);
    world.end().await;
}

#[tokio::test]
async fn a_range_of_something_else_gives_everything() {
    let world = World::new().await;
    let paste = world.paste(b"0123456789", false).await;
    let tag = world.bearing("GET", &paste.content(), &read_token()).await.header("etag").unwrap().to_owned();
    for (tag, status) in
        [(tag.as_str(), 206), ("\"other\"", 200), ("W/\"x\"", 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)]
    {
        let lines = format!("range: bytes=2-4\r\nif-range: {tag}\r\n");
        let said = world.ask(bearing("GET", &paste.content(), &read_token(), &lines)).await;
        assert_eq!(said.status, status, "{tag}");
    }
    world.end().await;
}
