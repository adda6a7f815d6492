//! The command `docteur`: makes images, looks into them, mounts and serves them.

mod bench;
mod look;
mod make;
#[cfg(feature = "mount")]
mod mount;
mod scratch;
mod serve;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A whole folder in one small read-only image, every byte of which is under one hash.
#[derive(Debug, Parser)]
#[command(name = "docteur", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an image of a folder or of a commit in a Git repository
    Make(make::Arguments),
    /// Read and check every byte of an image, its hard links, and that ready-made encodings decode to their files
    Verify {
        /// The image
        image: PathBuf,
        /// Also fail unless this is its root, 64 hexadecimal digits
        #[arg(long, value_name = "HASH")]
        root: Option<String>,
        /// Fail if ready-made encodings decode to more bytes
        #[arg(long, value_name = "N", default_value_t = docteur_make::Trust::default().bytes)]
        most_bytes: u64,
    },
    /// Say what an image is: root, sizes, numbers, metadata
    Info {
        /// The image
        image: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List a folder of an image
    Ls(look::List),
    /// Write a file of an image to the standard output
    Cat {
        /// The image
        image: PathBuf,
        /// The file's path in it
        path: std::ffi::OsString,
    },
    /// Unpack an image into an empty folder
    Extract {
        /// The image
        image: PathBuf,
        /// The folder; it is made if it is not there
        folder: PathBuf,
        /// Keep setuid, setgid and sticky bits and every extended attribute, not only user.*
        #[arg(long)]
        trusted: bool,
        /// Fail if there are more paths
        #[arg(long, value_name = "N", default_value_t = docteur_make::Trust::default().paths)]
        most_paths: u64,
        /// Fail if the files have more bytes
        #[arg(long, value_name = "N", default_value_t = docteur_make::Trust::default().bytes)]
        most_bytes: u64,
    },
    /// Say what is different between two images; the exit code is 1 if something is
    Diff {
        /// The first
        a: PathBuf,
        /// The second
        b: PathBuf,
    },
    /// Show an image as a read-only file system, until it is unmounted or a signal ends it
    #[cfg(feature = "mount")]
    Mount {
        /// The image
        image: PathBuf,
        /// An empty folder
        folder: PathBuf,
    },
    /// Serve an image as a web site, by HTTP
    Serve(serve::Arguments),
    /// Measure reads of random files, and print JSON
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Make(arguments) => make::run(&arguments),
        Command::Verify { image, root, most_bytes } => look::verify(&image, root.as_deref(), most_bytes),
        Command::Info { image, json } => look::info(&image, json),
        Command::Ls(arguments) => look::list(&arguments),
        Command::Cat { image, path } => look::cat(&image, &path),
        Command::Extract { image, folder, trusted: attributes, most_paths: paths, most_bytes: bytes } => {
            look::extract(&image, &folder, docteur_make::Trust { attributes, paths, bytes })
        }
        Command::Diff { a, b } => look::diff(&a, &b),
        #[cfg(feature = "mount")]
        Command::Mount { image, folder } => mount::run(&image, &folder),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(code) => code,
        // Who reads our output has had enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Names in it may be a stranger's. There is nobody to tell if this fails.
            let _ = writeln!(io::stderr(), "docteur: {}", printable(&message(&error)));
            ExitCode::from(2)
        }
    }
}

/// An error and what caused it; many an error tells its cause itself.
fn message(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// A text on one line that moves no terminal's cursor.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A bar of so many bytes; it is hidden where there is no terminal.
fn bar(what: &'static str, bytes: u64) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg:12} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = indicatif::ProgressBar::new(bytes).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
