//! What the server promises holds for the machine as well.

use std::fs::File;

use crate::certificate;
use crate::http::request;
use crate::machine::{Setup, blank};
use crate::program::{Host, at, get, pasteur, put};

#[test]
fn needs_qemu_pastes_live_and_end_on_every_machine() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for kind in ["microvm", "microvm,acpi=off", "q35", "pc"] {
        let store = blank(folder, &kind.replace(',', "-"), 64 << 20);
        let setup = Setup { kind, ..Setup::new(&store) };
        let machine = setup.boot();
        let kept = put(folder, &machine.origin(), "kept", &[]);
        let burnt = put(folder, &machine.origin(), "burnt", &["--burn"]);
        let removed = put(folder, &machine.origin(), "removed", &[]);
        assert_eq!((get(folder, &kept).as_str(), get(folder, &burnt).as_str()), ("kept", "burnt"));
        let again = pasteur(folder, &["get", &burnt], b"");
        assert!(again.code != 0 && again.output.is_empty(), "{kind}: a burnt paste is {again:?}");
        assert_eq!(pasteur(folder, &["rm", &removed], b"").code, 0, "{kind}");
        assert_eq!(request(machine.public, "GET", "/").0, 200, "{kind}");
        assert_eq!(request(machine.public, "POST", "/stop").0, 405, "{kind}");
        assert_eq!(request(machine.admin, "GET", "/readyz").1.lines().last(), Some("ready"), "{kind}");
        assert!(request(machine.admin, "GET", "/metrics").1.contains("\npasteur_pastes 1\n"), "{kind}");
        let said = machine.stop();
        assert!(said.contains("stopped") && !said.contains("panicked"), "{kind}: {said}");
        // Another machine with the same disk.
        let machine = setup.boot();
        assert_eq!(get(folder, &at(&kept, &machine.origin())), "kept", "{kind}");
        for gone in [&burnt, &removed] {
            assert_ne!(pasteur(folder, &["get", &at(gone, &machine.origin())], b"").code, 0, "{kind}");
        }
    }
}

#[test]
fn needs_qemu_a_store_goes_from_a_host_to_the_machine_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = folder.join("store.redb");
    let host = Host::start(&store);
    let first = put(folder, &host.origin, "from the host", &[]);
    host.stop();
    // Room on a disk.
    File::options().write(true).open(&store).unwrap().set_len(32 << 20).unwrap();
    let machine = Setup::new(&store).boot();
    assert_eq!(get(folder, &at(&first, &machine.origin())), "from the host");
    let second = put(folder, &machine.origin(), "from the machine", &[]);
    // No orderly end: what was answered is there.
    machine.kill();
    let host = Host::start(&store);
    assert_eq!(get(folder, &at(&first, &host.origin)), "from the host");
    assert_eq!(get(folder, &at(&second, &host.origin)), "from the machine");
    let third = put(folder, &host.origin, "from the host again", &[]);
    host.stop();
    let machine = Setup::new(&store).boot();
    for (link, text) in [(&first, "from the host"), (&second, "from the machine"), (&third, "from the host again")] {
        assert_eq!(get(folder, &at(link, &machine.origin())), text);
    }
    machine.stop();
}

/// Contents go through in pieces: a machine need not hold one.
#[test]
fn needs_qemu_64_mebibytes_go_through_a_machine_of_24() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let setup = Setup { memory: "24M", ..Setup::new(&blank(folder, "store", 256 << 20)) };
    let config = certificate::pair(folder, &certificate::make(folder));
    let bytes: Vec<u8> = (0..64_u32 << 18).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    std::fs::write(folder.join("large"), &bytes).unwrap();
    for (setup, with_tls) in [(setup.clone(), false), (setup.with_config(&config), true)] {
        let machine = setup.boot();
        let origin = if with_tls { machine.secure_origin() } else { machine.origin() };
        let link = put(folder, &origin, "", &["large"]);
        let ran = pasteur(folder, &["get", "--force", "-o", "got", &link], b"");
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert!(std::fs::read(folder.join("got/large")).unwrap() == bytes, "a byte is another");
        assert_eq!(pasteur(folder, &["rm", &link], b"").code, 0);
        machine.stop();
    }
}
