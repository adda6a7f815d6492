//! quinn's streams as h3 wants them, with an eye on what comes by them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::code;
use super::frames::{Frames, Piece, Wrong};
use super::meter::Meter;

/// How many bytes are read at once.
const READ: usize = 64 * 1024;

/// What is being waited for, by itself.
type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// `false` once the client has all of the answer, `true` once it wants no more of it or is gone.
pub(super) type Stopped = Waiting<bool>;

/// What is known of a request's stream outside of h3.
#[derive(Debug)]
pub(super) struct Lane {
    /// The code with which the answer is reset where it is dropped.
    code: AtomicU64,
    /// Whether the handler is asked: before, what h3 has said by itself is to arrive.
    asked: AtomicBool,
    /// Whether the head is longer than one may be.
    pub(super) is_too_long: AtomicBool,
    /// Whether the client took the request back.
    is_gone: AtomicBool,
    meter: Arc<Meter>,
}

impl Lane {
    /// The handler is asked, so from now on what is dropped is reset.
    pub(super) fn ask(&self) {
        self.asked.store(true, Relaxed);
    }

    /// What is dropped from now on is reset with this code.
    pub(super) fn reset_with(&self, code: Code) {
        self.code.store(code.value(), Relaxed);
    }

    /// The client took the request back, which counts once.
    pub(super) fn gone(&self) {
        if !self.is_gone.swap(true, Relaxed) {
            self.meter.reset();
        }
    }
}

/// The stream that was accepted last.
pub(super) struct Accepted {
    pub(super) lane: Arc<Lane>,
    pub(super) stopped: Stopped,
}

/// Where it is left for whoever asked for it.
pub(super) type Slot = Arc<Mutex<Option<Accepted>>>;

/// A connection.
pub(super) struct Connection {
    opener: Opener,
    meter: Arc<Meter>,
    most: usize,
    slot: Slot,
    requests: Option<Waiting<Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>>,
    others: Option<Waiting<Result<quinn::RecvStream, ConnectionError>>>,
}

/// Opens streams towards the client.
pub(super) struct Opener {
    quic: quinn::Connection,
    opening: Option<Waiting<Result<quinn::SendStream, ConnectionError>>>,
}

/// A request's stream.
pub(super) struct Both {
    send: Outward,
    recv: Inward,
}

/// The way to the client.
pub(super) struct Outward {
    id: StreamId,
    stream: quinn::SendStream,
    writing: Option<WriteBuf<Bytes>>,
    has_written: bool,
    lane: Option<Arc<Lane>>,
    meter: Arc<Meter>,
}

/// The way from the client.
pub(super) struct Inward {
    id: StreamId,
    stream: quinn::RecvStream,
    chunk: Bytes,
    frames: Frames,
    /// What is kept of the connection's room for heads.
    room: usize,
    lane: Option<Arc<Lane>>,
    meter: Arc<Meter>,
}

impl Connection {
    /// Heads have `most` bytes at most, encoded.
    pub(super) fn new(quic: quinn::Connection, meter: Arc<Meter>, most: usize, slot: Slot) -> Self {
        Self { opener: Opener { quic, opening: None }, meter, most, slot, requests: None, others: None }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = Inward;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inward, ConnectionErrorIncoming>> {
        let quic = &self.opener.quic;
        let accepting = self.others.get_or_insert_with(|| {
            let quic = quic.clone();
            Box::pin(async move { quic.accept_uni().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.others = None;
        if !self.meter.other() {
            return Poll::Ready(Err(lost(ConnectionError::LocallyClosed)));
        }
        Poll::Ready(Inward::new(accepted.map_err(lost)?, Frames::of_other(), None, &self.meter))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Both, ConnectionErrorIncoming>> {
        let quic = &self.opener.quic;
        let accepting = self.requests.get_or_insert_with(|| {
            let quic = quic.clone();
            Box::pin(async move { quic.accept_bi().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.requests = None;
        let (send, recv) = accepted.map_err(lost)?;
        self.meter.request();
        let lane = Arc::new(Lane {
            code: AtomicU64::new(Code::H3_REQUEST_CANCELLED.value()),
            asked: AtomicBool::new(false),
            is_too_long: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            meter: Arc::clone(&self.meter),
        });
        let stopped = send.stopped();
        let stopped = Box::pin(async move { !matches!(stopped.await, Ok(None)) });
        let accepted = Accepted { lane: Arc::clone(&lane), stopped };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
        let recv = Inward::new(recv, Frames::of_request(self.most), Some(Arc::clone(&lane)), &self.meter)?;
        Poll::Ready(Ok(Both { send: Outward::new(send, Some(lane), &self.meter)?, recv }))
    }

    fn opener(&self) -> Opener {
        Opener { quic: self.opener.quic.clone(), opening: None }
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = Both;
    type SendStream = Outward;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Both, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outward, StreamErrorIncoming>> {
        let opened = ready!(self.opener.poll_open(cx)).and_then(|stream| Outward::new(stream, None, &self.meter));
        Poll::Ready(opened.map_err(broken))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

impl Opener {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<quinn::SendStream, ConnectionErrorIncoming>> {
        let quic = &self.quic;
        let opening = self.opening.get_or_insert_with(|| {
            let quic = quic.clone();
            Box::pin(async move { quic.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        Poll::Ready(opened.map_err(lost))
    }
}

/// Nobody asks a service's connection for these: they are a client's.
impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Both;
    type SendStream = Outward;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Both, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown("a service opens no requests".into())))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Outward, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown("a service pushes nothing".into())))
    }

    fn close(&mut self, reason: Code, words: &[u8]) {
        self.quic.close(code(reason), words);
    }
}

impl Outward {
    fn new(
        stream: quinn::SendStream,
        lane: Option<Arc<Lane>>,
        meter: &Arc<Meter>,
    ) -> Result<Self, ConnectionErrorIncoming> {
        let id = id(stream.id())?;
        Ok(Self { id, stream, writing: None, has_written: false, lane, meter: Arc::clone(meter) })
    }
}

impl Drop for Outward {
    fn drop(&mut self) {
        let Some(lane) = &self.lane else { return };
        // quinn finishes what is dropped: right for what h3 has said to the end, and wrong for half an answer.
        if lane.asked.load(Relaxed) || !self.has_written {
            let _ = self.stream.reset(VarInt::from_u64(lane.code.load(Relaxed)).unwrap_or(VarInt::MAX));
        }
    }
}

impl quic::SendStream<Bytes> for Outward {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk())).map_err(not_written)?;
                self.meter.counters.sent.fetch_add(written as u64, Relaxed);
                self.has_written = true;
                data.advance(written);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            return Err(StreamErrorIncoming::Unknown("more was handed over than was asked for".into()));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, reset_code: u64) {
        // One that is over needs none.
        let _ = self.stream.reset(VarInt::from_u64(reset_code).unwrap_or(VarInt::MAX));
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

impl Inward {
    fn new(
        stream: quinn::RecvStream,
        frames: Frames,
        lane: Option<Arc<Lane>>,
        meter: &Arc<Meter>,
    ) -> Result<Self, ConnectionErrorIncoming> {
        let id = id(stream.id())?;
        Ok(Self { id, stream, chunk: Bytes::new(), frames, room: 0, lane, meter: Arc::clone(meter) })
    }

    fn give_back(&mut self) {
        self.meter.release(std::mem::take(&mut self.room));
    }

    /// Refuses to read on.
    fn refuse(&mut self, wrong: Wrong) -> StreamErrorIncoming {
        let why = match wrong {
            Wrong::TooLong => Code::H3_EXCESSIVE_LOAD,
            // Nothing was done with it: the client may ask again.
            Wrong::NoRoom => Code::H3_REQUEST_REJECTED,
        };
        if let Some(lane) = &self.lane {
            lane.is_too_long.store(true, Relaxed);
            lane.reset_with(why);
        }
        let _ = self.stream.stop(code(why));
        StreamErrorIncoming::StreamTerminated { error_code: why.value() }
    }
}

impl Drop for Inward {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl quic::RecvStream for Inward {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            match self.frames.next(&mut self.chunk) {
                Ok(Some(Piece::Given(bytes))) => {
                    self.give_back();
                    return Poll::Ready(Ok(Some(bytes)));
                }
                // Beside requests each is a control frame.
                Ok(Some(Piece::Begins(_))) if self.lane.is_none() && !self.meter.other() => {
                    return Poll::Ready(Err(broken(lost(ConnectionError::LocallyClosed))));
                }
                Ok(Some(Piece::Begins(len))) => {
                    if !self.meter.reserve(len) {
                        return Poll::Ready(Err(self.refuse(Wrong::NoRoom)));
                    }
                    self.room = len;
                    continue;
                }
                Ok(Some(Piece::Nothing)) => {
                    if !self.meter.other() {
                        return Poll::Ready(Err(broken(lost(ConnectionError::LocallyClosed))));
                    }
                    continue;
                }
                Ok(None) => {}
                Err(wrong) => return Poll::Ready(Err(self.refuse(wrong))),
            }
            let read = {
                let read = pin!(self.stream.read_chunk(READ, true));
                ready!(read.poll(cx))
            };
            match read {
                Ok(Some(chunk)) => {
                    self.meter.counters.received.fetch_add(chunk.bytes.len() as u64, Relaxed);
                    self.chunk = chunk.bytes;
                }
                Ok(None) if self.frames.is_between() => return Poll::Ready(Ok(None)),
                // In the middle of a frame (RFC 9114 section 7.1).
                Ok(None) => {
                    let error_code = Code::H3_REQUEST_INCOMPLETE.value();
                    return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
                }
                Err(error) => {
                    if let (ReadError::Reset(_), Some(lane)) = (&error, &self.lane) {
                        lane.gone();
                    }
                    return Poll::Ready(Err(not_read(error)));
                }
            }
        }
    }

    fn stop_sending(&mut self, error_code: u64) {
        // One that is over needs none.
        let _ = self.stream.stop(VarInt::from_u64(error_code).unwrap_or(VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

impl quic::BidiStream<Bytes> for Both {
    type SendStream = Outward;
    type RecvStream = Inward;

    fn split(self) -> (Outward, Inward) {
        (self.send, self.recv)
    }
}

impl quic::SendStream<Bytes> for Both {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl quic::RecvStream for Both {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

/// A stream's number.
fn id(id: quinn::StreamId) -> Result<StreamId, ConnectionErrorIncoming> {
    let number = VarInt::from(id).into_inner();
    StreamId::try_from(number).map_err(|error| ConnectionErrorIncoming::InternalError(error.to_string()))
}

fn lost(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn broken(connection_error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn not_read(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        ReadError::ConnectionLost(error) => broken(lost(error)),
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn not_written(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        WriteError::ConnectionLost(error) => broken(lost(error)),
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}
