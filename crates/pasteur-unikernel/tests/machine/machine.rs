//! A machine in QEMU, with a disk, and a network that leads to this machine's loopback.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http;

/// How long a machine may take to start or to end; it takes a fraction of a second where nothing else runs.
const LONG: Duration = Duration::from_secs(120);

/// The image under test.
pub(crate) fn image() -> PathBuf {
    std::env::var_os("PASTEUR_UNIKERNEL")
        .expect("PASTEUR_UNIKERNEL does not name the image; `cargo xtask test` builds it and sets it")
        .into()
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) kind: &'a str,
    pub(crate) processor: &'a str,
    pub(crate) memory: &'a str,
    pub(crate) line: String,
    /// Each with its serial and QEMU's words about its file.
    pub(crate) disks: Vec<(&'a str, String)>,
    /// Whether the disks tell their serials.
    pub(crate) serials: bool,
    /// QEMU's words about the networks, each of a card's. The ports of the first of the kind `user` lead here.
    pub(crate) cards: Vec<String>,
    /// Whether there is a source of entropy.
    pub(crate) entropy: bool,
    /// Where QEMU takes commands.
    pub(crate) monitor: Option<PathBuf>,
}

impl Setup<'_> {
    /// A microvm with this store, of 64 MiB.
    pub(crate) fn new(store: &Path) -> Self {
        let disks = vec![("store", format!("format=raw,file={}", store.display()))];
        let line = String::from("--admin-listen [::]:9000");
        Self {
            kind: "microvm",
            processor: "max",
            memory: "64M",
            line,
            disks,
            serials: true,
            cards: vec![String::from("user")],
            entropy: true,
            monitor: None,
        }
    }

    /// With secrets, too.
    pub(crate) fn with_config(mut self, config: &Path) -> Self {
        self.disks.push(("config", format!("format=raw,readonly=on,file={}", config.display())));
        self
    }

    pub(crate) fn words(mut self, more: &str) -> Self {
        self.line = format!("{} {more}", self.line);
        self
    }

    /// A machine whose monitor was just started.
    pub(crate) fn start(&self) -> Machine {
        let [public, secure, admin] = [free_port(), free_port(), free_port()];
        let bus = if matches!(self.kind, "q35" | "pc") { "pci" } else { "device" };
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        qemu.args(["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        let processor = format!("{}{}", self.processor, if self.entropy { "" } else { ",-rdrand,-rdseed" });
        qemu.args(["-machine", self.kind, "-cpu", &processor, "-m", self.memory, "-append", &self.line]);
        if self.entropy {
            qemu.args(["-device", &format!("virtio-rng-{bus}")]);
        }
        for (name, file) in &self.disks {
            qemu.args(["-drive", &format!("if=none,id={name},{file}")]);
            let serial = if self.serials { format!(",serial={name}") } else { String::new() };
            qemu.args(["-device", &format!("virtio-blk-{bus},drive={name}{serial}")]);
        }
        let ports = [(public, 80), (secure, 443), (admin, 9000)];
        let to = ports.map(|(here, there)| format!(",hostfwd=tcp:127.0.0.1:{here}-:{there}"));
        let mut to = Some(to.concat());
        for (index, net) in self.cards.iter().enumerate() {
            let to = to.take_if(|_| net.starts_with("user")).unwrap_or_default();
            qemu.args(["-netdev", &format!("{net},id=net{index}{to}")]);
            qemu.args(["-device", &format!("virtio-net-{bus},netdev=net{index},mac=52:54:00:00:00:{index:02x}")]);
        }
        if let Some(monitor) = &self.monitor {
            qemu.args(["-qmp", &format!("unix:{},server=on,wait=off", monitor.display())]);
        }
        qemu.arg("-kernel").arg(image());
        let mut machine = Machine::of(qemu, public, admin);
        machine.secure = secure;
        machine
    }

    /// A machine that serves.
    pub(crate) fn boot(&self) -> Machine {
        let machine = self.start();
        machine.until("listening on http");
        machine
    }

    /// What a machine says that does not serve, and its status.
    pub(crate) fn fails(&self) -> (String, u8) {
        let mut machine = self.start();
        let status = machine.ended();
        (machine.said(), status)
    }
}

type Stream = Box<dyn std::io::Read + Send>;

/// What the console and QEMU have said.
#[derive(Default)]
struct Said {
    text: Mutex<(String, usize)>,
    more: Condvar,
}

impl Said {
    fn follow(&self, stream: Stream) {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            text.0.push_str(line.trim_end_matches('\r'));
            text.0.push('\n');
            self.more.notify_all();
        }
        self.text.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        self.more.notify_all();
    }

    /// Waits until `done` of what was said, and of how many streams have ended.
    fn until(&self, done: impl Fn(&str, usize) -> bool) -> bool {
        let end = Instant::now() + LONG;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        while !done(&text.0, text.1) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            text = self.more.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// A machine. It is killed when dropped.
pub(crate) struct Machine {
    child: Child,
    said: Arc<Said>,
    pub(crate) public: u16,
    /// Where it speaks TLS, if it does.
    pub(crate) secure: u16,
    pub(crate) admin: u16,
}

impl Machine {
    /// A machine whose monitor is started here.
    pub(crate) fn of(mut monitor: Command, public: u16, admin: u16) -> Self {
        let mut child = monitor.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Said::default());
        for stream in
            [child.stdout.take().map(|s| Box::new(s) as Stream), child.stderr.take().map(|s| Box::new(s) as _)]
        {
            let said = Arc::clone(&said);
            std::thread::spawn(move || said.follow(stream.unwrap()));
        }
        Self { child, said, public, secure: 0, admin }
    }

    /// Everything that the console and QEMU have said.
    pub(crate) fn said(&self) -> String {
        self.said.text.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Waits until it says this.
    pub(crate) fn until(&self, words: &str) {
        let found = self.said.until(|said, ended| said.contains(words) || ended == 2);
        assert!(found && self.said().contains(words), "it never says {words}: {}", self.said());
    }

    /// Waits until it serves, or ends; says which.
    pub(crate) fn serves(&self) -> bool {
        let serves = |said: &str| said.contains("listening on http");
        assert!(self.said.until(|said, ended| serves(said) || ended == 2), "it does nothing: {}", self.said());
        serves(&self.said())
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.public)
    }

    pub(crate) fn secure_origin(&self) -> String {
        format!("https://127.0.0.1:{}", self.secure)
    }

    /// Tells it to stop, and waits until it has; its status is that of a program that ended well.
    pub(crate) fn stop(mut self) -> String {
        assert_eq!(http::request(self.admin, "POST", "/stop").0, 202);
        assert_eq!(self.ended(), 0, "{}", self.said());
        self.said()
    }

    /// Waits for its end, and gives its status.
    pub(crate) fn ended(&mut self) -> u8 {
        assert!(self.said.until(|_, ended| ended == 2), "it does not end: {}", self.said());
        let status = self.child.wait().unwrap().code().unwrap();
        assert!(status & 1 == 1 && status < 256, "{status}: {}", self.said());
        u8::try_from(status >> 1).unwrap()
    }

    /// Ends it as a loss of power does: QEMU is killed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Where it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of zeros.
pub(crate) fn blank(folder: &Path, name: &str, len: u64) -> PathBuf {
    let path = folder.join(name);
    File::create(&path).unwrap().set_len(len).unwrap();
    path
}

/// A port for QEMU to listen at. It is none of those that systems give to connections and to who asks for any (Linux: from 32768 on;
/// RFC 6335: from 49152 on), so that nobody is given it before QEMU has it.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Other processes that run these tests begin elsewhere.
    let start = std::process::id().wrapping_mul(97);
    let ports = std::iter::repeat_with(|| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut ports = ports.take(COUNT as usize).map(|port| u16::try_from(port).unwrap());
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("a port that nobody listens at")
}
