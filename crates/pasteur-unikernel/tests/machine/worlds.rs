//! Worlds in which something is missing, full, of another kind, or fails: the machine says so, or goes on.

use std::fs;
use std::sync::Arc;

use device::Timestamp;
use device::sim::{SimBlock, SimClock};
use store::{Embedded, Options};

use crate::chance::split_mix;
use crate::http::request;
use crate::machine::{Setup, blank};
use crate::program::{get, pasteur, put};

#[test]
fn needs_qemu_a_command_line_that_is_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&blank(folder.path(), "store", 8 << 20));
    for (words, told) in [
        ("--max-paste much", "invalid value 'much' for '--max-paste <SIZE>'"),
        ("--ipv4 10.0.0.2", "an address with its network is like 10.0.0.2/24"),
        ("--store x", "unexpected argument '--store'"),
    ] {
        let (said, status) = setup.clone().words(words).fails();
        assert!(said.contains(told) && status == 2, "{status}: {said}");
    }
    let (said, status) = setup.words("--help").fails();
    assert!(said.contains("--max-paste <SIZE>") && said.contains("--ipv4 <ADDRESS/PREFIX>") && status == 0, "{said}");
}

#[test]
fn needs_qemu_what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&blank(folder.path(), "store", 8 << 20));
    let (said, status) = Setup { disks: Vec::new(), ..setup.clone() }.fails();
    assert!(said.contains("store") && status == 103, "{status}: {said}");
    let (said, status) = Setup { cards: Vec::new(), ..setup.clone() }.fails();
    assert!(said.contains("net") && status == 103, "{status}: {said}");
    for memory in ["8M", "23M"] {
        let (said, status) = Setup { memory, ..setup.clone() }.fails();
        let told = said.contains("libos: too little memory: the program needs 24 MiB");
        assert!(told && status == 102, "{memory}, {status}: {said}");
    }
    let (said, status) = Setup { entropy: false, ..setup }.fails();
    assert!(said.contains("entropy") && status == 101, "{status}: {said}");
}

/// The card with the lowest address is the declared one, wherever the machine has it.
#[test]
fn needs_qemu_a_second_card_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["microvm", "q35"] {
        let cards = vec![String::from("user"), String::from("user,restrict=on")];
        let machine = Setup { kind, cards, ..Setup::new(&blank(folder.path(), kind, 8 << 20)) }.boot();
        assert!(machine.said().contains("is none that the program declares: Card("), "{kind}: {}", machine.said());
        let link = put(folder.path(), &machine.origin(), "by the first", &[]);
        assert_eq!(get(folder.path(), &link), "by the first");
        machine.stop();
    }
}

#[test]
fn needs_qemu_a_disk_of_another_kind_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut bytes = vec![0; 8 << 20];
    bytes[1080..1082].copy_from_slice(&[0x53, 0xef]);
    fs::write(&store, &bytes).unwrap();
    let (said, status) = Setup::new(&store).fails();
    assert!(said.contains("the store on the disk \"store\": not a store") && status == 10, "{status}: {said}");
    assert!(fs::read(&store).unwrap() == bytes, "the disk was written to");
}

#[test]
fn needs_qemu_a_disk_that_is_shorter_than_its_store_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = blank(folder.path(), "store", 32 << 20);
    let machine = Setup::new(&store).boot();
    fs::write(folder.path().join("content"), vec![7; 5 << 20]).unwrap();
    let ran = pasteur(folder.path(), &["put", "--server", &machine.origin(), "content"], b"");
    assert_eq!(ran.code, 0, "{}", ran.errors);
    machine.stop();
    let whole = fs::read(&store).unwrap();
    fs::write(&store, &whole[..2 << 20]).unwrap();
    let (said, status) = Setup::new(&store).fails();
    let why = "the store on the disk \"store\": the store is damaged: its device is shorter than the store: that has ";
    assert!(said.contains(why) && said.contains(" bytes, and the device 2097152") && status == 8, "{status}: {said}");
    assert!(fs::read(&store).unwrap() == whole[..2 << 20], "the disk was written to");
    fs::write(&store, whole).unwrap();
    Setup::new(&store).boot().stop();
}

/// At some kinds of damage the database panics, which a host's server catches; here nothing can be caught.
#[test]
fn needs_qemu_a_damaged_store_is_told() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = blank(folder, "store", 8 << 20);
    let machine = Setup::new(&store).boot();
    (0..6).for_each(|number| drop(put(folder, &machine.origin(), &format!("paste {number}"), &[])));
    machine.stop();
    let whole = fs::read(&store).unwrap();
    let clock = Arc::new(SimClock::new(Timestamp(0)));
    let damage = whole.chunks_exact(PAGE).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    let damaged = damage.map(|(number, _)| {
        let mut bytes = whole.clone();
        bytes[number * PAGE..][..PAGE].fill(0);
        bytes
    });
    const WHY: &str = "the store is damaged: the database is not consistent in itself";
    let is_caught = |bytes: &Vec<u8>| {
        let opened = Embedded::open(SimBlock::fixed(bytes.clone()), Options::default(), clock.clone());
        opened.err().is_some_and(|error| error.to_string() == WHY)
    };
    // Of this test's database, which is built with more assertions, more is caught than of the machine's.
    let mut told = 0;
    for bytes in damaged.filter(is_caught) {
        fs::write(&store, &bytes).unwrap();
        let mut machine = Setup::new(&store).start();
        if machine.serves() {
            continue;
        }
        let (status, said) = (machine.ended(), machine.said());
        assert!(
            said.contains("the store on the disk \"store\": the store is damaged") && status == 8,
            "{status}: {said}"
        );
        told += usize::from(said.contains("panicked") && said.contains(WHY));
        if told == 2 {
            break;
        }
    }
    assert!(told > 0, "no page is one without which the database panics");
}

#[test]
fn needs_qemu_a_site_that_is_none_or_too_large_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { memory: "24M", ..Setup::new(&blank(folder.path(), "store", 8 << 20)) };
    let site = folder.path().join("site");
    let fails = |bytes: &[u8], len: usize| {
        fs::write(&site, bytes).unwrap();
        fs::File::options().write(true).open(&site).unwrap().set_len(len as u64).unwrap();
        let disk = ("site", format!("format=raw,readonly=on,file={}", site.display()));
        Setup { disks: setup.disks.iter().cloned().chain([disk]).collect(), ..setup.clone() }.fails()
    };
    let (said, status) = fails(&[0xa5; 4096], 60 << 20);
    assert!(
        said.contains("pasteur: the site: ") && said.contains("docteur's magic") && status == 8,
        "{status}: {said}"
    );
    let mut seed = 7;
    let noise = std::iter::repeat_with(|| split_mix(&mut seed).to_le_bytes()).take((2 << 20) / 8).flatten().collect();
    let mut image = docteur_make::Writer::new();
    image.add("/noise", "application/octet-stream", noise).unwrap();
    let image = image.finish().unwrap();
    let (said, status) = fails(&image, image.len().next_multiple_of(512));
    let told = format!("the disk \"site\" cannot be read: the image has {} bytes, and ", image.len());
    assert!(said.contains(&told) && status == 7, "{status}: {said}");
}

#[test]
fn needs_qemu_a_full_disk_refuses_and_lets_things_go() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let machine = Setup::new(&blank(folder, "store", 16 << 20)).words("--create-rate 0").boot();
    fs::write(folder.join("content"), vec![7; 3 << 20]).unwrap();
    let mut links = Vec::new();
    let refused = loop {
        let ran = pasteur(folder, &["put", "--server", &machine.origin(), "content"], b"");
        if ran.code != 0 {
            break ran;
        }
        links.push(String::from_utf8(ran.output).unwrap().lines().last().unwrap().to_owned());
        assert!(links.len() < 6, "more than the disk has");
    };
    assert!(links.len() > 1 && refused.errors.contains("full"), "{} fitted: {}", links.len(), refused.errors);
    assert_eq!(request(machine.admin, "GET", "/readyz").0, 200);
    // What is left to removals is asked for as well: the room of two lets one in.
    for link in &links[..2] {
        assert_eq!(pasteur(folder, &["rm", link], b"").code, 0);
    }
    if let Some(kept) = links.get(2) {
        assert_eq!(pasteur(folder, &["get", "-o", "got", kept], b"").code, 0);
    }
    // Its pages come back behind the answer.
    let fits = || pasteur(folder, &["put", "--server", &machine.origin(), "content"], b"").code == 0;
    assert!((0..50).any(|_| fits()), "{}", machine.said());
    machine.stop();
}

#[test]
fn needs_qemu_addresses_come_by_dhcp_and_from_routers() {
    let folder = tempfile::tempdir().unwrap();
    let cards = vec![String::from("user,ipv4=on,net=172.16.9.0/24,ipv6=on,ipv6-net=fd00:5061::/64")];
    let machine = Setup { cards, ..Setup::new(&blank(folder.path(), "store", 8 << 20)) }.boot();
    machine.until("listening on http://172.16.9.15:80");
    machine.until("listening on http://[fd00:5061::");
    assert!(!machine.said().contains("[fe80:"), "{}", machine.said());
    machine.stop();
}
