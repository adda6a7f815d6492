//! A flow of HTTP/2 frames that are counted as they pass. A flood of them ends it, with a word to the client; a frame that does not come
//! whole has its time.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use device::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::frames::{Flood, GOAWAY, HEADERS, Meter, Own, PREFACE, Refusals, Scanner, Unfinished};
use super::gather::Gathering;
use super::turn::{MOST, Turn};
use crate::Counters;
use crate::counters::count;
use crate::http::Shared;
use crate::http::limits::{Limits, Refusal};
use crate::http::state::{Overdue, State};
use crate::wrapper::flush_and_shut_down;

/// The error code ENHANCE_YOUR_CALM (RFC 9113 section 7).
const CALM: u32 = 0xb;

/// What came is parted at multiples of this, if it is.
const LOOK: usize = 256;

#[derive(Debug)]
pub(super) struct Framed<F> {
    flow: Gathering<F>,
    turn: Turn,
    peer: Peer,
    shared: Arc<Shared>,
    state: Arc<State>,
    meter: Meter,
    refusals: Refusals,
    inward: Scanner,
    outward: Scanner,
    /// Of how many whole frames the client is waited for to send more.
    waits: Option<u64>,
    /// What came, and is for turns to come, a part each.
    kept: VecDeque<Bytes>,
}

impl<F: AsyncWrite + Unpin> Framed<F> {
    pub(super) fn new(flow: Gathering<F>, turn: Turn, peer: Peer, shared: Arc<Shared>, state: Arc<State>) -> Self {
        let meter = Meter::new(&shared.limits.http2, Instant::now());
        let (inward, outward) = (Scanner::new(PREFACE.len()), Scanner::new(0));
        let refusals = Refusals::default();
        Self { flow, turn, peer, shared, state, meter, refusals, inward, outward, waits: None, kept: VecDeque::new() }
    }

    /// Nothing more is there now: what has begun has its time, from the first wait for it.
    fn wait(&mut self) {
        let whole = self.inward.whole();
        if self.waits != Some(whole)
            && let Some(unfinished) = self.inward.unfinished()
        {
            let (time, what) = time_for(unfinished, &self.shared.limits);
            self.waits = Some(whole);
            self.state.wait_for_frame(Some((Instant::now() + time, what)));
        }
    }

    /// Bytes came; perhaps all that was waited for.
    fn waited(&mut self) {
        if self.waits.is_some_and(|waits| waits != self.inward.whole()) {
            self.waits = None;
            self.state.wait_for_frame(None);
        }
    }

    /// Looks at what goes out.
    fn went(&mut self, sent: &[u8]) -> Result<(), Flood> {
        let mut flood = None;
        let Self { peer, shared, meter, refusals, outward, .. } = self;
        shared.counters.sent.fetch_add(sent.len() as u64, Relaxed);
        meter.went(sent.len());
        outward.feed(sent, |head| {
            flood = flood.or(meter.reset(head, Instant::now).err());
            // The library ends the connection by the client's fault.
            if head.kind == GOAWAY && head.code != 0 {
                match Flood::of_library(head) {
                    Some(flood) => count_flood(&shared.counters, flood),
                    None => count(&shared.counters.http2_errors),
                }
            }
            match refusals.went(head) {
                Some(Own::Malformed) => shared.refuse(*peer, Refusal::Malformed),
                Some(Own::HeadTooLarge) => shared.refuse(*peer, Refusal::HeadTooLarge),
                Some(Own::Stream) => count(&shared.counters.refused_streams),
                Some(Own::Window) => count(&shared.counters.overrun_windows),
                None => {}
            }
        });
        flood.map_or(Ok(()), Err)
    }

    /// Counts a flood, and tells the client where that can be done at once: who floods gets no more effort than this.
    fn end(&mut self, cx: &mut Context<'_>, flood: Flood) -> io::Error {
        count_flood(&self.shared.counters, flood);
        if self.outward.is_between() {
            let farewell = self.farewell(flood);
            if let Poll::Ready(Ok(_)) = Pin::new(&mut self.flow).poll_write(cx, &farewell) {
                let _ = self.flow.poll_flush_all(cx);
            }
        }
        io::Error::other("the client floods the connection")
    }

    /// GOAWAY with the reason (RFC 9113 section 6.8).
    fn farewell(&self, flood: Flood) -> Vec<u8> {
        let why = flood.debug_data();
        let len = u32::try_from(8 + why.len()).unwrap_or(8);
        let mut frame = len.to_be_bytes()[1..].to_vec();
        frame.extend([GOAWAY, 0, 0, 0, 0, 0]);
        frame.extend(self.meter.last_stream.to_be_bytes());
        frame.extend(CALM.to_be_bytes());
        frame.extend(why);
        frame
    }
}

/// Counts a flood that ends its connection.
fn count_flood(counters: &Counters, flood: Flood) {
    count(match flood {
        Flood::Resets => &counters.flood_resets,
        Flood::Pings => &counters.flood_pings,
        Flood::Settings => &counters.flood_settings,
        Flood::Others => &counters.flood_others,
    });
}

/// How long what has begun may take: a head its time, as in HTTP/1.1, and other frames the same; data what its least rate allows.
fn time_for(unfinished: Unfinished, limits: &Limits) -> (Duration, Overdue) {
    match unfinished {
        Unfinished::Data(left) => {
            let paced = Duration::from_secs(u64::from(left / limits.body_rate.max(1)));
            (limits.patience + paced, Overdue::Upload)
        }
        Unfinished::Other => (limits.head_time, Overdue::Head),
    }
}

impl<F: AsyncRead + AsyncWrite + Unpin> AsyncRead for Framed<F> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.turn.is_over() {
            // It goes on as soon as the runtime has looked who else has something to do.
            let _ = pin!(yield_now()).poll(cx);
            return Poll::Pending;
        }
        if let Some(part) = this.kept.front_mut() {
            buf.put_slice(&part.split_to(part.len().min(buf.remaining())));
            if part.is_empty() {
                this.kept.pop_front();
                this.turn.begin(MOST);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.flow).poll_read(cx, buf) else {
            this.wait();
            // Who waits for answers before asking for more is no crowd.
            this.turn.again();
            return Poll::Pending;
        };
        read?;
        let came = &buf.filled()[before..];
        this.shared.counters.received.fetch_add(came.len() as u64, Relaxed);
        let mut flood = None;
        let mut now = None;
        // Where the parts end that have as many requests as a turn may, and how many the next one has.
        let (mut ends, mut requests) = (Vec::new(), 0);
        let Self { inward, meter, refusals, .. } = this;
        for (i, piece) in came.chunks(LOOK).enumerate() {
            inward.feed(piece, |head| {
                requests += u32::from(head.kind == HEADERS);
                refusals.came(head);
                let now = *now.get_or_insert_with(Instant::now);
                flood = flood.or(meter.came(head, now).err());
            });
            if requests >= MOST {
                ends.push(i * LOOK + piece.len());
                requests = 0;
            }
        }
        if let Some(end) = ends.first() {
            let mut rest = Bytes::copy_from_slice(&came[*end..]);
            this.kept.extend(ends.windows(2).map(|ends| rest.split_to(ends[1] - ends[0])));
            this.kept.extend(Some(rest).filter(|rest| !rest.is_empty()));
            buf.set_filled(before + end);
            requests = MOST;
        }
        this.turn.begin(requests);
        this.waited();
        match flood {
            Some(flood) => Poll::Ready(Err(this.end(cx, flood))),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<F: AsyncWrite + Unpin> AsyncWrite for Framed<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.flow).poll_write(cx, data))?;
        match self.went(&data[..sent]) {
            Ok(()) => Poll::Ready(Ok(sent)),
            Err(flood) => Poll::Ready(Err(self.end(cx, flood))),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.flow).poll_write_vectored(cx, data))?;
        let mut left = sent;
        let mut flood = None;
        for piece in data {
            let taken = left.min(piece.len());
            flood = flood.or(self.went(&piece[..taken]).err());
            left -= taken;
        }
        match flood {
            None => Poll::Ready(Ok(sent)),
            Some(flood) => Poll::Ready(Err(self.end(cx, flood))),
        }
    }

    flush_and_shut_down!();
}
