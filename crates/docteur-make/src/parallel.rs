//! Work in parallel whose results come in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

struct State<T, E> {
    /// The next number that nobody works on.
    next: usize,
    /// The next number that the sink wants.
    wanted: usize,
    done: BTreeMap<usize, Result<T, E>>,
    /// Nobody wants more.
    over: bool,
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
    mut sink: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.min(count);
    if threads < 2 {
        let mut context = context();
        return (0..count).try_for_each(|n| work(&mut context, n).and_then(|value| sink(n, value)));
    }
    let state = Mutex::new(State { next: 0, wanted: 0, done: BTreeMap::new(), over: false });
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
            let result = work(&mut context, n);
            lock().done.insert(n, result);
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
            let result = loop {
                match now.done.remove(&n) {
                    Some(result) => break result,
                    // The scope ends with the worker's panic.
                    None if now.over => return Ok(()),
                    None => now = changed.wait(now).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(now);
            sink(n, result?)?;
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
