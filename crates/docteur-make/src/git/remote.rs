//! A commit of a repository elsewhere. It alone is fetched, without its history, into a folder that goes when the tree does.

use std::error::Error as Cause;
use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::bstr::ByteSlice;
use gix::clone::PrepareFetch;
use gix::remote::fetch::Shallow;
use gix::url::Scheme;

use super::Git;
use crate::Error;

impl Git {
    /// Whether `source` names a repository by a URL, or as `user@host:path` if there is no file of that name.
    #[must_use]
    pub fn is_remote(source: &OsStr) -> bool {
        source.to_str().and_then(parse).is_some() && !Path::new(source).exists()
    }

    /// Fetches a commit from the repository at a URL (`https`, `http`, `git`, `ssh`) or at `user@host:path`, and nothing else of it: a
    /// branch, a tag, a whole id, or what its `HEAD` is. The user's Git configuration says what it does elsewhere: proxies, credential
    /// helpers, the command for `ssh`. A `file` URL is opened as [`Git::open`] does. It blocks until all is there, and takes as much room in
    /// the folder for temporary files as the other end sends.
    ///
    /// # Errors
    /// [`Error::Git`] if it cannot be reached, or has no such revision; else as [`Git::open`]. No error names a password.
    pub fn fetch(source: &str, revision: Option<&str>, most_paths: u64) -> Result<Self, Error> {
        let url = parse(source).ok_or_else(|| Error::Git(source.into(), "this is no URL".into()))?;
        if url.scheme == Scheme::File {
            let path = PathBuf::from(url.path.to_os_str_lossy().into_owned());
            return Self::open(&path, revision.unwrap_or("HEAD"), most_paths);
        }
        let place = shown(&url);
        let failed = |error: &(dyn Cause + 'static)| {
            let told = without_secret(&url, &causes(error));
            Error::Git(place.clone(), format!("{}: {told}", revision.unwrap_or("HEAD")))
        };
        // The transport asks for the process's default; where there is one already, it is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("docteur-").tempdir().map_err(|error| failed(&error))?;
        let repository = folder.path().join("repository");
        fetch(url.clone(), revision, &repository).map_err(|error| failed(&*error))?;
        let opened = Self::open(&repository, "HEAD", most_paths).map_err(|error| match error {
            Error::Git(_, told) => Error::Git(place, told),
            other => other,
        })?;
        Ok(Self { _folder: Some(folder), ..opened })
    }
}

fn fetch(url: gix::Url, revision: Option<&str>, folder: &Path) -> Result<(), Box<dyn Cause>> {
    let (create, open) = (gix::create::Options::default(), gix::open::Options::default());
    let fetch = PrepareFetch::new(url, folder, gix::create::Kind::Bare, create, open)?;
    let fetch = fetch.with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN));
    let revision = revision.unwrap_or("HEAD");
    let is_whole =
        revision == "HEAD" || revision.starts_with("refs/") || gix::ObjectId::from_hex(revision.as_bytes()).is_ok();
    let mut fetch =
        if is_whole { fetch.with_revision(Some(revision))? } else { fetch.with_ref_name(Some(revision))? };
    fetch.fetch_only(gix::progress::Discard, &AtomicBool::new(false))?;
    Ok(())
}

/// A URL, or `host:path`; nothing that can only be a path.
fn parse(source: &str) -> Option<gix::Url> {
    let is_url = source.contains("://");
    let is_host = source.split('/').next().is_some_and(|first| first.contains(':'));
    let url = gix::url::parse(source).ok().filter(|_| is_url || is_host)?;
    (is_url || url.scheme == Scheme::Ssh).then_some(url)
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
    fn an_error_names_no_password_and_no_token() {
        for url in ["https://secret:word@127.0.0.1:1/a", "https://secret@127.0.0.1:1/a"] {
            let told = Git::fetch(url, None, 1).unwrap_err().to_string();
            assert!(
                told.contains("https://127.0.0.1:1/a") && !told.contains("secret") && !told.contains("word"),
                "{told}"
            );
        }
    }
}
