//! Hostile clients beside good ones: what each attack does to the others' waiting, and to the server's memory.
//!
//! The attackers are many addresses of this machine, which no limit by client counts, and write as fast as they can, but with what is left
//! of the processors, while good clients have one at once: what is measured is the work that the attack makes for the server, not the
//! work of making it, nor a good client's own wait for a processor.

mod good;
mod one;
mod quic;
mod two;
mod wire;

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::report::Goal;
use wire::{Signals, Target, Tls};

/// What the server takes before anybody is hostile to it, in MiB: that of an idle server, and what serving needs.
const SERVER: f64 = 24.0;
/// Threads that attack.
const ATTACKERS: usize = 2;
/// How long an attack may take to be under way.
const PREPARATION: Duration = Duration::from_secs(60);

struct Attack {
    name: &'static str,
    /// Connections that it holds, in all; 0 where it opens them one after another.
    holds: usize,
    /// What docs/serve.md says that one of them may take, in KiB.
    each: f64,
    by: By,
    run: fn(&Target, &Signals, usize),
}

/// Where an attack makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Any,
    Tls,
}

/// What docs/serve.md says, in KiB, of a connection that waits,
const WAITS: f64 = 48.0;
/// of one with an upload or a download that stalls,
const STALLS: f64 = 0.3 * 1024.0;
/// and of one of HTTP/2 that has all it may.
const STREAMS: f64 = 9.0 * 1024.0;

const ATTACKS: [Attack; 15] = [
    Attack { name: "slow heads", holds: 2000, each: WAITS, by: By::Any, run: one::slow_heads },
    Attack { name: "slow bodies", holds: 400, each: STALLS, by: By::Any, run: one::slow_bodies },
    Attack { name: "answers not taken", holds: 400, each: STALLS, by: By::Any, run: one::answers_not_taken },
    Attack { name: "half-open connections", holds: 10_000, each: WAITS, by: By::Any, run: one::half_open },
    Attack { name: "smuggling shapes", holds: 0, each: 0.0, by: By::Any, run: one::smuggling },
    Attack { name: "heads of 1 MiB", holds: 0, each: 0.0, by: By::Any, run: one::large_heads },
    Attack { name: "garbage", holds: 0, each: 0.0, by: By::Any, run: one::garbage },
    Attack { name: "handshakes alone", holds: 0, each: 0.0, by: By::Tls, run: one::handshakes },
    Attack { name: "HTTP/2 rapid resets", holds: 0, each: 0.0, by: By::Any, run: two::rapid_resets },
    Attack { name: "HTTP/2 continuations", holds: 0, each: 0.0, by: By::Any, run: two::continuations },
    Attack { name: "HTTP/2 settings", holds: 0, each: 0.0, by: By::Any, run: two::settings },
    Attack { name: "HTTP/2 pings", holds: 0, each: 0.0, by: By::Any, run: two::pings },
    Attack { name: "HTTP/2 header bombs", holds: 0, each: 0.0, by: By::Any, run: two::bombs },
    Attack { name: "HTTP/2 windows of nothing", holds: 100, each: STREAMS, by: By::Any, run: two::zero_windows },
    Attack { name: "QUIC first packets", holds: 0, each: 0.0, by: By::Tls, run: quic::first_packets },
];

/// Connections that one after another may be open at once while their ends are waited for, for an attack that holds none.
const PASSING: f64 = 512.0;

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    super::server::raise_descriptor_limit();
    let folder = bench.folder.join("hostile");
    std::fs::create_dir_all(&folder)?;
    super::paf::certificate(&folder)?;
    for attack in &ATTACKS {
        if attack.by == By::Any {
            beside(bench, attack, false)?;
        }
        beside(bench, attack, true)?;
    }
    Ok(())
}

/// Measures good clients alone, and beside the attack.
fn beside(bench: &mut Bench, attack: &Attack, is_tls: bool) -> Result<()> {
    let folder = bench.folder.join("hostile");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let [chain, secret] = [&certificate, &key].map(|file| file.to_string_lossy().into_owned());
    let options = ["--tls-cert", &chain, "--tls-key", &secret];
    let name = format!("{}, {}", attack.name, if is_tls { "TLS" } else { "plain" });
    let store = format!("hostile/{}.redb", name.replace(['/', ' ', ','], "-"));
    let served = bench.serve(&store, if is_tls { &options } else { &[] })?;
    let tls = if is_tls { Some(Tls::knowing(&certificate)?) } else { None };
    let target = Target::new(served.address.parse().context("no address")?, tls);

    let seconds = Duration::from_secs(if bench.quick { 1 } else { 5 });
    let holds = if bench.quick { attack.holds / 20 } else { attack.holds };
    let alone = good::p99(&target, seconds)?;
    ensure!(alone < good::PATIENCE.as_secs_f64() * 1000.0, "{name}: good clients get nothing even alone");
    let during = under_attack(attack, &target, holds, seconds)?;
    let opened = target.opened.load(Relaxed);
    ensure!(opened > 0, "{name}: nobody attacked");
    let report = &mut bench.report;
    println!("    {name}: {opened} connections or ports of attackers");
    report.add(format!("{name}: 99th percentile alone"), alone, "ms", Goal::None);
    report.add(format!("{name}: 99th percentile beside it"), during, "ms", Goal::None);
    report.add(format!("{name}: beside it against alone"), during / alone, "x", Goal::AtMost(2.0));
    let bound = match attack.holds {
        0 => PASSING * WAITS,
        _ => holds as f64 * attack.each,
    };
    let peak = served.process().peak_memory()?;
    report.add(format!("{name}: the most resident"), peak, "MiB", Goal::AtMost(SERVER + bound / 1024.0));
    Ok(())
}

/// How the system gives processors to this thread, by `chrt`; where it may not be told, it stays as it is.
fn schedule(how: &[&str]) {
    let thread = rustix::thread::gettid().as_raw_pid().to_string();
    let told = Command::new("chrt").args(how).arg(thread).stderr(Stdio::null()).status();
    if !told.is_ok_and(|told| told.success()) {
        println!("    chrt {} is refused: who waits for a processor is measured, too", how.join(" "));
    }
}

/// The good clients' 99th percentile while attackers are at it.
fn under_attack(attack: &Attack, target: &Target, holds: usize, time: Duration) -> Result<f64> {
    let signals: [Signals; ATTACKERS] = Default::default();
    std::thread::scope(|scope| {
        for signals in &signals {
            scope.spawn(move || {
                // Whoever else wants a processor has it at once; a nice thread is left to finish its slice.
                schedule(&["--idle", "--pid", "0"]);
                (attack.run)(target, signals, holds / ATTACKERS);
            });
        }
        let start = Instant::now();
        while !signals.iter().all(|signals| signals.is_ready.load(Relaxed)) && start.elapsed() < PREPARATION {
            std::thread::sleep(Duration::from_millis(20));
        }
        let p99 = good::p99(target, time);
        for signals in &signals {
            signals.is_over.store(true, Relaxed);
        }
        p99
    })
}
