//! The card as smoltcp sees it, with a short queue for frames that it has no room for.

use std::collections::VecDeque;
use std::io;
use std::ops::{Deref, DerefMut};
use std::task::Waker;

use device::Ethernet;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::segment::{Pair, Segment};
use crate::sequence::Secret;

/// Frames that wait for room. Answers to what was received may go beyond, by a few for each frame that is let in.
const WAITING: usize = 64;
/// Buffers of frames that are kept for more.
const SPARE: usize = 64;
/// The most bytes before a segment's data: the headers of Ethernet, IP and TCP, with options.
const HEADERS: usize = 128;
/// What is longer is mostly a segment's data.
const LONG: usize = 512;

/// A frame, at the beginning of a buffer.
#[derive(Default)]
pub(crate) struct Frame {
    buffer: Vec<u8>,
    len: usize,
}

impl From<Vec<u8>> for Frame {
    fn from(buffer: Vec<u8>) -> Self {
        let len = buffer.len();
        Self { buffer, len }
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.len).unwrap_or_default()
    }
}

pub(crate) struct Wire {
    /// The frame that smoltcp is to take next, or has taken.
    incoming: Frame,
    is_offered: bool,
    outgoing: Outgoing,
}

struct Outgoing {
    ethernet: Box<dyn Ethernet>,
    secret: Secret,
    waiting: VecDeque<Frame>,
    /// Each has room for any frame, and holds what was in the last.
    spare: Vec<Vec<u8>>,
    /// Segments that smoltcp has sent since they were last taken.
    sent: Vec<Segment>,
    /// The acknowledgement that smoltcp answers the frame with that it has taken, not sent yet.
    answer: Option<(Segment, Frame)>,
    /// What the card failed with.
    failed: Option<io::Error>,
}

impl Wire {
    pub(crate) fn new(ethernet: Box<dyn Ethernet>, secret: Secret) -> Self {
        let outgoing = Outgoing {
            ethernet,
            secret,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            sent: Vec::new(),
            answer: None,
            failed: None,
        };
        Self { incoming: Frame::default(), is_offered: false, outgoing }
    }

    pub(crate) fn mac(&self) -> [u8; 6] {
        self.outgoing.ethernet.mac()
    }

    pub(crate) fn register(&mut self, waker: &Waker) {
        self.outgoing.ethernet.register(waker);
    }

    /// Whether frames wait for the card.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.outgoing.waiting.is_empty()
    }

    /// Gives the card what waits for it, and has it all leave.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.outgoing.waiting.front() {
            if !self.outgoing.ethernet.send(frame)? {
                break;
            }
            if let Some(frame) = self.outgoing.waiting.pop_front() {
                self.outgoing.keep(frame);
            }
        }
        self.outgoing.ethernet.flush();
        self.outgoing.failed.take().map_or(Ok(()), Err)
    }

    /// The next frame that came; none while too many wait to go out, as each may call for an answer.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Frame>> {
        if self.outgoing.waiting.len() >= WAITING {
            return Ok(None);
        }
        let mut buffer = self.outgoing.buffer();
        let len = self.outgoing.ethernet.receive(&mut buffer)?;
        let frame = Frame { buffer, len: len.unwrap_or_default() };
        if len.is_some() {
            return Ok(Some(frame));
        }
        self.outgoing.keep(frame);
        Ok(None)
    }

    /// The segments that smoltcp has sent since the last call.
    pub(crate) fn sent(&mut self) -> std::vec::Drain<'_, Segment> {
        self.outgoing.sent.drain(..)
    }

    /// The acknowledgement that smoltcp answers the frame with that it took last: it is for the caller to send.
    pub(crate) fn answer(&mut self) -> Option<(Segment, Frame)> {
        self.outgoing.answer.take()
    }

    /// Lets smoltcp take this frame.
    pub(crate) fn offer(&mut self, frame: Frame) {
        let before = std::mem::replace(&mut self.incoming, frame);
        self.is_offered = true;
        self.outgoing.keep(before);
    }

    /// Keeps the buffer of a frame that is not let in.
    pub(crate) fn discard(&mut self, frame: Frame) {
        self.outgoing.keep(frame);
    }

    /// Sends a frame with a segment of this connection, or has it wait for room.
    pub(crate) fn send(&mut self, frame: Frame, pair: Pair) {
        self.outgoing.send(frame, Some(pair));
    }

    /// Sends a frame that is of no connection, or has it wait for room.
    pub(crate) fn send_other(&mut self, frame: Frame) {
        self.outgoing.send(frame, None);
    }

    /// Takes from a frame that came, and from its segment, what was added to the numbers that it is about.
    pub(crate) fn take_secret(&self, frame: &mut Frame, segment: &mut Segment) {
        self.outgoing.secret.take(frame, segment);
    }
}

impl Outgoing {
    fn send(&mut self, mut frame: Frame, pair: Option<Pair>) {
        if let Some(pair) = pair {
            self.secret.add(&mut frame, &pair);
        }
        if self.waiting.is_empty() {
            match self.ethernet.send(&frame) {
                Ok(true) => return self.keep(frame),
                Ok(false) => {}
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        self.waiting.push_back(frame);
    }

    /// A buffer with room for any frame.
    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| vec![0; self.ethernet.mtu()])
    }

    /// Keeps a frame's buffer for another.
    fn keep(&mut self, frame: Frame) {
        if self.spare.len() < SPARE && frame.buffer.len() == self.ethernet.mtu() {
            self.spare.push(frame.buffer);
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let answer = Sending { outgoing: &mut self.outgoing, is_answer: true };
        std::mem::take(&mut self.is_offered).then_some((Received(&self.incoming), answer))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let is_free = self.outgoing.waiting.len() < WAITING;
        is_free.then_some(Sending { outgoing: &mut self.outgoing, is_answer: false })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.outgoing.ethernet.mtu();
        // Those that come are verified before smoltcp sees a frame.
        (capabilities.checksum.ipv4, capabilities.checksum.tcp) = (Checksum::Tx, Checksum::Tx);
        capabilities
    }
}

pub(crate) struct Received<'w>(&'w [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(crate) struct Sending<'w> {
    outgoing: &'w mut Outgoing,
    is_answer: bool,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let outgoing = self.outgoing;
        let mut buffer = outgoing.buffer();
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let frame = buffer.get_mut(..len).unwrap_or_default();
        // All of it is written, but no byte of another frame is to depend on that: those of segments' data are copied over.
        let rest = if len > LONG { HEADERS } else { len };
        frame.get_mut(..rest).unwrap_or_default().fill(0);
        let result = f(frame);
        let frame = Frame { buffer, len };
        let segment = Segment::sent(&frame);
        outgoing.sent.extend(segment);
        match segment.filter(|segment| self.is_answer && segment.is_bare) {
            Some(segment) => outgoing.answer = Some((segment, frame)),
            None => outgoing.send(frame, segment.map(|segment| segment.pair)),
        }
        result
    }
}
