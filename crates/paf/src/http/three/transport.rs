//! QUIC's settings out of a service's limits.

use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};

use super::HTTP3;
use crate::http::limits::Limits;
use crate::tls::{Tls, TlsError};

/// Streams that a client may open beside its requests, at once: three are HTTP/3's own, others are for what is to come (RFC 9114
/// section 6.2).
const OTHER_STREAMS: u32 = 8;
/// Connections that wait to be accepted or refused, which takes no time.
const WAITING: usize = 1024;
/// Bytes that come for one of those meanwhile, and for all.
const AHEAD: u64 = 16 * 1024;
const AHEAD_IN_ALL: u64 = 4 << 20;

/// quinn's configuration: these limits, and the certificates of `tls`, also those that replace them later.
pub(super) fn config(limits: &Limits, tls: &Tls) -> Result<ServerConfig, TlsError> {
    let mut crypto = tls.config(&[])?;
    // An authority does not ask for proofs by QUIC.
    crypto.alpn_protocols = vec![HTTP3.to_vec()];
    let no_cipher = |_| TlsError::Provider(rustls::Error::General("no AES-128-GCM for QUIC's first packets".into()));
    let crypto = QuicServerConfig::try_from(crypto).map_err(no_cipher)?;
    let http3 = &limits.http3;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(http3.streams.into())
        .max_concurrent_uni_streams(OTHER_STREAMS.into())
        .stream_receive_window(http3.stream_window.into())
        .receive_window(http3.connection_window.into())
        .send_window(http3.send_window.into())
        // A client that is gone; one that is only idle is told to go sooner.
        .max_idle_timeout(Some(idle(limits)))
        .datagram_receive_buffer_size(None);
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport))
        .max_incoming(WAITING)
        .incoming_buffer_size(AHEAD)
        .incoming_buffer_size_total(AHEAD_IN_ALL);
    Ok(config)
}

fn idle(limits: &Limits) -> IdleTimeout {
    let time = limits.idle_time.max(limits.patience) + limits.head_time;
    IdleTimeout::try_from(time).unwrap_or_else(|_| VarInt::MAX.into())
}
