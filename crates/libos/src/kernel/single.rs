//! Values that one processor uses without locks, since nothing interrupts it.

use core::cell::{Cell, UnsafeCell};

use super::fail;
use crate::machine::Status;

/// A value that is borrowed for the length of a call.
pub(crate) struct Single<T> {
    borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: there is one processor, threads are switched only where no value is borrowed, and interrupt handlers touch
// none; so no two borrows are made at once from different threads.
unsafe impl<T: Send> Sync for Single<T> {}

impl<T> Single<T> {
    /// Holds `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self { borrowed: Cell::new(false), value: UnsafeCell::new(value) }
    }

    /// Borrows the value, unless this is within such a call.
    pub(crate) fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.borrowed.get() { None } else { Some(self.with(work)) }
    }

    /// Borrows the value; to do so within such a call ends the machine.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        if self.borrowed.replace(true) {
            fail(Status::Abort, format_args!("the kernel's state was borrowed twice: a fault of libos"));
        }
        // SAFETY: the flag says that nobody else holds a reference.
        let result = work(unsafe { &mut *self.value.get() });
        self.borrowed.set(false);
        result
    }
}
