//! `docteur verify`, `info`, `ls`, `cat`, `extract` and `diff`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use docteur::{Cache, Entry, FileSource, Image, Kind, Limits, Walk};
use docteur_make::{Change, Trust, Unread, shown};
use serde_json::json;

use super::{bar, hex};

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The image
    image: PathBuf,
    /// The folder's path in it
    #[arg(default_value = "")]
    path: OsString,
    /// All that is below it, too
    #[arg(short, long)]
    recursive: bool,
    /// Kind, mode, size and time, too
    #[arg(short, long)]
    long: bool,
}

/// Who calls the command trusts the image with this much memory.
const MEMORY: u64 = 1 << 30;

pub(crate) fn open(path: &Path) -> Result<Image<FileSource>> {
    let source = FileSource::open(path).with_context(|| path.display().to_string())?;
    Image::open(source, &Limits::default().memory(MEMORY)).with_context(|| path.display().to_string())
}

/// An image's file for a line that is not an error's, of which `main` makes one line.
pub(crate) fn named(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

/// What to say of an image that is damaged or cannot be read: its file, and what is wrong with it.
pub(crate) fn damaged(path: &Path) -> impl Fn(docteur::Error<io::Error>) -> anyhow::Error {
    move |error| anyhow::Error::new(error).context(path.display().to_string())
}

/// The same of what may also go wrong elsewhere, where the error names the place already.
pub(crate) fn failed(path: &Path) -> impl Fn(docteur_make::Error) -> anyhow::Error {
    move |error| match error {
        docteur_make::Error::Image(error) => damaged(path)(error),
        other => other.into(),
    }
}

pub(crate) fn verify(path: &Path, root: Option<&str>, most_bytes: u64) -> Result<ExitCode> {
    let image = open(path)?;
    let is = hex(&image.root());
    if let Some(root) = root.filter(|root| !root.eq_ignore_ascii_case(&is)) {
        bail!("{}: its root is {is}, not {root}", path.display());
    }
    let bar = bar("verifying", image.superblock().image_len());
    docteur_make::verify(&image, most_bytes, |done, _| bar.set_position(done))
        .with_context(|| path.display().to_string())?;
    bar.finish_and_clear();
    writeln!(io::stdout(), "{}: whole, root {is}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn info(path: &Path, json: bool) -> Result<ExitCode> {
    let image = open(path)?;
    let superblock = image.superblock();
    let metadata = image.metadata().map_err(damaged(path))?;
    let fields = [
        ("root", json!(hex(&image.root()))),
        ("format", json!(docteur::layout::VERSION)),
        ("bytes", json!(superblock.image_len())),
        ("entries", json!(superblock.entries)),
        ("content_bytes", json!(superblock.bytes)),
        ("segments", json!(superblock.segments)),
        ("segments_bytes", json!(superblock.segments_stored)),
        ("segment_length", json!(superblock.segment_max)),
        ("base_length", json!(superblock.base.len)),
        ("base_bytes", json!(superblock.base.stored)),
        ("index_blocks", json!(image.head().blocks().len())),
        ("index_bytes", json!(superblock.blocks_stored)),
        ("head_bytes", json!(superblock.head.stored)),
    ];
    let mut out = io::stdout().lock();
    if json {
        let metadata = metadata.0.iter().map(|(key, value)| (lossy(key), json!(lossy(value)))).collect();
        let mut all: serde_json::Map<_, _> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        all.insert("metadata".into(), serde_json::Value::Object(metadata));
        writeln!(out, "{:#}", serde_json::Value::Object(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value) in fields {
        writeln!(out, "{key:15} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
    }
    for (key, value) in &metadata.0 {
        writeln!(out, "{:15} {}", shown(key), shown(value))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn list(arguments: &List) -> Result<ExitCode> {
    let image = open(&arguments.image)?;
    let damaged = damaged(&arguments.image);
    let mut cache = Cache::new(1 << 20);
    let path = trimmed(&arguments.path);
    let found = image.find(&mut cache, path).map_err(&damaged)?.ok_or_else(|| missing(&arguments.path))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if found.kind != Kind::Directory {
        line(&mut out, &found, path, arguments.long)?;
    } else if arguments.recursive {
        let mut walk = Walk::new();
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        while let Some(entry) = walk.next(&image, &mut cache).map_err(&damaged)? {
            if entry.path.starts_with(&prefix) && !entry.path.is_empty() {
                line(&mut out, &entry, &entry.path, arguments.long)?;
            }
        }
    } else {
        let mut list = docteur::List::new(path);
        while let Some(entry) = list.next(&image, &mut cache).map_err(&damaged)? {
            let name = entry.path.rsplit(|b| *b == b'/').next().unwrap_or_default();
            line(&mut out, &entry, name, arguments.long)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn cat(path: &Path, file: &OsStr) -> Result<ExitCode> {
    let image = open(path)?;
    let damaged = damaged(path);
    let mut cache = Cache::new(0);
    let entry = image.find(&mut cache, trimmed(file)).map_err(&damaged)?.ok_or_else(|| missing(file))?;
    let content = match entry.kind {
        Kind::File(content) => content,
        Kind::Symlink(to) => bail!("{} is a symbolic link to {}, and no file", rooted(&entry.path), shown(&to)),
        Kind::Directory => bail!("{} is a folder, and no file", rooted(&entry.path)),
    };
    let mut out = io::stdout().lock();
    let mut offset = 0;
    while offset < content.size {
        let piece = image.piece_of(&mut cache, &content, offset, 1 << 20).map_err(&damaged)?;
        out.write_all(piece)?;
        offset += piece.len() as u64;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn extract(path: &Path, folder: &Path, trust: Trust) -> Result<ExitCode> {
    let image = open(path)?;
    let bar = bar("unpacking", image.superblock().bytes);
    let done = docteur_make::extract(&image, folder, trust, |bytes| bar.inc(bytes)).map_err(failed(path))?;
    bar.finish_and_clear();
    let mut out = io::stdout();
    writeln!(out, "{}: {} paths, {} bytes", folder.display(), done.entries, done.bytes)?;
    if done.left_out > 0 {
        let kept = if trust.attributes { "" } else { " (--trusted keeps them)" };
        writeln!(io::stderr(), "docteur: {} attributes and mode bits were left out{kept}", done.left_out)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn diff(first: &Path, second: &Path) -> Result<ExitCode> {
    let (a, b) = (open(first)?, open(second)?);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut written, mut different) = (Ok(()), false);
    docteur_make::diff(&a, &b, |change| {
        different = true;
        if written.is_ok() {
            written = match change {
                Change::Added(path) => writeln!(out, "+ {}", rooted(&path)),
                Change::Removed(path) => writeln!(out, "- {}", rooted(&path)),
                Change::Changed(path, what) => writeln!(out, "~ {} ({})", rooted(&path), what.join(", ")),
            };
        }
    })
    .map_err(|error| match error {
        Unread::First(error) => damaged(first)(error),
        Unread::Second(error) => damaged(second)(error),
    })?;
    written?;
    out.flush()?;
    Ok(ExitCode::from(u8::from(different)))
}

/// A path as people write it: slashes at its ends mean nothing.
fn trimmed(path: &OsStr) -> &[u8] {
    let mut path = path.as_bytes();
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    path
}

/// A path for people: the root's is a slash.
fn rooted(path: &[u8]) -> String {
    if path.is_empty() { "/".to_owned() } else { shown(path) }
}

fn missing(path: &OsStr) -> anyhow::Error {
    anyhow!("{} is not in the image", path.display())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names are escaped, so that none of them can move a terminal's cursor.
fn line(out: &mut impl Write, entry: &Entry, name: &[u8], long: bool) -> io::Result<()> {
    if long {
        let (kind, size) = match &entry.kind {
            Kind::Directory => ('d', 0),
            Kind::File(content) => ('-', content.size),
            Kind::Symlink(_) => ('l', 0),
        };
        write!(out, "{kind} {:04o} {size:>12} {:>11} ", entry.mode, entry.modified.seconds)?;
    }
    write!(out, "{}", shown(name))?;
    if let (true, Kind::Symlink(target)) = (long, &entry.kind) {
        write!(out, " -> {}", shown(target))?;
    }
    writeln!(out)
}
