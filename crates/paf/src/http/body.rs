//! Bodies: a request's, kept at its pace, and an answer's, whose end is noticed.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use device::Peer;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

use super::exchange::Watch;
use super::fault::Fault;
use super::{BoxError, Shared};

/// The body of a request.
pub struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Arriving(Arriving),
    Other(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>),
}

/// A body on its way in from a client.
struct Arriving {
    incoming: Incoming,
    watch: Watch,
    over: bool,
}

/// Why a request's body ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client was slower than the service allows.
    #[error("the body came too slowly")]
    TooSlow,
    /// The body is not framed as HTTP/1.1 has it: its chunks are malformed (RFC 9112 section 7.1).
    #[error("the body's chunks are malformed: {0}")]
    BadFraming(#[source] BoxError),
    /// The body is not as long as the request says (RFC 9114 section 4.1.2).
    #[error("the body is {0} than its Content-Length")]
    WrongLength(&'static str),
    /// The connection broke, or the stream was reset.
    #[error("the body broke off: {0}")]
    Broken(#[source] BoxError),
}

impl Body {
    /// A body that is there already.
    pub fn whole(data: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(data.into())))
    }

    /// No body.
    #[cfg(feature = "h3")]
    pub(super) fn none() -> Self {
        Self(Kind::Whole(None))
    }

    /// Any body, as tests and other protocols have it.
    pub fn new(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Kind::Other(Box::pin(body)))
    }

    pub(super) fn arriving(incoming: Incoming, watch: Watch) -> Self {
        // Most requests have no body: they need no watching.
        if incoming.is_end_stream() {
            return Self(Kind::Whole(None));
        }
        watch.upload_begins();
        Self(Kind::Arriving(Arriving { incoming, watch, over: false }))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

impl Arriving {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => match self.watch.upload_wait(cx.waker()) {
                Ok(()) => return Poll::Pending,
                Err(()) => return Poll::Ready(Some(Err(BodyError::TooSlow))),
            },
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.watch.upload_moved(frame.data_ref().map_or(0, Bytes::len));
                Some(Ok(frame))
            }
            Some(Err(error)) if is_bad_framing(&error) => Some(Err(BodyError::BadFraming(error.into()))),
            Some(Err(error)) => Some(Err(BodyError::Broken(error.into()))),
            None => {
                self.over = true;
                None
            }
        })
    }
}

/// Whether the HTTP library could not read a body for what it holds: it then gives an I/O error of its own, of these kinds.
fn is_bad_framing(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.watch.upload_over(!self.over && !self.incoming.is_end_stream());
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Whole(data) => Poll::Ready(data.take().map(|d| Ok(Frame::data(d)))),
            Kind::Arriving(body) => body.poll_frame(cx),
            Kind::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(data) => data.is_none(),
            Kind::Arriving(body) => body.incoming.is_end_stream(),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Arriving(body) => body.incoming.size_hint(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

/// The largest piece of an answer that is handed to HTTP/2 at once. It queues what it is given whole, so this bounds what
/// a stream holds for a client that takes nothing, and lets its pace be seen.
const PIECE: usize = 16 * 1024;

pin_project_lite::pin_project! {
    /// The body of an answer; what keeps its exchange's pace is told how it is taken, and when it is over or dropped.
    pub(super) struct Answer<B> {
        #[pin]
        body: Option<B>,
        // What was given by the body and not yet taken by HTTP/2.
        rest: Bytes,
        end: End,
        // Who hears of a body that panics, and of whose.
        told: Option<(Arc<Shared>, Peer)>,
    }
}

/// Tells of the end when it is dropped.
struct End(Watch);

impl Drop for End {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<B> Answer<B> {
    /// An answer with `body`, to this peer.
    pub(super) fn new(body: B, watch: Watch, shared: Arc<Shared>, peer: Peer) -> Self {
        Self { told: Some((shared, peer)), ..Self::begun(Some(body), Bytes::new(), watch) }
    }

    /// An answer that is there already, and not the handler's.
    pub(super) fn ready(body: Bytes, watch: Watch) -> Self {
        Self::begun(None, body, watch)
    }

    fn begun(body: Option<B>, rest: Bytes, watch: Watch) -> Self {
        if let Watch::Two(stream) = &watch {
            stream.answer_begins();
        }
        Self { body, rest, end: End(watch), told: None }
    }
}

/// A body that panicked, and its answer with it.
#[derive(Debug, Error)]
#[error("the answer's body panicked")]
struct BodyPanicked;

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>>> HttpBody for Answer<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let stream = match &this.end.0 {
            Watch::One(_) => None,
            Watch::Two(stream) => Some(stream),
        };
        if let Some(stream) = stream {
            stream.download_asked();
        }
        let mut data = std::mem::take(this.rest);
        if data.is_empty() {
            let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
            // What the body shares with others is its own to keep whole; it is asked no more.
            let Ok(polled) = catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) else {
                this.body.set(None);
                if let Some((shared, peer)) = this.told {
                    shared.faults.tell(Fault::BodyPanicked(*peer));
                }
                return Poll::Ready(Some(Err(BodyPanicked.into())));
            };
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(given) => data = given,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end.map(|end| end.map_err(Into::into))),
            }
        }
        if let Some(stream) = stream {
            *this.rest = data.split_off(data.len().min(PIECE));
            stream.download_given(data.len());
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint);
        let mut all = SizeHint::new();
        all.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all
    }
}
