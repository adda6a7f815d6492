//! Sequence numbers that a stranger cannot foresee (RFC 6528).
//!
//! smoltcp 0.14 draws a connection's first number from a generator whose state follows from three numbers in a row. On the cable, a keyed
//! hash of the connection's ends is added to all that this end counts: whoever does not see a connection cannot know it. smoltcp and
//! everything else here have the numbers without it.

use std::hash::{Hash, Hasher};

use device::{NoEntropy, Random};
use siphasher::sip::SipHasher24;
use smoltcp::wire::TcpSeqNumber;

use crate::segment::{Pair, Segment};

/// Where a TCP header has its parts, and its flags.
const SEQUENCE: usize = 4;
const NUMBER: usize = 8;
const OFFSET: usize = 12;
const FLAGS: usize = 13;
const CHECKSUM: usize = 16;
const OPTIONS: usize = 20;
const RST: u8 = 4;
const ACK: u8 = 16;
/// Options: the end of them, one of a single byte, and blocks that arrived out of their turn.
const END: u8 = 0;
const NOTHING: u8 = 1;
const BLOCKS: u8 = 5;

/// What is added, by the ends of a connection.
pub(crate) struct Secret([u8; 16]);

impl Secret {
    pub(crate) fn new(random: &impl Random) -> Result<Self, NoEntropy> {
        let mut key = [0; 16];
        random.fill(&mut key)?;
        Ok(Self(key))
    }

    fn of(&self, pair: &Pair) -> u32 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        pair.hash(&mut hasher);
        (hasher.finish() >> 32) as u32
    }

    /// Adds it to what this end counts in a frame with a segment that goes out. What says 0 since it is of no connection stays.
    pub(crate) fn add(&self, frame: &mut [u8], pair: &Pair) {
        let Some(tcp) = segment(frame) else { return };
        let before = word(tcp, SEQUENCE);
        if tcp[FLAGS] & RST != 0 && before == 0 {
            return;
        }
        let after = before.wrapping_add(self.of(pair));
        tcp[SEQUENCE..SEQUENCE + 4].copy_from_slice(&after.to_be_bytes());
        // RFC 1624, equation 3.
        let halves = |word: u32| (word >> 16) + (word & 0xffff);
        let checksum = u16::from_be_bytes([tcp[CHECKSUM], tcp[CHECKSUM + 1]]);
        let sum = u32::from(!checksum) + halves(!before) + halves(after);
        let sum = halves(halves(sum)) as u16;
        tcp[CHECKSUM..CHECKSUM + 2].copy_from_slice(&(!sum).to_be_bytes());
    }

    /// Takes it from what the other end says of these numbers, in a frame that came and in its segment. The checksum was of the frame as it
    /// came, and is not verified again.
    pub(crate) fn take(&self, frame: &mut [u8], said: &mut Segment) {
        let Some(tcp) = segment(frame).filter(|tcp| tcp[FLAGS] & ACK != 0) else { return };
        let added = self.of(&said.pair);
        take_from(tcp, NUMBER, added);
        let mut at = OPTIONS;
        let end = usize::from(tcp[OFFSET] >> 4) * 4;
        while at < end {
            let len = match tcp.get(at..) {
                Some([NOTHING, ..]) => 1,
                Some([kind, len, ..]) if *kind != END && *len >= 2 => {
                    let len = usize::from(*len);
                    if *kind == BLOCKS {
                        (at + 2..).step_by(4).take((len - 2) / 4).for_each(|edge| take_from(tcp, edge, added));
                    }
                    len
                }
                _ => break,
            };
            at += len;
        }
        let taken = |number: TcpSeqNumber| TcpSeqNumber(number.0.wrapping_sub(added.cast_signed()));
        if let Some(acknowledgement) = &mut said.acknowledgement {
            acknowledgement.number = taken(acknowledgement.number);
        }
        said.arrived = said.arrived.map(taken);
        said.block = said.block.map(|(first, end)| (taken(first), taken(end)));
    }
}

/// The segment in a frame that is known to have one, at the place where it is.
fn segment(frame: &mut [u8]) -> Option<&mut [u8]> {
    let at = match frame.get(12..15)? {
        [8, 0, version] => 14 + usize::from(version & 15) * 4,
        [0x86, 0xdd, _] => 54,
        _ => return None,
    };
    frame.get_mut(at..).filter(|tcp| tcp.len() >= OPTIONS)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

fn take_from(bytes: &mut [u8], at: usize, added: u32) {
    let number = word(bytes, at).wrapping_sub(added);
    if let Some(word) = bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
        *word = number.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::EthernetAddress;

    use super::*;
    use crate::segment::Acknowledgement;

    const SECRET: Secret = Secret(*b"sixteen bytes it");

    fn pair(ours: &str, theirs: &str) -> Pair {
        Pair(ours.parse().unwrap(), theirs.parse().unwrap())
    }

    fn pairs() -> [Pair; 5] {
        [
            pair("10.0.0.2:80", "10.0.0.1:4660"),
            pair("10.0.0.2:80", "10.0.0.1:4661"),
            pair("10.0.0.2:80", "10.0.0.3:4660"),
            pair("10.0.0.2:81", "10.0.0.1:4660"),
            pair("[fd00::2]:80", "[fd00::1]:4660"),
        ]
    }

    #[test]
    fn each_connection_has_its_own() {
        let mut all: Vec<u32> = pairs().iter().map(|pair| SECRET.of(pair)).collect();
        all.extend(pairs().iter().map(|pair| Secret([7; 16]).of(pair)));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn what_goes_out_has_it_and_a_good_checksum() {
        for pair in pairs() {
            for sequence in [1, -1, 0x7fff_fff0, 0x1234_5678, -0x1_0000] {
                let said = Acknowledgement {
                    from: EthernetAddress([2, 0, 0, 0, 0, 1]),
                    sequence: TcpSeqNumber(sequence),
                    number: TcpSeqNumber(5),
                    window: 6,
                };
                // As the other end has it.
                let mut frame = said.frame(&[], [2, 0, 0, 0, 0, 2], pair.turned());
                SECRET.add(&mut frame, &pair);
                let heard = Segment::of(&frame).unwrap().unwrap();
                assert_eq!(heard.sequence.0, sequence.wrapping_add(SECRET.of(&pair).cast_signed()));
                assert_eq!(heard.acknowledgement.unwrap().number, said.number);
            }
        }
    }

    #[test]
    fn what_comes_is_without_it() {
        let added = |pair: &Pair, number: i32| TcpSeqNumber(number.wrapping_add(SECRET.of(pair).cast_signed()));
        for pair in pairs() {
            let mut said = Acknowledgement {
                from: EthernetAddress([2, 0, 0, 0, 0, 1]),
                sequence: TcpSeqNumber(3),
                number: added(&pair, 100),
                window: 6,
            };
            let blocks = [(200, 300), (400, 500), (600, 700)];
            let blocks = blocks.map(|(first, end)| (added(&pair, first), added(&pair, end)));
            let mut frame = said.frame(&blocks, [2, 0, 0, 0, 0, 2], pair);
            let mut heard = Segment::of(&frame).unwrap().unwrap();
            SECRET.take(&mut frame, &mut heard);
            said.number = TcpSeqNumber(100);
            assert_eq!(heard.acknowledgement, Some(said));
            assert_eq!(heard.arrived, Some(TcpSeqNumber(700)));
            assert_eq!(heard.block, Some((TcpSeqNumber(200), TcpSeqNumber(300))));
            // So it is in the frame, whose checksum nobody looks at any more.
            assert_eq!(Segment::sent(&frame), Some(Segment { pair: pair.turned(), ..heard }));
        }
    }
}
