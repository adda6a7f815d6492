//! Pastes that burn: exactly one reader, whatever happens.

use api::{Claimed, Info, Kind, PasteState, Token};

use crate::world::{World, bearing, noise, read_token};

#[tokio::test]
async fn is_claimed_once_read_under_its_lease_and_destroyed() {
    let world = World::new().await;
    let paste = world.paste(b"once", true).await;
    // Whoever only has the link's id, or a wrong password, burns nothing.
    world.bearing("POST", &paste.claim(), &Token::new([6; 32])).await.problem(Kind::TokenWrong);
    world.bearing("GET", &paste.content(), &read_token()).await.problem(Kind::ClaimNeeded);
    let info: Info = world.get(&paste.info()).await.json(200);
    assert_eq!(info.state, PasteState::Open);

    let claimed: Claimed = world.bearing("POST", &paste.claim(), &read_token()).await.json(200);
    assert_eq!(claimed.expires_in, 600);
    let info: Info = world.get(&paste.info()).await.json(200);
    assert_eq!(info.state, PasteState::Claimed);
    world.bearing("POST", &paste.claim(), &read_token()).await.problem(Kind::Burnt);
    world.bearing("GET", &paste.content(), &read_token()).await.problem(Kind::Burnt);
    assert_eq!(world.bearing("GET", &paste.content(), &claimed.lease).await.body, b"once");

    assert_eq!(world.bearing("DELETE", &paste.info(), &claimed.lease).await.status, 204);
    world.get(&paste.info()).await.problem(Kind::Burnt);
    world.bearing("GET", &paste.content(), &claimed.lease).await.problem(Kind::Burnt);
    world.bearing("POST", &paste.claim(), &read_token()).await.problem(Kind::Burnt);
    assert_eq!((world.metric("pasteur_claims_total").await, world.metric("pasteur_burnt_total").await), (1, 1));
    world.end().await;
}

#[tokio::test]
async fn a_broken_download_goes_on_under_the_lease() {
    let world = World::new().await;
    let content = noise(3 << 20);
    let paste = world.paste(&content, true).await;
    let claimed: Claimed = world.bearing("POST", &paste.claim(), &read_token()).await.json(200);
    let mut client = world.connect();
    client.send(bearing("GET", &paste.content(), &claimed.lease, "")).await.unwrap();
    drop(client);
    let said = world.ask(bearing("GET", &paste.content(), &claimed.lease, "range: bytes=1500000-\r\n")).await;
    assert_eq!(said.status, 206);
    assert!(said.body == content[1_500_000..]);
    world.end().await;
}

#[tokio::test]
async fn a_lease_is_renewed_by_reading_and_ends_without() {
    let world = World::new().await;
    let paste = world.paste(b"once", true).await;
    let claimed: Claimed = world.bearing("POST", &paste.claim(), &read_token()).await.json(200);
    for _ in 0..3 {
        world.clock.advance(599);
        assert_eq!(world.bearing("GET", &paste.content(), &claimed.lease).await.status, 200);
    }
    world.clock.advance(600);
    world.bearing("GET", &paste.content(), &claimed.lease).await.problem(Kind::Burnt);
    world.get(&paste.info()).await.problem(Kind::Burnt);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_claim_at_once_one_wins() {
    let world = World::new().await;
    for _ in 0..10 {
        let paste = world.paste(b"once", true).await;
        let claims = (0..8).map(|_| {
            let mut client = world.connect();
            let request = bearing("POST", &paste.claim(), &read_token(), "");
            tokio::spawn(async move { client.ask(request).await })
        });
        let mut won = 0;
        for claim in claims.collect::<Vec<_>>() {
            let said = claim.await.unwrap();
            match said.status {
                200 => won += 1,
                _ => _ = said.problem(Kind::Burnt),
            }
        }
        assert_eq!(won, 1);
    }
    world.end().await;
}

#[tokio::test]
async fn what_does_not_burn_is_not_claimed_and_its_creator_may_always_delete() {
    let world = World::new().await;
    let kept = world.paste(b"kept", false).await;
    world.bearing("POST", &kept.claim(), &read_token()).await.problem(Kind::NothingToClaim);
    for claim in [false, true] {
        let paste = world.paste(b"once", true).await;
        if claim {
            assert_eq!(world.bearing("POST", &paste.claim(), &read_token()).await.status, 200);
        }
        assert_eq!(world.bearing("DELETE", &paste.info(), &paste.delete).await.status, 204);
        world.get(&paste.info()).await.problem(Kind::NotFound);
    }
    world.end().await;
}
