//! Writes forms, one JSON line a case: `encode CASE_DIR...`.
//!
//! Each folder has a `form.json`; see `tests/CASES.md`. The line has `content_type` and `output_base64`, or `error`.
//! A folder that is no case is named on standard error, the others are still written, and the exit code is 2.

#[path = "support/form.rs"]
mod form;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() || folders.iter().any(|folder| folder.as_os_str().as_encoded_bytes().starts_with(b"-")) {
        eprintln!("usage: encode CASE_DIR...");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for folder in folders {
        match line(&folder) {
            Ok(line) => println!("{line}"),
            Err(problem) => {
                eprintln!("encode: {problem}");
                code = ExitCode::from(2);
            }
        }
    }
    code
}

fn line(folder: &Path) -> Result<Value, String> {
    let path = folder.join("form.json");
    let said = |error: &dyn Display| format!("{}: {error}", path.display());
    let bytes = fs::read(&path).map_err(|error| said(&error))?;
    let form: Value = serde_json::from_slice(&bytes).map_err(|error| said(&error))?;
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    match form::encode(&form) {
        Ok((content_type, output)) => {
            let output = Base64::encode_string(&output);
            Ok(json!({"case": name, "content_type": content_type, "output_base64": output}))
        }
        Err(Some(error)) => Ok(json!({"case": name, "error": error.code()})),
        Err(None) => Err(said(&"not a form")),
    }
}
