//! First packets of QUIC (RFC 9000 section 17.2.2) from ever new ports, as of clients that are not heard from again.

use std::net::UdpSocket;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{ClientConnection, Version};

use super::wire::{Signals, Target, name};

/// What a first packet is filled up to (RFC 9000 section 14.1).
const SIZE: usize = 1200;
/// Bytes of a connection id.
const ID: usize = 8;
/// Packets from one port.
const FROM_ONE: usize = 32;
/// The tag of AES-128-GCM.
const TAG: usize = 16;

/// Sends them as fast as it can.
pub(super) fn first_packets(target: &Target, signals: &Signals, _: usize) {
    signals.ready();
    let mut n = 0_u64;
    while signals.goes_on() {
        let Ok(socket) = UdpSocket::bind(target.source()) else { continue };
        for _ in 0..FROM_ONE {
            n += 1;
            if let Ok(packet) = packet(target, n) {
                let _ = socket.send_to(&packet, target.address);
            }
        }
    }
}

/// The first packet of the `n`-th connection, with a ClientHello in it.
pub(super) fn packet(target: &Target, n: u64) -> Result<Vec<u8>> {
    let id: [u8; ID] = n.to_be_bytes();
    let tls = target.tls().context("QUIC is TLS")?;
    // A transport parameter that has to be there: the client's own connection id.
    let parameters = [&[0x0f, ID as u8][..], &id].concat();
    let mut client = ClientConnection::new(Arc::clone(&tls.three), Version::V1, name(), parameters)?;
    let mut hello = Vec::new();
    client.write_hs(&mut hello);
    // A long header: Initial, a packet number of four bytes, version 1, both connection ids, no token.
    let mut header = [&[0xc3, 0, 0, 0, 1, ID as u8][..], &id, &[ID as u8], &id, &[0]].concat();
    let number_at = header.len() + 2;
    let payload = SIZE - number_at - 4;
    header.extend((0x4000 | (payload + 4) as u16).to_be_bytes());
    header.extend([0; 4]);
    let mut body = vec![0x06, 0];
    body.extend((0x4000 | hello.len() as u16).to_be_bytes());
    body.extend(hello);
    ensure!(body.len() + TAG <= payload, "a ClientHello of {} bytes", body.len());
    // The rest is padding.
    body.resize(payload - TAG, 0);
    let quic = TLS13_AES_128_GCM_SHA256.tls13().and_then(|suite| suite.quic_suite()).context("no suite of QUIC")?;
    let keys = quic.keys(&id, Side::Client, Version::V1).local;
    let tag = keys.packet.encrypt_in_place(0, &header, &mut body)?;
    body.extend(tag.as_ref());
    let mut packet = [header, body].concat();
    let (start, sample) = packet.split_at_mut(number_at + 4);
    let (first, number) = start.split_at_mut(number_at);
    keys.header.encrypt_in_place(&sample[..16], &mut first[0], number)?;
    Ok(packet)
}
