//! One image for several threads.

use alloc::vec::Vec;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Cache, Image};

/// An image with a fixed number of caches, of which each reader takes one while it reads. The base is decoded once for all.
#[derive(Debug)]
pub struct Pool<S> {
    image: Image<S>,
    idle: Mutex<Idle>,
    returned: Condvar,
}

#[derive(Debug)]
struct Idle {
    /// The one that was used last is taken first: it is likeliest to have what is wanted next.
    caches: Vec<Cache>,
    /// Has the base, once one has decoded it.
    seed: Option<Cache>,
}

/// A cache that goes back when it is dropped.
struct Lent<'p, S> {
    pool: &'p Pool<S>,
    cache: Cache,
}

impl<S> Pool<S> {
    /// At most `caches` readers at once, at least one; each cache keeps about `budget` bytes, as [`Cache::new`] says.
    pub fn new(image: Image<S>, caches: usize, budget: usize) -> Self {
        let caches = (0..caches.max(1)).map(|_| Cache::new(budget)).collect();
        Self { image, idle: Mutex::new(Idle { caches, seed: None }), returned: Condvar::new() }
    }

    /// The image.
    pub fn image(&self) -> &Image<S> {
        &self.image
    }

    /// Reads through one of the caches, and waits for it where all are in use: so `read` must not ask this pool again.
    pub fn with<T>(&self, read: impl FnOnce(&Image<S>, &mut Cache) -> T) -> T {
        let mut lent = self.lend();
        read(&self.image, &mut lent.cache)
    }

    fn lend(&self) -> Lent<'_, S> {
        let mut idle = self.idle();
        let cache = loop {
            if let Some(mut cache) = idle.caches.pop() {
                if let Some(seed) = &idle.seed {
                    cache.adopt(seed);
                }
                break cache;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        };
        Lent { pool: self, cache }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let cache = core::mem::replace(&mut self.cache, Cache::new(0));
        let mut idle = self.pool.idle();
        if idle.seed.is_none() && cache.base().is_some() {
            idle.seed = Some(cache.sibling());
        }
        idle.caches.push(cache);
        drop(idle);
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crate::{Kind, Limits, Memory};

    use super::*;

    const IMAGE: &[u8] = include_bytes!("../tests/frozen/small-1.img");

    #[test]
    fn more_readers_than_caches_wait_and_read() {
        let pool = Pool::new(Image::open(Memory(IMAGE), &Limits::default()).unwrap(), 2, 1 << 20);
        let read = |image: &Image<_>, cache: &mut Cache| {
            let Kind::File(content) = image.find(cache, b"docs/index.html").unwrap().unwrap().kind else {
                unreachable!("it is a file")
            };
            image.read_all(cache, &content, 1 << 20).unwrap()
        };
        let wanted = pool.with(read);
        assert!(wanted.len() > 100);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| assert_eq!(pool.with(read), wanted)));
            }
        });
        assert_eq!(pool.idle().caches.len(), 2);
    }

    #[test]
    fn a_reader_that_panics_gives_its_cache_back() {
        let pool = Pool::new(Image::open(Memory(IMAGE), &Limits::default()).unwrap(), 1, 0);
        let panicked = thread::scope(|scope| scope.spawn(|| pool.with(|_, _| panic!("on purpose"))).join().is_err());
        assert!(panicked);
        assert!(pool.with(|image, cache| image.find(cache, b"").unwrap()).is_some());
    }
}
