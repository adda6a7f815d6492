//! What `pasteur put` sends: texts and files from the command line, checked before anything leaves the machine.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::args::PutArgs;
use crate::failure::Failure;
use crate::human;

/// Where bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    Text(String),
    Stdin,
    File(PathBuf),
    /// What a file held that has no length of its own.
    Bytes(PathBuf, Vec<u8>),
}

/// Files that say they are no longer than this are read to see whether they are: a page, which is what /sys says of all.
const SMALL: u64 = 4096;
/// The most that is read of a file whose length is wrong.
const MADE_UP: u64 = 16 << 20;

/// One file of a paste.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    /// Its length in bytes, where it has one before it is read.
    pub(crate) size: Option<u64>,
    pub(crate) source: Source,
}

/// All that a paste will hold.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) text: Option<Source>,
    pub(crate) files: Vec<Item>,
}

impl Sources {
    /// What the arguments name. Files are looked at, not opened: there may be more of them than can be open at once.
    pub(crate) fn of(args: &PutArgs) -> Result<Self, Failure> {
        // `-` is standard input, as it is wherever a command reads.
        let text = args.text.as_ref().filter(|text| *text != "-");
        let mut sources = Self { text: text.cloned().map(Source::Text), files: Vec::new() };
        let is_stdin = |path: &PathBuf| path == Path::new("-");
        let dashes = args.files.iter().filter(|path| is_stdin(path)).count()
            + usize::from(args.text.is_some() && text.is_none());
        let wants_stdin = dashes > 0 || args.name.is_some() || (args.files.is_empty() && args.text.is_none());
        if dashes > 1 {
            return Err(Failure::Usage("standard input (-) can be sent but once".into()));
        }
        if wants_stdin && args.password.takes_stdin() {
            return Err(Failure::Usage("standard input cannot be both the password and the paste".into()));
        }
        if wants_stdin {
            sources.add_stdin(args.name.clone())?;
        }
        for path in args.files.iter().filter(|path| !is_stdin(path)) {
            sources.files.push(item(path)?);
        }
        Ok(sources)
    }

    fn add_stdin(&mut self, name: Option<String>) -> Result<(), Failure> {
        match name {
            Some(name) => {
                let media_type = media_type(&name);
                self.files.push(Item { name, media_type, size: None, source: Source::Stdin });
            }
            None if self.text.is_some() => {
                return Err(Failure::Usage(
                    "a paste holds one text: --text, or standard input (or give it a --name)".into(),
                ));
            }
            None => self.text = Some(Source::Stdin),
        }
        if io::stdin().is_terminal() {
            eprintln!("Type or paste the text, then press Ctrl-D.");
        }
        Ok(())
    }

    /// What is sent, in words.
    pub(crate) fn summary(&self) -> String {
        let files = match &self.files[..] {
            [] => return "a text".into(),
            [one] => human::printable(&one.name, false),
            many => format!("{} files", many.len()),
        };
        if self.text.is_some() { format!("a text and {files}") } else { files }
    }
}

impl Source {
    /// Opens it.
    pub(crate) fn open(self) -> Result<Box<dyn Read + Send>, Failure> {
        Ok(match self {
            Self::Text(text) => Box::new(io::Cursor::new(text)),
            Self::Stdin => Box::new(io::stdin()),
            Self::Bytes(_, content) => Box::new(io::Cursor::new(content)),
            Self::File(path) => Box::new(File::open(&path).map_err(|e| Failure::local("cannot open", &path, e))?),
        })
    }

    /// Its name in messages.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::Text(_) => "the text".into(),
            Self::Stdin => "standard input".into(),
            Self::File(path) | Self::Bytes(path, _) => path.clone(),
        }
    }
}

fn item(path: &Path) -> Result<Item, Failure> {
    let about = path.metadata().map_err(|e| Failure::local("cannot open", path, e))?;
    if about.is_dir() {
        let why = "is a folder: send its files, or an archive of it (tar c FOLDER | pasteur put -n FOLDER.tar -)";
        return Err(Failure::local("cannot send", path, io::Error::new(io::ErrorKind::IsADirectory, why)));
    }
    // A file that cannot be read is told before the upload begins. A pipe is left alone: opening would wait.
    let mut source = Source::File(path.to_owned());
    let mut size = about.is_file().then_some(about.len());
    if about.is_file() {
        let file = File::open(path).map_err(|e| Failure::local("cannot open", path, e))?;
        // What a system makes up as it is read, as in /proc and /sys, has no length of its own, or a wrong one.
        if about.len() <= SMALL {
            let mut content = Vec::new();
            file.take(MADE_UP + 1).read_to_end(&mut content).map_err(|e| Failure::local("cannot read", path, e))?;
            if content.len() as u64 > MADE_UP {
                let why = format!("it says it has {} bytes and has more than {}", about.len(), human::size(MADE_UP));
                return Err(Failure::local("cannot send", path, io::Error::other(why)));
            }
            if content.len() as u64 != about.len() {
                size = Some(content.len() as u64);
                source = Source::Bytes(path.to_owned(), content);
            }
        }
    }
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned());
    Ok(Item { media_type: media_type(&name), name, size, source })
}

/// The media type that a name's ending stands for: what browsers show by themselves, and the commonest others.
pub(crate) fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "log" | "conf" | "cfg" | "ini" | "diff" | "patch" => "text/plain",
        "md" | "markdown" => "text/markdown",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "tar" => "application/x-tar",
        "zst" => "application/zstd",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_ending() {
        for (name, expected) in [
            ("a.PNG", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("README", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), expected);
        }
    }

    #[test]
    fn folders_and_missing_files_are_told_first() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("missing")] {
            assert_eq!(item(&path).unwrap_err().code(), crate::failure::code::LOCAL);
        }
    }
}
