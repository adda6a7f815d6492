//! Prints what is in forms, one JSON line a case: `parse CASE_DIR... [--chunk N]`.
//!
//! Each folder has `content-type.txt`, `input.bin` and perhaps `options.json`; see `tests/CASES.md`. With `--chunk` the
//! input is pushed in pieces of N bytes, otherwise whole. A folder that is no case is named on standard error, the others are
//! still read, and the exit code is 2.

#[path = "support/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outcome::Case;
use serde_json::Value;

const USAGE: &str = "parse CASE_DIR... [--chunk N]";

fn main() -> ExitCode {
    let (folders, chunk) = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("parse: {problem}");
            return ExitCode::from(2);
        }
    };
    let mut code = ExitCode::SUCCESS;
    for folder in folders {
        match line(&folder, chunk) {
            Ok(line) => println!("{line}"),
            Err(problem) => {
                eprintln!("parse: {problem}");
                code = ExitCode::from(2);
            }
        }
    }
    code
}

/// The folders, and how many bytes are pushed at once.
fn arguments() -> Result<(Vec<PathBuf>, usize), String> {
    let (mut folders, mut chunk) = (Vec::new(), usize::MAX);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--chunk" {
            let size = arguments.next().and_then(|n| n.to_str().and_then(|n| n.parse().ok()));
            chunk = size.filter(|&n| n > 0).ok_or("--chunk takes a number of bytes above 0")?;
        } else if argument.as_encoded_bytes().starts_with(b"-") {
            return Err(format!("{} is no option; usage: {USAGE}", argument.display()));
        } else {
            folders.push(PathBuf::from(argument));
        }
    }
    if folders.is_empty() {
        return Err(format!("usage: {USAGE}"));
    }
    Ok((folders, chunk))
}

fn line(folder: &Path, chunk: usize) -> Result<Value, String> {
    let case = Case::read(folder)?;
    let cuts: Vec<usize> = (1..).map_while(|n| chunk.checked_mul(n).filter(|&at| at < case.input.len())).collect();
    let mut line = case.outcome(&cuts);
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    line["case"] = name.unwrap_or_else(|| folder.to_string_lossy().into_owned()).into();
    Ok(line)
}
