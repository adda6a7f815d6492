//! The server as a machine of its own beside the same server inside Linux: on the same QEMU, of the same processors, memory and devices.
//!
//! Linux is Debian's cloud kernel, and its init becomes the static `pasteur serve`. Both machines run at once and take turns, so that
//! whatever else this machine does meets both. Its processor is emulated: what is compared is how much work each makes of a thing.

mod clients;
mod guest;
mod linux;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::Token;

use super::load::wrk_with;
use super::report::Goal;
use super::serving::get;
use super::{Bench, paste};
use crate::{setup, shell, unikernel};
use guest::{Guest, Setup};

/// Bytes of content of a small paste, and of a large one.
const SMALL: usize = 2048;
const LARGE: usize = 64 << 20;
/// Connections that a load of small requests has.
const CONNECTIONS: u32 = 16;
/// The kind of both machines: microvm has no clock for this Linux without KVM. The unikernel's own kind.
const MACHINE: &str = "q35";
const OWN: &str = "microvm";
/// The memory of both machines; and the least that the unikernel is to do with.
const MEMORY: &str = "256M";
const LEAST: &str = "24M";
/// The length of a store's disk, in bytes.
const DISK: u64 = 1 << 30;
/// All the load comes from one address, which the limits of one client must not stop.
const OPTIONS: &str = "--create-rate 0 --log-format none --connections-per-client 16384";

/// What the figures are taken of: the unikernel, then Linux, each with a disk that is copied for each start.
struct Machines {
    setups: [Setup; 2],
    disks: [PathBuf; 2],
}

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    setup::programs(&[("qemu-system-x86_64", "qemu-system-x86"), ("mkfs.ext4", "e2fsprogs")])?;
    let site = bench.site.as_ref().context("no site")?;
    let image = unikernel::image(site)?;
    let linux = shell::step("linux: Debian's cloud kernel, and the static program as its init", || linux::build(site))?;
    let folder = bench.folder.join("unikernel");
    std::fs::create_dir_all(&folder)?;
    let bytes = std::fs::metadata(&image)?.len() as f64;
    bench.report.add("image, with the site inside", bytes / f64::from(1 << 20), "MiB", Goal::AtMost(8.0));

    let store = store(bench)?;
    let machines = Machines {
        setups: [
            Setup {
                machine: MACHINE,
                kernel: image,
                initrd: None,
                line: format!("--ipv4 10.0.2.15/24 --gateway 10.0.2.2 {OPTIONS}"),
                memory: MEMORY,
            },
            Setup {
                machine: MACHINE,
                kernel: linux.kernel,
                initrd: Some(linux.initrd),
                line: format!("console=ttyS0 quiet -- {OPTIONS}"),
                memory: MEMORY,
            },
        ],
        disks: [disk(&folder, &store)?, linux::disk(&folder, &store, DISK)?],
    };
    starts(bench, &machines)?;
    idle(bench, &machines)?;
    let guests = [machines.start(&folder, 0, "one")?, machines.start(&folder, 1, "one")?];
    small(bench, &guests)?;
    large(bench, &guests)?;
    many(bench, &guests)?;
    drop(guests);
    least(bench, &machines)
}

/// A store that a server on this machine has closed, with a paste in it.
fn store(bench: &Bench) -> Result<PathBuf> {
    let served = bench.serve("unikernel/store", &[])?;
    paste::create(&served.address, &paste::form(&Token::new([7; 32]), &paste::content(SMALL)))?;
    served.stop()?;
    Ok(bench.folder.join("unikernel/store"))
}

/// The unikernel's disk: the store's bytes, and room behind them.
fn disk(folder: &Path, store: &Path) -> Result<PathBuf> {
    let disk = folder.join("disk");
    std::fs::copy(store, &disk)?;
    std::fs::OpenOptions::new().write(true).open(&disk)?.set_len(DISK)?;
    Ok(disk)
}

impl Machines {
    /// Starts one of them on a disk of its own, with a place for each of many clients.
    fn start(&self, folder: &Path, which: usize, name: &str) -> Result<Guest> {
        self.setups[which].start_at(&self.disk(folder, which, name)?, clients::CLIENTS)
    }

    /// A copy of one's disk.
    fn disk(&self, folder: &Path, which: usize, name: &str) -> Result<PathBuf> {
        let disk = folder.join(format!("disk-{which}-{name}"));
        // Not the holes.
        let mut copy = Command::new("cp");
        let copied = copy.arg("--sparse=always").arg(&self.disks[which]).arg(&disk).status()?;
        ensure!(copied.success(), "{} cannot be copied", self.disks[which].display());
        Ok(disk)
    }
}

/// From the start of QEMU to the first page, by turns.
fn starts(bench: &mut Bench, machines: &Machines) -> Result<()> {
    let folder = bench.folder.join("unikernel");
    let own = Setup { machine: OWN, ..machines.setups[0].clone() };
    let kinds = [(0, &own), (0, &machines.setups[0]), (1, &machines.setups[1])];
    let (mut times, mut work) = (<[Vec<f64>; 3]>::default(), <[Vec<f64>; 3]>::default());
    for _ in 0..if bench.quick { 1 } else { 9 } {
        for (kind, (which, setup)) in kinds.into_iter().enumerate() {
            let guest = setup.start(&machines.disk(&folder, which, "start")?)?;
            times[kind].push(guest.started_in.as_secs_f64() * 1000.0);
            work[kind].push(guest.started_by * 1000.0);
        }
    }
    let ([own, ours, theirs], work) = (times.map(median), work.map(median));
    let report = &mut bench.report;
    report.add(format!("start of QEMU to the first page, {OWN}, median"), own, "ms", Goal::AtMost(200.0));
    report.add("processor time of that", work[0], "ms", Goal::None);
    report.add(format!("start of QEMU to the first page, {MACHINE}"), ours, "ms", Goal::None);
    report.add("processor time of that", work[1], "ms", Goal::None);
    report.add(format!("start of Linux to the first page, {MACHINE}"), theirs, "ms", Goal::None);
    report.add("processor time of that", work[2], "ms", Goal::None);
    report.add(format!("sooner than Linux, {MACHINE}"), theirs / ours, "x", Goal::AtLeast(8.0));
    Ok(())
}

/// What a machine takes that nobody asks. It is served at one port, since QEMU looks at each of them whenever it looks at any.
fn idle(bench: &mut Bench, machines: &Machines) -> Result<()> {
    let folder = bench.folder.join("unikernel");
    let start = |which: usize| machines.setups[which].start(&machines.disk(&folder, which, "idle")?);
    let guests = [start(0)?, start(1)?];
    let seconds = if bench.quick { 2 } else { 20 };
    std::thread::sleep(Duration::from_secs(2));
    let before = [guests[0].process().cpu()?, guests[1].process().cpu()?];
    std::thread::sleep(Duration::from_secs(seconds));
    let taken =
        |which: usize| -> Result<f64> { Ok((guests[which].process().cpu()? - before[which]) * 100.0 / seconds as f64) };
    let (ours, theirs) = (taken(0)?, taken(1)?);
    bench.report.add(format!("at rest for {seconds} s, QEMU's processor time"), ours, "% of a core", Goal::AtMost(0.5));
    bench.report.add("the same of Linux", theirs, "% of a core", Goal::None);
    Ok(())
}

fn small(bench: &mut Bench, guests: &[Guest; 2]) -> Result<()> {
    let folder = bench.folder.join("unikernel");
    let token = Token::new([7; 32]);
    let form = paste::form(&token, &paste::content(SMALL));
    let create = folder.join("create.lua");
    std::fs::write(&create, paste::creating(&form))?;
    let mut reads = Vec::new();
    for (which, guest) in guests.iter().enumerate() {
        let ids = (0..100).map(|_| paste::create(&guest.address, &form)).collect::<Result<Vec<_>>>()?;
        let script = folder.join(format!("read-{which}.lua"));
        std::fs::write(&script, paste::reading(&ids, &token))?;
        reads.push(script.to_string_lossy().into_owned());
    }
    let create = create.to_string_lossy();
    let closing = ["--header", "Connection: close"];
    let page = |which: usize| format!("http://{}/", guests[which].address);
    turns(bench, "the page, 16 connections", |which, seconds| rate(&page(which), seconds, &[]))?;
    turns(bench, "the page, each by a new connection", |which, seconds| rate(&page(which), seconds, &closing))?;
    turns(bench, "reads of 2 KiB contents, 16 connections", |which, seconds| {
        rate(&page(which), seconds, &["--script", &reads[which]])
    })?;
    turns(bench, "durable creates of 2 KiB, 16 connections", |which, seconds| {
        rate(&format!("{}api/v1/pastes", page(which)), seconds, &["--script", &create])
    })
}

fn rate(url: &str, seconds: u32, options: &[&str]) -> Result<f64> {
    Ok(wrk_with(url, seconds, options, CONNECTIONS)?.rate)
}

/// Has the machines take turns under a load, and reports the median of each one's rates.
fn turns(bench: &mut Bench, what: &str, rate: impl Fn(usize, u32) -> Result<f64>) -> Result<()> {
    let (rounds, seconds) = if bench.quick { (1, 1) } else { (3, 4) };
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (which, rates) in rates.iter_mut().enumerate() {
            rates.push(rate(which, seconds)?);
        }
    }
    let [ours, theirs] = rates.map(median);
    bench.report.add(what, ours, "a second", Goal::None);
    bench.report.add(format!("{what}: against Linux"), ours / theirs, "x", Goal::AtLeast(0.7));
    Ok(())
}

fn large(bench: &mut Bench, guests: &[Guest; 2]) -> Result<()> {
    let content = paste::content(if bench.quick { LARGE / 8 } else { LARGE });
    let form = paste::form(&Token::new([7; 32]), &content);
    let mib = content.len() >> 20;
    let mut rates = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..if bench.quick { 1 } else { 3 } {
        for (guest, [up, down]) in guests.iter().zip(&mut rates) {
            let (upward, downward) = transfer(guest, &content, &form)?;
            up.push(mib as f64 / upward);
            down.push(mib as f64 / downward);
        }
    }
    let [ours, theirs] = rates.map(|ways| ways.map(median));
    for (way, ours, theirs) in [("up", ours[0], theirs[0]), ("down", ours[1], theirs[1])] {
        bench.report.add(format!("{mib} MiB {way}"), ours, "MiB/s", Goal::None);
        bench.report.add(format!("{mib} MiB {way}: against Linux"), ours / theirs, "x", Goal::AtLeast(0.7));
    }
    Ok(())
}

/// The seconds that a paste takes there and back.
fn transfer(guest: &Guest, content: &[u8], form: &[u8]) -> Result<(f64, f64)> {
    let token = Token::new([7; 32]);
    let start = Instant::now();
    let id = paste::create(&guest.address, form).with_context(|| guest.said())?;
    let up = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let back = clients::read(&guest.address, &id, &token).with_context(|| guest.said())?;
    let down = start.elapsed().as_secs_f64();
    ensure!(back == content, "{} bytes came back otherwise", content.len());
    Ok((up, down))
}

fn many(bench: &mut Bench, guests: &[Guest; 2]) -> Result<()> {
    let requests = if bench.quick { 5_000 } else { 100_000 };
    let [ours, theirs] = guests;
    for (guest, whose, goal) in [(ours, "", Goal::AtMost(0.0)), (theirs, ", Linux", Goal::None)] {
        let done = clients::many(guest, requests).with_context(|| guest.said())?;
        let what = format!("failed of {} requests of {} clients{whose}", done.requests, clients::CLIENTS);
        bench.report.add(what, done.failed as f64, "", goal);
        bench.report.add("the same, done", done.requests as f64 / done.seconds, "a second", Goal::None);
        done.why.iter().for_each(|why| println!("    the first that failed: {why}"));
        get(&guest.address, "/healthz")?;
    }
    Ok(())
}

/// The unikernel with little memory takes and gives a large paste.
fn least(bench: &mut Bench, machines: &Machines) -> Result<()> {
    let folder = bench.folder.join("unikernel");
    let disk = machines.disk(&folder, 0, "least")?;
    let guest = Setup { machine: OWN, memory: LEAST, ..machines.setups[0].clone() }.start(&disk)?;
    let content = paste::content(LARGE);
    let (up, down) = transfer(&guest, &content, &paste::form(&Token::new([7; 32]), &content))?;
    let report = &mut bench.report;
    report.add(format!("64 MiB up, with {LEAST} of memory"), 64.0 / up, "MiB/s", Goal::None);
    report.add(format!("64 MiB down, with {LEAST} of memory"), 64.0 / down, "MiB/s", Goal::None);
    Ok(())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
