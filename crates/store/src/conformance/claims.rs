//! Burning: one reader, once.

use device::Clock;

use super::{Factory, burnt, content, get, id, lease, not_found, ok, paste, put, together};
use crate::{Error, State, Store};

const DAYS_30: u64 = 30 * 24 * 60 * 60;

/// Of claims made at once, one succeeds; later ones fail, too, after reopening as well.
pub async fn one_claim_of_many_succeeds<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    for n in 0..20 {
        ok(put(&store, paste(n, None), &content(n, 50), 50).await, "publishing");
        let (id, clock) = (id(n), clock.clone());
        let claims = (0..5).map(|name| store.claim(&id, lease(name, &clock, 600)));
        let results: Vec<(u8, _)> = (0..).zip(together(claims.collect()).await).collect();
        let won: Vec<u8> = results.iter().filter(|(_, result)| result.is_ok()).map(|(name, _)| *name).collect();
        assert_eq!(won.len(), 1, "of five claims one should succeed: {results:?}");
        for (_, result) in results.iter().filter(|(name, _)| *name != won[0]) {
            assert!(matches!(result, Err(Error::Claimed)), "a lost claim is {result:?}");
        }
        let record = ok(store.find(&id).await, "finding");
        assert_eq!(record.state, State::Claimed(lease(won[0], &clock, 600)));
    }
    let store = factory.reopen(store).await;
    for n in 0..20 {
        let result = store.claim(&id(n), lease(9, &clock, 600)).await;
        assert!(matches!(result, Err(Error::Claimed)), "a second claim is {result:?}");
    }
}

/// The holder moves the end of the lease, and nobody else.
pub async fn a_lease_can_be_renewed<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    ok(put(&store, paste(2, None), &content(2, 9000), 9000).await, "publishing");
    let not_mine = store.renew(&id(2), &[1; 32], clock.now().after(9)).await;
    assert!(matches!(not_mine, Err(Error::Claimed)), "renewing what is not claimed is {not_mine:?}");
    ok(store.claim(&id(2), lease(1, &clock, 600)).await, "claiming");
    clock.advance(599);
    ok(store.renew(&id(2), &[1; 32], clock.now().after(600)).await, "renewing");
    let not_mine = store.renew(&id(2), &[2; 32], clock.now().after(900)).await;
    assert!(matches!(not_mine, Err(Error::Claimed)), "renewing another's lease is {not_mine:?}");
    clock.advance(599);
    assert_eq!(ok(store.sweep().await, "sweeping").burnt, 0);
    assert_eq!(ok(get(&store, &id(2), 0..u64::MAX).await, "reading under the lease"), content(2, 9000));
    clock.advance(1);
    burnt(store.renew(&id(2), &[1; 32], clock.now().after(600)).await, "renewing after the end");
    burnt(store.find(&id(2)).await, "a paste whose lease ended");
    not_found(store.renew(&id(3), &[1; 32], clock.now()).await, "renewing an unknown paste");
}

/// A lease's end burns the paste at once, and the sweep gives its space back.
pub async fn a_claim_ends_with_its_lease<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    let created = clock.now();
    for (n, expires) in [(1, None), (2, Some(created.after(1000))), (3, Some(created.after(20)))] {
        ok(put(&store, paste(n, expires), &content(n, 1_100_000), 100_000).await, "publishing");
        ok(store.claim(&id(n), lease(1, &clock, 30)).await, "claiming");
    }
    clock.advance(29);
    ok(store.find(&id(1)).await, "a paste under its lease");
    not_found(store.find(&id(3)).await, "a lease does not outlast the paste");
    clock.advance(1);
    burnt(store.find(&id(1)).await, "a paste whose lease ended");
    burnt(store.read(&id(2), 0..1).await.map(drop), "a paste whose lease ended");
    let swept = ok(store.sweep().await, "sweeping");
    assert_eq!((swept.expired, swept.burnt, swept.bytes), (1, 2, 3_300_000));
    burnt(store.claim(&id(1), lease(2, &clock, 9)).await, "claiming a burnt paste");
    burnt(store.delete(&id(2)).await, "deleting a burnt paste");
    assert_eq!(ok(store.usage().await, "usage").bytes, 0);
    let store = factory.reopen(store).await;
    clock.advance(1000);
    not_found(store.find(&id(2)).await, "a burnt paste that would have expired");
    burnt(store.find(&id(1)).await, "a burnt paste that would never have expired");
    clock.advance(DAYS_30);
    not_found(store.find(&id(1)).await, "a burnt paste after 30 days");
}

/// After burning, `Burnt` is the answer for as long as the paste would have lived, or for 30 days.
pub async fn a_burnt_paste_is_burnt_until_it_would_have_expired<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    for (n, expires) in [(1, None), (2, Some(clock.now().after(100)))] {
        ok(put(&store, paste(n, expires), &content(n, 1_100_000), 100_000).await, "publishing");
        ok(store.claim(&id(n), lease(1, &clock, 30)).await, "claiming");
        ok(store.burn(&id(n)).await, "burning");
        burnt(store.find(&id(n)).await, "a burnt paste");
        burnt(store.burn(&id(n)).await, "burning again");
    }
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (0, 0), "what was burnt takes no room");
    not_found(store.burn(&id(3)).await, "burning an unknown paste");
    let store = factory.reopen(store).await;
    clock.advance(99);
    burnt(store.find(&id(2)).await, "a burnt paste in its last second");
    clock.advance(1);
    not_found(store.find(&id(2)).await, "a burnt paste that would have expired");
    clock.advance(DAYS_30 - 101);
    burnt(store.find(&id(1)).await, "a burnt paste on its 30th day");
    let swept = ok(store.sweep().await, "sweeping");
    assert_eq!((swept.expired, swept.burnt, swept.bytes), (0, 0, 0), "a tombstone is no paste");
    burnt(store.find(&id(1)).await, "a burnt paste on its 30th day");
    clock.advance(1);
    not_found(store.find(&id(1)).await, "a burnt paste after 30 days");
}
