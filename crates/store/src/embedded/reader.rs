//! Content on its way out.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use api::Id;
use bytes::Bytes;

use super::core::Core;
use crate::{Error, Reader, Result};

/// Bytes of a piece where as much is handed out already as may be, so that clients which take nothing, however many, hold little more
/// than that.
const FEW: u64 = 16 * 1024;

/// A reader of the embedded store. Between two calls it holds nothing of the database, so that a slow one keeps no
/// space from being used again.
pub struct EmbeddedReader {
    core: Arc<Core>,
    id: Id,
    rest: Rest,
}

pub(super) enum Rest {
    Inline(Bytes),
    Pieces { upload: u64, start: u64, end: u64 },
}

impl EmbeddedReader {
    pub(super) fn new(core: Arc<Core>, id: Id, rest: Rest) -> Self {
        Self { core, id, rest }
    }
}

impl Reader for EmbeddedReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match &mut self.rest {
            Rest::Inline(content) => {
                let content = std::mem::take(content);
                Ok((!content.is_empty()).then_some(content))
            }
            Rest::Pieces { start, end, .. } if *start >= *end => Ok(None),
            Rest::Pieces { upload, start, end } => {
                let crowded = self.core.handed_out.load(Relaxed) > self.core.contents;
                let until = if crowded { start.saturating_add(FEW).min(*end) } else { *end };
                if let Some(piece) = self.core.piece(*upload, *start, until).await? {
                    *start += piece.len() as u64;
                    return Ok(Some(Bytes::from_owner(HandedOut::new(piece, &self.core.handed_out))));
                }
                // The paste went away meanwhile: say how.
                self.core.look_up(&self.id, |_| ()).await?;
                Err(Error::Damaged("a piece of a paste's content is missing".to_owned()))
            }
        }
    }
}

/// Bytes that are counted until they are dropped.
struct HandedOut {
    bytes: Bytes,
    sum: Arc<AtomicUsize>,
}

impl HandedOut {
    fn new(bytes: Bytes, sum: &Arc<AtomicUsize>) -> Self {
        sum.fetch_add(bytes.len(), Relaxed);
        Self { bytes, sum: Arc::clone(sum) }
    }
}

impl AsRef<[u8]> for HandedOut {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.bytes.len(), Relaxed);
    }
}
