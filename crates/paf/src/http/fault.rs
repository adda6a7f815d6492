//! What goes wrong beside the handler, told to whoever wants to know.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::OnceLock;

use device::Peer;
use http::StatusCode;

use super::limits::Refusal;
use crate::proxy::ProxyError;

/// Something that went wrong. Most of it is a client's doing and nothing to worry about.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault<'a> {
    /// The listener could not accept.
    Accept(&'a io::Error),
    /// A client was answered without the handler being asked.
    Refused(Peer, Refusal),
    /// A proxy did not say whose connection it passed on.
    Proxy(Peer, &'a ProxyError),
    /// A TLS handshake failed.
    Handshake(Peer, &'a io::Error),
    /// A connection ended before its time: the client broke it or the protocol, or the handler failed.
    Connection(Peer, &'a (dyn Error + 'static)),
    /// The handler panicked before it had an answer: the client has 500, and nothing else is harmed. Where panics abort the program, it
    /// cannot be told so.
    Panicked(Peer),
    /// The body of an answer panicked: the client sees it broken off, and nothing else is harmed.
    BodyPanicked(Peer),
    /// The handler gave what ends no request of HTTP: 1xx, or 2xx to CONNECT. The client has 500.
    NoAnswer(Peer, StatusCode),
}

impl fmt::Display for Fault<'_> {
    /// Without the client's address, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(error) => write!(f, "cannot accept a connection: {error}"),
            Self::Refused(_, why) => write!(f, "a client was refused with status {}", why.status()),
            Self::Proxy(_, error) => write!(f, "a proxy's connection was cut: {error}"),
            Self::Handshake(_, error) => write!(f, "a TLS handshake failed: {error}"),
            Self::Connection(_, error) => write!(f, "a connection broke: {error}"),
            Self::Panicked(_) => f.write_str("the handler panicked"),
            Self::BodyPanicked(_) => f.write_str("the body of an answer panicked"),
            Self::NoAnswer(_, status) => write!(f, "the handler answered {status}, which ends no request"),
        }
    }
}

/// Who is told.
type Told = Box<dyn Fn(Fault<'_>) + Send + Sync>;

/// Who is told, if anybody.
#[derive(Default)]
pub(super) struct Faults(OnceLock<Told>);

impl Faults {
    pub(super) fn tell_to(&self, told: impl Fn(Fault<'_>) + Send + Sync + 'static) {
        // The first one stays.
        let _ = self.0.set(Box::new(told));
    }

    pub(super) fn tell(&self, fault: Fault<'_>) {
        if let Some(told) = self.0.get() {
            told(fault);
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
