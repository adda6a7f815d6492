//! `pasteur unikernel run`: an image on one of QEMU's machines, from its manifest to its end.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write as _};
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use device::manifest::Kind;

use super::calls::Calls;
use super::options::{Accelerator, Named, Net, Publish, RunArgs};
use super::out::Words;
use super::plan::{self, Plan};
use super::qmp::{self, Said};
use super::{config, ends, guard, inspect, probe, qemu, trial};
use crate::failure::Failure;

/// How long QEMU may take to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is kept of what QEMU says before the machine begins.
const MOST_SAID: usize = 4096;

/// What happens while a machine runs.
enum Event {
    /// QEMU says something.
    Said(Said),
    /// QEMU says nothing any more: it ends.
    Silent,
    /// A signal asks for the end.
    Signal(&'static str),
    /// The unikernel answers, by this scheme.
    Answers(&'static str),
    /// It did not for long.
    Unanswered,
}

/// Ctrl-C, as it is typed (ETX).
const CTRL_C: u8 = 3;

/// How far the machine's end has come, by the signal that asks for it, and until when that may take.
enum End {
    /// It ends when it likes.
    Itself,
    /// QEMU is asked whether the unikernel listens.
    Asking(&'static str, Option<Instant>),
    /// The unikernel is asked to stop.
    Stopping(&'static str, Option<Instant>),
    /// QEMU is told to end, for a signal or a failure.
    Off(Result<&'static str, Failure>, Option<Instant>),
}

impl End {
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Itself => None,
            Self::Asking(_, until) | Self::Stopping(_, until) | Self::Off(_, until) => *until,
        }
    }
}

/// The moment when so much time has gone by; `None` where that is never.
fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// Runs the machine until it ends, or a signal asks for its end.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let image = inspect::read(&args.image)?;
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", args.image.display()));
    if image.memory.end > args.memory {
        let [end, memory] = [image.memory.end, args.memory].map(crate::human::size);
        return Err(wrong(format!("its program ends at {end}, and the memory of the machine at {memory}")));
    }
    if image.least > args.memory {
        let [least, memory] = [image.least, args.memory].map(crate::human::size);
        return Err(wrong(format!("it needs a machine with {least} of memory, and --memory is {memory}")));
    }
    let mut disks = args.disks.clone();
    let secrets = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let named =
                |device: &&device::manifest::Device| device.kind == Kind::Disk && device.name.as_str() == plan::CONFIG;
            let Some(device) = image.manifest.devices().iter().find(named) else {
                return Err(wrong(format!("it declares no disk {}, by which a certificate would go", plan::CONFIG)));
            };
            Some((device.name, config::image(certificate, key)?))
        }
        _ => None,
    };
    // From here on there are files that go at the end, also where a signal asks for that; what waited for others is done.
    let (events, happened) = channel();
    signals(events.clone()).map_err(|error| Failure::local("cannot wait for", "signals", error))?;
    let secrets = match secrets {
        Some((name, bytes)) => {
            let file = config::disk(&bytes)?;
            disks.push(Named { name: Some(name), value: file.path().to_owned() });
            Some(file)
        }
        None => None,
    };
    let plan = plan::plan(&image.manifest, &disks, &args.nets).map_err(wrong)?;
    let publish = published(args, &plan).map_err(wrong)?;
    let kvm = accelerate(args)?;
    let settings = qemu::Settings {
        image: &args.image,
        plan: &plan,
        publish: &publish,
        memory: args.memory,
        machine: args.machine,
        options: &args.options,
    };
    let mut command = guard::command(&args.qemu);
    command.args(qemu::arguments(&settings, kvm).map_err(wrong)?);
    let mut made = Made(Vec::new());
    for disk in &plan.disks {
        made.0.extend(prepare(disk, args.disk_size)?);
    }
    let (line, theirs) = UnixStream::pair().map_err(|error| Failure::local("cannot make", "a socket", error))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(OwnedFd::from(theirs));
    let child = command.spawn().map_err(|error| Failure::local("cannot run", &args.qemu, error))?;
    // The console ends where nobody has its other end any more.
    drop(command);
    let words = Words::to(io::stdout());
    let mut machine = Machine::new(child, line, events.clone(), Calls::new(args.image.clone()), words.clone())?;
    machine.begin(&happened, made)?;
    // QEMU has it open.
    drop(secrets);
    let place = announced(&publish, &plan);
    if let Some(place) = place {
        thread::spawn(move || {
            // Nobody may be there any more.
            let _ = events.send(probe::wait(place).map_or(Event::Unanswered, Event::Answers));
        });
    }
    machine.attend(&happened, place.map(probe::reachable), args.grace)
}

/// The ports that are published: those that were told, or one by default where there is a network for it.
fn published(args: &RunArgs, plan: &Plan) -> Result<Vec<Publish>, String> {
    let network = plan.cards.iter().any(|(_, net)| *net == Net::User);
    match (network, args.publish.is_empty()) {
        (false, false) => Err("ports are published by QEMU's own network, and no card is connected to it".into()),
        (false, true) => Ok(Vec::new()),
        (true, false) => Ok(args.publish.clone()),
        (true, true) => {
            let (here, there) = if args.tls_cert.is_some() { (8443, 443) } else { (8080, 80) };
            Ok(vec![Publish { here: SocketAddrV4::new([127, 0, 0, 1].into(), here), there }])
        }
    }
}

/// The port that is asked and told of: with a disk by which a certificate goes that of TLS, and else the first.
fn announced(publish: &[Publish], plan: &Plan) -> Option<SocketAddrV4> {
    let tls = plan.disks.iter().any(|disk| disk.name.as_str() == plan::CONFIG);
    let chosen = publish.iter().find(|publish| tls && publish.there == 443).or(publish.first());
    chosen.map(|publish| publish.here)
}

/// The disks that were made. They go again where the machine does not begin, since nothing was written to them.
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            if std::fs::remove_file(path).is_ok() {
                eprintln!("pasteur: removed it again, since the machine did not begin: {}", path.display());
            }
        }
    }
}

/// Makes a disk's file if it is missing, and says so.
fn prepare(disk: &plan::Disk, size: u64) -> Result<Option<PathBuf>, Failure> {
    if disk.read_only {
        let found = std::fs::metadata(&disk.file);
        return found.map(|_| None).map_err(|error| Failure::local("cannot read", &disk.file, error));
    }
    match OpenOptions::new().write(true).create_new(true).open(&disk.file) {
        Ok(file) => {
            let size = size.next_multiple_of(512);
            file.set_len(size).map_err(|error| Failure::local("cannot make", &disk.file, error))?;
            let (path, size) = (disk.file.display(), crate::human::size(size));
            eprintln!("pasteur: made the disk {} of {size}: {path}", disk.name);
            Ok(Some(disk.file.clone()))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(Failure::local("cannot make", &disk.file, error)),
    }
}

/// Whether KVM is used.
fn accelerate(args: &RunArgs) -> Result<bool, Failure> {
    match args.accelerator {
        Accelerator::Tcg => Ok(false),
        Accelerator::Kvm => match trial::kvm(&args.qemu) {
            Ok(()) => Ok(true),
            Err(why) => Err(Failure::Usage(format!("KVM does not work here: {why}"))),
        },
        Accelerator::Auto => match trial::kvm(&args.qemu) {
            Ok(()) => Ok(true),
            Err(why) => {
                eprintln!("pasteur: the processor is emulated, since KVM does not work here: {why}");
                Ok(false)
            }
        },
    }
}

/// Tells of the signals that ask for the end.
fn signals(events: Sender<Event>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        host::Signals::new()?
    };
    let wait = move || {
        while events.send(Event::Signal(runtime.block_on(signals.stop()))).is_ok() {}
    };
    thread::Builder::new().name("signals".into()).stack_size(256 << 10).spawn(wait).map(drop)
}

/// QEMU, which ends with this value.
struct Machine {
    child: Child,
    commands: ChildStdin,
    /// What is sent here is typed at the machine's serial line.
    line: UnixStream,
    begun: Sender<()>,
    console: Option<JoinHandle<String>>,
    words: Words,
}

impl Machine {
    fn new(
        mut child: Child,
        line: UnixStream,
        events: Sender<Event>,
        calls: Calls,
        words: Words,
    ) -> Result<Self, Failure> {
        let (Some(commands), Some(said)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Usage("QEMU has no standard streams".into()));
        };
        let console = line.try_clone().map_err(|error| Failure::local("cannot read", "QEMU's socket", error))?;
        let (begun, begins) = channel();
        let out = words.clone();
        let console = thread::spawn(move || forward(console, &begins, calls, &out));
        thread::spawn(move || {
            // Where nobody listens any more, QEMU's words are read all the same: it must not wait for that.
            qmp::read(said, |said| drop(events.send(Event::Said(said))));
            let _ = events.send(Event::Silent);
        });
        Ok(Self { child, commands, line, begun, console: Some(console), words })
    }

    /// Lets the machine go, once QEMU has everything that it needs; from then on the disks stay that were made.
    fn begin(&mut self, happened: &Receiver<Event>, mut made: Made) -> Result<(), Failure> {
        let mut ready = false;
        loop {
            match happened.recv() {
                Ok(Event::Said(Said::Greeting)) => self.tell("qmp_capabilities"),
                Ok(Event::Said(Said::Done)) if !ready => {
                    ready = true;
                    made.0.clear();
                    // What follows is the console's.
                    let _ = self.begun.send(());
                    self.tell("cont");
                }
                Ok(Event::Said(Said::Done)) => return Ok(()),
                Ok(Event::Said(Said::Failed(why))) => return Err(Failure::Qemu(why)),
                Ok(Event::Signal(signal)) => return Err(Failure::Qemu(format!("stopped by {signal}"))),
                Ok(Event::Silent) | Err(_) => {
                    // It ends; the machine may have ended before QEMU's answer.
                    let status = self.wait()?;
                    if let Some(status) = ends::status(status).filter(|_| ready) {
                        return self.ended(status, happened);
                    }
                    return Err(Failure::Qemu(self.said(status)));
                }
                Ok(Event::Said(_) | Event::Answers(_) | Event::Unanswered) => {}
            }
        }
    }

    /// Waits for the machine's end, and asks for it where a signal does: first the unikernel, if it listens, for as long as `grace`, and
    /// then QEMU.
    fn attend(
        &mut self,
        happened: &Receiver<Event>,
        place: Option<SocketAddrV4>,
        grace: Duration,
    ) -> Result<(), Failure> {
        let mut end = End::Itself;
        loop {
            let event = match end.until() {
                None => happened.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => happened.recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            match (event, &end) {
                (Ok(Event::Answers(scheme)), _) => {
                    let place = place.map(|place| format!("listening on {scheme}://{place}\n"));
                    self.words.say(place.unwrap_or_default().as_bytes());
                }
                (Ok(Event::Unanswered), _) => {
                    let place = place.map(|place| format!("at {place} ")).unwrap_or_default();
                    let longest = probe::LONGEST.as_secs();
                    eprintln!(
                        "pasteur: nothing answered {place}within {longest} s by HTTP or TLS; the machine runs on"
                    );
                }
                (Ok(Event::Signal(signal)), End::Itself) => {
                    // Where QEMU ends meanwhile, that is told by its end.
                    let _ = qmp::ask_whether_it_listens(&mut self.commands);
                    end = End::Asking(signal, after(PATIENCE));
                }
                (Ok(Event::Said(Said::Told(words))), End::Asking(signal, _)) if qmp::listens(&words) => {
                    eprintln!("pasteur: {signal}: the unikernel is asked to stop; a second signal turns it off");
                    // As above.
                    let _ = self.line.write_all(&[CTRL_C]);
                    end = End::Stopping(signal, after(grace));
                }
                (Ok(Event::Said(Said::Told(_) | Said::Failed(_))), &End::Asking(signal, _)) => {
                    end = self.turn_off(Ok(signal));
                }
                (Ok(Event::Signal(_)), &(End::Asking(signal, _) | End::Stopping(signal, _)))
                | (Err(RecvTimeoutError::Timeout), &End::Asking(signal, _)) => end = self.turn_off(Ok(signal)),
                (Err(RecvTimeoutError::Timeout), &End::Stopping(signal, _)) => {
                    eprintln!("pasteur: the unikernel did not stop within {} s", grace.as_secs());
                    end = self.turn_off(Ok(signal));
                }
                (Ok(Event::Said(Said::Stopped)), End::Itself | End::Asking(..) | End::Stopping(..)) => {
                    let why =
                        "the machine stopped in its middle: the accelerator cannot run it on (is KVM whole here?)";
                    end = self.turn_off(Err(Failure::Qemu(why.into())));
                }
                (Ok(Event::Said(_)), _) | (Err(RecvTimeoutError::Timeout), End::Itself) => {}
                // Whoever asks again, or waits in vain, wants it at once.
                (Ok(Event::Signal(_)) | Err(RecvTimeoutError::Timeout), End::Off(..)) => drop(self.child.kill()),
                (Ok(Event::Silent) | Err(RecvTimeoutError::Disconnected), _) => break,
            }
        }
        let status = self.wait()?;
        self.drain(happened);
        match (end, ends::status(status)) {
            (End::Off(Ok(signal), _), _) => {
                eprintln!("pasteur: the machine was turned off ({signal})");
                Ok(())
            }
            (End::Off(Err(failure), _), _) => Err(failure),
            (_, Some(status)) => self.ended(status, happened),
            (_, None) => Err(Failure::Qemu(ends::silent(status))),
        }
    }

    /// Has QEMU end.
    fn turn_off(&mut self, why: Result<&'static str, Failure>) -> End {
        self.tell("quit");
        End::Off(why, after(PATIENCE))
    }

    fn ended(&mut self, status: u8, happened: &Receiver<Event>) -> Result<(), Failure> {
        self.drain(happened);
        match ends::words(status) {
            None => Ok(()),
            Some(words) => Err(Failure::Machine { status, words }),
        }
    }

    /// Tells QEMU to do something; where it ends meanwhile, that is told by its end.
    fn tell(&mut self, command: &str) {
        let _ = qmp::tell(&mut self.commands, command);
    }

    fn wait(&mut self) -> Result<ExitStatus, Failure> {
        self.child.wait().map_err(|error| Failure::local("cannot wait for", "QEMU", error))
    }

    /// Waits until the console's last words are printed, as long as somebody reads them, and no signal comes.
    fn drain(&mut self, happened: &Receiver<Event>) {
        self.console();
        let lost = self.words.drain(|| happened.try_iter().any(|event| matches!(event, Event::Signal(_))));
        if lost > 0 {
            eprintln!("pasteur: nobody read the last {lost} bytes of the console");
        }
    }

    /// Waits until the console ends, as it does with QEMU, and gives what was said before the machine began.
    fn console(&mut self) -> String {
        self.console.take().and_then(|console| console.join().ok()).unwrap_or_default()
    }

    /// Why QEMU did not start.
    fn said(&mut self, status: ExitStatus) -> String {
        let said = self.console();
        match said.trim() {
            "" => ends::silent(status),
            said => crate::human::printable(said, true),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints what comes, without the carriage returns of a serial line, and with the names of the calls that it tells; what comes before the
/// machine begins is QEMU's own, and is kept for whom it may concern.
fn forward(mut console: impl Read, begins: &Receiver<()>, mut calls: Calls, words: &Words) -> String {
    let (mut piece, mut begun, mut said) = ([0; 4096], false, Vec::new());
    while let Ok(size @ 1..) = console.read(&mut piece) {
        begun = begun || begins.try_recv().is_ok();
        if !begun {
            said.extend(piece[..size].iter().take(MOST_SAID.saturating_sub(said.len())));
            continue;
        }
        let text: Vec<u8> = piece[..size].iter().copied().filter(|byte| *byte != b'\r').collect();
        words.say(&calls.told(&text));
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_console_is_printed_from_the_begin_on() {
        let (begun, begins) = channel();
        let words = Words::to(io::sink());
        let forward = |said: &[u8]| forward(said, &begins, Calls::new("image".into()), &words);
        assert_eq!(forward(b"qemu: no\n"), "qemu: no\n");
        assert_eq!(forward(&[b'x'; 100_000]).len(), MOST_SAID);
        begun.send(()).unwrap();
        assert_eq!(forward(b"hello\r\n"), "");
    }

    #[test]
    fn a_disk_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        let name = device::manifest::Name::new(b"store").unwrap();
        let mut disk = plan::Disk { name, file: file.clone(), read_only: true };
        assert!(matches!(prepare(&disk, 1000), Err(Failure::Local { .. })), "what is only read is not made");
        disk.read_only = false;
        prepare(&disk, 1000).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), [0; 1024]);
        std::fs::write(&file, "kept").unwrap();
        prepare(&disk, 1000).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        assert!(prepare(&plan::Disk { file: Path::new("/nowhere/disk").into(), ..disk }, 1).is_err());
    }
}
