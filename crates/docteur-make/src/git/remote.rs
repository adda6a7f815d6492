//! A commit of a repository elsewhere. It alone is fetched, without its history, into a folder that goes when the tree does.

use std::collections::HashMap;
use std::error::Error as Cause;
use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use gix::bstr::ByteSlice;
use gix::clone::PrepareFetch;
use gix::remote::fetch::Shallow;
use gix::url::Scheme;
use gix::{ObjectId, ThreadSafeRepository};

use super::bounded::{Bounded, Left};
use super::objects::Receiving;
use super::submodules::absolute;
use super::walk::{Asked, Origin};
use super::{Git, GitOptions};
use crate::Error;

/// Objects beside the paths that a commit has: itself, and tags of it.
const OTHERS: u64 = 1_000;
/// The most bytes of one object, if no more may be fetched in all: a few bytes can stand for very many.
const LONGEST: u64 = 1 << 30;
/// What is told of a tree, a blob, and a tag of one.
const NO_COMMIT: &str = "it is no commit and no tag of one, and nothing else is fetched from elsewhere; of a local repository, a tree can be packed";
/// How long a fetch that is over may take to notice it, before it is left to itself.
const NOTICE: Duration = Duration::from_secs(2);

impl Git {
    /// Whether `source` names a repository by a URL, or as `user@host:path` if there is no file of that name.
    #[must_use]
    pub fn is_remote(source: &OsStr) -> bool {
        source.to_str().and_then(parse).is_some() && !Path::new(source).exists()
    }

    /// Fetches a commit from the repository at a URL (`https`, `http`, `git`, `ssh`) or at `user@host:path`, and nothing else of it: a
    /// branch, a tag, a whole id, or what its `HEAD` is. The user's Git configuration says what it does elsewhere: proxies, credential
    /// helpers, the command for `ssh`. A `file` URL is opened as [`Git::open`] does. It blocks until all is there, and takes as much room as
    /// the other end sends, in a folder that it makes in `temporary` and that goes with the tree. Submodules, if they are wanted, are fetched
    /// in the same way, from where `.gitmodules` say that they are; these may not name a place on this machine.
    ///
    /// Where the other end is silent when its time is over, the thread that waits for it is left behind until it says something.
    ///
    /// # Errors
    /// [`Error::Git`] if it cannot be reached, or has no such revision; [`Error::Fetched`] if that takes more than `taken` says; else as
    /// [`Git::open`]. No error names a password.
    pub fn fetch(source: &str, revision: Option<&str>, taken: &GitOptions, temporary: &Path) -> Result<Self, Error> {
        let url = parse(source).ok_or_else(|| Error::Git(source.into(), "this is no URL".into()))?;
        if url.scheme == Scheme::File {
            let path = PathBuf::from(std::ffi::OsString::from_vec(decoded(&url.path)));
            return Self::open(&path, revision.unwrap_or("HEAD"), taken);
        }
        let place = shown(&url);
        // The transport asks for the process's default; where there is one already, it is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("docteur-").tempdir_in(temporary);
        let folder = folder.map_err(|error| Error::Git(place.clone(), error.to_string()))?;
        let mut fetcher = Fetcher::new(folder.path(), taken);
        let repository = fetcher.fetch(&url, revision)?;
        let origin = Origin::Url(url);
        let mut submodule = |asked: &Asked<'_>| fetcher.submodule(asked);
        let opened = Self::of(place, repository, origin, "HEAD", taken, &mut submodule)?;
        Ok(Self { _folder: Some(folder), ..opened })
    }
}

/// Fetches commits into a folder, within one bound for all of them.
struct Fetcher<'a> {
    folder: &'a Path,
    taken: &'a GitOptions,
    left: Left,
    until: Option<Instant>,
    /// Where what was fetched already is, by URL and revision.
    known: HashMap<(String, Option<String>), PathBuf>,
}

impl<'a> Fetcher<'a> {
    fn new(folder: &'a Path, taken: &'a GitOptions) -> Self {
        let until = Instant::now().checked_add(taken.time);
        Self { folder, taken, left: Left::new(taken.fetched), until, known: HashMap::new() }
    }

    fn submodule(&mut self, asked: &Asked<'_>) -> Result<(ThreadSafeRepository, Origin), Error> {
        let module = asked.module;
        let failed = |told: &str| Error::Git(module.name.escape_ascii().to_string().into(), told.into());
        let Origin::Url(from) = asked.origin else { return Err(failed("its repository is not elsewhere")) };
        let named = module.url.as_deref().ok_or_else(|| failed(".gitmodules have no URL of it"))?;
        let named = absolute(&from.to_bstring(), named).ok_or_else(|| failed("its URL leads above its host"))?;
        let url = std::str::from_utf8(&named).ok().and_then(parse).filter(|url| url.scheme != Scheme::File);
        let url = url.ok_or_else(|| failed("its URL is none of another place"))?;
        let repository = self.fetch(&url, Some(&asked.id.to_string()))?;
        Ok((repository, Origin::Url(url)))
    }

    fn fetch(&mut self, url: &gix::Url, revision: Option<&str>) -> Result<ThreadSafeRepository, Error> {
        let place = shown(url);
        let failed = |told: &str| {
            Error::Git(place.clone(), format!("{}: {}", revision.unwrap_or("HEAD"), without_secret(url, told)))
        };
        let over = |what, limit| Error::Fetched { place: place.clone(), limit, what };
        let key = (url.to_bstring().to_string(), revision.map(str::to_owned));
        let (number, known) = (self.known.len(), self.known.get(&key).cloned());
        let path = known.unwrap_or_else(|| self.folder.join(number.to_string()));
        if self.known.insert(key, path.clone()).is_none() {
            let (send, receive) = mpsc::channel();
            let stop = Arc::new(AtomicBool::new(false));
            let job = Job {
                url: url.clone(),
                revision: revision.map(str::to_owned),
                folder: path.clone(),
                left: self.left.clone(),
                receiving: Receiving {
                    folder: path.join("objects/pack"),
                    hash: gix::hash::Kind::Sha1,
                    objects: self.taken.paths.saturating_add(OTHERS),
                    longest: self.taken.fetched.max(LONGEST),
                    stop: Arc::clone(&stop),
                },
            };
            // Who waits for a silent end cannot be told to stop; so that is done in a thread.
            let start = thread::Builder::new().name("fetch".into()).spawn(move || send.send(job.run()));
            start.map_err(|error| failed(&error.to_string()))?;
            let done = match self.until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(time) => receive.recv_timeout(time),
                None => receive.recv().map_err(RecvTimeoutError::from),
            };
            match done {
                _ if self.left.is_over() => return Err(over("bytes", self.taken.fetched)),
                Ok(done) => done.map_err(|told| {
                    let is_other = told.contains("trying to peel to commit");
                    failed(if is_other { NO_COMMIT } else { &told })
                })?,
                Err(RecvTimeoutError::Disconnected) => return Err(failed("it ended without a word")),
                Err(RecvTimeoutError::Timeout) => {
                    stop.store(true, Ordering::Relaxed);
                    // So that it does not write into the folder any more when that is removed.
                    let _ = receive.recv_timeout(NOTICE);
                    return Err(over("seconds", self.taken.time.as_secs()));
                }
            }
        }
        ThreadSafeRepository::open_opts(&path, super::options()).map_err(|error| failed(&error.to_string()))
    }
}

/// One fetch.
struct Job {
    url: gix::Url,
    revision: Option<String>,
    folder: PathBuf,
    left: Left,
    receiving: Receiving,
}

impl Job {
    fn run(self) -> Result<(), String> {
        let stop = Arc::clone(&self.receiving.stop);
        self.fetch(&stop).map_err(|error| causes(&*error))
    }

    fn fetch(self, stop: &AtomicBool) -> Result<(), Box<dyn Cause>> {
        let (create, open) = (gix::create::Options::default(), gix::open::Options::default());
        let fetch = PrepareFetch::new(self.url, self.folder, gix::create::Kind::Bare, create, open)?;
        let fetch = fetch.with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN));
        let fetch = fetch.with_in_memory_config_overrides([super::ALLOCATED]);
        let fetch = fetch.configure_connection(move |connection| {
            Bounded::enclose(connection.transport_mut(), &self.left, &self.receiving);
            Ok(())
        });
        let revision = self.revision.as_deref().unwrap_or("HEAD");
        let is_whole =
            revision == "HEAD" || revision.starts_with("refs/") || ObjectId::from_hex(revision.as_bytes()).is_ok();
        let mut fetch =
            if is_whole { fetch.with_revision(Some(revision))? } else { fetch.with_ref_name(Some(revision))? };
        fetch.fetch_only(gix::progress::Discard, stop)?;
        Ok(())
    }
}
/// A URL, or `host:path`; nothing that can only be a path.
fn parse(source: &str) -> Option<gix::Url> {
    let is_url = source.contains("://");
    let is_host = source.split('/').next().is_some_and(|first| first.contains(':'));
    let url = gix::url::parse(source).ok().filter(|_| is_url || is_host)?;
    (is_url || url.scheme == Scheme::Ssh).then_some(url)
}

/// A path without the escapes of URLs (RFC 3986, section 2.1); what is none stays as it is.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.first_chunk::<2>().filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

/// A URL as errors have it: its user may be a token.
fn shown(url: &gix::Url) -> PathBuf {
    let mut shown = url.clone();
    shown.password = None;
    if shown.scheme != Scheme::Ssh {
        shown.user = None;
    }
    shown.to_bstring().to_os_str_lossy().into_owned().into()
}

/// What is told, without what a URL says of its user.
fn without_secret(url: &gix::Url, told: &str) -> String {
    let user = url.user.as_deref().filter(|_| url.scheme != Scheme::Ssh);
    let mut told = told.to_owned();
    for secret in [url.password.as_deref(), user].into_iter().flatten().filter(|secret| !secret.is_empty()) {
        told = told.replace(secret, "***");
    }
    told
}

/// An error and what caused it.
fn causes(error: &(dyn Cause + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        next = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for remote in
            ["https://host/a.git", "git://host/a", "ssh://user@host:22/a", "user@host:a/b", "host:a", "file:///a/b"]
        {
            assert!(Git::is_remote(OsStr::new(remote)), "{remote}");
        }
        for path in ["", "a", "/a/b:c", "./a:b", "../x", "/"] {
            assert!(!Git::is_remote(OsStr::new(path)), "{path}");
        }
    }

    #[test]
    fn escapes_of_a_path_are_bytes() {
        for (path, bytes) in
            [(&b"/a%20b%2F%ff"[..], &b"/a b/\xff"[..]), (b"%", b"%"), (b"%2", b"%2"), (b"%+1%4g%%41", b"%+1%4g%A")]
        {
            assert_eq!(decoded(path), bytes);
        }
    }

    #[test]
    fn an_error_names_no_password_and_no_token() {
        for url in ["https://secret:word@127.0.0.1:1/a", "https://secret@127.0.0.1:1/a"] {
            let told = Git::fetch(url, None, &GitOptions::default(), &std::env::temp_dir()).unwrap_err().to_string();
            assert!(
                told.contains("https://127.0.0.1:1/a") && !told.contains("secret") && !told.contains("word"),
                "{told}"
            );
        }
    }
}
