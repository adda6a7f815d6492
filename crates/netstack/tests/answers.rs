//! What comes out of its turn is acknowledged at once and by blocks, as one where it came together (RFC 2018, RFC 5681 section 4.2).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::net::Ipv4Addr;
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Stack};
use netstack::{Config, NetFlow, NetListener, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Bytes of a segment.
const LEN: usize = 100;

/// A client that is written by hand. Its first byte has the number 1.
struct Client {
    card: SimEthernet,
    /// The server's number that is expected next.
    server: TcpSeqNumber,
    window: u16,
}

/// An answer: how many segments arrived in their turn, and which beside: the first of each block, and the one after its last.
type Answer = (usize, Vec<(usize, usize)>);

impl Client {
    /// A connection of such a client to the server's stack.
    async fn connected(has_sack: bool) -> (Self, NetFlow, (Netstack, NetListener)) {
        let (cable, card) = SimEthernet::pair(WireTrouble::default());
        let config = Config::default().address("10.0.0.1/24".parse().unwrap());
        let (stack, driver) = Netstack::new(cable, &SimRandom::new(1), config).unwrap();
        tokio::spawn(driver);
        let mut listener = stack.listen("10.0.0.1:80".parse().unwrap()).await.unwrap();
        let mut client = Self { card, server: TcpSeqNumber(0), window: 1000 };
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(client.card.mac()),
            source_protocol_addr: CLIENT,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: SERVER,
        };
        let mut packet = vec![0; arp.buffer_len()];
        arp.emit(&mut ArpPacket::new_unchecked(&mut packet));
        client.send(EthernetProtocol::Arp, &packet);
        client.say(TcpControl::Syn, 0, has_sack, &[]);
        let begun = client.heard().await;
        client.server = TcpSeqNumber(begun[0].seq_number().0) + 1;
        client.say(TcpControl::None, 1, false, &[]);
        let (flow, _) = listener.accept().await.unwrap();
        (client, flow, (stack, listener))
    }

    fn send(&mut self, ethertype: EthernetProtocol, payload: &[u8]) {
        let src_addr = EthernetAddress(self.card.mac());
        let header = EthernetRepr { src_addr, dst_addr: EthernetAddress([2, 0, 0, 0, 0, 1]), ethertype };
        let mut frame = vec![0; header.buffer_len()];
        header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
        frame.extend(payload);
        assert!(self.card.send(&frame).unwrap());
    }

    fn say(&mut self, control: TcpControl, seq: i32, sack_permitted: bool, payload: &[u8]) {
        let packet = self.packet(control, seq, sack_permitted, payload);
        self.send(EthernetProtocol::Ipv4, &packet);
    }

    fn packet(&self, control: TcpControl, seq: i32, sack_permitted: bool, payload: &[u8]) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: 1000,
            dst_port: 80,
            control,
            seq_number: TcpSeqNumber(seq),
            ack_number: (control != TcpControl::Syn).then_some(self.server),
            window_len: self.window,
            window_scale: None,
            max_seg_size: (control == TcpControl::Syn).then_some(1460),
            sack_permitted,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let checksums = ChecksumCapabilities::default();
        let payload_len = tcp.buffer_len();
        let ip =
            Ipv4Repr { src_addr: CLIENT, dst_addr: SERVER, next_header: IpProtocol::Tcp, payload_len, hop_limit: 64 };
        let mut packet = vec![0; ip.buffer_len() + payload_len];
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet), &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.buffer_len()..]);
        tcp.emit(&mut segment, &CLIENT.into(), &SERVER.into(), &checksums);
        packet
    }

    /// The segments that the server sends now.
    async fn heard(&mut self) -> Vec<TcpPacket<Vec<u8>>> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut heard = Vec::new();
        let mut frame = [0; 1514];
        while let Some(len) = self.card.receive(&mut frame).unwrap() {
            let ethernet = EthernetFrame::new_checked(&frame[..len]).unwrap();
            if ethernet.ethertype() == EthernetProtocol::Ipv4 {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).unwrap();
                let tcp = TcpPacket::new_checked(ip.payload().to_vec()).unwrap();
                assert!(tcp.verify_checksum(&SERVER.into(), &CLIENT.into()));
                heard.push(tcp);
            }
        }
        heard
    }

    /// Sends these segments together, and gives what is answered.
    async fn answers(&mut self, segments: &[usize]) -> Vec<Answer> {
        for at in segments {
            let byte = u8::try_from(*at).unwrap();
            self.say(TcpControl::None, i32::try_from(1 + at * LEN).unwrap(), false, &[byte; LEN]);
        }
        let at = |number: usize| (number - 1) / LEN;
        let heard = self.heard().await;
        let block = |(first, end): (u32, u32)| (at(first as usize), at(end as usize));
        let answer = |tcp: &TcpPacket<Vec<u8>>| {
            let blocks = tcp.selective_ack_ranges().unwrap().into_iter().flatten().map(block).collect();
            (at(tcp.ack_number().0 as usize), blocks)
        };
        heard.iter().map(answer).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_is_answered_together_and_what_was_told_is_told_again() {
    let (mut client, mut flow, _stack) = Client::connected(true).await;
    assert_eq!(client.answers(&[1]).await, [(0, vec![(1, 2)])]);
    assert_eq!(client.answers(&[2, 4]).await, [(0, vec![(4, 5), (1, 3)])]);
    assert_eq!(client.answers(&[6]).await, [(0, vec![(6, 7), (4, 5), (1, 3)])]);
    // Two blocks that become one.
    assert_eq!(client.answers(&[8, 7]).await, [(0, vec![(6, 9), (4, 5), (1, 3)])]);
    assert_eq!(client.answers(&[10]).await, [(0, vec![(10, 11), (6, 9), (4, 5)])]);
    // More news than an answer has room for.
    let news = [(0, vec![(16, 17), (14, 15), (12, 13)]), (0, vec![(18, 19), (16, 17), (14, 15)])];
    assert_eq!(client.answers(&[12, 14, 16, 18]).await, news);
    // A gap that is closed is told of at once, and so is the end of all.
    assert_eq!(client.answers(&[0]).await, [(3, vec![(4, 5), (18, 19), (16, 17)])]);
    assert_eq!(client.answers(&[3, 5]).await, [(9, vec![(10, 11), (18, 19), (16, 17)])]);
    assert_eq!(client.answers(&[9, 11, 13, 15, 17]).await, [(19, vec![])]);
    let mut got = [0; 19 * LEN];
    flow.read_exact(&mut got).await.unwrap();
    assert!(got.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at / LEN));
}

/// Without blocks, three answers alike are what tells of a loss (RFC 5681 section 3.2).
#[tokio::test(start_paused = true)]
async fn who_reads_no_blocks_gets_an_answer_to_each_segment() {
    let (mut client, _flow, _stack) = Client::connected(false).await;
    assert_eq!(client.answers(&[1, 2, 3]).await, [(0, vec![]), (0, vec![]), (0, vec![])]);
    assert_eq!(client.answers(&[0]).await, [(4, vec![])]);
}

/// A segment that is lost is sent again, though some frame tells that half of it came: one that is damaged, or whose sender does not know
/// where the connection stands. It is so before smoltcp's own timers have a second to run.
#[tokio::test(start_paused = true)]
async fn what_is_damaged_or_out_of_the_window_acknowledges_nothing() {
    for is_damaged in [true, false] {
        let (mut client, mut flow, _stack) = Client::connected(true).await;
        flow.write_all(&[7; 1000]).await.unwrap();
        // On its way there it is lost.
        let sent = client.heard().await;
        assert_eq!((sent[0].seq_number(), sent[0].segment_len()), (client.server, 1000));
        let first = std::mem::replace(&mut client.server, sent[0].seq_number() + 500);
        let mut forged = client.packet(TcpControl::None, if is_damaged { 1 } else { 1 << 24 }, false, &[]);
        if is_damaged {
            // The last byte of the urgent pointer, of which the checksum tells.
            *forged.last_mut().unwrap() ^= 1;
        }
        client.send(EthernetProtocol::Ipv4, &forged);
        let mut again = Vec::new();
        for _ in 0..700 {
            again.extend(client.heard().await.into_iter().filter(|tcp| tcp.segment_len() > 0));
        }
        assert!(!again.is_empty() && again.iter().all(|tcp| tcp.seq_number() == first), "damaged: {is_damaged}");
    }
}

/// A client whose window closes before it has all, and stays closed when it has: nothing is left that its window could be asked for.
#[tokio::test(start_paused = true)]
async fn who_has_everything_is_not_asked_for_its_window() {
    let (mut client, mut flow, _stack) = Client::connected(false).await;
    flow.write_all(&[7; 3 * LEN]).await.unwrap();
    flow.shutdown().await.unwrap();
    assert!(!client.heard().await.is_empty());
    client.window = 0;
    for len in [LEN, 2 * LEN + 1] {
        client.server += len;
        client.say(TcpControl::None, 1, false, &[]);
        assert!(client.heard().await.is_empty());
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = client.heard().await.len();
    assert!(asked <= 2, "{asked} questions");
    // What the client says still comes.
    client.say(TcpControl::Psh, 1, false, b"word");
    let mut word = [0; 4];
    flow.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"word");
}
