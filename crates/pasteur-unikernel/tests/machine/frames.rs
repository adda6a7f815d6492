//! Frames of strangers: beginnings of connections from addresses that are nobody's, questions and news by ARP, packets that are cut or
//! damaged, fragments whose others never come, and TCP with options of every kind and length.

use crate::chance::split_mix;

/// The machine.
const CARD: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0];
const ADDRESS: [u8; 4] = [10, 0, 0, 2];

const TCP: u8 = 6;
const SYN: u8 = 2;

/// A frame by chance.
pub(crate) type Flood = fn(&mut u64) -> Vec<u8>;

/// All kinds, with their names, and how many frames come at once. Of connections that begin the stack keeps some hundred, each for a
/// fifth of a second: where many more begin in that time, honest ones seldom find a place. So those come one by one.
pub(crate) const FLOODS: [(&str, Flood, u64); 5] = [
    ("beginnings", beginning, 1),
    ("ARP", arp, 5),
    ("damage", damaged, 5),
    ("fragments", fragment, 5),
    ("options", options, 1),
];

/// So many bytes by chance.
fn bytes(seed: &mut u64, count: usize) -> Vec<u8> {
    (0..count).map(|_| split_mix(seed) as u8).collect()
}

/// A stranger on the cable, who is neither end of it, or one of elsewhere.
fn stranger(seed: &mut u64) -> [u8; 4] {
    let chance = split_mix(seed).to_le_bytes();
    if chance[7] < 128 { [10, 0, 0, 3 + chance[0] % 250] } else { [192, 0, 2, chance[0]] }
}

fn ethernet(kind: u16, to: [u8; 6], from: u8, payload: &[u8]) -> Vec<u8> {
    [&to[..], &[2, 0, 0, 1, 0, from], &kind.to_be_bytes(), payload].concat()
}

/// The Internet's checksum (RFC 1071).
fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes()
}

/// A packet of IPv4 in its frame; `place` is the flags and the offset of a fragment.
fn ipv4(from: [u8; 4], protocol: u8, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(((20 + payload.len()) as u16).to_be_bytes());
    header.extend([0, from[3]]);
    header.extend(place.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend([from, ADDRESS].concat());
    let sum = sum(&[&header]);
    header[10..12].copy_from_slice(&sum);
    ethernet(0x0800, CARD, from[3], &[header, payload.to_vec()].concat())
}

/// A segment of TCP to the server's port, with a checksum that is right. Options fill words of four bytes.
fn tcp(seed: &mut u64, from: [u8; 4], flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut segment = bytes(seed, 2);
    segment.extend(80_u16.to_be_bytes());
    segment.extend(bytes(seed, 8));
    segment.extend([(5 + options.len() as u8 / 4) << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend([options, data].concat());
    let length = (segment.len() as u16).to_be_bytes();
    let sum = sum(&[&from, &ADDRESS, &[0, TCP], &length, &segment]);
    segment[16..18].copy_from_slice(&sum);
    ipv4(from, TCP, 0, &segment)
}

fn beginning(seed: &mut u64) -> Vec<u8> {
    let from = stranger(seed);
    tcp(seed, from, SYN, &[2, 4, 5, 0xb4], &[])
}

/// A question, or an answer that nobody asked for; neither says anything of the other end of the cable.
fn arp(seed: &mut u64) -> Vec<u8> {
    let (from, chance) = (stranger(seed), split_mix(seed));
    let operation = 1 + (chance % 2) as u8;
    let to = if chance & 4 == 0 { CARD } else { [0xff; 6] };
    let about = if chance & 8 == 0 { ADDRESS } else { from };
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 1, 0, from[3]];
    packet.extend([&from[..], &CARD, &about].concat());
    ethernet(0x0806, to, from[3], &packet)
}

/// A frame of another kind whose bytes are changed, or which is cut, or nothing but chance.
fn damaged(seed: &mut u64) -> Vec<u8> {
    let kind = [beginning, arp, fragment, options][(split_mix(seed) % 4) as usize];
    let mut frame = kind(seed);
    match split_mix(seed) % 3 {
        0 => {
            // Not the addresses of the frame, or the card would drop it.
            for _ in 0..1 + split_mix(seed) % 8 {
                let at = 12 + (split_mix(seed) % (frame.len() as u64 - 12)) as usize;
                frame[at] = split_mix(seed) as u8;
            }
        }
        // To QEMU, a frame of nothing is the end of the cable.
        1 => frame.truncate(1 + (split_mix(seed) % (frame.len() as u64 - 1)) as usize),
        _ => {
            let protocol = [0x0800, 0x86dd, 0x0806, split_mix(seed) as u16][(split_mix(seed) % 4) as usize];
            let payload = (split_mix(seed) % 1400) as usize;
            frame = ethernet(protocol, CARD, 9, &bytes(seed, payload));
        }
    }
    frame
}

/// One of a packet that never becomes whole; some lie behind the longest packet.
fn fragment(seed: &mut u64) -> Vec<u8> {
    let place = 0x2000 | (split_mix(seed) as u16 & 0x1fff);
    let (from, size) = (stranger(seed), 8 * (1 + split_mix(seed) % 180) as usize);
    let protocol = [TCP, 17, 1][(split_mix(seed) % 3) as usize];
    ipv4(from, protocol, place, &bytes(seed, size))
}

/// Any flags, with options whose lengths are right, 0, too long, or whatever chance says.
fn options(seed: &mut u64) -> Vec<u8> {
    let words = 1 + split_mix(seed) % 10;
    let mut options = bytes(seed, 4 * words as usize);
    if split_mix(seed).is_multiple_of(2) {
        options[..2].copy_from_slice(&[(split_mix(seed) % 10) as u8, (split_mix(seed) % 12) as u8]);
    }
    let (from, flags, size) = (stranger(seed), split_mix(seed) as u8, (split_mix(seed) % 100) as usize);
    let data = bytes(seed, size);
    let flags = if split_mix(seed).is_multiple_of(2) { SYN } else { flags };
    tcp(seed, from, flags, &options, &data)
}
