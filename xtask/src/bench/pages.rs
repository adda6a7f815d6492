//! `docteur serve` beside nginx with two workers: random files of an image, and of the folder that it was made of.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::load::{CONNECTIONS, Load, Nginx, kept_open, wrk};
use super::report::Goal;
use super::serving::Process;
use super::{Bench, corpora};

/// Serves the image at `program`'s hands and the folder at nginx's, and asks both for the same files: those that nginx can keep open, and
/// where these are not all, all of them, of which it then opens some anew.
pub(super) fn run(bench: &mut Bench, program: &Path, image: &Path, source: &Path) -> Result<()> {
    let all = files(source)?;
    let open = some(&all, usize::try_from(kept_open())?);
    // It then holds all that there is.
    let by_default = ("by default", &[][..], Goal::AtLeast(0.8));
    let peers = Peers { program, image, source };
    peers.measure(bench, &open, &[("64 MiB kept", &["--cache", "64"], Goal::None), by_default])?;
    if open.len() < all.len() {
        peers.measure(bench, &all, &[by_default])?;
    }
    Ok(())
}

/// What is served, and by what.
struct Peers<'p> {
    program: &'p Path,
    image: &'p Path,
    source: &'p Path,
}

impl Peers<'_> {
    /// What nginx answers a second when it is asked for these files, and `docteur serve` with each of these options; goals are for the
    /// ratio.
    fn measure(&self, bench: &mut Bench, files: &[String], all: &[(&str, &[&str], Goal)]) -> Result<()> {
        let script = bench.folder.join("pages.lua");
        fs::write(&script, lua(files))?;
        let seconds = if bench.quick { 1 } else { 10 };
        let load = |address: &str| -> Result<Load> {
            let url = format!("http://{address}/");
            // What is kept is there before it is measured.
            wrk(&url, seconds, Some(&script))?;
            wrk(&url, seconds, Some(&script))
        };
        let what = format!("{} files", files.len());
        let theirs = {
            let folder = bench.folder.join("pages");
            fs::create_dir_all(&folder)?;
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let known = files.first().context("no file")?;
            let _nginx = Nginx::of_folder(&folder, self.source, port, &format!("/{known}"))?;
            load(&format!("127.0.0.1:{port}"))?.rate
        };
        let name = format!("{what} at random, {CONNECTIONS} connections, nginx");
        bench.report.add(name, theirs, "a second", Goal::None);
        for (name, options, goal) in all {
            let serving = Serving::start(self.program, self.image, options)?;
            let ours = load(&serving.address)?.rate;
            let memory = Process(serving.child.id()).peak_memory()?;
            let report = &mut bench.report;
            report.add(format!("{what}, docteur serve, {name}"), ours, "a second", Goal::None);
            report.add(format!("{what}, docteur serve, {name}, against nginx"), ours / theirs, "x", *goal);
            report.add(format!("{what}, docteur serve, {name}, peak resident"), memory, "MiB", Goal::None);
        }
        Ok(())
    }
}

/// A running `docteur serve`, killed when dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(program: &Path, image: &Path, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").arg(image).args(["--listen", "127.0.0.1:0"]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().context("docteur serve")?;
        let out = child.stdout.take();
        let mut serving = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(out.context("no standard output")?).read_line(&mut line)?;
        let address = line.trim().trim_end_matches('/').rsplit_once('/').map(|(_, address)| address.to_owned());
        serving.address = address.with_context(|| format!("docteur serve says {line:?}"))?;
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Paths of files whose names need no percent sign, in order.
fn files(source: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in corpora::files(source)? {
        if let Some(path) = file.strip_prefix(source)?.to_str().filter(|path| is_plain(path)) {
            all.push(path.to_owned());
        }
    }
    Ok(all)
}

/// At most so many of these, from all over.
fn some(files: &[String], most: usize) -> Vec<String> {
    let every = files.len().div_ceil(most.max(1)).max(1);
    files.iter().step_by(every).cloned().collect()
}

fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
}

/// wrk's script: a random one of these files each time, the same ones in each run. They are one string, since a function of Lua has a limit
/// on how many it may have.
fn lua(files: &[String]) -> String {
    let files = files.join("\n");
    format!(
        "local paths = {{}}\nfor path in ([[\n{files}\n]]):gmatch(\"%S+\") do paths[#paths + 1] = \"/\" .. path end\n\
         math.randomseed(1)\nfunction request() return wrk.format(\"GET\", paths[math.random(#paths)]) end\n"
    )
}
