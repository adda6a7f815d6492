//! Who runs next: cooperative threads, what they wait for, and until when. It switches nothing by itself, so that a test
//! drives it with a clock of its own.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::machine::Nanos;

/// A thread's number; never 0, and never used again.
pub(crate) type Tid = u32;

/// Most threads at a time: each has a stack, and memory is the machine's.
pub(crate) const MOST: usize = 1024;

/// What a thread can wait for, besides a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A wake of the futex at this address.
    Futex(usize),
    /// The end of this thread.
    End(Tid),
    /// The device of this number asks for attention.
    Device(u8),
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What was waited for has happened.
    Event,
    /// The time came first.
    Deadline,
}

#[derive(Debug)]
struct Thread<C> {
    context: C,
    event: Option<Event>,
    deadline: Option<Nanos>,
    woken: Woken,
}

/// The threads; `C` is what a processor needs to go on with one.
#[derive(Debug)]
pub(crate) struct Scheduler<C> {
    threads: BTreeMap<Tid, Thread<C>>,
    ready: VecDeque<Tid>,
    waiting: BTreeMap<Event, VecDeque<Tid>>,
    timers: BTreeSet<(Nanos, Tid)>,
    current: Tid,
    last: Tid,
}

impl<C> Scheduler<C> {
    /// One thread, which is running: the program's first.
    pub(crate) fn new(context: C) -> Self {
        let first = Thread { context, event: None, deadline: None, woken: Woken::Event };
        Self {
            threads: BTreeMap::from([(1, first)]),
            ready: VecDeque::new(),
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            current: 1,
            last: 1,
        }
    }

    /// The thread that is running.
    pub(crate) fn current(&self) -> Tid {
        self.current
    }

    /// A thread's context.
    pub(crate) fn context(&mut self, tid: Tid) -> Option<&mut C> {
        self.threads.get_mut(&tid).map(|thread| &mut thread.context)
    }

    /// Adds a thread behind those that are ready; gives its context back where there are [`MOST`] already.
    pub(crate) fn spawn(&mut self, context: C) -> Result<Tid, C> {
        let Some(tid) = self.last.checked_add(1).filter(|_| self.threads.len() < MOST) else { return Err(context) };
        self.last = tid;
        self.threads.insert(tid, Thread { context, event: None, deadline: None, woken: Woken::Event });
        self.ready.push_back(tid);
        Ok(tid)
    }

    /// Puts the running thread behind those that are ready.
    pub(crate) fn pause(&mut self) {
        self.ready.push_back(self.current);
    }

    /// Makes the running thread wait for an event, a time, or whichever is first.
    pub(crate) fn wait(&mut self, event: Option<Event>, deadline: Option<Nanos>) {
        let tid = self.current;
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.event = event;
            thread.deadline = deadline;
        }
        if let Some(event) = event {
            self.waiting.entry(event).or_default().push_back(tid);
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, tid));
        }
    }

    /// Whether a thread is still there to be waited for.
    pub(crate) fn lives(&self, tid: Tid) -> bool {
        self.threads.contains_key(&tid)
    }

    /// Makes ready those who wait for an event, `most` at most, the longest waiting first; says how many.
    pub(crate) fn wake(&mut self, event: Event, most: usize) -> usize {
        let mut woken = 0;
        while woken < most {
            let Some(tid) = self.waiting.get(&event).and_then(|queue| queue.front().copied()) else { break };
            self.make_ready(tid, Woken::Event);
            woken += 1;
        }
        woken
    }

    /// Makes ready those whose time has come.
    pub(crate) fn expire(&mut self, now: Nanos) {
        while let Some(&(deadline, tid)) = self.timers.first()
            && deadline <= now
        {
            self.make_ready(tid, Woken::Deadline);
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.timers.first().map(|(deadline, _)| *deadline)
    }

    /// Chooses the thread to run, if one is ready: the one that has been so the longest.
    pub(crate) fn choose(&mut self) -> Option<Tid> {
        self.current = self.ready.pop_front()?;
        Some(self.current)
    }

    /// Why the running thread's last wait ended.
    pub(crate) fn woken(&self) -> Woken {
        self.threads.get(&self.current).map_or(Woken::Event, |thread| thread.woken)
    }

    /// Ends the running thread, wakes who waits for its end, and gives its context back.
    pub(crate) fn finish(&mut self) -> Option<C> {
        let ended = self.threads.remove(&self.current)?;
        self.wake(Event::End(self.current), usize::MAX);
        Some(ended.context)
    }

    fn make_ready(&mut self, tid: Tid, woken: Woken) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        thread.woken = woken;
        if let Some(deadline) = thread.deadline.take() {
            self.timers.remove(&(deadline, tid));
        }
        if let Some(event) = thread.event.take()
            && let Some(queue) = self.waiting.get_mut(&event)
        {
            // The one that has waited longest is nearly always the one that is woken.
            if let Some(place) = queue.iter().position(|other| *other == tid) {
                queue.remove(place);
            }
            if queue.is_empty() {
                self.waiting.remove(&event);
            }
        }
        self.ready.push_back(tid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Event = Event::Futex(0x1000);

    #[test]
    fn threads_take_turns() {
        let mut threads = Scheduler::new('a');
        let b = threads.spawn('b').unwrap();
        let c = threads.spawn('c').unwrap();
        for expected in [b, c, 1, b] {
            threads.pause();
            assert_eq!(threads.choose(), Some(expected));
        }
        assert_eq!(threads.context(threads.current()), Some(&mut 'b'));
    }

    #[test]
    fn a_wake_takes_the_longest_waiting_and_no_more_than_asked() {
        let mut threads = Scheduler::new(());
        let [b, c] = [(); 2].map(|()| threads.spawn(()).unwrap());
        threads.wait(Some(KEY), None);
        assert_eq!(threads.choose(), Some(b));
        threads.wait(Some(KEY), Some(50));
        assert_eq!(threads.choose(), Some(c));
        assert_eq!(threads.wake(Event::Futex(0x1004), 9), 0);
        assert_eq!(threads.wake(KEY, 1), 1);
        assert_eq!(threads.wake(KEY, 9), 1);
        assert_eq!(threads.deadline(), None, "a woken thread's timer is gone");
        threads.wait(None, None);
        assert_eq!((threads.choose(), threads.woken()), (Some(1), Woken::Event));
        assert_eq!(threads.choose(), Some(b));
        assert_eq!(threads.choose(), None);
    }

    #[test]
    fn times_come_in_their_order_and_end_the_wait_for_an_event() {
        let mut threads = Scheduler::new(());
        let b = threads.spawn(()).unwrap();
        threads.wait(Some(KEY), Some(200));
        threads.choose();
        threads.wait(None, Some(100));
        assert_eq!(threads.deadline(), Some(100));
        threads.expire(99);
        assert_eq!(threads.choose(), None);
        threads.expire(300);
        assert_eq!((threads.choose(), threads.woken()), (Some(b), Woken::Deadline));
        assert_eq!((threads.choose(), threads.woken()), (Some(1), Woken::Deadline));
        assert_eq!(threads.wake(KEY, 9), 0, "nobody waits for it any more");
    }

    #[test]
    fn an_end_wakes_who_joins() {
        let mut threads = Scheduler::new(0);
        let b = threads.spawn(7).unwrap();
        assert!(threads.lives(b));
        threads.wait(Some(Event::End(b)), None);
        assert_eq!(threads.choose(), Some(b));
        assert_eq!(threads.finish(), Some(7));
        assert!(!threads.lives(b));
        assert_eq!(threads.choose(), Some(1));
        assert!(threads.spawn(8).unwrap() > b, "numbers are not used again");
    }

    #[test]
    fn threads_are_bounded() {
        let mut threads = Scheduler::new(());
        for _ in 1..MOST {
            threads.spawn(()).unwrap();
        }
        assert!(threads.spawn(()).is_err());
        threads.finish();
        assert!(threads.spawn(()).is_ok());
    }
}
