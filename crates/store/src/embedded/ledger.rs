//! What is held, counted in memory: the quota and the figures of `usage` cost no look-up.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::{Error, Result, Usage};

/// Counts of what is stored and of uploads under way.
#[derive(Debug)]
pub(super) struct Ledger {
    quota: Option<u64>,
    pastes: AtomicU64,
    /// Bytes of pastes and of uploads under way.
    bytes: AtomicU64,
    next_upload: AtomicU64,
}

impl Ledger {
    pub(super) fn new(quota: Option<u64>, pastes: u64, bytes: u64, next_upload: u64) -> Self {
        Self { quota, pastes: pastes.into(), bytes: bytes.into(), next_upload: next_upload.into() }
    }

    /// Takes `bytes` of the quota, or says that they are not there.
    pub(super) fn reserve(&self, bytes: u64) -> Result<()> {
        let quota = self.quota.unwrap_or(u64::MAX);
        let add = |held: u64| held.checked_add(bytes).filter(|&sum| sum <= quota);
        self.bytes.fetch_update(SeqCst, SeqCst, add).map_err(|_| Error::Quota { quota })?;
        Ok(())
    }

    pub(super) fn release(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// Replaces the bytes of stored pastes, `old`, by `new`: those of a database that was opened again.
    pub(super) fn reserve_again(&self, old: u64, new: u64) {
        self.bytes.fetch_add(new.wrapping_sub(old), SeqCst);
    }

    /// Applies what a committed transaction did to the number of pastes.
    pub(super) fn set_pastes(&self, pastes: u64) {
        self.pastes.store(pastes, SeqCst);
    }

    pub(super) fn next_upload(&self) -> u64 {
        self.next_upload.fetch_add(1, SeqCst)
    }

    /// About how much room all of it takes: a page for each row.
    pub(super) fn weight(&self) -> u64 {
        self.bytes.load(SeqCst) + 4096 * self.pastes.load(SeqCst)
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { pastes: self.pastes.load(SeqCst), bytes: self.bytes.load(SeqCst), quota: self.quota }
    }
}
