//! HTTP services over any TCP/IP stack.
//!
//! A service is a tower handler, its limits and its connections: [`http()`], [`https`], or [`alpn`] for HTTP/1.1 and
//! HTTP/2 behind one port; with the feature `h3`, [`h3`](fn@h3) for HTTP/3 beside it. [`serve`] runs it on a [`device::Listener`] until a [`Stop`] is pulled. The crate knows no
//! operating system: sockets come from `device::Stack`, cryptography from its caller, time and tasks from tokio.

#[cfg(feature = "acme")]
pub mod acme;
mod client;
mod counters;
pub mod files;
pub mod http;
mod proxy;
mod redirect;
mod stop;
pub mod tls;
mod wrapper;

pub use client::{Client, Net, NetError};
pub use counters::{Counters, Snapshot};
pub use http::serve;
#[cfg(feature = "h3")]
pub use http::serve_h3;
pub use proxy::{Proxied, ProxyError};
pub use redirect::Redirect;
pub use stop::Stop;
pub use tls::Tls;

use http::{Handler, Limits, Service};
use tls::TlsError;

/// A service of HTTP/1.1, not encrypted.
pub fn http<H: Handler>(handler: H, limits: Limits) -> Service<H> {
    Service::new(handler, limits)
}

/// A service of HTTP/1.1 in TLS.
///
/// # Errors
/// [`TlsError::Provider`].
pub fn https<H: Handler>(handler: H, limits: Limits, tls: &Tls) -> Result<Service<H>, TlsError> {
    Service::new(handler, limits).https(tls)
}

/// A service of HTTP/2 and HTTP/1.1 in TLS; the handshake says which.
///
/// # Errors
/// [`TlsError::Provider`].
pub fn alpn<H: Handler>(handler: H, limits: Limits, tls: &Tls) -> Result<Service<H>, TlsError> {
    Service::new(handler, limits).alpn(tls)
}

/// A service of HTTP/3, for [`serve_h3`]. To serve the same by other protocols as well, under the same limits, make those first and
/// this of them: [`Service::h3`].
///
/// # Errors
/// [`TlsError::Provider`].
#[cfg(feature = "h3")]
pub fn h3<H: Handler>(handler: H, limits: Limits, tls: &Tls) -> Result<http::Http3<H>, TlsError> {
    Service::new(handler, limits).h3(tls)
}
