//! Clients of HTTP/2 (with prior knowledge, RFC 9113 section 3.3).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::time::{sleep, timeout};

use super::handler::pattern;
use super::world::{Dice, World};

/// No client waits longer.
const FOREVER: Duration = Duration::from_secs(1500);

/// Streams at once, some of them reset, some left.
pub(crate) async fn client(world: World, mut dice: Dice) {
    sleep(dice.millis(20_000)).await;
    let Ok(flow) = world.stack.connect(world.at) else {
        assert!(world.stop.is_pulled(), "nobody listens");
        return;
    };
    let Ok(Ok((send, connection))) = timeout(FOREVER, h2::client::handshake(flow)).await else {
        assert!(!world.is_kind || world.stop.is_pulled(), "a good client cannot begin");
        return;
    };
    let driving = tokio::spawn(async move {
        // However it ends, its streams tell.
        let _ = connection.await;
    });
    let mut streams = Vec::new();
    for _ in 0..1 + dice.below(12) {
        streams.push(tokio::spawn(stream(world.clone(), Dice::new(dice.below(u64::MAX)), send.clone())));
    }
    drop(send);
    for stream in streams {
        stream.await.unwrap();
    }
    timeout(FOREVER, driving).await.expect("a connection without streams stays").unwrap();
}

async fn stream(world: World, mut dice: Dice, send: h2::client::SendRequest<Bytes>) {
    sleep(dice.millis(2000)).await;
    let id = world.id();
    let size = [0, 100, 5000, 100_000][dice.below(4) as usize];
    let asked = timeout(FOREVER, ask(&world, id, size, dice, send)).await.expect("a stream is left waiting for ever");
    match asked {
        Ok(Some(body)) => {
            assert!(body == pattern(id, size), "another answer's body");
            let mut seen = world.seen.lock().unwrap();
            seen.answers += 1;
            seen.http2 += 1;
        }
        Ok(None) => {}
        Err(error) => assert!(!world.is_kind || world.stop.is_pulled(), "a good client was not answered: {error}"),
    }
}

/// The answer's body; `None` where the client gave up on it, or was too slow.
async fn ask(
    world: &World,
    id: u64,
    size: usize,
    mut dice: Dice,
    send: h2::client::SendRequest<Bytes>,
) -> Result<Option<Vec<u8>>, h2::Error> {
    let mut send = send.ready().await?;
    let echo = dice.below(2) == 0;
    let what = if echo { "echo" } else { "give" };
    let request = Request::builder().method(if echo { "POST" } else { "GET" });
    let request = request.uri(format!("http://a/{what}/{id}/{size}")).body(()).unwrap();
    let (answer, mut up) = send.send_request(request, !echo)?;
    if echo {
        for piece in pattern(id, size).chunks(10_000) {
            up.send_data(Bytes::copy_from_slice(piece), false)?;
        }
        if dice.below(8) == 0 {
            up.send_reset(h2::Reason::CANCEL);
            return Ok(None);
        }
        up.send_data(Bytes::new(), true)?;
    }
    let answer = answer.await?;
    assert_eq!(answer.headers()["x-id"], id.to_string(), "an answer to another request");
    // The handler's word on a body that broke off.
    if answer.status() == 400 {
        assert!(echo && !world.is_kind, "a good client's request was not taken");
        return Ok(None);
    }
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend(piece);
        if dice.below(20) == 0 {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}
