//! The promises of a paste store. `conformance` holds every store to them.

use std::future::Future;
use std::ops::Range;

use api::Id;
use bytes::Bytes;
use device::Timestamp;

use crate::{Claim, NewPaste, Record, Result, Swept, Usage};

/// A paste store. Cloning it gives another handle to the same store.
///
/// - A paste is visible as a whole or not at all, and durable before [`Upload::publish`] returns.
/// - At most one [`Store::claim`] of a paste ever succeeds.
/// - A paste is invisible from the second of its expiry on, and from its lease's end on; [`Store::sweep`] gives its space back.
/// - A crash at any moment loses no published paste and brings no deleted or burnt one back.
pub trait Store: Clone + Send + Sync + 'static {
    /// Receives one paste's content.
    type Upload: Upload;
    /// Gives one paste's content.
    type Reader: Reader;

    /// Starts an upload. Nothing is visible before it is published; dropping it leaves nothing behind.
    fn begin(&self) -> impl Future<Output = Result<Self::Upload>> + Send;

    /// The paste `id`.
    ///
    /// # Errors
    /// `NotFound` (unknown or expired), `Burnt`.
    fn find(&self, id: &Id) -> impl Future<Output = Result<Record>> + Send;

    /// Reads the bytes `range` of the content of `id`; the range is clipped to the content.
    /// A reader goes on even if the paste is deleted meanwhile, or ends with an error; it never gives a wrong byte.
    ///
    /// # Errors
    /// `NotFound`, `Burnt`.
    fn read(&self, id: &Id, range: Range<u64>) -> impl Future<Output = Result<Self::Reader>> + Send;

    /// Gives the one reader of a burning paste its lease, durably.
    ///
    /// # Errors
    /// `NotFound`, `Burnt`, `Claimed`.
    fn claim(&self, id: &Id, claim: Claim) -> impl Future<Output = Result<()>> + Send;

    /// Moves the end of the lease `lease_hash` of `id`. Need not be durable.
    ///
    /// # Errors
    /// `NotFound`, `Burnt`, `Claimed` (another's lease).
    fn renew(&self, id: &Id, lease_hash: &[u8; 32], until: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// Removes a paste, durably; afterwards it is `NotFound`.
    ///
    /// # Errors
    /// `NotFound`, `Burnt`.
    fn delete(&self, id: &Id) -> impl Future<Output = Result<()>> + Send;

    /// Removes a claimed paste, durably; afterwards it is `Burnt` until it would have expired
    /// (or for 30 days, where it never would).
    ///
    /// # Errors
    /// `NotFound`, `Burnt`.
    fn burn(&self, id: &Id) -> impl Future<Output = Result<()>> + Send;

    /// Gives back the space of what has expired or whose lease has ended.
    fn sweep(&self) -> impl Future<Output = Result<Swept>> + Send;

    /// What is stored now.
    fn usage(&self) -> impl Future<Output = Result<Usage>> + Send;

    /// Waits for what is under way, makes it durable and closes the store; later calls get `Closed`.
    fn close(&self) -> impl Future<Output = Result<()>> + Send;
}

/// One paste on its way in.
pub trait Upload: Send + 'static {
    /// Appends `data`. Returns when the store can take more: this is the upload's back-pressure.
    ///
    /// # Errors
    /// `Quota`, `Full`, `Io`: the upload is then over and its space comes back.
    fn write(&mut self, data: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Makes the paste visible and durable, at once and as a whole.
    ///
    /// # Errors
    /// `Exists` where the id is taken (the upload can be published under another), `Quota`, `Full`, `Io`.
    fn publish(&mut self, paste: NewPaste) -> impl Future<Output = Result<()>> + Send;
}

/// One paste on its way out.
pub trait Reader: Send + 'static {
    /// The next bytes, at most 1 MiB; `None` at the end.
    ///
    /// # Errors
    /// `Io`, `Damaged`; `NotFound` or `Burnt` where the paste went away meanwhile.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}
