//! Images run: what is refused before anything is started, and real ones in QEMU, emulated.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::image;

/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn command(image: &Path, options: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", "180", env!("CARGO_BIN_EXE_pasteur"), "unikernel", "run"]);
    command.arg(image).args(["--accelerator", "tcg"]).args(options).stdin(Stdio::null());
    command
}

/// Runs an image to its end: the exit code, the console, and what was told.
fn run(image: &Path, options: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(image, options).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A port that is free now.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn what_does_not_go_together_is_told_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name)
    };
    let store = write("store.img", &image::with_devices(&[(1, 1, "store"), (2, 1, "net")]));
    let bare = write("bare.img", &image::with_devices(&[]));
    let large = write("large.img", &image::with_memory(24));
    let pem = write("pem", b"secret").display().to_string();
    let disk = path("disk").display().to_string();
    for (image, options, code, why) in [
        (&store, &[][..], 2, "it needs the disk store: give it with --disk store=FILE"),
        (&store, &["--disk", &disk, "--disk", "other=x"], 2, "it declares no disk other: its disks are store"),
        (&store, &["--disk", &disk, "--net", "tap=t", "--publish", "1:1"], 2, "no card is connected to it"),
        (&store, &["--disk", &disk, "--tls-cert", &pem, "--tls-key", &pem], 2, "it declares no disk config"),
        (&bare, &["--tls-cert", &pem], 2, "--tls-key"),
        (&bare, &["--publish", "80"], 2, "PORT:PORT"),
        (&bare, &["--net", "bridge"], 2, "a network is user, or tap=DEVICE"),
        (&store, &["--disk", &disk, "--disk-size", "0"], 2, "a disk of nothing holds nothing"),
        (&bare, &["--", &"x".repeat(5000)], 2, "the unikernel's options are 5000 bytes, and 4095 at most"),
        (&bare, &["--memory", "1MiB"], 2, "its program ends at 2.0 MiB, and the memory of the machine at 1.0 MiB"),
        (&large, &["--memory", "23MiB"], 2, "it needs a machine with 24.0 MiB of memory, and --memory is 23.0 MiB"),
        (&path("none"), &[], 7, "none: No such file"),
    ] {
        let options = [&["--qemu", "/nowhere/qemu"], options].concat();
        let (ended, out, error) = run(image, &options);
        assert_eq!((ended, out.as_str()), (code, ""), "{options:?}: {error}");
        assert!(error.contains(why), "{options:?}: {error}");
        assert!(!path("disk").exists(), "{options:?}: nothing is made for what is refused");
    }
    // A disk that was made for a machine that does not begin goes again.
    let (ended, _, error) = run(&store, &["--disk", &disk, "--qemu", "/bin/false"]);
    assert!(ended == 1 && error.contains("removed it again, since the machine did not begin"), "{ended}: {error}");
    assert!(!path("disk").exists());
    let (ended, _, error) = run(&bare, &["--qemu", "/nowhere/qemu"]);
    assert_eq!((ended, error.as_str()), (1, "pasteur: QEMU: /nowhere/qemu: No such file or directory (os error 2)\n"));
}

#[test]
fn needs_qemu_a_machine_tells_what_it_says_and_how_it_ends() {
    for machine in ["microvm", "q35", "pc"] {
        let (code, out, error) =
            run(&image::example("hello"), &["--machine", machine, "--", "--name", "a 'b' \"c\" \\"]);
        let said = "hello from [\"unikernel\", \"--name\", \"a 'b' \\\"c\\\" \\\\\"]\n";
        assert_eq!((code, out.as_str(), error.as_str()), (0, said, ""), "{machine}");
    }
    for (what, code, words) in [
        ("status", 7, "the program ended with status 7"),
        ("panic", 100, "the program panicked, or ended in disorder"),
        ("null", 78, "the processor met with exception 14, which the console tells of"),
    ] {
        let (ended, out, error) = run(&image::example("trial"), &["--", what]);
        assert_eq!((ended, error), (code, format!("pasteur: {words}\n")), "{out}");
        // Of the calls that led to it the program's own are named.
        let named = out.lines().any(|line| line.starts_with("  0x") && line.contains(" trial::"));
        assert_eq!(named, code != 7, "{out}");
    }
}

#[test]
fn needs_qemu_disks_are_made_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("a disk, with a \"name\"");
    let (image, disk) = (image::example("devices"), disk.to_str().unwrap());
    let (code, out, error) = run(&image, &["--disk", disk, "--disk-size", "1MiB", "--", "write"]);
    assert!(out.contains("1 disks, 0 cards\n1048576 bytes\nwritten"), "{out}");
    assert_eq!((code, error), (0, format!("pasteur: made the disk plain of 1.0 MiB: {disk}\n")));
    let fixed = format!("fixed={disk}");
    // The second one writes as well.
    for option in [&fixed, disk] {
        let (code, out, error) = run(&image, &["--machine", "q35", "--disk", option, "--", "read"]);
        assert!(out.contains("wrong: None"), "{out}");
        assert_eq!((code, error.as_str()), (0, ""));
    }
    // The same file twice: QEMU holds it for one.
    let (code, _, error) = run(&image, &["--disk", disk, "--disk", &format!("other={disk}"), "--", "names"]);
    assert!(code == 1 && error.starts_with("pasteur: QEMU: ") && error.contains("lock"), "{error}");
}

#[test]
fn needs_qemu_a_certificate_goes_by_a_disk_that_is_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (cert, key) =
        (write("cert", "-----BEGIN CERTIFICATE-----\nx"), write("key", "-----BEGIN PRIVATE KEY-----\nyz"));
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = command(&image::example("devices"), &["--tls-cert", &cert, "--tls-key", &key, "--", "config"]);
    let output = command.env("TMPDIR", &temporary).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("tls/cert.pem: 29 bytes, -----BEGIN CERTIFICATE-----"), "{said}");
    assert!(said.contains("tls/key.pem: 30 bytes, -----BEGIN PRIVATE KEY-----"), "{said}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

/// A machine whose words fill the pipe that nobody reads does not wait for that, and its end needs no reader.
#[test]
fn needs_qemu_what_nobody_reads_holds_up_nobody() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
    command.args(["unikernel", "run"]).arg(image::example("trial")).args(["--accelerator", "tcg", "--", "much"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    // It is there all the while, and nobody reads from it.
    let pipe = child.stdout.take().unwrap();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                panic!("it does not end")
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("pasteur: nobody read the last "), "{told}");
    assert_eq!(status.code(), Some(0), "{told}");
    drop(pipe);
}

/// A machine that serves.
struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl Served {
    fn start(machine: &str) -> Self {
        let port = port();
        let publish = format!("{port}:80");
        let options = ["--machine", machine, "--publish", &publish, "--memory", "32MiB"];
        // Not by way of `timeout`, which would keep signals from it.
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
        command.args(["unikernel", "run"]).arg(image::example("http")).args(["--accelerator", "tcg"]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, port }
    }

    /// Waits until it has told where it listens.
    fn listens(&mut self) {
        let mut said = String::new();
        while !said.ends_with(&format!("listening on http://127.0.0.1:{}\n", self.port)) {
            assert!(self.out.read_line(&mut said).unwrap() > 0, "{said}");
        }
        assert!(said.contains("serving\n"), "{said}");
    }

    fn get(&self) -> String {
        let mut flow = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        flow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        flow.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// QEMU, which the command started.
    fn qemu(&self) -> u32 {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    /// Waits for the command's end: its exit code, if it has one, and what it told.
    fn ended(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > until => panic!("it does not end"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (status.code(), told)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process is there, and is not a dead one that nobody has asked for yet.
fn lives(id: u32) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{id}/stat"))).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn needs_qemu_a_service_is_told_and_turned_off_by_a_signal() {
    for (machine, signal) in [("microvm", "TERM"), ("q35", "INT")] {
        let mut served = Served::start(machine);
        served.listens();
        let answer = served.get();
        assert!(answer.ends_with("hello from a machine of its own\n"), "{answer}");
        let qemu = served.qemu();
        served.signal(signal);
        let (code, told) = served.ended();
        assert_eq!((code, told), (Some(0), format!("pasteur: the machine was turned off (SIG{signal})\n")));
        assert!(!lives(qemu));
    }
}

#[test]
fn needs_qemu_a_machine_does_not_outlive_the_command() {
    let mut served = Served::start("microvm");
    served.listens();
    let qemu = served.qemu();
    assert!(lives(qemu));
    served.signal("KILL");
    assert_eq!(served.ended().0, None);
    let until = Instant::now() + PATIENCE;
    while lives(qemu) {
        assert!(Instant::now() < until, "QEMU lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn needs_qemu_a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let publish = format!("{}:80", taken.local_addr().unwrap().port());
    let (code, out, error) = run(&image::example("http"), &["--publish", &publish]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.contains("Could not set up host forwarding rule"), "{error}");
}

/// Wherever it runs: by KVM, or, where that does not work, emulated, which is told.
#[test]
fn needs_qemu_kvm_is_used_where_it_works() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
    let output = command.args(["unikernel", "run"]).arg(image::example("hello")).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"hello from [\"unikernel\"]\n"[..]), "{told}");
    let emulated = told.starts_with("pasteur: the processor is emulated, since KVM does not work here: ");
    assert!(told.is_empty() || emulated, "{told}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
    command.args(["unikernel", "run", "--accelerator", "kvm"]).arg(image::example("hello"));
    assert_eq!(command.stdin(Stdio::null()).status().unwrap().code(), Some(if emulated { 2 } else { 0 }));
}
