//! What a store keeps beside a paste's content.

use api::Id;
use device::Timestamp;

/// What is known of a paste when it is published.
#[derive(Clone, Debug)]
pub struct NewPaste {
    /// Its id, chosen at random by the server.
    pub id: Id,
    /// The public header's bytes, exactly as they were sent.
    pub header: String,
    /// Whether it is destroyed by its first reading.
    pub burn: bool,
    /// SHA-256 of the read token.
    pub read_hash: [u8; 32],
    /// SHA-256 of the delete token.
    pub delete_hash: [u8; 32],
    /// When it becomes invisible; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// A reader's exclusive hold on a paste that burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the lease token.
    pub lease_hash: [u8; 32],
    /// When it ends, and the paste with it.
    pub until: Timestamp,
}

/// Where a paste is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Anybody with the read token may read it, or claim it where it burns.
    Open,
    /// One reader has it.
    Claimed(Claim),
}

/// A visible paste, without its content.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it was published with.
    pub paste: NewPaste,
    /// The content's length in bytes.
    pub size: u64,
    /// When it was published.
    pub created_at: Timestamp,
    /// Where it is in its life.
    pub state: State,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Visible pastes.
    pub pastes: u64,
    /// Bytes of their content, and of uploads under way.
    pub bytes: u64,
    /// The quota in bytes; `None` is no quota.
    pub quota: Option<u64>,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Pastes whose time was over.
    pub expired: u64,
    /// Pastes whose lease had ended.
    pub burnt: u64,
    /// Content bytes given back.
    pub bytes: u64,
}
