//! Every case of `tests/CASES.md`, under every split that page lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "../examples/support/form.rs"]
mod form;
#[path = "../examples/support/outcome.rs"]
mod outcome;

use std::fs;
use std::path::{Path, PathBuf};

use outcome::Case;
use serde_json::{Value, json};

fn folders(of: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(of);
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Whether the outcome is the expected one; `malformed_*` and `unexpected_eof` stand for one another.
fn agrees(outcome: &Value, expected: &Value) -> bool {
    let soft = |error: &str| error.starts_with("malformed_") || error == "unexpected_eof";
    match (outcome["error"].as_str(), expected["error"].as_str()) {
        (Some(is), Some(want)) => is == want || soft(is) && soft(want),
        (None, None) => outcome["parts"] == expected["parts"] && outcome["strict_error"] == expected["strict_error"],
        _ => false,
    }
}

#[test]
fn every_case_under_every_split() {
    let folders = folders("cases");
    assert_eq!(folders.len(), 144);
    for folder in folders {
        let case = Case::read(&folder).unwrap();
        let len = case.input.len();
        let expected = json_of(&folder.join("expected.json"));
        let whole = case.outcome(&[]);
        assert!(agrees(&whole, &expected), "{}: {whole}\nnot {expected}", folder.display());
        let mut splits: Vec<Vec<usize>> = [1, 2, 3, 5, 7, 16, 64, 4096]
            .iter()
            .map(|&n| (1..).map(|i| i * n).take_while(|&at| at < len).collect())
            .collect();
        if len <= 4096 {
            splits.extend((0..=len).map(|at| vec![at]));
        }
        for cuts in splits {
            assert_eq!(case.outcome(&cuts), whole, "{} cut at {cuts:?}", folder.display());
        }
    }
}

#[test]
fn every_encoder_case() {
    let folders = folders("cases-encode");
    assert_eq!(folders.len(), 7);
    for folder in folders {
        let outcome = form::encode(&json_of(&folder.join("form.json")));
        match outcome {
            Ok((content_type, output)) => {
                assert_eq!(content_type, fs::read_to_string(folder.join("content-type.txt")).unwrap());
                assert_eq!(output, fs::read(folder.join("output.bin")).unwrap(), "{}", folder.display());
            }
            Err(error) => {
                let code = error.expect("a form").code();
                assert_eq!(json!({ "error": code }), json_of(&folder.join("expected.json")), "{}", folder.display());
            }
        }
    }
    for bad in ["", "a ", "\u{e9}", &"x".repeat(71)] {
        let error = form::encode(&json!({"boundary": bad, "parts": []})).unwrap_err().unwrap();
        assert_eq!(error.code(), "bad_boundary", "{bad:?}");
    }
}
