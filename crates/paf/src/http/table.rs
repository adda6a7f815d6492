//! The connections of a service: how many there are, whose they are, and which one makes room for another.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shared;
use super::state::{Order, State};
use crate::Client;
use crate::counters::count;

/// Seats looked at for one that makes room: enough to find one that has waited long, few enough to cost nothing.
const LOOKS: usize = 64;
/// A connection that has waited less than this does not make room.
const SHORT_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Table {
    most: usize,
    most_per_client: usize,
    inner: Mutex<Inner>,
    left: Notify,
}

struct Inner {
    seats: Vec<Option<Arc<State>>>,
    free: Vec<usize>,
    taken: usize,
    hand: usize,
    clients: HashMap<Client, usize>,
    stopped: Order,
}

/// A connection's place in the table; dropping it gives the place back.
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
    pub(super) state: Arc<State>,
    index: usize,
    client: Option<Client>,
}

impl Table {
    pub(super) fn new(most: usize, most_per_client: usize) -> Self {
        let inner = Inner {
            seats: Vec::new(),
            free: Vec::new(),
            taken: 0,
            hand: 0,
            clients: HashMap::new(),
            stopped: Order::Run,
        };
        Self { most: most.max(1), most_per_client, inner: Mutex::new(inner), left: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of `client`, or `None` where it has to be refused.
    pub(super) fn enter(shared: &Arc<Shared>, client: Option<Client>) -> Option<Seat> {
        let table = &shared.table;
        let mut inner = table.inner();
        if !inner.count(client, table.most_per_client) {
            count(&shared.counters.refused_by_client);
            return None;
        }
        if inner.taken >= table.most {
            // The one evicted leaves a little later; until then one connection too many is open, never more than the
            // seats evicted at once.
            if inner.evict().is_none() {
                inner.uncount(client);
                return None;
            }
            count(&shared.counters.evicted);
        }
        let state = Arc::new(State::new(&shared.limits, Instant::now()));
        state.give(inner.stopped);
        let index = match inner.free.pop() {
            Some(index) => index,
            None => {
                inner.seats.push(None);
                inner.seats.len() - 1
            }
        };
        inner.seats[index] = Some(Arc::clone(&state));
        inner.taken += 1;
        drop(inner);
        Some(Seat { shared: Arc::clone(shared), state, index, client })
    }

    /// Tells every connection, and those to come, to finish.
    pub(super) fn stop_all(&self) {
        self.inner().order_all(Order::Finish);
    }

    /// Cuts every connection.
    pub(super) fn cut_all(&self) {
        self.inner().order_all(Order::Cut);
    }

    /// Waits until no connection is left.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            let mut left = std::pin::pin!(left);
            left.as_mut().enable();
            if self.inner().seats.iter().all(Option::is_none) {
                return;
            }
            left.await;
        }
    }
}

impl Seat {
    /// Counts the connection for `client`, which became known after it had its place. `false` where the client has as many
    /// as it may.
    pub(super) fn count_for(&mut self, client: Option<Client>) -> bool {
        let table = &self.shared.table;
        let mut inner = table.inner();
        inner.uncount(self.client.take());
        if !inner.count(client, table.most_per_client) {
            count(&self.shared.counters.refused_by_client);
            return false;
        }
        self.client = client;
        true
    }

    /// Does `work` unless the connection is cut first.
    pub(super) async fn until_cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.until(Order::Cut, work).await
    }

    /// Does `work` unless the connection is told to finish or cut first.
    pub(super) async fn until_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.until(Order::Finish, work).await
    }

    async fn until<T>(&self, order: Order, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.state.task.register(cx.waker());
            if self.state.order() >= order { Poll::Ready(None) } else { work.as_mut().poll(cx).map(Some) }
        })
        .await
    }
}

impl Inner {
    /// Counts a connection of `client`; `false` where it has as many as it may.
    fn count(&mut self, client: Option<Client>, most: usize) -> bool {
        let Some(client) = client else { return true };
        let count = self.clients.entry(client).or_default();
        if most > 0 && *count >= most {
            return false;
        }
        *count += 1;
        true
    }

    fn uncount(&mut self, client: Option<Client>) {
        if let Some(client) = client
            && let Some(count) = self.clients.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&client);
            }
        }
    }

    /// Cuts the connection that has waited longest among the next few.
    fn evict(&mut self) -> Option<()> {
        let now = Instant::now();
        let looks = LOOKS.min(self.seats.len());
        let start = self.hand;
        self.hand = (start + looks) % self.seats.len().max(1);
        let victim = (0..looks)
            .filter_map(|i| self.seats[(start + i) % self.seats.len()].as_ref())
            .filter(|state| state.order() != Order::Cut)
            .filter_map(|state| state.waiting_since().map(|since| (since, state)))
            .filter(|(since, _)| now - *since >= SHORT_WAIT)
            .min_by_key(|(since, _)| *since)?;
        victim.1.give(Order::Cut);
        // It no longer counts, though its seat is given back by its own task.
        self.taken -= 1;
        Some(())
    }

    fn order_all(&mut self, order: Order) {
        self.stopped = order;
        for state in self.seats.iter().flatten() {
            state.give(order);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let table = &self.shared.table;
        let mut inner = table.inner();
        // An evicted connection was taken off the count when it was told to go.
        let evicted = self.state.order() == Order::Cut && inner.stopped != Order::Cut;
        if !evicted {
            inner.taken = inner.taken.saturating_sub(1);
        }
        inner.seats[self.index] = None;
        inner.free.push(self.index);
        inner.uncount(self.client);
        let stopped = inner.stopped != Order::Run;
        drop(inner);
        self.shared.counters.open.fetch_sub(1, Relaxed);
        if stopped {
            table.left.notify_waiters();
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("taken", &self.inner().taken).finish_non_exhaustive()
    }
}
