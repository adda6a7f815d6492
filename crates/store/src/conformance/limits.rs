//! Quotas hold, and space is used again.

use device::Clock;

use super::{Factory, content, id, ok, paste, put};
use crate::{Error, Result, Store, Upload};

/// The quota counts what is stored and what is on its way; a refused upload gives all of it back.
pub async fn quota_counts_uploads_under_way<F: Factory>(factory: &mut F) {
    let (store, _) = factory.make(Some(4_000_000)).await;
    ok(put(&store, paste(1, None), &content(1, 1_000_000), 65_536).await, "publishing");
    let mut first = ok(store.begin().await, "beginning");
    ok(first.write(content(2, 2_000_000)).await, "writing");
    let mut second = ok(store.begin().await, "beginning");
    ok(second.write(content(3, 1_000_000)).await, "writing up to the quota");
    full(second.write(content(3, 1)).await);
    assert!(second.write(content(3, 1)).await.is_err(), "a failed upload is over");
    assert!(second.publish(paste(3, None)).await.is_err(), "a failed upload is over");
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes, usage.quota), (1, 3_000_000, Some(4_000_000)));
    ok(first.write(content(3, 1_000_000)).await, "writing what the failed upload gave back");
    ok(first.publish(paste(2, None)).await, "publishing at the quota");
    full(put(&store, paste(4, None), &content(4, 1), 1).await);
    ok(put(&store, paste(5, None), &content(5, 0), 1).await, "publishing nothing");
    ok(store.delete(&id(1)).await, "deleting");
    ok(put(&store, paste(6, None), &content(6, 1_000_000), 1_000_000).await, "publishing in its place");
    let store = factory.reopen(store).await;
    full(put(&store, paste(7, None), &content(7, 1), 1).await);
}

/// A full store takes new pastes as soon as old ones have expired, swept or not.
pub async fn what_expired_makes_room<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(Some(1_000_000)).await;
    ok(put(&store, paste(1, Some(clock.now().after(10))), &content(1, 900_000), 65_536).await, "publishing");
    full(put(&store, paste(2, None), &content(2, 900_000), 65_536).await);
    clock.advance(10);
    ok(put(&store, paste(2, None), &content(2, 900_000), 65_536).await, "publishing after the expiry");
}

/// Creating and removing for long needs no more quota than one round does.
pub async fn space_comes_back<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(Some(3_000_000)).await;
    for round in 0..12 {
        let expires = (round % 3 == 0).then(|| clock.now().after(5));
        ok(put(&store, paste(round, expires), &content(round, 2_900_000), 500_000).await, "publishing");
        match round % 3 {
            0 => clock.advance(5),
            1 => ok(store.delete(&id(round)).await, "deleting"),
            _ => ok(store.burn(&id(round)).await, "burning"),
        }
        ok(store.sweep().await, "sweeping");
        assert_eq!(ok(store.usage().await, "usage").bytes, 0, "after round {round}");
    }
}

fn full(result: Result<()>) {
    assert!(matches!(result, Err(Error::Quota { .. })), "past the quota the answer is {result:?}");
}
