//! Contents come back as they were.

use device::Clock;

use super::{Factory, content, get, id, not_found, ok, paste, put, together};
use crate::{Error, Reader, State, Store, Upload};

const MIB: usize = 1 << 20;

/// Lengths around every boundary a store is likely to have.
const LENGTHS: [usize; 14] =
    [0, 1, 100, 4095, 4096, 8191, 8192, 8193, 70_000, MIB - 64, MIB - 1, MIB, MIB + 1, 3 * MIB + 12_345];

/// What was published comes back, byte for byte, however it was cut; and so does its record.
pub async fn any_content_comes_back<F: Factory>(factory: &mut F) {
    let (store, clock) = factory.make(None).await;
    for (n, len) in (0..).zip(LENGTHS) {
        let content = content(n, len);
        let expires_at = (n % 3 == 0).then(|| clock.now().after(1000));
        let new = paste(n, expires_at);
        ok(put(&store, new.clone(), &content, [7000, 65_536, 2 * MIB][(n % 3) as usize]).await, "publishing");
        assert_eq!(ok(get(&store, &id(n), 0..u64::MAX).await, "reading"), content, "content of {len} bytes");
        let record = ok(store.find(&id(n)).await, "finding");
        assert_eq!(record.size, len as u64);
        assert_eq!(record.created_at, clock.now());
        assert_eq!(record.state, State::Open);
        assert_eq!(
            (record.paste.id, record.paste.header, record.paste.burn, record.paste.expires_at),
            (new.id, new.header, new.burn, expires_at)
        );
        assert_eq!((record.paste.read_hash, record.paste.delete_hash), (new.read_hash, new.delete_hash));
    }
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (LENGTHS.len() as u64, LENGTHS.iter().sum::<usize>() as u64));
}

/// Every range is clipped to the content, and gives those bytes.
pub async fn any_range_comes_back<F: Factory>(factory: &mut F) {
    let (store, _) = factory.make(None).await;
    for (n, len) in [(0, 0), (1, 1), (2, 5000), (3, 2 * MIB + 99_999)] {
        let content = content(n, len);
        ok(put(&store, paste(n, None), &content, MIB).await, "publishing");
        let len = len as u64;
        let edges = [0, 1, 2, len / 3, 1 << 20, (1 << 20) + 1, len.saturating_sub(1), len, len + 1, u64::MAX];
        for start in edges {
            for end in edges {
                let got = ok(get(&store, &id(n), start..end).await, "reading a range");
                let end = end.min(len) as usize;
                assert_eq!(got, content[(start.min(len) as usize).min(end)..end], "{start}..{end} of {len}");
            }
        }
    }
}

/// Many pastes on their way at once do not mix, whatever their number and length.
pub async fn uploads_at_once_do_not_mix<F: Factory>(factory: &mut F) {
    const COUNT: u64 = 64;
    let (store, _) = factory.make(None).await;
    let len = |n: u64| [100, 5000, 80_000, 400_000, 1_200_000][(n % 5) as usize];
    let mut uploads = Vec::new();
    for n in 0..COUNT {
        uploads.push((ok(store.begin().await, "beginning"), content(n, len(n))));
    }
    // A part of each in turn: all of them are under way until the last parts come.
    while uploads.iter().any(|(_, rest)| !rest.is_empty()) {
        for (upload, rest) in &mut uploads {
            let part = rest.split_to(rest.len().min(70_000));
            if !part.is_empty() {
                ok(upload.write(part).await, "writing");
            }
        }
    }
    let publishing = (0..).zip(uploads).map(|(n, (mut upload, _))| async move { upload.publish(paste(n, None)).await });
    for result in together(publishing.collect()).await {
        ok(result, "publishing");
    }
    for n in 0..COUNT {
        assert_eq!(ok(get(&store, &id(n), 0..u64::MAX).await, "reading"), content(n, len(n)), "paste {n}");
    }
    let store = factory.reopen(store).await;
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (COUNT, (0..COUNT).map(|n| len(n) as u64).sum()));
}

/// An id is taken once; the refused upload can be published under another, whole.
pub async fn ids_are_taken_once<F: Factory>(factory: &mut F) {
    let (store, _) = factory.make(None).await;
    for (round, len) in [(0, 100), (10, 1_500_000)] {
        let (first, second) = (content(round, len), content(round + 1, len + 1));
        ok(put(&store, paste(round, None), &first, MIB).await, "publishing");
        let mut upload = ok(store.begin().await, "beginning");
        ok(upload.write(second.clone()).await, "writing");
        let result = upload.publish(paste(round, None)).await;
        assert!(matches!(result, Err(Error::Exists)), "a taken id should be Exists, and is {result:?}");
        ok(upload.publish(paste(round + 1, None)).await, "publishing under another id");
        assert_eq!(ok(get(&store, &id(round), 0..u64::MAX).await, "reading the first"), first);
        assert_eq!(ok(get(&store, &id(round + 1), 0..u64::MAX).await, "reading the second"), second);
        assert!(upload.write(first).await.is_err(), "a published upload takes no more");
        assert!(upload.publish(paste(round + 2, None)).await.is_err(), "an upload is published once");
    }
}

/// An upload is invisible until it is published, and leaves nothing where it is dropped.
pub async fn nothing_is_seen_before_it_is_published<F: Factory>(factory: &mut F) {
    let (store, _) = factory.make(None).await;
    let mut upload = ok(store.begin().await, "beginning");
    ok(upload.write(content(1, 2_500_000)).await, "writing");
    not_found(store.find(&id(1)).await, "an upload under way");
    let usage = ok(store.usage().await, "usage");
    assert_eq!((usage.pastes, usage.bytes), (0, 2_500_000), "an upload counts its bytes and is no paste");
    drop(upload);
    assert_eq!(ok(store.usage().await, "usage").bytes, 0, "a dropped upload gives its bytes back");
    let store = factory.reopen(store).await;
    not_found(store.find(&id(1)).await, "a dropped upload");
    assert_eq!(ok(store.usage().await, "usage").bytes, 0);
}

/// A reader whose paste is deleted goes on or fails; it gives no wrong byte.
pub async fn readers_outlive_a_deletion_or_fail<F: Factory>(factory: &mut F) {
    let (store, _) = factory.make(None).await;
    for (n, len) in [(1, 100), (2, 6_000_000)] {
        let whole = content(n, len);
        ok(put(&store, paste(n, None), &whole, MIB).await, "publishing");
        let mut reader = ok(store.read(&id(n), 0..u64::MAX).await, "reading");
        let mut got = Vec::new();
        if len > MIB
            && let Some(bytes) = ok(reader.next().await, "reading")
        {
            got.extend_from_slice(&bytes);
        }
        ok(store.delete(&id(n)).await, "deleting");
        // What takes its place must not be taken for it.
        ok(put(&store, paste(n + 10, None), &content(n + 10, len), MIB).await, "publishing another");
        loop {
            match reader.next().await {
                Ok(Some(bytes)) => got.extend_from_slice(&bytes),
                Ok(None) => {
                    assert_eq!(got.len(), len, "a reader that ends well has given all");
                    break;
                }
                Err(Error::NotFound) => break,
                Err(e) => panic!("a reader of a deleted paste ended with {e}"),
            }
        }
        assert_eq!(got, whole[..got.len()]);
    }
}
