//! A file of 5 GiB: it is packed in bounded memory, and unpacked it is the same.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::images::docteur;
use super::report::Goal;
use super::serving::Process;

const MEBIBYTE: usize = 1 << 20;

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let at = |name: &str| bench.folder.join(name);
    let (source, image, unpacked) = (at("long"), at("long.img"), at("unpacked"));
    std::fs::create_dir(&source)?;
    let size: u64 = if bench.quick { 50 << 20 } else { 5 << 30 };
    generate(&source.join("file"), size + 12_345)?;
    let (seconds, memory) = watched(docteur().arg("make").args([&source, &image]).args(["--level", "1"]))?;
    let bytes = std::fs::metadata(&image)?.len() as f64;
    let report = &mut bench.report;
    report.add("a file of 5 GiB, level 1, image", bytes / 1e6, "MB", Goal::None);
    report.add("a file of 5 GiB, level 1, time to make", seconds, "s", Goal::None);
    report.add("a file of 5 GiB, peak resident while making", memory, "MiB", Goal::AtMost(512.0));
    let (seconds, memory) = watched(docteur().arg("extract").args([&image, &unpacked]))?;
    let report = &mut bench.report;
    report.add("a file of 5 GiB, time to unpack", seconds, "s", Goal::None);
    report.add("a file of 5 GiB, peak resident while unpacking", memory, "MiB", Goal::AtMost(64.0));
    same(&source.join("file"), &unpacked.join("file"))?;
    for folder in [source, unpacked] {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::remove_file(image)?;
    Ok(())
}

/// Writes a file of noise that is there once, noise that comes again further on, text, and holes.
fn generate(path: &Path, size: u64) -> Result<()> {
    let mut file = File::create_new(path).with_context(|| path.display().to_string())?;
    let mut piece = vec![0; MEBIBYTE];
    for n in 0..size / MEBIBYTE as u64 {
        match n % 8 {
            0 => noise(n, &mut piece),
            1 => noise(n / 8 % 5, &mut piece),
            2 => piece.chunks_mut(64).zip(n << 20..).for_each(|(line, n)| {
                line.copy_from_slice(format!("<p>line {n:051}</p>\n").as_bytes());
            }),
            _ => {
                file.seek_relative(MEBIBYTE as i64)?;
                continue;
            }
        }
        file.write_all(&piece)?;
    }
    file.set_len(size)?;
    Ok(())
}

fn noise(seed: u64, piece: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for word in piece.as_chunks_mut::<8>().0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state.to_le_bytes();
    }
}

/// Runs a command: its seconds, and the most MiB that it had resident.
fn watched(command: &mut Command) -> Result<(f64, f64)> {
    let (start, mut memory) = (Instant::now(), 0.0);
    let mut child = command.spawn().context("docteur")?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It has none any more at its very end.
        memory = Process(child.id()).peak_memory().unwrap_or(memory);
        thread::sleep(Duration::from_millis(20));
    };
    ensure!(status.success(), "docteur fails: {status}");
    Ok((start.elapsed().as_secs_f64(), memory))
}

fn same(a: &Path, b: &Path) -> Result<()> {
    let (mut files, mut done) = ([File::open(a)?, File::open(b)?], 0_u64);
    let (mut left, mut right) = (vec![0; MEBIBYTE], vec![0; MEBIBYTE]);
    let size = files[0].metadata()?.len();
    ensure!(files[1].metadata()?.len() == size, "{} has another size than {}", b.display(), a.display());
    while done < size {
        let len = usize::try_from(size - done)?.min(MEBIBYTE);
        files[0].read_exact(&mut left[..len])?;
        files[1].read_exact(&mut right[..len])?;
        ensure!(left[..len] == right[..len], "{} is not {} from byte {done} on", b.display(), a.display());
        done += len as u64;
    }
    Ok(())
}
