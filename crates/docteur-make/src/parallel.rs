//! Work in parallel whose results come in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

struct State<T, E> {
    /// The next number that nobody works on.
    next: usize,
    /// The next number that the sink wants.
    wanted: usize,
    /// The next number that may begin.
    admitted: usize,
    /// What those need that began, and that the sink does not have yet.
    bytes: u64,
    done: BTreeMap<usize, (u64, Result<T, E>)>,
    /// Nobody wants more.
    over: bool,
}

/// How many threads work, and how many bytes all of them may need at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) threads: usize,
    pub(crate) bytes: u64,
}

impl Room {
    /// So many of the threads, at least one, as fit if each needs `each` bytes.
    pub(crate) fn fitting(self, each: u64) -> usize {
        let fitting = usize::try_from(self.bytes / each.max(1)).unwrap_or(usize::MAX);
        self.threads.min(fitting).max(1)
    }

    /// What is left where so much is needed for something else.
    pub(crate) fn without(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), ..self }
    }
}

/// Does `work` for each number below `count` on `threads` threads, and gives the results to `sink` one after the other. At most
/// four results a thread wait.
///
/// # Errors
/// The error of the lowest number that has one, or the sink's.
pub(crate) fn ordered<T: Send, E: Send, C>(
    threads: usize,
    count: usize,
    context: impl Fn() -> C + Sync,
    work: impl Fn(&mut C, usize) -> Result<T, E> + Sync,
    sink: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    bounded(Room { threads, bytes: u64::MAX }, count, |_| 0, context, work, sink)
}

/// As [`ordered`], where `weight` says how many bytes a number needs from its beginning until the sink has its result. A number begins
/// when those before it have, and if there is room for it, or nothing else is at work.
pub(crate) fn bounded<T: Send, E: Send, C>(
    room: Room,
    count: usize,
    weight: impl Fn(usize) -> u64 + Sync,
    context: impl Fn() -> C + Sync,
    work: impl Fn(&mut C, usize) -> Result<T, E> + Sync,
    mut sink: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = room.threads.min(count);
    if threads < 2 {
        let mut context = context();
        return (0..count).try_for_each(|n| work(&mut context, n).and_then(|value| sink(n, value)));
    }
    let state = Mutex::new(State { next: 0, wanted: 0, admitted: 0, bytes: 0, done: BTreeMap::new(), over: false });
    let changed = Condvar::new();
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        // A worker that panics must not leave the others waiting for its result.
        let _end = OnDrop(|| {
            if thread::panicking() {
                lock().over = true;
            }
            changed.notify_all();
        });
        let mut context = context();
        loop {
            let mut now = lock();
            while !now.over && now.next < count && now.next >= now.wanted + 4 * threads {
                now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
            }
            if now.over || now.next >= count {
                return;
            }
            let n = now.next;
            now.next += 1;
            drop(now);
            let bytes = weight(n);
            let mut now = lock();
            while !now.over && (now.admitted < n || now.bytes > 0 && now.bytes.saturating_add(bytes) > room.bytes) {
                now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
            }
            if now.over {
                return;
            }
            now.admitted = n + 1;
            now.bytes = now.bytes.saturating_add(bytes);
            drop(now);
            changed.notify_all();
            let result = work(&mut context, n);
            lock().done.insert(n, (bytes, result));
            changed.notify_all();
        }
    };
    thread::scope(|scope| {
        let _end = OnDrop(|| {
            lock().over = true;
            changed.notify_all();
        });
        for _ in 0..threads {
            scope.spawn(worker);
        }
        for n in 0..count {
            let mut now = lock();
            now.wanted = n;
            changed.notify_all();
            let (bytes, result) = loop {
                match now.done.remove(&n) {
                    Some(result) => break result,
                    // The scope ends with the worker's panic.
                    None if now.over => return Ok(()),
                    None => now = changed.wait(now).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(now);
            sink(n, result?)?;
            lock().bytes -= bytes;
            changed.notify_all();
        }
        Ok(())
    })
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let context = || 0;
            ordered(
                threads,
                100,
                context,
                |_, n| Ok::<_, ()>(n * n),
                |n, square| {
                    seen.push((n, square));
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..100).map(|n| (n, n * n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_more_is_at_work_than_there_is_room_for() {
        // One number does not fit at all, and is at work alone.
        let weight = |n| if n == 30 { 25 } else { 1 + n as u64 % 7 };
        let (now, most, alone) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let work = |_: &mut (), n| {
            let before = now.fetch_add(weight(n), SeqCst);
            let of = if n == 30 { &alone } else { &most };
            of.fetch_max(before + weight(n), SeqCst);
            thread::sleep(Duration::from_millis(1));
            Ok::<_, ()>(n)
        };
        let mut next = 0..100;
        let sink = |n, value| {
            assert_eq!((Some(n), n), (next.next(), value));
            now.fetch_sub(weight(n), SeqCst);
            Ok(())
        };
        bounded(Room { threads: 5, bytes: 12 }, 100, weight, || (), work, sink).unwrap();
        assert_eq!((next.len(), alone.into_inner()), (0, 25));
        assert!((7..=12).contains(&most.into_inner()), "some were at work together");
    }

    #[test]
    fn as_many_threads_as_fit() {
        let room = Room { threads: 8, bytes: 100 };
        assert_eq!([1, 13, 30, 1000, 0].map(|each| room.fitting(each)), [8, 7, 3, 1, 8]);
        assert_eq!((room.without(60).fitting(30), room.without(101).fitting(30)), (1, 1));
    }

    #[test]
    fn the_first_error_ends_it() {
        for threads in [1, 3] {
            let work = |_: &mut (), n| if n % 10 == 7 { Err(n) } else { Ok(n) };
            let mut last = 0;
            let result = ordered(
                threads,
                1000,
                || (),
                work,
                |n, _| {
                    last = n;
                    Ok(())
                },
            );
            assert_eq!((result, last), (Err(7), 6));
        }
    }
}
