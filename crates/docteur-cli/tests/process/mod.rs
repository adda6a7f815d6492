//! The command as a process that runs until it is told to stop.
#![allow(dead_code, reason = "each test uses some of it")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

/// A command that runs; it is ended with the test, however that comes.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, and waits for the first line that it prints: empty where it has ended.
    pub(crate) fn start(arguments: &[&OsStr]) -> (Self, String) {
        let mut running = Self::spawn(arguments);
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (running, line)
    }

    /// Starts it.
    pub(crate) fn spawn(arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(DOCTEUR);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn stop(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// What was spawned: its exit code, what it printed, and what it told.
    pub(crate) fn output(mut self) -> (Option<i32>, String, String) {
        let mut printed = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let (code, told) = self.end();
        (code, printed, told)
    }

    /// Waits for its end: its exit code and what it told.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut told = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.0.wait().unwrap().code(), told)
    }

    /// The most memory it has had, in KiB; `None` once it has ended.
    pub(crate) fn peak(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes an image of a folder, quickly.
pub(crate) fn make(source: &Path, image: &Path, more: &[&str]) {
    let made =
        Command::new(DOCTEUR).arg("make").args([source, image]).args(["--level", "1"]).args(more).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
