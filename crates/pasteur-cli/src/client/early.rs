//! A server that refuses an upload answers in its middle and hangs up. The HTTP client would report the broken
//! connection and never read that answer; this wrapper around its transport pretends that sending goes on, tells the
//! body to end, and so the answer is read: "larger than the limit" instead of "broken pipe".

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// What became of the sending, shared between a transport and the body it sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    why: Mutex<Option<io::Error>>,
}

impl Sending {
    /// Whether the other side takes no more.
    pub(super) fn stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Why sending stopped, once.
    pub(super) fn why(&self) -> Option<io::Error> {
        self.0.why.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn stop(&self, why: io::Error) {
        self.0.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.0.stopped.store(true, Ordering::Release);
    }
}

impl<In: Transport> Connector<In> for Sending {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Watched { inner, sending: self.clone() }))
    }
}

/// A transport whose writes cannot fail for want of a listener.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    sending: Sending,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.sending.stopped() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(Error::Io(e)) if is_hang_up(e.kind()) => {
                self.sending.stop(e);
                Ok(())
            }
            result => result,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        !self.sending.stopped() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn is_hang_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(kind, K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted)
}
