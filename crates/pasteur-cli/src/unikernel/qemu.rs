//! QEMU's arguments for a machine: what is decided here is what runs.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use serde_json::json;

use super::options::{Machine, Net, Publish};
use super::plan::Plan;

/// The longest command line that a unikernel reads, in bytes.
const LONGEST_LINE: usize = 4095;

/// A machine, but for how its processor runs.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) image: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) publish: &'a [Publish],
    pub(super) memory: u64,
    pub(super) machine: Machine,
    pub(super) options: &'a [String],
}

/// Arguments that every machine has. It ends by itself through the port 0xf4, and does not start again.
pub(super) const ALWAYS: [&str; 7] = [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=4",
];

/// How the processor runs: QEMU's accelerator and its model.
pub(super) fn processor(kvm: bool) -> [&'static str; 4] {
    if kvm { ["-accel", "kvm", "-cpu", "host"] } else { ["-accel", "tcg", "-cpu", "max"] }
}

/// QEMU's arguments. The machine waits to be let go by QMP, which is on standard input and output; the console is on
/// standard error, which has to be a socket: what is sent to it is typed. `Err` says what QEMU cannot be told.
pub(super) fn arguments(settings: &Settings<'_>, kvm: bool) -> Result<Vec<String>, String> {
    let Settings { image, plan, publish, memory, machine, options } = settings;
    let mut all: Vec<String> = ALWAYS.iter().map(|word| (*word).to_owned()).collect();
    let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
    add(&processor(kvm));
    add(&["-machine", machine.name(), "-m", &format!("{}k", memory.div_ceil(1024))]);
    add(&["-S", "-qmp", "stdio"]);
    add(&["-chardev", "socket,id=console,fd=2", "-serial", "chardev:console"]);
    if *machine == Machine::Microvm {
        add(&["-global", "virtio-mmio.force-legacy=false"]);
    }
    let bus = machine.bus();
    add(&["-device", &format!("virtio-rng-{bus}")]);
    for disk in &plan.disks {
        let name = disk.name.as_str();
        let path = text(&disk.file)?;
        let driver = match std::fs::metadata(&disk.file) {
            Ok(found) if found.file_type().is_block_device() => "host_device",
            _ => "file",
        };
        let node = json!({
            "driver": "raw",
            "node-name": format!("disk-{name}"),
            "read-only": disk.read_only,
            "file": { "driver": driver, "filename": path },
        });
        // An error is the unikernel's to answer: by itself QEMU would stop a machine whose disk is full.
        let device = format!("virtio-blk-{bus},drive=disk-{name},serial={name},werror=report,rerror=report");
        add(&["-blockdev", &node.to_string(), "-device", &device]);
    }
    let mut publish = Some(*publish);
    for (index, (name, net)) in (0..).zip(&plan.cards) {
        let network = match net {
            Net::User => {
                let ports = publish.take().unwrap_or_default().iter();
                let ports = ports.map(|Publish { here, there }| format!(",hostfwd=tcp:{here}-:{there}"));
                format!("user,id=net-{name}{}", ports.collect::<String>())
            }
            Net::Tap(device) => format!("tap,id=net-{name},ifname={device},script=no,downscript=no"),
        };
        let device = format!("virtio-net-{bus},netdev=net-{name},mac={}", mac(index, net));
        add(&["-netdev", &network, "-device", &device]);
    }
    let line = options.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    if line.len() > LONGEST_LINE {
        return Err(format!("the unikernel's options are {} bytes, and {LONGEST_LINE} at most", line.len()));
    }
    add(&["-kernel", text(image)?, "-append", &line]);
    Ok(all)
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{}: QEMU takes only names in UTF-8", path.display()))
}

/// A card's hardware address: of those that anybody may give, in the cards' order, and another on each TAP device, since
/// machines may share a bridge.
fn mac(index: u8, net: &Net) -> String {
    let device = if let Net::Tap(device) = net { device.as_bytes() } else { &[] };
    // FNV-1a, folded.
    let hash = device.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let [_, a, b, c] = (hash >> 24 ^ hash).to_be_bytes();
    format!("52:54:{index:02x}:{a:02x}:{b:02x}:{c:02x}")
}

/// A word as the command line's reader in `libos` takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:;/=+@%[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::plan::plan;
    use super::super::testing::manifest;
    use super::*;

    fn told(machine: Machine, kvm: bool, file: &str) -> String {
        let manifest = manifest(&[(1, 1, "store"), (1, 3, "config"), (2, 1, "net"), (2, 1, "back")]);
        let disks = [file, "config=c"].map(|disk| disk.parse().unwrap());
        let plan = plan(&manifest, &disks, &["tap=tap0".parse().unwrap()]).unwrap();
        let publish = ["8080:80", "0.0.0.0:9:90"].map(|ports| ports.parse().unwrap());
        let options = ["--name", "a 'b' \"c\" \\"].map(str::to_owned);
        let settings = Settings {
            image: Path::new("image"),
            plan: &plan,
            publish: &publish,
            memory: 32 << 20,
            machine,
            options: &options,
        };
        arguments(&settings, kvm).unwrap().join("\n")
    }

    #[test]
    fn a_machine_has_what_the_plan_says() {
        let said = told(Machine::Microvm, false, "store=a,b \"c\".img");
        for line in [
            "-accel\ntcg\n-cpu\nmax\n-machine\nmicrovm\n-m\n32768k\n-S\n-qmp\nstdio\n",
            "-global\nvirtio-mmio.force-legacy=false\n-device\nvirtio-rng-device\n",
            r#""file":{"driver":"file","filename":"a,b \"c\".img"}"#,
            r#""node-name":"disk-store","read-only":false"#,
            r#""node-name":"disk-config","read-only":true"#,
            "-device\nvirtio-blk-device,drive=disk-store,serial=store,werror=report,rerror=report\n",
            "-netdev\ntap,id=net-net,ifname=tap0,script=no,downscript=no\n-device\nvirtio-net-device,netdev=net-net,mac=52:54:00:",
            "-netdev\nuser,id=net-back,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:0.0.0.0:9-:90\n",
            "-device\nvirtio-net-device,netdev=net-back,mac=52:54:01:",
            "-kernel\nimage\n-append\n--name \"a 'b' \\\"c\\\" \\\\\"",
        ] {
            assert!(said.contains(line), "{line}\n{said}");
        }
        let said = told(Machine::Q35, true, "a");
        assert!(said.contains("-accel\nkvm\n-cpu\nhost\n-machine\nq35\n") && !said.contains("-device\n\""), "{said}");
        assert!(said.contains("virtio-blk-pci") && said.contains("virtio-net-pci") && !said.contains("mmio"), "{said}");
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let plan = Plan { disks: Vec::new(), cards: Vec::new() };
        let options = ["x".repeat(5000)];
        let image = PathBuf::from("image");
        let settings =
            Settings { image: &image, plan: &plan, publish: &[], memory: 1, machine: Machine::Pc, options: &options };
        let why = arguments(&settings, false).unwrap_err();
        assert_eq!(why, "the unikernel's options are 5000 bytes, and 4095 at most");
    }

    #[test]
    fn addresses_are_in_order_and_differ_by_device() {
        let tap = |name: &str| Net::Tap(name.to_owned());
        assert!(mac(0, &tap("a")) < mac(1, &Net::User) && mac(1, &Net::User) < mac(2, &tap("b")));
        assert_ne!(mac(0, &tap("a")), mac(0, &tap("b")));
        assert_eq!(mac(0, &tap("a")), mac(0, &tap("a")));
    }
}
