//! The most memory that the command takes to make an image with more threads than fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod process;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use process::Running;
use support::noise;

/// Makes an image: what was printed, what was told, and the most memory in MiB.
fn made(source: &Path, image: &Path, more: &[&str]) -> (String, String, u64) {
    let arguments = [OsStr::new("make"), source.as_os_str(), image.as_os_str()];
    let arguments = arguments.into_iter().chain(more.iter().map(OsStr::new)).collect::<Vec<_>>();
    let (mut running, mut peak) = (Running::spawn(&arguments), 0);
    while !running.has_ended() {
        peak = running.peak().unwrap_or(0).max(peak);
        thread::sleep(Duration::from_millis(5));
    }
    let (code, line, told) = running.output();
    assert_eq!(code, Some(0), "{told}");
    (line, told, peak >> 10)
}

#[test]
fn eight_threads_compress_in_half_a_gibibyte() {
    let place = tempfile::tempdir().unwrap();
    let (source, image) = (place.path().join("source"), place.path().join("image"));
    fs::create_dir(&source).unwrap();
    // 72 MiB of pieces that others have too, so that there is a base of 8 MiB, in an order of each file's own.
    let pool = noise(1, 9 << 20);
    for file in 0..36_usize {
        let piece = |n: usize| &pool[((file * 41 + n * (file + 1)) % 144) << 16..][..1 << 16];
        fs::write(source.join(format!("{file}")), (0..32).map(piece).collect::<Vec<_>>().concat()).unwrap();
    }
    let (line, told, peak) = made(&source, &image, &["--threads", "8"]);
    assert!(peak > 256 && peak < 512, "{peak} MiB");
    assert!(told.contains("of the threads compressed, as 512 MiB allow (--memory)"), "{told}");
    let (again, told, little) = made(&source, &image, &["--threads", "8", "--memory", "64"]);
    assert!(little < peak && told.starts_with("docteur: 1 of the threads"), "{little} MiB, {told}");
    assert_eq!(line, again, "memory makes no difference to the image");
}

#[test]
fn eight_threads_encode_a_site_in_half_a_gibibyte() {
    let place = tempfile::tempdir().unwrap();
    let (source, image) = (place.path().join("source"), place.path().join("image"));
    fs::create_dir(&source).unwrap();
    let piece = noise(2, 1 << 16);
    for file in 0..8_u8 {
        fs::write(source.join(format!("{file}")), [vec![file], piece.repeat(12 << 4)].concat()).unwrap();
    }
    let (_, _, peak) = made(&source, &image, &["--web", "--level", "1", "--threads", "8"]);
    assert!(peak > 100 && peak < 512, "{peak} MiB");
}
