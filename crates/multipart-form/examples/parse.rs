//! Prints what is in forms, one JSON line a case: `parse CASE_DIR... [--chunk N]`.
//!
//! Each folder has `content-type.txt`, `input.bin` and perhaps `options.json`; see `tests/CASES.md`. With `--chunk` the
//! input is pushed in pieces of N bytes, otherwise whole.

#[path = "support/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outcome::Case;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("parse: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let (mut folders, mut chunk) = (Vec::new(), usize::MAX);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--chunk" {
            let size = arguments.next().and_then(|n| n.to_str().and_then(|n| n.parse().ok()));
            chunk = size.filter(|&n| n > 0).ok_or("--chunk takes a number of bytes above 0")?;
        } else {
            folders.push(PathBuf::from(argument));
        }
    }
    if folders.is_empty() {
        return Err("usage: parse CASE_DIR... [--chunk N]".into());
    }
    folders.iter().try_for_each(|folder| print(folder, chunk))
}

fn print(folder: &Path, chunk: usize) -> Result<(), String> {
    let case = Case::read(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let cuts: Vec<usize> = (1..).map_while(|n| chunk.checked_mul(n).filter(|&at| at < case.input.len())).collect();
    let mut line = case.outcome(&cuts);
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    line["case"] = name.unwrap_or_else(|| folder.to_string_lossy().into_owned()).into();
    println!("{line}");
    Ok(())
}
