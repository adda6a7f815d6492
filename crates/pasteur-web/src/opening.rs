//! Opening: ciphertext from a feed, plaintext out, segment by segment, a few of them with WebCrypto at once.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::ops::Range;

use api::{Id, Token};
use envelope::{ContentKey, HEADER_LEN, Place, SegmentPlan, StreamHeader};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen_futures::JsFuture;

use crate::buffers::release;
use crate::feed::Feed;
use crate::gcm::{Gcm, Use};
use crate::job::Job;
use crate::trouble::Trouble;

/// Segments in WebCrypto's hands at once, once the first has come out.
const DEPTH: usize = 3;

/// A sealed paste whose key is at hand: where it lies, and how its segments are opened.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) id: Id,
    /// The read token, or the lease of a paste that burns.
    pub(crate) token: Token,
    pub(crate) plan: SegmentPlan,
    header: StreamHeader,
    gcm: Gcm,
}

/// Plaintext on its way.
#[derive(Debug)]
pub(crate) struct Opening {
    sealed: Rc<Sealed>,
    job: Job,
    feed: Feed,
    /// Segments not asked for yet.
    left: Range<u32>,
    depth: usize,
    opening: VecDeque<(Place, Promise, Uint8Array)>,
}

impl Opening {
    /// Opens from the front. The server has answered and the header is read when this returns.
    pub(crate) async fn whole(
        job: &Job,
        id: Id,
        token: Token,
        key: &ContentKey,
        public_header: &str,
        size: u64,
    ) -> Result<Self, Trouble> {
        let plan = SegmentPlan::new(size).map_err(|_| Trouble::Altered)?;
        let mut feed = Feed::new(job, id, token.clone(), 0, size);
        feed.open().await?;
        let mut bytes = [0; HEADER_LEN];
        feed.take(HEADER_LEN as u32).await?.copy_to(&mut bytes);
        let header = StreamHeader::parse(&bytes).map_err(|_| Trouble::Altered)?;
        let gcm = Gcm::new(&header.segment_key(key, public_header.as_bytes()), Use::Open).await?;
        let left = 0..plan.segments();
        let sealed = Rc::new(Sealed { id, token, plan, header, gcm });
        Ok(Self { sealed, job: job.clone(), feed, left, depth: 1, opening: VecDeque::new() })
    }

    /// Opens only the segments that hold this range of the plaintext.
    pub(crate) fn part(job: &Job, sealed: &Rc<Sealed>, plain: Range<u64>) -> Self {
        let left = sealed.plan.covering(plain);
        let edge = |i: u32| sealed.plan.segment(i).map(|p| p.sealed);
        let at = edge(left.start).map_or(0, |s| s.start);
        let end = edge(left.end.saturating_sub(1)).map_or(0, |s| s.end);
        let feed = Feed::new(job, sealed.id, sealed.token.clone(), at, end);
        Self { sealed: sealed.clone(), job: job.clone(), feed, left, depth: 1, opening: VecDeque::new() }
    }

    /// What opens further parts of the same paste.
    pub(crate) fn sealed(&self) -> Rc<Sealed> {
        self.sealed.clone()
    }

    /// The next segment's place and plaintext, or `None` after the last one. The plaintext is the caller's to [`release`].
    pub(crate) async fn next(&mut self) -> Result<Option<(Place, Uint8Array)>, Trouble> {
        while self.opening.len() < self.depth {
            let Some(index) = self.left.next() else { break };
            let place = self.sealed.plan.segment(index).ok_or(Trouble::Altered)?;
            let len = u32::try_from(place.sealed.end - place.sealed.start).map_err(|_| Trouble::Altered)?;
            let bytes = self.feed.take(len).await?;
            let nonce = self.sealed.header.nonce(index, place.last);
            self.opening.push_back((place, self.sealed.gcm.open(&nonce, &bytes)?, bytes));
        }
        self.job.check()?;
        let Some((place, promise, sealed)) = self.opening.pop_front() else { return Ok(None) };
        // The first text is shown before a second segment is waited for.
        self.depth = DEPTH;
        let plain = JsFuture::from(promise).await.map_err(|_| Trouble::Altered)?;
        release(&sealed.buffer());
        Ok(Some((place, Uint8Array::new(&plain))))
    }

    /// Lets go of the connection; what is still being opened is dropped.
    pub(crate) fn close(&mut self) {
        self.feed.close();
        self.opening = VecDeque::new();
        self.left = 0..0;
    }
}
