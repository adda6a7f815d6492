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

/// Serves the image at `program`'s hands and the folder at nginx's, and asks both for the same files.
pub(super) fn run(bench: &mut Bench, program: &Path, image: &Path, source: &Path) -> Result<()> {
    let script = bench.folder.join("pages.lua");
    let files = some(files(source)?, usize::try_from(kept_open())?);
    bench.report.add("files that are asked for", files.len() as f64, "", Goal::None);
    fs::write(&script, lua(&files))?;
    let seconds = if bench.quick { 1 } else { 10 };
    let load = |address: &str| -> Result<Load> {
        let url = format!("http://{address}/");
        // What is kept is there before it is measured.
        wrk(&url, seconds, Some(&script))?;
        wrk(&url, seconds, Some(&script))
    };
    let folder = bench.folder.join("pages");
    fs::create_dir_all(&folder)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let known = files.first().context("no file")?;
    let theirs = {
        let _nginx = Nginx::of_folder(&folder, source, port, &format!("/{known}"))?;
        load(&format!("127.0.0.1:{port}"))?.rate
    };
    bench.report.add(format!("nginx, random files, {CONNECTIONS} connections"), theirs, "a second", Goal::None);
    // The second holds all that there is.
    for (name, options, goal) in
        [("64 MiB kept", &["--cache", "64"][..], Goal::None), ("by default", &[], Goal::AtLeast(0.8))]
    {
        let serving = Serving::start(program, image, options)?;
        let ours = load(&serving.address)?.rate;
        let memory = Process(serving.child.id()).peak_memory()?;
        let report = &mut bench.report;
        report.add(format!("docteur serve, {name}, the same"), ours, "a second", Goal::None);
        report.add(format!("docteur serve, {name}, against nginx"), ours / theirs, "x", goal);
        report.add(format!("docteur serve, {name}, peak resident"), memory, "MiB", Goal::None);
    }
    Ok(())
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

/// At most so many of these, from all over: as many as nginx keeps open, so that it is as quick as it can be.
fn some(files: Vec<String>, most: usize) -> Vec<String> {
    let every = files.len().div_ceil(most.max(1)).max(1);
    files.into_iter().step_by(every).collect()
}

fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
}

/// wrk's script: a random one of these files each time, the same ones in each run.
fn lua(files: &[String]) -> String {
    let mut lua = String::from("local paths = {\n");
    for path in files {
        lua.push_str(&format!("\"/{path}\",\n"));
    }
    lua.push_str(
        "}\nmath.randomseed(1)\nfunction request() return wrk.format(\"GET\", paths[math.random(#paths)]) end\n",
    );
    lua
}
