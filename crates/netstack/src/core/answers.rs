//! What is acknowledged of segments that came out of their turn (RFC 2018).
//!
//! smoltcp 0.14 answers each such segment with an acknowledgement, and in it tells of one block, which the segment is in. While something
//! is missing that is a frame for each that comes, where segments in their turn get one for all that came together; it takes the other end
//! longer to read them than to send again what is missing. Here the answers to what came together are one as well, as they are from an
//! operating system that gathers segments before it looks at them. It repeats the blocks that were told last (section 4), so that no news
//! is lost with one answer.

use smoltcp::wire::{EthernetAddress, EthernetFrame};

use super::Core;
use crate::segment::{Acknowledgement, Block, Pair, Segment};
use crate::wire::Frame;

/// How many blocks an answer has room for.
const BLOCKS: usize = 3;

/// What a connection has told of segments that came out of their turn. All of it is true for as long as it is not acknowledged: smoltcp
/// keeps what it has.
#[derive(Debug)]
pub(super) struct Told {
    /// What is said with the next answer, and to whom.
    said: Acknowledgement,
    to: EthernetAddress,
    /// The latest first; what is told leaves room for no more than the first of them.
    blocks: Vec<Block>,
    /// So many of them were not told yet. Where there are any, the answer waits.
    news: usize,
}

impl Told {
    /// What is to be told next, with a new block.
    fn with(&self, said: Acknowledgement, block: Block) -> Self {
        let is_apart = |old: &Block| (block.1 < old.0 || old.1 < block.0) && old.0 > said.number;
        let (news, before) = self.blocks.split_at(self.news);
        let news = news.iter().filter(|old| is_apart(old));
        let mut blocks: Vec<Block> = std::iter::once(&block).chain(news).copied().collect();
        let news = blocks.len();
        blocks.extend(before.iter().filter(|old| is_apart(old)));
        Self { said, to: self.to, blocks, news }
    }

    /// The answer, which does not wait any more.
    fn take(&mut self, pair: Pair) -> Frame {
        self.news = 0;
        self.said.frame(&self.blocks, self.to.0, pair.turned()).into()
    }
}

impl Core {
    /// Sends what smoltcp answers to the frame that it has just taken in, or has it wait for the answers to frames that came with it.
    pub(super) fn answer(&mut self) {
        while let Some((segment, frame)) = self.wire.answer() {
            self.answer_with(&segment, frame);
        }
    }

    fn answer_with(&mut self, segment: &Segment, frame: Frame) {
        let pair = segment.pair;
        let to = EthernetFrame::new_checked(&*frame).map(|frame| frame.dst_addr());
        let (Some(known), Some(said), Ok(to)) = (self.pairs.get_mut(&pair), segment.acknowledgement, to) else {
            return self.wire.send(frame, pair);
        };
        let Some(block) = segment.block else {
            // Nothing is missing any more, which says more than what may have waited.
            known.told = None;
            return self.wire.send(frame, pair);
        };
        let told = known.told.get_or_insert_with(|| Box::new(Told { said, to, blocks: Vec::new(), news: 0 }));
        let was_waiting = told.news > 0;
        let mut next = told.with(said, block);
        if next.news > BLOCKS {
            let full = told.take(pair);
            next = told.with(said, block);
            self.wire.send(full, pair);
        }
        next.blocks.truncate(next.news + BLOCKS);
        **told = next;
        if !was_waiting {
            self.answering.push(pair);
        }
        self.wire.discard(frame);
    }

    /// Sends the answers that have waited.
    pub(super) fn send_answers(&mut self) {
        for pair in std::mem::take(&mut self.answering) {
            let told = self.pairs.get_mut(&pair).and_then(|known| known.told.as_mut());
            if let Some(told) = told.filter(|told| told.news > 0) {
                self.wire.send(told.take(pair), pair);
            }
        }
    }
}
