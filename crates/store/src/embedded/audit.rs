//! A check of the whole store: that its tables agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::fault::{Fault, damaged};
use super::format::{Totals, due_key, offset_of, totals, upload_of};
use super::row::{Body, Row};
use super::snapshot::Snapshot;

/// What [`crate::Embedded::audit`] found in a store that is sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Pastes, those among them that are over and not yet swept.
    pub pastes: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Rows that say `Burnt`.
    pub tombstones: u64,
    /// Uploads whose pieces belong to no paste: under way, or about to be removed.
    pub orphans: u64,
}

impl Snapshot {
    /// Reads every row and piece.
    pub(super) fn audit(&self) -> Result<Audit, Fault> {
        let mut audit = Audit::default();
        let mut expected_due = BTreeSet::new();
        let mut contents = BTreeMap::new();
        for row in self.pastes.iter()? {
            let (key, value) = row?;
            let row = Row::decode(value.value()).ok_or_else(|| damaged("a paste's row cannot be read"))?;
            expected_due.extend(row.due().map(|at| due_key(at, key.value())));
            match row {
                Row::Burnt(_) => audit.tombstones += 1,
                Row::Paste(paste) => {
                    audit.pastes += 1;
                    audit.bytes += paste.size;
                    if let Body::Pieces(upload) = paste.body
                        && contents.insert(upload, paste.size).is_some()
                    {
                        return Err(damaged("two pastes share their content"));
                    }
                }
            }
        }
        if totals(&self.meta)? != (Totals { pastes: audit.pastes, bytes: audit.bytes }) {
            return Err(damaged("the totals differ from what is stored"));
        }
        for row in self.due.iter()? {
            if !expected_due.remove(row?.0.value()) {
                return Err(damaged("a row is due that should not be"));
            }
        }
        if !expected_due.is_empty() {
            return Err(damaged("a row that has to change by itself is not due"));
        }
        let mut orphans = BTreeSet::new();
        for row in self.orphans.iter()? {
            orphans.insert(row?.0.value());
        }
        if orphans.iter().any(|upload| contents.contains_key(upload)) {
            return Err(damaged("a paste's content is about to be removed"));
        }
        audit.orphans = orphans.len() as u64;
        self.check_pieces(&contents, &orphans)?;
        Ok(audit)
    }

    /// Checks that pieces are those of `contents` without a gap, or of `orphans`.
    fn check_pieces(&self, contents: &BTreeMap<u64, u64>, orphans: &BTreeSet<u64>) -> Result<(), Fault> {
        let mut ends = BTreeMap::new();
        for row in self.pieces.iter()? {
            let (key, value) = row?;
            let (upload, offset) = (upload_of(key.value()), offset_of(key.value()));
            if orphans.contains(&upload) {
                continue;
            }
            if !contents.contains_key(&upload) {
                return Err(damaged("a piece belongs to nobody"));
            }
            let end = ends.entry(upload).or_insert(0);
            if *end != offset {
                return Err(damaged("a paste's content has a gap"));
            }
            *end += value.value().len() as u64;
        }
        if contents.iter().any(|(upload, size)| ends.get(upload).copied().unwrap_or(0) != *size) {
            return Err(damaged("a paste's content is cut short"));
        }
        Ok(())
    }
}
