//! Lost segments that smoltcp would wait for too long.
//!
//! smoltcp 0.14 sends a segment again after three duplicate acknowledgements, once, and else after a second and more, from there on
//! all over. It does not read selective acknowledgements, so a second loss in a window, a lost retransmission and a lost end each cost
//! that second. Here each connection is watched: what was sent, what is acknowledged, how long an answer takes. Where the next segment
//! is known to be lost (RFC 6675, RFC 6582) or overdue (the probe of RFC 8985 section 7), smoltcp is shown the last acknowledgement three
//! times more, and does what it does then: it sends that segment, and lowers its congestion window. It asks after a closed window only
//! when a second is over, too; here that is done sooner, since the news of an open one may be what is lost. For the same reason, news of
//! our own window is said again where nothing follows it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant as Moment;
use smoltcp::wire::TcpSeqNumber;
use tokio::time::Instant;

use super::{Core, Known};
use crate::segment::{Acknowledgement, Pair, Segment};

/// The shortest wait for an answer of which nothing is known (Linux has as much).
const SHORTEST: Duration = Duration::from_millis(10);
/// The shortest wait for a segment that later ones have overtaken: timers are not finer.
const OVERTAKEN: Duration = Duration::from_millis(1);
/// How long the news of an open window has to itself, at first.
const NEWS_ALONE: Duration = Duration::from_millis(2);
/// How long an acknowledgement of a single segment may be held back (RFC 8985 section 7.2 calls it the worst case).
const HELD_BACK: Duration = Duration::from_millis(200);
/// How long a window is closed before it is asked after.
const CLOSED: Duration = Duration::from_millis(200);
/// A window that is smaller than one part in so many has a sender wait for more.
const NARROW: u16 = 4;
/// How often the news of an open window is said again.
const NEWS: u32 = 4;
/// How often in a row an answer is overdue before it is left to smoltcp alone.
const TRIES: u32 = 5;
/// Into how many acknowledgements one of many segments is taken apart at most.
const PIECES: usize = 8;
/// Segments that arrive after a lost one before it counts as lost (RFC 6675's DupThresh).
const DUPLICATES: usize = 3;

/// What is known of a connection's way out.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Up to here everything is acknowledged.
    acknowledged: TcpSeqNumber,
    /// Up to here everything was sent.
    sent: TcpSeqNumber,
    /// Of what arrived out of its turn, the end of the last.
    arrived: TcpSeqNumber,
    /// When that was more than what is acknowledged, at first.
    overtaken: Option<Instant>,
    /// What was sent when the first segment that is not acknowledged was sent again.
    again: Option<TcpSeqNumber>,
    /// Bytes of the longest segment.
    segment: usize,
    /// A segment whose answer is timed, by its end. None that was sent again (Karn's algorithm).
    timed: Option<(TcpSeqNumber, Instant)>,
    /// How long an answer takes, and by how much that varies.
    answer: Option<(Duration, Duration)>,
    /// When something was last acknowledged or sent again.
    since: Instant,
    tries: u32,
    /// What the other end said last, and this one.
    last: Option<Acknowledgement>,
    said: Option<Acknowledgement>,
    /// When it was last said that the window is open again, and how often, since something came.
    opened: Option<(Instant, u32)>,
}

impl Recovery {
    /// Of a connection that begins with this segment.
    pub(super) fn new(first: &Segment, now: Instant) -> Self {
        let at = first.sequence;
        Self {
            acknowledged: at,
            sent: at,
            arrived: at,
            overtaken: None,
            again: None,
            segment: 1,
            timed: None,
            answer: None,
            since: now,
            tries: 0,
            last: None,
            said: None,
            opened: None,
        }
    }

    /// The number that this end expects next, as far as it said so.
    pub(super) fn said(&self) -> Option<TcpSeqNumber> {
        self.said.map(|said| said.number)
    }

    /// A segment was sent.
    pub(super) fn sent(&mut self, segment: &Segment, now: Instant) {
        if let (Some(before), Some(said)) = (self.said, segment.acknowledgement)
            && segment.is_bare
            && said.number == before.number
            && said.window / NARROW > before.window
        {
            self.opened = Some((now, 0));
        }
        self.said = segment.acknowledgement;
        if segment.len == 0 {
            return;
        }
        let end = segment.sequence + segment.len;
        self.segment = self.segment.max(segment.len);
        if end > self.sent {
            if !self.is_waiting() {
                self.since = now;
            }
            self.sent = end;
            self.timed.get_or_insert((end, now));
        } else {
            self.again = Some(self.sent);
            self.timed = None;
            self.since = now;
        }
    }

    /// A segment came. Whether it tells that the first that is not acknowledged is lost.
    pub(super) fn heard(&mut self, segment: &Segment, now: Instant) -> bool {
        if segment.len > 0 {
            self.opened = None;
        }
        let Some(acknowledgement) = segment.acknowledgement else { return false };
        let number = acknowledgement.number;
        if number < self.acknowledged || number > self.sent {
            return false;
        }
        self.last = Some(acknowledgement);
        if let Some(end) = segment.arrived.filter(|end| *end > self.arrived && *end <= self.sent) {
            self.arrived = end;
        }
        if number > self.acknowledged {
            self.overtaken = None;
        }
        if self.arrived > number {
            self.overtaken.get_or_insert(now);
        }
        if number > self.acknowledged {
            self.acknowledged = number;
            self.since = now;
            self.tries = 0;
            self.again = None;
            if let Some((end, at)) = self.timed
                && number >= end
            {
                self.timed = None;
                self.measured(now.saturating_duration_since(at));
            }
            // What comes after a gap that is closed is there; so what begins here is a gap, too.
            return self.arrived > number;
        }
        self.again.is_some_and(|again| self.arrived > again + (DUPLICATES - 1) * self.segment)
    }

    /// What comes before an acknowledgement of several segments, where nothing is lost: one of each.
    fn pieces(&self, segment: &Segment) -> impl Iterator<Item = Acknowledgement> + use<> {
        // With a window that is closed, smoltcp would begin to ask after it between two of them.
        let last = segment.acknowledgement.filter(|last| {
            segment.is_bare
                && last.window > 0
                && self.overtaken.is_none()
                && self.again.is_none()
                && last.number <= self.sent
        });
        let first = self.acknowledged;
        let all = last.filter(|last| last.number > first).map_or(0, |last| last.number - first);
        let pieces = (all / self.segment).clamp(1, PIECES);
        last.into_iter().flat_map(move |last| {
            (1..pieces).map(move |n| Acknowledgement { number: first + all * n / pieces, ..last })
        })
    }

    /// The first segment that is not acknowledged is about to be sent again.
    fn give_up_on_it(&mut self) {
        self.again = Some(self.sent);
        self.timed = None;
    }

    /// Whether the other end said last that it takes nothing.
    pub(super) fn is_closed(&self) -> bool {
        self.last.is_some_and(|last| last.window == 0)
    }

    fn is_waiting(&self) -> bool {
        self.acknowledged < self.sent
    }

    fn measured(&mut self, answer: Duration) {
        self.answer = Some(match self.answer {
            None => (answer, answer / 2),
            Some((mean, variation)) => ((mean * 7 + answer) / 8, (variation * 3 + mean.abs_diff(answer)) / 4),
        });
    }

    /// When it is to be said again that the window is open.
    fn opened_due(&self) -> Option<Instant> {
        self.opened.filter(|(_, tries)| *tries < NEWS).map(|(at, tries)| at + NEWS_ALONE * (1 << tries))
    }

    /// When an answer is overdue.
    fn answer_due(&self) -> Option<Instant> {
        let (mean, variation) = self.answer?;
        // What was overtaken may come within a quarter of that time (RFC 8985 section 6.2), or was sent again and takes all of it.
        if let Some(overtaken) = self.overtaken
            && self.tries < TRIES
            && !self.is_closed()
        {
            let wait = (mean + mean / 4).max(OVERTAKEN) * (1 << self.tries);
            return Some(overtaken.max(self.since) + wait);
        }
        let mut wait = (mean * 2).max(mean + variation * 4).max(SHORTEST);
        match (self.is_closed(), self.is_waiting()) {
            _ if self.tries >= TRIES => return None,
            (true, _) => wait = wait.max(CLOSED),
            (false, true) if self.sent - self.acknowledged <= self.segment => wait += HELD_BACK,
            (false, true) => {}
            (false, false) => return None,
        }
        Some(self.since + wait * (1 << self.tries))
    }
}

/// When to look at which connection: each that waits for something is in it with [`Known::alarm`], which may be too early. Other entries
/// of it are void.
pub(super) type Alarms = BinaryHeap<Reverse<(Instant, Pair)>>;

impl Core {
    /// Takes note of what smoltcp has sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        for segment in self.wire.sent() {
            let Some(known) = self.pairs.get_mut(&segment.pair) else { continue };
            let recovery = known.recovery.get_or_insert_with(|| Box::new(Recovery::new(&segment, now)));
            recovery.sent(&segment, now);
            known.arm(segment.pair, &mut self.alarms);
        }
    }

    /// Shows smoltcp an acknowledgement of several segments as several: it counts acknowledgements where it widens the congestion window,
    /// and is to count bytes (RFC 3465). Linux acknowledges once what its program reads at once.
    pub(super) fn count_bytes(&mut self, segment: &Segment, moment: Moment) {
        let known = self.pairs.get(&segment.pair);
        let Some(recovery) = known.and_then(|known| known.recovery.as_ref()) else { return };
        for piece in recovery.pieces(segment) {
            self.wire.offer(piece.frame(&[], self.wire.mac(), segment.pair).into());
            self.interface.poll_ingress_single(moment, &mut self.wire, &mut self.sockets);
            self.answer();
        }
    }

    /// Ends smoltcp's questions after a closed window when everything has been acknowledged, the end as well.
    ///
    /// smoltcp 0.14 goes on with them then, without a pause in between (`Timer::ZeroWindowProbe` in `State::FinWait2`, `socket/tcp.rs`): a
    /// client that closes its window before it acknowledges the rest would keep the machine busy for as long as it likes. An open window
    /// stops that timer, and nothing is left to be sent into it.
    pub(super) fn stop_asking(&mut self, segment: &Segment, moment: Moment) {
        let Some(closed) = segment.acknowledgement.filter(|said| said.window == 0) else { return };
        let Some(known) = self.pairs.get(&segment.pair) else { return };
        if self.sockets.get::<Socket<'_>>(known.handle).state() == State::FinWait2 {
            let open = Acknowledgement { window: 1, ..closed };
            self.wire.offer(open.frame(&[], self.wire.mac(), segment.pair).into());
            self.interface.poll_ingress_single(moment, &mut self.wire, &mut self.sockets);
            self.answer();
        }
    }

    /// Takes note of a segment that came, after smoltcp has.
    pub(super) fn note_heard(&mut self, segment: &Segment, now: Instant, moment: Moment) {
        let Some(known) = self.pairs.get_mut(&segment.pair) else { return };
        let is_lost = known.recovery.as_mut().is_some_and(|recovery| recovery.heard(segment, now));
        known.arm(segment.pair, &mut self.alarms);
        if is_lost {
            self.send_again(segment.pair, moment);
        }
    }

    /// Looks after the answers that are overdue.
    pub(super) fn follow_alarms(&mut self, now: Instant, moment: Moment) {
        while let Some(Reverse((at, pair))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            let Some(known) = self.pairs.get_mut(&pair) else { continue };
            let Some(recovery) = known.recovery.as_mut() else { continue };
            // An earlier one was set since.
            if known.alarm.take_if(|alarm| *alarm == at).is_none() {
                continue;
            }
            let is_overdue = recovery.answer_due().is_some_and(|due| due <= now);
            let is_closed = recovery.is_closed();
            if is_overdue {
                recovery.tries += 1;
                recovery.since = now;
            }
            if recovery.opened_due().is_some_and(|due| due <= now)
                && let Some((at, tries)) = &mut recovery.opened
            {
                // Also where there is nobody yet to tell it to: what is due now would be due without end.
                (*at, *tries) = (now, *tries + 1);
                if let (Some(said), Some(last)) = (recovery.said, recovery.last) {
                    self.wire.send(said.frame(&[], last.from.0, pair.turned()).into(), pair);
                }
            }
            known.arm(pair, &mut self.alarms);
            match (is_overdue, is_closed) {
                (true, true) => self.ask_after_window(pair),
                (true, false) => self.send_again(pair, moment),
                (false, _) => {}
            }
        }
    }

    /// When the first answer may be overdue.
    pub(super) fn next_alarm(&self, now: Instant) -> Option<Duration> {
        self.alarms.peek().map(|Reverse((at, _))| at.saturating_duration_since(now))
    }

    /// Has smoltcp send the first segment that is not acknowledged.
    fn send_again(&mut self, pair: Pair, moment: Moment) {
        let Some(known) = self.pairs.get_mut(&pair) else { return };
        let Some(recovery) = known.recovery.as_mut() else { return };
        let socket = self.sockets.get::<Socket<'_>>(known.handle);
        // Of an end alone, smoltcp would stop the timer (see `says_nothing`). A window that is closed has its own probes.
        let Some(last) = recovery.last.filter(|last| last.window > 1 && socket.send_queue() > 0) else { return };
        recovery.give_up_on_it();
        // A window that changes and changes back: smoltcp counts from none again. Only the third in a row has it send.
        for window in [last.window ^ 1, last.window, last.window, last.window, last.window] {
            let frame = Acknowledgement { window, ..last }.frame(&[], self.wire.mac(), pair);
            self.wire.offer(frame.into());
            self.interface.poll_ingress_single(moment, &mut self.wire, &mut self.sockets);
            self.answer();
        }
    }

    /// Sends what has the other end say how large its window is (RFC 9293 section 3.8.6.1): an acknowledgement from before it.
    fn ask_after_window(&mut self, pair: Pair) {
        let Some(known) = self.pairs.get(&pair) else { return };
        let Some(recovery) = known.recovery.as_ref() else { return };
        let socket = self.sockets.get::<Socket<'_>>(known.handle);
        let (Some(said), Some(last)) = (recovery.said, recovery.last) else { return };
        if socket.send_queue() > 0 {
            let question = Acknowledgement { sequence: recovery.acknowledged - 1, ..said };
            self.wire.send(question.frame(&[], last.from.0, pair.turned()).into(), pair);
        }
    }
}

impl Known {
    /// Gives the connection its place among the alarms, if it waits for something.
    fn arm(&mut self, pair: Pair, alarms: &mut Alarms) {
        if let Some(recovery) = self.recovery.as_ref()
            && let Some(due) = [recovery.answer_due(), recovery.opened_due()].into_iter().flatten().min()
            && self.alarm.is_none_or(|alarm| due < alarm)
        {
            self.alarm = Some(due);
            alarms.push(Reverse((due, pair)));
        }
    }
}
