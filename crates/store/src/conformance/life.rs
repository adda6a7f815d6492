//! Pastes end when they should, and not before.

use device::{Clock, Timestamp};

use super::{Factory, content, get, id, lease, not_found, ok, paste, put};
use crate::{Error, State, Store};

/// A paste is seen until the second before its expiry, and the sweep counts it.
pub async fn a_paste_expires_on_its_second<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    for (n, len) in [(1, 100), (2, 2_000_000)] {
        ok(put(&store, paste(n, Some(clock.now().after(60))), &content(n, len), 100_000).await, "publishing");
        ok(put(&store, paste(n + 10, None), &content(n, len), 100_000).await, "publishing");
    }
    clock.advance(59);
    ok(store.find(&id(1)).await, "a paste in its last second");
    assert_eq!(ok(store.sweep().await, "sweeping").expired, 0);
    clock.advance(1);
    for n in [1, 2] {
        not_found(store.find(&id(n)).await, "an expired paste");
        not_found(store.read(&id(n), 0..1).await.map(drop), "an expired paste");
        not_found(store.delete(&id(n)).await, "an expired paste");
        not_found(store.claim(&id(n), lease(1, &clock, 9)).await, "an expired paste");
    }
    let swept = ok(store.sweep().await, "sweeping");
    assert_eq!((swept.expired, swept.burnt, swept.bytes), (2, 0, 2_000_100));
    not_found(store.find(&id(1)).await, "a swept paste");
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (2, 2_000_100));
    clock.set(Timestamp(u64::MAX / 2));
    ok(store.find(&id(11)).await, "a paste that never expires");
    let swept = ok(store.sweep().await, "sweeping");
    assert_eq!((swept.expired, swept.bytes), (0, 0));
}

/// A deleted paste is `NotFound`, claimed or not.
pub async fn a_deleted_paste_is_gone<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    not_found(store.delete(&id(1)).await, "an unknown paste");
    for (n, len) in [(1, 10), (2, 1_200_000)] {
        ok(put(&store, paste(n, Some(clock.now().after(60))), &content(n, len), 100_000).await, "publishing");
        if n == 2 {
            ok(store.claim(&id(n), lease(1, &clock, 10)).await, "claiming");
        }
        ok(store.delete(&id(n)).await, "deleting");
        not_found(store.find(&id(n)).await, "a deleted paste");
        not_found(store.delete(&id(n)).await, "a deleted paste");
    }
    let store = factory.reopen(store).await;
    not_found(store.find(&id(2)).await, "a deleted paste after reopening");
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (0, 0));
    clock.advance(100);
    assert_eq!(ok(store.sweep().await, "sweeping").expired, 0, "a deleted paste does not expire");
}

/// Closing and opening changes nothing.
pub async fn reopening_keeps_all<F: Factory>(factory: &mut F) {
    let (mut store, clock) = factory.make(None).await;
    let expires = clock.now().after(500);
    let claim = lease(7, &clock, 50);
    for (n, len) in [(1, 0), (2, 3000), (3, 1_100_000)] {
        ok(put(&store, paste(n, Some(expires)), &content(n, len), 4096).await, "publishing");
    }
    ok(store.claim(&id(2), claim).await, "claiming");
    for _ in 0..2 {
        store = factory.reopen(store).await;
        for (n, len) in [(1, 0), (2, 3000), (3, 1_100_000)] {
            assert_eq!(ok(get(&store, &id(n), 0..u64::MAX).await, "reading"), content(n, len));
        }
        let record = ok(store.find(&id(2)).await, "finding");
        assert_eq!(record.state, State::Claimed(claim));
        assert_eq!(record.paste.expires_at, Some(expires));
        let usage = ok(store.usage().await, "usage");
        assert_eq!((usage.pastes, usage.bytes), (3, 1_103_000));
    }
}

/// A closed store answers `Closed`.
pub async fn a_closed_store_says_so<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    ok(put(&store, paste(1, None), &content(1, 10), 10).await, "publishing");
    ok(store.close().await, "closing");
    let closed = |result: crate::Result<()>| {
        assert!(matches!(result, Err(Error::Closed)), "a closed store answered {result:?}");
    };
    closed(store.find(&id(1)).await.map(drop));
    closed(store.begin().await.map(drop));
    closed(store.read(&id(1), 0..1).await.map(drop));
    closed(store.claim(&id(1), lease(1, &clock, 1)).await);
    closed(store.delete(&id(1)).await);
    closed(store.sweep().await.map(drop));
    closed(store.usage().await.map(drop));
    closed(store.close().await);
}
