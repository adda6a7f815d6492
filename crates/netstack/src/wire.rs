//! The card as smoltcp sees it, with a short queue for frames that it has no room for.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use device::Ethernet;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::segment::Segment;

/// Frames that wait for room. Answers to what was received may go beyond, by one for each frame that is let in.
const WAITING: usize = 64;
/// Buffers of frames that are kept for more.
const SPARE: usize = 64;

pub(crate) struct Wire {
    ethernet: Box<dyn Ethernet>,
    /// The frame that smoltcp is to take next.
    incoming: Option<Vec<u8>>,
    waiting: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// Segments that smoltcp has sent since they were last taken.
    sent: Vec<Segment>,
    /// The acknowledgement that smoltcp answers the frame with that it has taken, not sent yet.
    answer: Option<(Segment, Vec<u8>)>,
    /// What the card failed with.
    failed: Option<io::Error>,
}

impl Wire {
    pub(crate) fn new(ethernet: Box<dyn Ethernet>) -> Self {
        Self {
            ethernet,
            incoming: None,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            sent: Vec::new(),
            answer: None,
            failed: None,
        }
    }

    pub(crate) fn mac(&self) -> [u8; 6] {
        self.ethernet.mac()
    }

    pub(crate) fn register(&mut self, waker: &Waker) {
        self.ethernet.register(waker);
    }

    /// Whether frames wait for the card.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives the card what waits for it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.waiting.front() {
            if !self.ethernet.send(frame)? {
                break;
            }
            let frame = self.waiting.pop_front();
            self.spare.extend(frame.filter(|_| self.spare.len() < SPARE));
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// The next frame that came; none while too many wait to go out, as each may call for an answer.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.waiting.len() >= WAITING {
            return Ok(None);
        }
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.resize(self.ethernet.mtu(), 0);
        match self.ethernet.receive(&mut frame)? {
            Some(len) => {
                frame.truncate(len);
                Ok(Some(frame))
            }
            None => {
                self.spare.push(frame);
                Ok(None)
            }
        }
    }

    /// The segments that smoltcp has sent since the last call.
    pub(crate) fn sent(&mut self) -> std::vec::Drain<'_, Segment> {
        self.sent.drain(..)
    }

    /// The acknowledgement that smoltcp answers the frame with that it took last: it is for the caller to send.
    pub(crate) fn answer(&mut self) -> Option<(Segment, Vec<u8>)> {
        self.answer.take()
    }

    /// Lets smoltcp take this frame.
    pub(crate) fn offer(&mut self, frame: Vec<u8>) {
        self.incoming = Some(frame);
    }

    /// Keeps the buffer of a frame that is not let in.
    pub(crate) fn discard(&mut self, frame: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(frame);
        }
    }

    /// Sends a frame, or has it wait for room.
    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        if self.waiting.is_empty() {
            match self.ethernet.send(&frame) {
                Ok(true) => return self.discard(frame),
                Ok(false) => {}
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        self.waiting.push_back(frame);
    }
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let frame = self.incoming.take()?;
        Some((Received(frame), Sending { wire: self, is_answer: true }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        (self.waiting.len() < WAITING).then_some(Sending { wire: self, is_answer: false })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.ethernet.mtu();
        capabilities
    }
}

pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(crate) struct Sending<'w> {
    wire: &'w mut Wire,
    is_answer: bool,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let wire = self.wire;
        let mut frame = wire.spare.pop().unwrap_or_default();
        frame.clear();
        frame.resize(len, 0);
        let result = f(&mut frame);
        let segment = Segment::sent(&frame);
        wire.sent.extend(segment);
        match segment.filter(|segment| self.is_answer && segment.is_bare) {
            Some(segment) => wire.answer = Some((segment, frame)),
            None => wire.send(frame),
        }
        result
    }
}
