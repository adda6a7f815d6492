//! A client that writes HTTP/2 frames by hand (RFC 9113), as hostile ones do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::world::{Client, World};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const CANCEL: [u8; 4] = [0, 0, 0, 8];
pub(crate) const CALM: u32 = 11;

/// `initial window size` as a setting of none.
pub(crate) const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) struct Frames(Client);

impl Frames {
    /// A connection whose preface and settings are sent.
    pub(crate) async fn connect(world: &World, settings: &[u8]) -> Self {
        let mut client = world.connect();
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut frames = Self(client);
        assert!(frames.send(SETTINGS, 0, 0, settings).await);
        frames
    }

    /// Sends a frame; `false` once nobody takes it.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, data: &[u8]) -> bool {
        self.send_raw(&frame(kind, flags, stream, data)).await
    }

    /// Sends bytes as they are; `false` once nobody takes them.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.flow.write_all(bytes).await.is_ok()
    }

    /// Asks for `path`, with or without a body to come.
    pub(crate) async fn ask(&mut self, stream: u32, path: &str, has_body: bool) -> bool {
        let flags = END_HEADERS | if has_body { 0 } else { END_STREAM };
        self.send(HEADERS, flags, stream, &head(path, has_body)).await
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let flow = &mut self.0.flow;
        timeout(Duration::from_secs(3600), flow.read_exact(&mut head)).await.expect("nothing comes").ok()?;
        let mut data = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        flow.read_exact(&mut data).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, data })
    }

    /// The next frame of a kind on a stream; acknowledges pings on the way.
    pub(crate) async fn until(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == PING && frame.flags & ACK == 0 {
                self.send(PING, ACK, 0, &frame.data).await;
            }
            if frame.kind == kind && frame.stream == stream {
                return Some(frame);
            }
        }
    }

    /// The last GOAWAY before the end: its error code and what it says.
    pub(crate) async fn farewell(&mut self) -> Option<(u32, String)> {
        let mut last = None;
        while let Some(frame) = self.until(GOAWAY, 0).await {
            let code = u32::from_be_bytes(frame.data[4..8].try_into().unwrap());
            last = Some((code, String::from_utf8_lossy(&frame.data[8..]).into_owned()));
        }
        last
    }
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(data.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(data);
    frame
}

/// A request's header block in HPACK (RFC 7541), by the static table and literals.
pub(crate) fn head(path: &str, is_post: bool) -> Vec<u8> {
    let mut block = vec![if is_post { 0x83 } else { 0x82 }, 0x86, 0x41, 1, b'a'];
    block.extend([0x04, u8::try_from(path.len()).unwrap()]);
    block.extend(path.bytes());
    block
}

/// A header field that is not indexed.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0x00, u8::try_from(name.len()).unwrap()];
    field.extend(name.bytes());
    // Lengths up to 126 fit the prefix (RFC 7541 section 5.1).
    assert!(value.len() < 127);
    field.push(u8::try_from(value.len()).unwrap());
    field.extend(value.bytes());
    field
}
