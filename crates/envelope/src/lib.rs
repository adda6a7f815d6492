//! How a paste is sealed and opened: the link, the keys, the streaming AEAD and the form inside (docs/envelope.md).
//!
//! Sans-I/O: nothing here reads a clock, draws a random byte or waits. [`Sealer`] and [`Opener`] say which segment is
//! next, its nonce, and whether it is the last; AES-256-GCM itself is done by whoever calls (the feature `native`, or
//! WebCrypto in a browser), who hands the result on. So one state machine serves every place a paste is sealed.
//!
//! ```
//! use envelope::{Keys, LinkSecret, Opener, Sealer};
//! # #[cfg(feature = "native")] {
//! let secret = LinkSecret::from_bytes([7; 32]); // from a CSPRNG, as the salt and the prefix
//! let keys = Keys::derive(&secret, None);
//! let header = br#"{"v":1,"kdf":null,"burn":false,"comments":false}"#;
//!
//! let mut sealer = Sealer::new(keys.content_key(), header, [1; 32], [2; 7]);
//! let aead = envelope::native::Aes256Gcm::new(sealer.segment_key());
//! let mut sealed = sealer.header().to_bytes().to_vec();
//! let mut text = &b"hello"[..];
//! while let Some(segment) = sealer.push(&mut text)? {
//!     sealed.extend(aead.seal(segment)?);
//! }
//! sealed.extend(aead.seal(sealer.finish()?)?);
//!
//! let mut opener = Opener::new(keys.content_key(), header);
//! let mut input = &sealed[..];
//! assert!(opener.push(&mut input)?.is_none()); // only the end tells that this segment is the last
//! let last = opener.finish()?;
//! let aead = envelope::native::Aes256Gcm::new(opener.segment_key().ok_or("no header")?);
//! assert_eq!(opener.accept(last.index, aead.open(last))?, b"hello");
//! opener.close()?;
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod keys;
mod link;
mod secret;
mod stream;

#[cfg(feature = "std")]
pub mod io;
#[cfg(feature = "native")]
pub mod native;
pub mod plain;

pub use keys::{CommentKey, ContentKey, Keys, MAX_PASSWORD, PasswordError, Stretched};
pub use link::{Link, LinkError};
pub use secret::LinkSecret;
pub use stream::{
    AeadError, HEADER_LEN, MAX_SEGMENTS, OpenError, Opener, Place, PlanError, SEGMENT_LEN, SealError, Sealer, Segment,
    SegmentKey, SegmentPlan, StreamHeader, TAG_LEN, sealed_len,
};
