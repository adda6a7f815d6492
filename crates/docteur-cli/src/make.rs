//! `docteur make`.

use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use docteur_make::{Folder, Git, GitOptions, NodeKind, Options, Profile, Stage, Times, Tree};

use super::scratch::Scratch;
use super::{bar, hex, look};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A folder, or a Git repository, of which a commit is packed: its folder, a URL (https, http, git, ssh, file) or user@host:path
    source: PathBuf,
    /// The image; it is replaced once the new one is whole
    image: PathBuf,
    /// A branch, tag or commit of a repository, of one elsewhere by its whole id [default: HEAD]
    #[arg(short = 'b', long, value_name = "REVISION", conflicts_with = "folder")]
    revision: Option<String>,
    /// Pack a repository's folder as it is, with its work tree and .git
    #[arg(long, conflicts_with_all = ["fetch_bytes", "fetch_seconds"])]
    folder: bool,
    /// Include what a repository's submodules hold, and not only which commits they are at
    #[arg(long, conflicts_with = "folder")]
    submodules: bool,
    /// The most bytes to fetch from a repository elsewhere [default: 4294967296]
    #[arg(long, value_name = "N")]
    fetch_bytes: Option<u64>,
    /// The most seconds that fetching may take [default: 3600]
    #[arg(long, value_name = "N")]
    fetch_seconds: Option<u64>,
    /// The most paths, of each of which some 140 bytes and its name are held in memory
    #[arg(long, value_name = "N", default_value_t = 3_000_000)]
    most_paths: u64,
    /// What the image is for
    #[arg(long, value_enum, default_value = "default")]
    profile: Named,
    /// zstd's level
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// The most threads, as far as --memory allows; they make no difference to the image [default: one a processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// About the most memory, in MiB: as many threads compress as fit, and one in any case
    #[arg(long, value_name = "MIB", default_value_t = Options::default().memory >> 20, value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    memory: u64,
    /// Bytes of the longest segment [default: the profile's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(4096..=67_108_864))]
    segment: Option<u32>,
    /// The most bytes of the base [default: the profile's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=67_108_864))]
    base: Option<u32>,
    /// Take over what this older image has of it already: a new version is made without compressing again what did not change. Contents that
    /// were deleted since may stay in the new image's file, where no path leads to them: do without where one was a secret
    #[arg(long, value_name = "IMAGE", conflicts_with = "base")]
    append: Option<PathBuf>,
    /// Pack files in the order of their paths
    #[arg(long)]
    no_arrange: bool,
    /// A web site: media types, ready-made encodings, one time (1970, or what --not-after says) and plain modes for all
    #[arg(long)]
    web: bool,
    /// No time is later than this, in seconds since 1970 [default: what SOURCE_DATE_EPOCH says in the environment]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    not_after: Option<i64>,
    /// This time for all, in seconds since 1970
    #[arg(long, value_name = "SECONDS", conflicts_with = "web", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Leave extended attributes out
    #[arg(long)]
    no_xattrs: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    /// Segments of up to 512 KiB, a base of 1 MiB
    FastRead,
    /// Segments of up to 2 MiB, a base of 8 MiB
    Default,
    /// Segments of 8 MiB for all files, a base of 8 MiB
    Max,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut options = options(arguments)?;
    let place = place(&arguments.image)?;
    let scratch = Scratch::new()?;
    let is_git = !arguments.folder && (arguments.revision.is_some() || Git::is_repository(&arguments.source));
    let taken = GitOptions {
        submodules: arguments.submodules,
        fetched: arguments.fetch_bytes.unwrap_or(GitOptions::default().fetched),
        time: arguments.fetch_seconds.map_or(GitOptions::default().time, Duration::from_secs),
        paths: arguments.most_paths,
    };
    let remote =
        arguments.source.to_str().filter(|_| !arguments.folder && Git::is_remote(arguments.source.as_os_str()));
    if remote.is_none() {
        only_what_counts(arguments)?;
    }
    let tree: Box<dyn Tree> = if let Some(url) = remote {
        let fetching = indicatif::ProgressBar::new_spinner().with_message("fetching");
        fetching.enable_steady_tick(Duration::from_millis(200));
        let tree = Git::fetch(url, arguments.revision.as_deref(), &taken, &scratch.folder()?)?;
        fetching.finish_and_clear();
        options.metadata = tree.metadata().clone();
        Box::new(tree)
    } else if is_git {
        let revision = arguments.revision.as_deref().unwrap_or("HEAD");
        let tree = Git::open(&arguments.source, revision, &taken).map_err(|error| match &arguments.revision {
            // Nobody said that it is to be a repository.
            None => {
                anyhow::anyhow!("{error}; with --folder it is packed as a folder, .git with all that it has included")
            }
            Some(_) => error.into(),
        })?;
        options.metadata = tree.metadata().clone();
        Box::new(tree)
    } else {
        outside(&place, &arguments.source)?;
        Box::new(Folder::scan_up_to(&arguments.source, options.attributes, arguments.most_paths)?)
    };
    let size = |number| if let NodeKind::File { size, .. } = tree.node(number).kind { size } else { 0 };
    let total = (0..tree.count()).map(size).sum::<u64>();

    let (file, part) = scratch.beside(&place)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let survey = bar("reading", total);
    let (mut base, mut compress) = (indicatif::ProgressBar::hidden(), indicatif::ProgressBar::hidden());
    let mut fitting = None;
    let progress = |stage| match stage {
        Stage::Survey(bytes) => survey.inc(bytes),
        Stage::Arrange(unique) => {
            survey.finish_and_clear();
            base = bar("choosing", unique);
            compress = bar("compressing", unique);
        }
        Stage::Base(bytes) => base.inc(bytes),
        Stage::Fitting(threads) => fitting = Some(threads),
        Stage::Compress(bytes) => {
            base.finish_and_clear();
            compress.inc(bytes);
        }
        _ => {}
    };
    let made = match &arguments.append {
        Some(old) => docteur_make::append(&*tree, &look::open(old)?, &options, &mut out, &arguments.image, progress)
            .map_err(look::failed(old))?,
        None => docteur_make::make(&*tree, &options, &mut out, &arguments.image, progress)?,
    };
    compress.finish_and_clear();
    if let Some(threads) = fitting {
        let memory = arguments.memory;
        writeln!(std::io::stderr(), "docteur: {threads} of the threads compressed, as {memory} MiB allow (--memory)")?;
    }
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all().with_context(|| part.display().to_string())?;
    scratch.put(&part, &place)?;
    let superblock = made.superblock;
    let line = format!(
        "{}: {} bytes of {} in {} paths, root {}",
        arguments.image.display(),
        superblock.image_len(),
        superblock.bytes,
        superblock.entries,
        hex(&made.root)
    );
    writeln!(std::io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &Arguments) -> Result<Options> {
    let profile = match arguments.profile {
        Named::FastRead => Profile::FastRead,
        Named::Default => Profile::Default,
        Named::Max => Profile::Max,
    };
    let mut options = Options { level: arguments.level, ..Options::profile(profile) };
    if arguments.web {
        let Options { segment, base, classes, level, .. } = options;
        options = Options { segment, base, classes, level, ..Options::site() };
    }
    if let Some(threads) = arguments.threads {
        options.threads = threads.into();
    }
    options.memory = arguments.memory << 20;
    options.segment = arguments.segment.unwrap_or(options.segment);
    options.base = arguments.base.unwrap_or(options.base);
    options.arrange = !arguments.no_arrange;
    options.attributes &= !arguments.no_xattrs;
    match (arguments.time, arguments.not_after.map_or_else(epoch, |time| Ok(Some(time)))?) {
        (Some(time), _) => options.times = Times::All(time),
        (None, Some(time)) if arguments.web => options.times = Times::All(time),
        (None, Some(time)) => options.times = Times::NotAfter(time),
        _ => {}
    }
    Ok(options)
}

/// Refuses options that say nothing of what is packed: whoever gives one means something else to be packed.
fn only_what_counts(arguments: &Arguments) -> Result<()> {
    let source = arguments.source.display();
    let given = [("--fetch-bytes", arguments.fetch_bytes), ("--fetch-seconds", arguments.fetch_seconds)];
    let fetch = given.iter().find(|(_, value)| value.is_some()).map(|(name, _)| *name);
    let is_folder = !arguments.folder && arguments.source.is_dir() && !Git::is_repository(&arguments.source);
    let of_git = fetch
        .or_else(|| arguments.revision.is_some().then_some("--revision"))
        .or_else(|| arguments.submodules.then_some("--submodules"));
    match (of_git, fetch) {
        (Some(option), _) if is_folder => bail!("{source} is a folder and no Git repository: {option} is for these"),
        (_, Some(option)) => {
            bail!("{source} is on this machine, and nothing of it is fetched: {option} is for repositories elsewhere")
        }
        _ => Ok(()),
    }
}

/// What the environment says of the time (reproducible-builds.org's specification); nothing if it is empty.
fn epoch() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    Ok(Some(seconds.with_context(|| format!("SOURCE_DATE_EPOCH is {}, no number of seconds", text.display()))?))
}

/// Where the image goes: a symbolic link leads to its file, and nothing but a file is replaced. This is known before the work begins.
fn place(image: &Path) -> Result<PathBuf> {
    let told = || image.display().to_string();
    match fs::symlink_metadata(image) {
        Ok(_) => {
            let place = fs::canonicalize(image).with_context(told)?;
            if !fs::metadata(&place).with_context(told)?.is_file() {
                bail!("{} is there, and no file: an image replaces a file alone", image.display());
            }
            Ok(place)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = image.file_name().with_context(|| format!("{} is no name of a file", image.display()))?;
            Ok(fs::canonicalize(folder).with_context(|| format!("{}: its folder", image.display()))?.join(name))
        }
        Err(error) => Err(error).with_context(told),
    }
}

/// An image inside of its own source would be in the next one.
fn outside(place: &Path, source: &Path) -> Result<()> {
    if fs::canonicalize(source).is_ok_and(|source| place.starts_with(source)) {
        bail!("{} is inside of {}, so the next image would hold this one", place.display(), source.display());
    }
    Ok(())
}
