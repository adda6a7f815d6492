//! Bodies: a request's, kept at its pace, and an answer's, whose end is noticed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

use super::BoxError;
use super::state::State;

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
    state: Arc<State>,
    over: bool,
}

/// Why a request's body ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client was slower than the service allows.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection broke, or the body was not framed as HTTP has it.
    #[error("the body broke off: {0}")]
    Broken(#[source] BoxError),
}

impl Body {
    /// A body that is there already.
    pub fn whole(data: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(data.into())))
    }

    /// Any body, as tests and other protocols have it.
    pub fn new(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Kind::Other(Box::pin(body)))
    }

    pub(super) fn arriving(incoming: Incoming, state: Arc<State>) -> Self {
        // Most requests have no body: they need no watching.
        if incoming.is_end_stream() {
            return Self(Kind::Whole(None));
        }
        Self(Kind::Arriving(Arriving { incoming, state, over: false }))
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
            Poll::Pending => match self.state.upload_wait(cx.waker()) {
                Ok(()) => return Poll::Pending,
                Err(()) => return Poll::Ready(Some(Err(BodyError::TooSlow))),
            },
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.state.upload_moved(frame.data_ref().map_or(0, Bytes::len));
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(BodyError::Broken(error.into()))),
            None => {
                self.over = true;
                None
            }
        })
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.state.upload_over();
        if !self.over && !self.incoming.is_end_stream() {
            self.state.unread.store(true, Ordering::Relaxed);
        }
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

pin_project_lite::pin_project! {
    /// The body of an answer; its connection is told when it is over or dropped.
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        end: End,
    }
}

/// Tells the state of the end when it is dropped.
struct End(Arc<State>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, state: Arc<State>) -> Self {
        Self { body, end: End(state) }
    }
}

impl<B: HttpBody> HttpBody for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Poll::Ready(ready!(self.project().body.poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
