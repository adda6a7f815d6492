//! A network that loses, repeats and reorders frames: what is asked for is answered, and no byte is another.

use device::sim::WireTrouble;

use crate::client::Paste;
use crate::http::Connection;
use crate::machine::{Setup, blank};
use crate::program::pasteur;
use crate::wire::Wire;

/// Of a hundred frames five are lost, two come twice, and five are overtaken.
const BAD: WireTrouble = WireTrouble { seed: 5, lost: 50, repeated: 20, late: 50 };

#[test]
fn needs_qemu_a_network_that_loses_repeats_and_reorders_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup::new(&blank(folder, "store", 64 << 20)).words("--create-rate 0");
    let (machine, _wire) = Wire::boot(folder, setup, BAD);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let port = machine.public;
            scope.spawn(move || {
                let mut seed = client;
                let mut pastes: Vec<_> =
                    (0..8).map(|_| Paste::create(&mut Connection::new(port), &mut seed).expect("an answer")).collect();
                let mut to = Connection::new(port);
                pastes.iter_mut().step_by(2).for_each(|paste| paste.end(&mut to).expect("an answer"));
                pastes.iter_mut().for_each(|paste| paste.check(&mut to));
            });
        }
    });
    let bytes: Vec<u8> = (0..2_u32 << 18).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    std::fs::write(folder.join("large"), &bytes).unwrap();
    let put = pasteur(folder, &["put", "--server", &machine.origin(), "large"], b"");
    assert_eq!(put.code, 0, "{}", put.errors);
    let link = String::from_utf8(put.output).unwrap().lines().last().unwrap().to_owned();
    let got = pasteur(folder, &["get", "-o", "got", &link], b"");
    assert_eq!(got.code, 0, "{}", got.errors);
    assert!(std::fs::read(folder.join("got/large")).unwrap() == bytes, "a byte is another");
    machine.stop();
}
