//! Forms from asynchronous sources: a `Stream` of `Bytes`, an `AsyncRead`, an HTTP body. No runtime is needed.

#[cfg(feature = "axum")]
mod axum;
mod field;
mod owned;
mod pieces;
mod queue;
mod source;

#[cfg(feature = "axum")]
pub use axum::{FormRejection, RequestForm};
pub use field::{Flat, Form, FormField};
pub use owned::{OwnedField, OwnedForm};
pub use pieces::{Piece, Pieces, StreamPieces};
pub use queue::{Pump, Queue};
#[cfg(feature = "http-body")]
pub use source::BodySource;
#[cfg(feature = "futures-io")]
pub use source::FuturesReadSource;
#[cfg(feature = "tokio")]
pub use source::TokioReadSource;
