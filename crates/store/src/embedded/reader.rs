//! Content on its way out.

use std::sync::Arc;

use api::Id;
use bytes::Bytes;

use super::core::Core;
use crate::{Error, Reader, Result};

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
                if let Some(piece) = self.core.piece(*upload, *start, *end).await? {
                    *start += piece.len() as u64;
                    return Ok(Some(piece));
                }
                // The paste went away meanwhile: say how.
                let (id, now) = (self.id, self.core.now());
                self.core.read(|s| s.find(&id, now)).await?;
                Err(Error::Damaged("a piece of a paste's content is missing".to_owned()))
            }
        }
    }
}
