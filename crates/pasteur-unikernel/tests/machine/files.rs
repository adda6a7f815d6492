//! The files to copy in `docs/unikernel`. QEMU's is run as it is. Of the others, the monitors are not here: each file is read as its monitor
//! reads it, by names that it knows, and a machine of QEMU's is made of what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

use crate::http::request;
use crate::machine::{Machine, Setup, blank, free_port, image};
use crate::program::{get, put};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/unikernel").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// The network that a TAP device's would be: `tap.sh` has the router's address.
fn tap() -> String {
    assert!(text("tap.sh").contains("\nip address add 172.16.0.1/24 dev "));
    String::from("user,net=172.16.0.0/24,host=172.16.0.1,dhcpstart=172.16.0.2")
}

/// It serves, keeps a paste, and stops at the admin listener.
fn serves(folder: &Path, machine: Machine) {
    machine.until("listening on http");
    let link = put(folder, &machine.origin(), "kept", &[]);
    assert_eq!(get(folder, &link), "kept");
    assert_eq!(request(machine.admin, "GET", "/readyz").0, 200);
    machine.stop();
}

#[test]
fn needs_qemu_the_script_for_qemu_runs_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store with a blank.img");
    let (public, admin) = (free_port(), free_port());
    let mut script = Command::new("sh");
    script.arg(path("qemu.sh")).arg(image()).arg(&store).env("ACCEL", "tcg");
    script.env("PORT", public.to_string()).env("ADMIN", admin.to_string());
    serves(folder.path(), Machine::of(script, public, admin));
    assert_eq!(fs::metadata(store).unwrap().len(), 1 << 30);
}

/// The keys of an object, which are these and no others.
fn keys<'a>(value: &'a Value, all: &[&str]) -> &'a Map<String, Value> {
    let object = value.as_object().unwrap();
    let mut known: Vec<_> = all.to_vec();
    known.sort_unstable();
    let mut found: Vec<_> = object.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, known);
    object
}

/// Firecracker's configuration file (its `src/firecracker/swagger/firecracker.yaml`): it has virtio over MMIO, which the command line tells
/// of, and disks whose serials nobody chooses.
#[test]
fn needs_qemu_the_file_for_firecracker_describes_a_machine_that_serves() {
    let file: Value = serde_json::from_str(&text("firecracker.json")).unwrap();
    let all = keys(&file, &["boot-source", "machine-config", "drives", "network-interfaces", "entropy"]);
    let boot = keys(&all["boot-source"], &["kernel_image_path", "boot_args"]);
    assert_eq!(boot["kernel_image_path"], "target/pasteur-unikernel");
    let machine = keys(&all["machine-config"], &["vcpu_count", "mem_size_mib"]);
    assert_eq!(machine["vcpu_count"], 1);
    let [drive] = all["drives"].as_array().unwrap().as_slice() else { panic!("one disk") };
    let drive = keys(drive, &["drive_id", "path_on_host", "is_root_device", "is_read_only", "cache_type"]);
    // By default a flush does nothing there, and a root device adds words to the command line.
    assert_eq!((&drive["cache_type"], &drive["is_root_device"]), (&"Writeback".into(), &false.into()));
    assert_eq!(drive["is_read_only"], false);
    let [card] = all["network-interfaces"].as_array().unwrap().as_slice() else { panic!("one card") };
    keys(card, &["iface_id", "host_dev_name", "guest_mac"]);
    keys(&all["entropy"], &[]);
    let folder = tempfile::tempdir().unwrap();
    let memory = format!("{}M", machine["mem_size_mib"]);
    let setup = Setup {
        kind: "microvm,acpi=off",
        memory: &memory,
        line: boot["boot_args"].as_str().unwrap().to_owned(),
        serials: false,
        cards: vec![tap()],
        ..Setup::new(&blank(folder.path(), "store", 64 << 20))
    };
    serves(folder.path(), setup.start());
}

/// What a command gets, where a script calls it: its options, each with its value.
fn called(script: &str, name: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path_variable = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("sh").arg(path(script)).current_dir(folder.path()).env("PATH", path_variable).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::metadata(folder.path().join("store.img")).unwrap().len(), 1 << 30);
    let words: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().map(str::to_owned).collect();
    words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// cloud-hypervisor's command line (`cloud-hypervisor --help`): it has virtio over PCI.
#[test]
fn needs_qemu_the_script_for_cloud_hypervisor_describes_a_machine_that_serves() {
    let options = called("cloud-hypervisor.sh", "cloud-hypervisor");
    let names: Vec<_> = options.iter().map(|(name, _)| name.as_str()).collect();
    let known = ["--kernel", "--cmdline", "--cpus", "--memory", "--serial", "--console", "--rng", "--disk", "--net"];
    assert_eq!(names, known);
    let value = |name: &str| options.iter().find(|(option, _)| option == name).unwrap().1.as_str();
    assert_eq!(value("--kernel"), "target/pasteur-unikernel");
    assert_eq!((value("--serial"), value("--cpus")), ("tty", "boot=1"));
    assert_eq!(value("--disk"), "path=store.img,image_type=raw,serial=store");
    assert_eq!(value("--net"), "tap=tap0,mac=06:00:ac:10:00:02");
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        kind: "q35",
        memory: value("--memory").strip_prefix("size=").unwrap(),
        line: value("--cmdline").to_owned(),
        cards: vec![tap()],
        ..Setup::new(&blank(folder.path(), "store", 64 << 20))
    };
    serves(folder.path(), setup.start());
}

/// libvirt's domain (https://libvirt.org/formatdomain.html), which QEMU runs.
#[test]
fn needs_qemu_the_file_for_libvirt_describes_a_machine_that_serves() {
    let file = text("libvirt.xml");
    let file = Document::parse(&file).unwrap();
    let node = |path: &str| -> Node<'_, '_> {
        path.split('/').fold(file.root_element(), |node, name| {
            let mut all = node.children().filter(|child| child.has_tag_name(name));
            let first = all.next().unwrap_or_else(|| panic!("{path}: no {name}"));
            assert!(all.next().is_none(), "{path}: more than one {name}");
            first
        })
    };
    let attribute = |path: &str, name: &str| node(path).attribute(name).unwrap().to_owned();
    let text = |path: &str| node(path).text().unwrap().to_owned();
    assert_eq!((attribute("os/type", "arch"), text("os/type")), ("x86_64".into(), "hvm".into()));
    assert_eq!(attribute("memory", "unit"), "MiB");
    // What a machine cannot do by itself is not asked for: it ends, and is not started again.
    assert_eq!([text("on_reboot"), text("on_crash")], ["destroy", "destroy"]);
    assert_eq!(attribute("devices/disk/driver", "type"), "raw");
    assert_eq!(attribute("devices/disk/driver", "error_policy"), "report");
    assert_eq!(attribute("devices/disk/target", "bus"), "virtio");
    assert_eq!(text("devices/disk/serial"), "store");
    assert_eq!(attribute("devices/interface/model", "type"), "virtio");
    assert_eq!(attribute("devices/rng", "model"), "virtio");
    assert_eq!(attribute("devices/serial", "type"), "pty");
    node("features/acpi");
    let (kind, memory) = (attribute("os/type", "machine"), format!("{}M", text("memory")));
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        kind: &kind,
        memory: &memory,
        line: text("os/cmdline"),
        ..Setup::new(&blank(folder.path(), "store", 64 << 20))
    };
    serves(folder.path(), setup.start());
}
