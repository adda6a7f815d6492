//! The examples, built for the target and booted in QEMU: on each machine, and each way to end.

#![cfg(not(target_os = "hermit"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use common::{Machine, get};
use device::manifest::image::Image;
use device::manifest::{card, disk};

const TARGET: &str = "x86_64-unknown-hermit";
const MICROVM: &str = "microvm";

/// Builds the examples once; `std` is built with them, in a folder of its own.
fn image(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../unikernel");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "libos", "--examples", "--profile", "unikernel"])
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=compiler-builtins-mem", "--target", TARGET])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_BOOTSTRAP", "1")
            // Symbols that link-time optimisation has taken in cannot be compared.
            .env("CARGO_PROFILE_UNIKERNEL_LTO", "off")
            .env("RUSTFLAGS", "-Crelocation-model=static -Cforce-frame-pointers=yes")
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the examples do not build for {TARGET}; it needs the component rust-src");
        target.join(TARGET).join("unikernel/examples")
    });
    folder.join(name)
}

/// Boots an example; what it said, and the number that it ended with.
fn boot(machine: &str, processor: &str, memory: &str, name: &str, line: &str) -> (String, u8) {
    boot_with(machine, processor, memory, name, line, &[])
}

/// Boots an example with more of QEMU's arguments.
fn boot_with(machine: &str, processor: &str, memory: &str, name: &str, line: &str, more: &[String]) -> (String, u8) {
    let serial = ["-serial", "stdio"].map(String::from);
    run(machine, processor, memory, name, line, &[&serial, more].concat())
}

/// Boots an example on a machine whose console is among QEMU's other arguments.
fn run(machine: &str, processor: &str, memory: &str, name: &str, line: &str, more: &[String]) -> (String, u8) {
    let output = Command::new("timeout")
        .args(["120", "qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .args(["-machine", machine, "-cpu", processor, "-m", memory, "-append", line])
        .args(more)
        .arg("-kernel")
        .arg(image(name))
        .stdin(Stdio::null())
        .output()
        .expect("qemu-system-x86_64 runs");
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let status = output.status.code().expect("QEMU ends by itself");
    assert!(status & 1 == 1 && status < 256, "{status}: {said} {}", String::from_utf8_lossy(&output.stderr));
    (said, u8::try_from(status >> 1).expect("half of a byte"))
}

fn trial(what: &str) -> (String, u8) {
    boot(MICROVM, "max", "32M", "trial", what)
}

#[test]
fn needs_qemu_hello_on_every_machine() {
    for machine in [MICROVM, "microvm,acpi=off", "q35", "pc"] {
        let (said, status) = boot(machine, "max", "16M", "hello", "--name 'a b'");
        assert!(said.contains(r#"hello from ["unikernel", "--name", "a b"]"#), "{machine}: {said}");
        assert_eq!(status, 0, "{machine}");
    }
}

#[test]
fn needs_qemu_threads_time_and_memory_are_stds() {
    let (said, status) = trial("threads");
    assert_eq!((said.trim(), status), ("{5000: 499500}", 0));
    let (said, status) = trial("time");
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!((numbers.len(), status), (2, 0), "{said}");
    assert!(numbers[0] >= 200, "{said}");
    let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(numbers[1].abs_diff(here) < 60, "{said} is not {here}");
    let (said, status) = trial("heap");
    assert_eq!((said.trim(), status), ("refused: true", 0));
}

#[test]
fn needs_qemu_every_end_is_told_and_has_its_status() {
    for (what, words, status) in [
        ("status", "", 7),
        ("panic", "as asked", 100),
        ("null", "page fault: reading 0x8, the null page", 78),
        ("nowhere", "page fault: writing 0xd0000000, a page that is not there", 78),
        ("write-text", "a page that forbids it", 78),
        ("write-constant", "a page that forbids it", 78),
        ("run-stack", "page fault: executing", 78),
        ("run-heap", "page fault: executing", 78),
        ("run-constant", "page fault: executing", 78),
        ("run-static", "page fault: executing", 78),
        ("run-device", "page fault: executing", 78),
        ("write-headers", "a page that forbids it", 78),
        ("full-stack", "is full", 78),
        ("opcode", "invalid opcode", 70),
    ] {
        let (said, ended) = trial(what);
        assert!(said.contains(words), "{what}: {said}");
        assert_eq!(ended, status, "{what}: {said}");
    }
}

/// Where nothing takes its status, a machine that ends badly is reset: it begins anew, or its monitor ends, as that was told.
#[test]
fn needs_qemu_a_machine_that_ends_badly_begins_anew_or_not_as_told() {
    for (machine, _, form) in TRANSPORTS {
        for (what, words) in [("panic", "as asked"), ("null", "page fault: reading 0x8, the null page")] {
            for reboot in ["-no-reboot", "-no-shutdown"] {
                let child = Command::new("qemu-system-x86_64")
                    .args(["-accel", "tcg", "-nodefaults", "-no-user-config", reboot])
                    .args(["-display", "none", "-serial", "stdio", "-machine", machine, "-cpu", "max", "-m", "32M"])
                    .args(["-global", form, "-append", what, "-kernel"])
                    .arg(image("trial"))
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("qemu-system-x86_64 runs");
                let mut monitor = Machine(child);
                let output = BufReader::new(monitor.0.stdout.take().expect("its output"));
                let lines = output.lines().map_while(Result::ok).filter(|line| line.contains(words));
                if reboot == "-no-reboot" {
                    assert_eq!(lines.count(), 1, "{machine}, {what}");
                    assert!(monitor.0.wait().expect("QEMU ends").success(), "{machine}, {what}");
                } else {
                    assert_eq!(lines.take(3).count(), 3, "{machine}, {what}");
                }
            }
        }
    }
}

#[test]
fn needs_qemu_a_machine_without_entropy_is_not_started() {
    let (said, status) = boot(MICROVM, "qemu64,-rdrand", "32M", "hello", "");
    assert!(said.contains("no source of entropy") && !said.contains("hello"), "{said}");
    assert_eq!(status, 101);
}

/// The machines, each with the name of its devices' transport and a form of it.
const TRANSPORTS: [(&str, &str, &str); 5] = [
    (MICROVM, "device", "virtio-mmio.force-legacy=true"),
    (MICROVM, "device", "virtio-mmio.force-legacy=false"),
    ("microvm,acpi=off", "device", "virtio-mmio.force-legacy=true"),
    ("q35", "pci", "virtio-pci.disable-legacy=auto"),
    ("pc", "pci", "virtio-pci.disable-legacy=on"),
];

fn devices(transport: (&str, &str, &str), processor: &str, what: &str, more: &[&str]) -> (String, u8) {
    let (machine, bus, form) = transport;
    let more: Vec<_> = ["-global", form].iter().chain(more).map(|word| word.replace("BUS", bus)).collect();
    boot_with(machine, processor, "32M", "devices", what, &more)
}

#[test]
fn needs_qemu_disks_keep_bytes_on_every_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("disk");
    for transport in TRANSPORTS {
        std::fs::write(&image, vec![0; (1 << 20) + 512]).expect("a disk");
        let drive = format!("if=none,id=d,format=raw,file={}", image.display());
        let disk = ["-drive", &drive, "-device", "virtio-blk-BUS,drive=d"];
        let (said, status) = devices(transport, "max", "write", &disk);
        assert!(said.contains("1 disks, 0 cards\n1049088 bytes\nwritten"), "{transport:?}: {said}");
        assert_eq!(status, 0, "{transport:?}");
        let drive = format!("{drive},readonly=on");
        let disk = ["-drive", &drive, "-device", "virtio-blk-BUS,drive=d"];
        let (said, status) = devices(transport, "max", "read", &disk);
        assert!(said.contains("wrong: None"), "{transport:?}: {said}");
        assert!(said.contains("Err(Kind(UnexpectedEof)) Err(Kind(ReadOnlyFilesystem))"), "{transport:?}: {said}");
        assert_eq!(status, 0, "{transport:?}");
    }
}

#[test]
fn needs_qemu_devices_are_found_by_their_names_on_every_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut drives = Vec::new();
    for (number, serial) in ["other", "fixed", "plain", "stranger"].into_iter().enumerate() {
        let file = folder.path().join(serial);
        std::fs::write(&file, vec![0; 512 << number]).expect("a disk");
        let drive = format!("if=none,id={serial},format=raw,file={}", file.display());
        drives.push([drive, format!("virtio-blk-BUS,drive={serial},serial={serial}")]);
    }
    for transport in TRANSPORTS {
        for turn in 0..2 {
            let mut more = Vec::new();
            for [drive, device] in &drives {
                more.extend(["-drive", drive, "-device", device]);
            }
            let cards = ["virtio-net-BUS,mac=52:54:00:00:00:02", "virtio-net-BUS,mac=52:54:00:00:00:01"];
            cards.into_iter().for_each(|card| more.extend(["-device", card]));
            let (said, status) = devices(transport, "max", "names", &more);
            for disk in [
                r#"Disk { name: "plain", size: 2048, .. }"#,
                r#"Disk { name: "other", size: 512, .. }"#,
                r#"Disk { name: "fixed", size: 1024, .. }"#,
                r#"Card { name: "first", mac: [82, 84, 0, 0, 0, 1], .. }"#,
                r#"Card { name: "second", mac: [82, 84, 0, 0, 0, 2], .. }"#,
                "is none that the program declares",
            ] {
                assert!(said.contains(disk), "{transport:?} {turn}: {said}");
            }
            assert_eq!(status, 0, "{transport:?}");
            drives.reverse();
        }
    }
}

#[test]
fn needs_qemu_a_device_that_is_lacking_ends_the_machine() {
    for transport in TRANSPORTS {
        let (said, status) = boot_with(transport.0, "max", "32M", "http", "", &[]);
        assert_eq!(said.trim(), r#"libos: there is no card "net", which the program needs"#, "{transport:?}");
        assert_eq!(status, 103, "{transport:?}");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("disk");
        std::fs::write(&file, [0; 512]).expect("a disk");
        let drive = format!("if=none,id=d,format=raw,readonly=on,file={}", file.display());
        let disk = ["-drive", &drive, "-device", "virtio-blk-BUS,drive=d,serial=plain"];
        let (said, status) = devices(transport, "max", "names", &disk);
        assert_eq!(said.trim(), r#"libos: the disk "plain" is read-only, and the program writes it"#, "{transport:?}");
        assert_eq!(status, 103, "{transport:?}");
    }
}

#[test]
fn needs_qemu_images_tell_what_the_programs_declare() {
    let read = |name: &str| {
        let file = std::fs::File::open(image(name)).expect("an image");
        Image::read(file).expect("a unikernel")
    };
    assert_eq!(read("hello").manifest.devices(), []);
    let http = read("http");
    assert_eq!(http.manifest.devices(), [card("net")]);
    assert!(http.memory.contains(&http.entry) && http.memory.start == 0x20_0000, "{http:?}");
    assert_eq!(http.size, image("http").metadata().expect("an image").len());
    let [fixed, config] = ["fixed", "config"].map(|name| disk(name).read_only().optional());
    assert_eq!(read("devices").manifest.devices()[2..5], [fixed, config, card("first").optional()]);
}

#[test]
fn needs_qemu_a_disks_errors_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, rules) = (folder.path().join("disk"), folder.path().join("rules"));
    std::fs::write(&image, vec![0; 1 << 20]).expect("a disk");
    let rule = |event: &str, sector: &str| format!("[inject-error]\nevent = \"{event}\"\nerrno = \"5\"\n{sector}\n");
    let all = [rule("read_aio", "sector = \"0\""), rule("pwritev", "sector = \"16\""), rule("flush_to_disk", "")];
    std::fs::write(&rules, all.concat()).expect("rules");
    let file = format!("blkdebug:{}:{}", rules.display(), image.display());
    let drive = format!("if=none,id=d,format=raw,werror=report,rerror=report,file={file}");
    for transport in [TRANSPORTS[0], TRANSPORTS[3]] {
        let disk = ["-drive", &drive, "-device", "virtio-blk-BUS,drive=d"];
        let (said, status) = devices(transport, "max", "errors", &disk);
        for line in ["reading 512 bytes at 0", "writing 512 bytes at 8192", "flushing"] {
            assert!(said.contains(&format!("{line}: the device reports an error")), "{transport:?}: {said}");
        }
        assert!(said.contains("other: Ok(())"), "{transport:?}: {said}");
        assert_eq!(status, 0, "{transport:?}");
    }
}

#[test]
fn needs_qemu_cards_send_and_receive_on_every_machine() {
    for transport in TRANSPORTS {
        let first = ["-netdev", "user,id=a", "-device", "virtio-net-BUS,netdev=a,mac=52:54:00:00:00:01"];
        let second = ["-netdev", "user,id=b", "-device", "virtio-net-BUS,netdev=b,mac=52:54:00:00:00:02"];
        let (said, status) = devices(transport, "max", "arp", &[first, second].concat());
        assert!(said.contains("0 disks, 2 cards"), "{transport:?}: {said}");
        for last in [1, 2] {
            let answered = format!("[52, 54, 00, 00, 00, 0{last}]: 200 answers, few turns: true");
            assert!(said.contains(&answered), "{transport:?}: {said}");
        }
        assert_eq!(status, 0, "{transport:?}");
    }
}

#[test]
fn needs_qemu_http_is_served_on_every_machine() {
    for (machine, bus, form) in TRANSPORTS {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port").port();
        let child = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-machine", machine, "-cpu", "max", "-m", "32M", "-global", form])
            .args(["-netdev", &format!("user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80")])
            .args(["-device", &format!("virtio-net-{bus},netdev=n"), "-kernel"])
            .arg(image("http"))
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-x86_64 runs");
        let _machine = Machine(child);
        for _ in 0..20 {
            let answer = get(port, Duration::from_secs(30)).expect("an answer");
            let whole = answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello from a machine of its own\n");
            assert!(whole, "{machine}: {answer}");
        }
    }
}

#[test]
fn needs_qemu_a_device_is_source_of_entropy_enough() {
    for transport in TRANSPORTS {
        let (said, status) = devices(transport, "qemu64,-rdrand", "entropy", &["-device", "virtio-rng-BUS"]);
        assert!(said.contains("0 disks, 0 cards\n{1: 2}"), "{transport:?}: {said}");
        assert_eq!(status, 0, "{transport:?}");
    }
}

/// Boots a trial on a machine with a virtio console.
fn on_a_console((machine, bus, form): (&str, &str, &str), what: &str, backend: &str, more: &[&str]) -> (String, u8) {
    let backend = format!("{backend},id=c");
    let console = ["-chardev", &backend, "-device", "virtio-serial-BUS", "-device", "virtconsole,chardev=c"];
    let words = ["-global", form].into_iter().chain(console).chain(more.iter().copied());
    let more: Vec<_> = words.map(|word| word.replace("BUS", bus)).collect();
    run(machine, "max", "32M", "trial", what, &more)
}

/// What the trial `much` says.
fn much() -> String {
    (0..20_000).map(|line| format!("line {line} of more than there is room for\n")).collect()
}

#[test]
fn needs_qemu_words_go_to_a_virtio_console_on_every_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let [file, words] = ["serial", "words"].map(|name| folder.path().join(name));
    let serial = format!("file:{}", file.display());
    // QEMU drops what a pipe does not take at once, and a file takes all.
    let to_file = format!("file,path={}", words.display());
    for transport in TRANSPORTS {
        let (_, status) = on_a_console(transport, "much", &to_file, &["-serial", &serial]);
        let said = std::fs::read_to_string(&words).expect("what was said");
        assert!(said == much() && status == 0, "{transport:?}, {status}: {} bytes", said.len());
        for (what, words, ended) in
            [("panic", "as asked", 100), ("null", "page fault: reading 0x8, the null page", 78), ("status", "", 7)]
        {
            let (said, status) = on_a_console(transport, what, "stdio", &["-serial", &serial]);
            assert!(said.contains(words) && status == ended, "{transport:?}, {what}: {status}: {said}");
            assert_eq!(said.contains("\n  0x"), ended != 7, "{transport:?}, the calls that led to {what}: {said}");
        }
        let serial = std::fs::read_to_string(&file).expect("what the serial line said");
        assert_eq!(serial, "", "{transport:?}: there is a console, and it works");
    }
    // What is said before the console is found.
    let line = "status virtio_mmio.device=4K@0x100000:5";
    let (said, status) = on_a_console(TRANSPORTS[2], line, "stdio", &["-serial", &serial]);
    assert!(said.starts_with("libos: no place for a device") && status == 7, "{status}: {said}");
}

#[test]
fn needs_qemu_a_console_that_nobody_reads_stops_no_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, transport) in [TRANSPORTS[0], TRANSPORTS[3]].into_iter().enumerate() {
        let path = folder.path().join(format!("console{number}"));
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let backend = format!("socket,path={}", path.display());
        for (what, ended) in [("much", 0), ("panic", 100), ("null", 78)] {
            let ((_, status), stream) =
                (on_a_console(transport, &format!("much {what}"), &backend, &[]), listener.accept().expect("QEMU").0);
            assert_eq!(status, ended, "{transport:?}, {what}");
            stream.set_nonblocking(true).expect("a socket");
            let mut said = Vec::new();
            // QEMU is gone, and this is what was let out of it.
            (&stream).read_to_end(&mut said).expect("what was said");
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(!said.is_empty() && said.len() < much().len(), "{transport:?}, {what}: {} bytes", said.len());
        }
    }
}

/// A serial line of a pipe that is full: each byte would wait for ever.
#[test]
fn needs_qemu_a_serial_line_that_nobody_reads_stops_no_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("line");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let line = ["-chardev", &format!("socket,id=c,path={}", path.display()), "-serial", "chardev:c"].map(String::from);
    let (_, status) = run(MICROVM, "max", "32M", "trial", "much", &line);
    assert_eq!(status, 0);
    let mut said = Vec::new();
    let (mut stream, _) = listener.accept().expect("QEMU");
    stream.read_to_end(&mut said).expect("what was said");
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    assert!(!said.is_empty() && said.len() < much().len() && much().starts_with(&said), "{said}");
}

/// Ctrl-C at the serial line, among other things that are typed, some of them before anybody listens.
#[test]
fn needs_qemu_a_program_is_asked_to_stop_on_every_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, transport) in TRANSPORTS.into_iter().enumerate() {
        let path = folder.path().join(format!("line{number}"));
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let typed = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("QEMU");
            stream.write_all(b"typed before").expect("QEMU takes it");
            let mut said = String::new();
            let mut lines = BufReader::new(stream.try_clone().expect("a socket"));
            while !said.contains("second 1") {
                assert!(lines.read_line(&mut said).expect("a line") > 0, "{said}");
            }
            stream.write_all(b"a line\n\x04\x03").expect("QEMU takes it");
            lines.read_to_string(&mut said).expect("the rest");
            said
        });
        let line = format!("socket,id=l,path={}", path.display());
        let (machine, _, form) = transport;
        let more = ["-global", form, "-chardev", &line, "-serial", "chardev:l"].map(String::from);
        let (_, status) = run(machine, "max", "32M", "devices", "stop", &more);
        let said = typed.join().expect("what was said");
        assert!(said.contains("asked: true, and again: false") && !said.contains("second 50"), "{transport:?}: {said}");
        assert_eq!(status, 0, "{transport:?}");
    }
    let none = ["-chardev", "stdio,id=c", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c"];
    let (said, status) = run("microvm,isa-serial=off", "max", "32M", "devices", "stop", &none.map(String::from));
    assert!(said.contains("second 0") && said.contains("asked: false"), "{said}");
    assert_eq!(status, 0);
}

#[test]
fn needs_qemu_a_pci_device_that_cannot_be_used_is_told() {
    for (machine, form) in [("q35", "vectors=0"), ("pc", "disable-modern=on")] {
        let more = ["-device", &format!("virtio-rng-pci,{form}")].map(String::from);
        let (said, status) = boot_with(machine, "max", "32M", "hello", "", &more);
        assert!(said.contains("is left out: it is not of the standard with MSI-X"), "{machine}, {form}: {said}");
        assert_eq!(status, 0, "{machine}, {form}: {said}");
    }
}

/// Places where nothing can be, a device twice, and two that interrupt alike: each is told, and the machine goes on.
#[test]
fn needs_qemu_devices_that_the_command_line_makes_up_are_told() {
    let told = |place: &str, words: &[&str]| {
        let line = format!("status virtio_mmio.device={place}");
        let more = ["-device", "virtio-rng-device"].map(String::from);
        let (said, status) = boot_with("microvm,acpi=off", "max", "32M", "trial", &line, &more);
        assert!(words.iter().all(|word| said.contains(word)) && status == 7, "{place}, {status}: {said}");
    };
    for (place, why) in [
        ("4K@0x8000000000000000:5", "the processor has no such address"),
        ("4K@0xfffffffffffff000:5", "the processor has no such address"),
        ("4K@0x40000000000000:5", "the processor has no such address"),
        ("4K@0x800000000000:5", "the processor has no such address"),
        ("512@0xd0000002:5", "not at a multiple of four bytes"),
        ("511@0xd0000000:5", "too few registers"),
        ("4K@0x100000:5", "memory is there, or another device"),
        // QEMU tells of the device, too.
        ("512@0xfeb00e00:12", "memory is there, or another device"),
    ] {
        told(place, &["libos: no place for a device", why]);
    }
    // No more is mapped than is used.
    told("0x10000000000@0x7000000000:5", &[]);
    let line = "status virtio_mmio.device=512@0xfeb00c00:12";
    let more = ["-device", "virtio-rng-device", "-device", "virtio-rng-device"].map(String::from);
    let (said, status) = boot_with("microvm,acpi=off", "max", "32M", "trial", line, &more);
    assert!(said.contains("has no interrupt of its own: it is left out") && status == 7, "{status}: {said}");
}

#[test]
fn needs_qemu_a_command_line_is_read_whole_or_not_at_all() {
    for (len, told, ended) in [(4095, "", 7), (4096, "libos: the command line is longer than 4095 bytes", 102)] {
        let line = format!("status{}", " ".repeat(len - "status".len()));
        let (said, status) = boot(MICROVM, "max", "32M", "trial", &line);
        assert_eq!((said.trim(), status), (told, ended), "{len}");
    }
}

#[test]
fn needs_qemu_too_little_memory_is_told() {
    let read = |name: &str| Image::read(std::fs::File::open(image(name)).expect("an image")).expect("a unikernel");
    let large = read("trial");
    let (said, status) = boot(MICROVM, "max", "4M", "trial", "large");
    let needed = large.memory.end.div_ceil(1 << 20);
    assert_eq!(said, format!("libos: too little memory: the program needs {needed} MiB\n"));
    assert_eq!((status, large.least), (102, 0));
    let (said, status) = boot(MICROVM, "max", "9M", "trial", "large");
    assert_eq!((said.trim(), status), ("6291456", 0));
    // What the program says that it needs.
    assert_eq!(read("devices").least, 20 << 20);
    for machine in [MICROVM, "q35", "pc"] {
        let (said, status) = boot(machine, "max", "19M", "devices", "names");
        assert_eq!(said, "libos: too little memory: the program needs 20 MiB, and the machine has 19\n", "{machine}");
        assert_eq!(status, 102, "{machine}");
        let (said, status) = boot(machine, "max", "20M", "devices", "names");
        assert!(said.contains("0 disks, 0 cards") && status == 0, "{machine}: {said}");
    }
}

#[test]
fn needs_qemu_a_machine_without_a_date_is_not_started() {
    let (said, status) = boot("microvm,rtc=off", "max", "32M", "hello", "");
    assert_eq!(said.trim(), "libos: nothing tells the date: no kvm-clock, and no CMOS clock with one");
    assert_eq!(status, 104);
}

/// The counter of an emulated machine stands still while that is paused, and so does the clock since boot. The date is looked up again.
#[test]
fn needs_qemu_the_date_goes_on_while_a_machine_is_paused() {
    const PAUSE: Duration = Duration::from_secs(6);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("qmp");
    let child = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .args(["-serial", "stdio", "-machine", MICROVM, "-cpu", "max", "-m", "32M", "-append", "dates"])
        .args(["-qmp", &format!("unix:{},server=on,wait=off", path.display()), "-kernel"])
        .arg(image("trial"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-system-x86_64 runs");
    let mut machine = Machine(child);
    let mut lines = BufReader::new(machine.0.stdout.take().expect("its output")).lines();
    let mut told = || {
        let line = lines.next().expect("a line").expect("a line");
        let (since, date) = line.trim().split_once(' ').expect("two words");
        (since.parse::<u64>().expect("a number"), date.parse::<u64>().expect("a number"))
    };
    let mut last = told();
    assert!(last.1.abs_diff(now()) < 3_000, "{} is not {}", last.1, now());
    let mut qmp = std::os::unix::net::UnixStream::connect(&path).expect("QEMU's socket");
    let mut say = |command: &str| writeln!(qmp, r#"{{"execute":"{command}"}}"#).expect("QEMU listens");
    ["qmp_capabilities", "stop"].into_iter().for_each(&mut say);
    std::thread::sleep(PAUSE);
    say("cont");
    let first = last.0;
    while last.0 < first + 5_000 {
        let next = told();
        assert!(next.0 >= last.0 && next.0 < last.0 + 3_000, "the clock since boot: {} after {}", next.0, last.0);
        assert!(next.1 >= last.1, "the date: {} after {}", next.1, last.1);
        last = next;
    }
    assert!(last.1.abs_diff(now()) < 3_000, "{} is not {}", last.1, now());
}

/// What `std` may ask for, besides its own entry and `strlen`.
const ABI: &str = include_str!("../abi.txt");

#[test]
fn needs_qemu_the_symbols_are_those_of_the_abi_and_no_others() {
    let output = Command::new("nm").arg(image("trial")).output().expect("nm runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("sys_malloc"), "the image has its symbols: {text}");
    for line in text.lines() {
        let (kind, name) = line.rsplit_once(' ').expect("nm's lines have words");
        assert!(!kind.ends_with('U'), "{name} is undefined");
        assert!(!name.starts_with("sys_") || ABI.lines().any(|known| known == name), "{name} is not of the ABI");
    }
}
