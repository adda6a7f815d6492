//! Holds a store to its promises: each promise is a function over a [`Factory`], and [`all`] runs every one.
//!
//! A function panics where the promise is broken, and says which. It needs no particular runtime, and no time passes
//! but on the factory's clock. A store's own tests add what this cannot know: what a crash or a full device does.
#![allow(clippy::panic, reason = "a suite panics where a promise is broken")]

mod claims;
mod content;
mod life;
mod limits;

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::task::Poll;

use api::Id;
use bytes::Bytes;
use device::sim::SimClock;
use device::{Clock, Timestamp};

use crate::{Claim, Error, NewPaste, Reader, Result, Store, Upload};

pub use claims::{
    a_burnt_paste_is_burnt_until_it_would_have_expired, a_claim_ends_with_its_lease, a_lease_can_be_renewed,
    one_claim_of_many_succeeds,
};
pub use content::{
    any_content_comes_back, any_range_comes_back, ids_are_taken_once, nothing_is_seen_before_it_is_published,
    readers_outlive_a_deletion_or_fail, uploads_at_once_do_not_mix,
};
pub use life::{a_closed_store_says_so, a_deleted_paste_is_gone, a_paste_expires_on_its_second, reopening_keeps_all};
pub use limits::{quota_counts_uploads_under_way, space_comes_back, what_expired_makes_room};

/// Makes stores to be tested.
pub trait Factory {
    /// What is tested.
    type Store: Store;

    /// An empty store with this quota, and the clock that it goes by.
    fn make(&mut self, quota: Option<u64>) -> impl Future<Output = (Self::Store, SimClock)>;

    /// Closes the store that was made last, and opens it again.
    fn reopen(&mut self, store: Self::Store) -> impl Future<Output = Self::Store>;
}

/// Runs every promise.
pub async fn all<F: Factory>(factory: &mut F) {
    any_content_comes_back(factory).await;
    any_range_comes_back(factory).await;
    uploads_at_once_do_not_mix(factory).await;
    ids_are_taken_once(factory).await;
    nothing_is_seen_before_it_is_published(factory).await;
    readers_outlive_a_deletion_or_fail(factory).await;
    a_paste_expires_on_its_second(factory).await;
    a_deleted_paste_is_gone(factory).await;
    reopening_keeps_all(factory).await;
    a_closed_store_says_so(factory).await;
    one_claim_of_many_succeeds(factory).await;
    a_lease_can_be_renewed(factory).await;
    a_claim_ends_with_its_lease(factory).await;
    a_burnt_paste_is_burnt_until_it_would_have_expired(factory).await;
    quota_counts_uploads_under_way(factory).await;
    what_expired_makes_room(factory).await;
    space_comes_back(factory).await;
}

/// The `n`th id. Different numbers give different ids.
///
/// # Panics
/// Never: base58 has room for any number.
#[must_use]
pub fn id(n: u64) -> Id {
    let mut bytes = [0; 12];
    let mut rest = n;
    for byte in &mut bytes {
        *byte = u8::try_from(rest % 58).unwrap_or_default();
        rest /= 58;
    }
    match Id::from_random(&bytes) {
        Some(id) => id,
        None => unreachable!("every byte is below 58"),
    }
}

/// A paste to publish as the `n`th.
#[must_use]
pub fn paste(n: u64, expires_at: Option<Timestamp>) -> NewPaste {
    let [a, b] = [n.to_le_bytes()[0], n.to_le_bytes()[1]];
    NewPaste {
        id: id(n),
        header: format!(r#"{{"v":1,"n":{n}}}"#),
        burn: n.is_multiple_of(2),
        read_hash: [a; 32],
        delete_hash: [b; 32],
        expires_at,
    }
}

/// A content of `len` bytes that differs from every other `n`'s, and at every place.
#[must_use]
pub fn content(n: u64, len: usize) -> Bytes {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out.truncate(len);
    out.into()
}

/// Uploads `content` in chunks of `chunk` bytes and publishes it.
///
/// # Errors
/// The store's.
pub async fn put<S: Store>(store: &S, paste: NewPaste, content: &Bytes, chunk: usize) -> Result<()> {
    let mut upload = store.begin().await?;
    let mut rest = content.clone();
    while !rest.is_empty() {
        upload.write(rest.split_to(chunk.min(rest.len()))).await?;
    }
    upload.publish(paste).await
}

/// Reads `range` of a content to its end.
///
/// # Errors
/// The store's.
pub async fn get<S: Store>(store: &S, id: &Id, range: Range<u64>) -> Result<Vec<u8>> {
    let mut reader = store.read(id, range).await?;
    let mut out = Vec::new();
    while let Some(bytes) = reader.next().await? {
        assert!(!bytes.is_empty() && bytes.len() <= 1 << 20, "a reader gave {} bytes at once", bytes.len());
        out.extend_from_slice(&bytes);
    }
    Ok(out)
}

/// A lease by this name that lasts `seconds`.
fn lease(name: u8, clock: &SimClock, seconds: u64) -> Claim {
    Claim { lease_hash: [name; 32], until: clock.now().after(seconds) }
}

/// Drives futures at once, on whatever runtime this is; gives what each gave.
async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if let Some(Poll::Ready(output)) = future.as_mut().map(|future| future.as_mut().poll(cx)) {
                *done = Some(output);
                *future = None;
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn ok<T>(result: Result<T>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(e) => panic!("{what}: {e}"),
    }
}

fn not_found<T: Debug>(result: Result<T>, what: &str) {
    assert!(matches!(result, Err(Error::NotFound)), "{what} should be NotFound, and is {result:?}");
}

fn burnt<T: Debug>(result: Result<T>, what: &str) {
    assert!(matches!(result, Err(Error::Burnt)), "{what} should be Burnt, and is {result:?}");
}
