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
use tokio::time::{Instant, timeout};

use super::Shared;
use super::state::{Order, State};
use crate::Client;
use crate::counters::count;

/// Seats looked at for one that makes room: enough to find one that has waited long, few enough to cost nothing.
const LOOKS: usize = 64;
/// A connection that has waited less than this does not make room.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// How many newcomers may wait for a place at once.
const NEWCOMERS: usize = 64;
/// How long each may: longer than a connection has to wait before it makes room, so that only those at work keep a newcomer out.
const NEWCOMER: Duration = Duration::from_millis(1500);
/// How often one looks whether somebody makes room; a place given back is told at once.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Table {
    most: usize,
    most_per_client: usize,
    inner: Mutex<Inner>,
    left: Notify,
    /// Told to the newcomer who has waited longest when a place is given back.
    room: Notify,
}

struct Inner {
    seats: Vec<Option<Arc<State>>>,
    free: Vec<usize>,
    taken: usize,
    hand: usize,
    /// Newcomers who wait for a place.
    newcomers: usize,
    clients: HashMap<Client, usize>,
    stopped: Order,
}

/// Why a newcomer has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All are taken.
    Full,
    /// Its client has as many as it may.
    Client,
}

/// A newcomer's turn to wait for a place; dropping it gives the turn back.
pub(super) struct Turn {
    shared: Arc<Shared>,
    client: Option<Client>,
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
            newcomers: 0,
            clients: HashMap::new(),
            stopped: Order::Run,
        };
        Self { most: most.max(1), most_per_client, inner: Mutex::new(inner), left: Notify::new(), room: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of `client` that has just come. Those who wait already come first.
    pub(super) fn enter(shared: &Arc<Shared>, client: Option<Client>) -> Result<Seat, NoPlace> {
        let inner = shared.table.inner();
        let others = inner.newcomers > 0;
        Self::sit(shared, inner, client, others)
    }

    /// A place for a connection of `client`, unless it is another's.
    fn sit(
        shared: &Arc<Shared>,
        mut inner: MutexGuard<'_, Inner>,
        client: Option<Client>,
        others: bool,
    ) -> Result<Seat, NoPlace> {
        let table = &shared.table;
        if !inner.count(client, table.most_per_client) {
            count(&shared.counters.refused_by_client);
            return Err(NoPlace::Client);
        }
        if others || inner.taken >= table.most {
            // The one evicted leaves a little later; until then one connection too many is open, never more than the
            // seats evicted at once.
            if others || inner.evict().is_none() {
                inner.uncount(client);
                return Err(NoPlace::Full);
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
        count(&shared.counters.open);
        Ok(Seat { shared: Arc::clone(shared), state, index, client })
    }

    /// A turn to wait for a place for a connection of `client`; `None` where as many wait as may, or the service has been told to stop.
    pub(super) fn queue(shared: &Arc<Shared>, client: Option<Client>) -> Option<Turn> {
        let mut inner = shared.table.inner();
        if inner.newcomers >= NEWCOMERS || inner.stopped != Order::Run {
            return None;
        }
        inner.newcomers += 1;
        Some(Turn { shared: Arc::clone(shared), client })
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

impl Turn {
    /// Waits for the place. It is told soon where there is none: a crowd does not wait in line without end.
    pub(super) async fn seat(self) -> Result<Seat, NoPlace> {
        let table = &self.shared.table;
        let end = Instant::now() + NEWCOMER;
        loop {
            let _ = timeout(LOOK_AGAIN, table.room.notified()).await;
            let inner = table.inner();
            let stopped = inner.stopped != Order::Run;
            match Table::sit(&self.shared, inner, self.client, stopped) {
                Err(NoPlace::Full) if Instant::now() < end && !stopped => (),
                seated => return seated,
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.table.inner().newcomers -= 1;
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
        table.room.notify_one();
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
