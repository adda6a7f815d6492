//! A request's body on its way in by HTTP/3.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http_body::{Body, Frame, SizeHint};

use super::streams::Inward;
use crate::http::BodyError;
use crate::http::exchange::Watch;

/// A body of which the client is waited for.
pub(super) struct Arriving {
    recv: RequestStream<Inward, Bytes>,
    watch: Watch,
    /// What the request says is still to come, where it says so.
    left: Option<u64>,
    /// What came before the handler asked.
    ahead: Option<Result<Frame<Bytes>, BodyError>>,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Data,
    Trailers,
    Over,
}

impl Arriving {
    pub(super) fn new(recv: RequestStream<Inward, Bytes>, length: Option<u64>, watch: Watch) -> Self {
        Self { recv, watch, left: length, ahead: None, step: Step::Data }
    }

    /// Looks whether anything is there already; `false` where the body is over, and was empty.
    pub(super) async fn look(&mut self) -> bool {
        poll_fn(|cx| {
            Poll::Ready(match self.poll(cx) {
                Poll::Ready(Some(first)) => {
                    self.ahead = Some(first);
                    true
                }
                Poll::Ready(None) => false,
                Poll::Pending => true,
            })
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.step == Step::Data {
            match ready!(self.recv.poll_recv_data(cx)) {
                Ok(Some(mut data)) => {
                    let data = data.copy_to_bytes(data.remaining());
                    if let Some(left) = &mut self.left {
                        let Some(less) = left.checked_sub(data.len() as u64) else { return self.wrong("longer") };
                        *left = less;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(None) if self.left.is_some_and(|left| left > 0) => return self.wrong("shorter"),
                Ok(None) => self.step = Step::Trailers,
                Err(error) => return self.broken(error),
            }
        }
        if self.step == Step::Trailers {
            let trailers = ready!(self.recv.poll_recv_trailers(cx));
            self.step = Step::Over;
            return match trailers {
                Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
                Err(error) => self.broken(error),
            };
        }
        Poll::Ready(None)
    }

    /// The body is not as long as the request says (RFC 9114 section 4.1.2).
    fn wrong(&mut self, how: &'static str) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.step = Step::Over;
        self.recv.stop_sending(Code::H3_MESSAGE_ERROR);
        Poll::Ready(Some(Err(BodyError::WrongLength(how))))
    }

    fn broken(&mut self, error: h3::error::StreamError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.step = Step::Over;
        Poll::Ready(Some(Err(BodyError::Broken(error.into()))))
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(first) = this.ahead.take() {
            return Poll::Ready(Some(first));
        }
        let Poll::Ready(frame) = this.poll(cx) else {
            return match this.watch.upload_wait(cx.waker()) {
                Ok(()) => Poll::Pending,
                Err(()) => Poll::Ready(Some(Err(BodyError::TooSlow))),
            };
        };
        if let Some(Ok(frame)) = &frame {
            this.watch.upload_moved(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.step == Step::Over && self.ahead.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        self.left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + ahead as u64))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.watch.upload_over(false);
        if self.step != Step::Over {
            // Nobody wants the rest (RFC 9114 section 4.1).
            self.recv.stop_sending(Code::H3_NO_ERROR);
        }
    }
}
