//! Writes forms, one JSON line a case: `encode CASE_DIR...`.
//!
//! Each folder has a `form.json`; see `tests/CASES.md`. The line has `content_type` and `output_base64`, or `error`.

#[path = "support/form.rs"]
mod form;

use std::path::PathBuf;
use std::process::ExitCode;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        eprintln!("usage: encode CASE_DIR...");
        return ExitCode::from(2);
    }
    for folder in folders {
        let read = std::fs::read(folder.join("form.json")).map_err(|error| error.to_string());
        let form: Value = match read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        {
            Ok(form) => form,
            Err(problem) => {
                eprintln!("encode: {}: {problem}", folder.display());
                return ExitCode::from(2);
            }
        };
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        match form::encode(&form) {
            Ok((content_type, output)) => {
                let output = Base64::encode_string(&output);
                println!("{}", json!({"case": name, "content_type": content_type, "output_base64": output}));
            }
            Err(Some(error)) => println!("{}", json!({"case": name, "error": error.code()})),
            Err(None) => {
                eprintln!("encode: {}: not a form", folder.display());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}
