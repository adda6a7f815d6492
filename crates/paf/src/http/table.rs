//! The connections of a service: how many there are, whose they are, and which one makes room for another.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Shared;
use super::limits::Refusal;
use super::state::{AtomicOrder, Order, State};
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
    /// Told to the newcomer who has waited longest when a place is given back.
    room: Notify,
}

struct Inner {
    seats: Vec<Option<Taken>>,
    free: Vec<usize>,
    taken: usize,
    hand: usize,
    /// Newcomers who wait for a place.
    newcomers: usize,
    clients: HashMap<Client, usize>,
}

/// A place that is taken.
struct Taken {
    state: Arc<State>,
    door: Arc<Door>,
    /// Whether it was told to make room, and counts no more.
    evicted: bool,
}

/// Where connections come in, of which a service may have several: those of one are told to stop together, and no others.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// What they were told; changed and looked at while the table is locked.
    stopped: AtomicOrder,
    open: AtomicUsize,
    /// Told when one of them leaves.
    left: Notify,
}

/// A newcomer's turn to wait for a place; dropping it gives the turn back.
pub(super) struct Turn {
    shared: Arc<Shared>,
    door: Arc<Door>,
    client: Option<Client>,
}

/// A connection's place in the table; dropping it gives the place back.
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
    pub(super) state: Arc<State>,
    door: Arc<Door>,
    index: usize,
    client: Option<Client>,
}

impl Table {
    pub(super) fn new(most: usize, most_per_client: usize) -> Self {
        let inner =
            Inner { seats: Vec::new(), free: Vec::new(), taken: 0, hand: 0, newcomers: 0, clients: HashMap::new() };
        Self { most: most.max(1), most_per_client, inner: Mutex::new(inner), room: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of `client` that has just come by `door`. Those who wait already come first.
    pub(super) fn enter(shared: &Arc<Shared>, door: &Arc<Door>, client: Option<Client>) -> Result<Seat, Refusal> {
        let inner = shared.table.inner();
        let others = inner.newcomers > 0;
        Self::sit(shared, inner, door, client, others)
    }

    /// A place for a connection of `client`, unless it is another's.
    fn sit(
        shared: &Arc<Shared>,
        mut inner: MutexGuard<'_, Inner>,
        door: &Arc<Door>,
        client: Option<Client>,
        others: bool,
    ) -> Result<Seat, Refusal> {
        let table = &shared.table;
        if !inner.count(client, table.most_per_client) {
            count(&shared.counters.refused_by_client);
            return Err(Refusal::FullForClient);
        }
        if others || inner.taken >= table.most {
            // The one evicted leaves a little later; until then one connection too many is open, never more than the
            // seats evicted at once.
            if others || inner.evict().is_none() {
                inner.uncount(client);
                return Err(Refusal::Full);
            }
            count(&shared.counters.evicted);
        }
        let state = Arc::new(State::new(&shared.limits, Instant::now()));
        state.give(door.stopped.get());
        door.open.fetch_add(1, Relaxed);
        let index = match inner.free.pop() {
            Some(index) => index,
            None => {
                inner.seats.push(None);
                inner.seats.len() - 1
            }
        };
        inner.seats[index] = Some(Taken { state: Arc::clone(&state), door: Arc::clone(door), evicted: false });
        inner.taken += 1;
        drop(inner);
        count(&shared.counters.open);
        Ok(Seat { shared: Arc::clone(shared), state, door: Arc::clone(door), index, client })
    }

    /// A turn to wait for a place for a connection of `client`; `None` where as many wait as may, or those of `door` were told to stop.
    pub(super) fn queue(shared: &Arc<Shared>, door: &Arc<Door>, client: Option<Client>) -> Option<Turn> {
        let mut inner = shared.table.inner();
        if inner.newcomers >= NEWCOMERS || door.stopped.get() != Order::Run {
            return None;
        }
        inner.newcomers += 1;
        Some(Turn { shared: Arc::clone(shared), door: Arc::clone(door), client })
    }

    /// Tells every connection of `door`, and those to come by it, to finish or that they are cut.
    pub(super) fn stop(&self, door: &Arc<Door>, order: Order) {
        let inner = self.inner();
        door.stopped.give(order);
        for taken in inner.seats.iter().flatten().filter(|taken| Arc::ptr_eq(&taken.door, door)) {
            taken.state.give(order);
        }
    }
}

impl Door {
    /// Waits until no connection of it is left.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            let mut left = std::pin::pin!(left);
            left.as_mut().enable();
            if self.open.load(Acquire) == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Turn {
    /// Waits for the place. It is told soon where there is none: a crowd does not wait in line without end.
    pub(super) async fn seat(self) -> Result<Seat, Refusal> {
        let table = &self.shared.table;
        let end = Instant::now() + NEWCOMER;
        loop {
            let _ = timeout(LOOK_AGAIN, table.room.notified()).await;
            let inner = table.inner();
            let stopped = self.door.stopped.get() != Order::Run;
            match Table::sit(&self.shared, inner, &self.door, self.client, stopped) {
                Err(Refusal::Full) if Instant::now() < end && !stopped => (),
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
        let (_, victim) = (0..looks)
            .map(|i| (start + i) % self.seats.len())
            .filter_map(|index| self.seats[index].as_ref().map(|taken| (&taken.state, index)))
            .filter(|(state, _)| state.order() != Order::Cut)
            .filter_map(|(state, index)| state.waiting_since().map(|since| (since, index)))
            .filter(|(since, _)| now - *since >= SHORT_WAIT)
            .min_by_key(|(since, _)| *since)?;
        let taken = self.seats[victim].as_mut()?;
        taken.state.give(Order::Cut);
        // It no longer counts, though its seat is given back by its own task.
        taken.evicted = true;
        self.taken -= 1;
        Some(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let table = &self.shared.table;
        let mut inner = table.inner();
        // An evicted connection was taken off the count when it was told to go.
        if inner.seats[self.index].take().is_some_and(|taken| !taken.evicted) {
            inner.taken -= 1;
        }
        inner.free.push(self.index);
        inner.uncount(self.client);
        drop(inner);
        self.shared.counters.open.fetch_sub(1, Relaxed);
        table.room.notify_one();
        if self.door.open.fetch_sub(1, Release) == 1 {
            self.door.left.notify_waiters();
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("taken", &self.inner().taken).finish_non_exhaustive()
    }
}
