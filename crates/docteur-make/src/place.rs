//! Where a path of an image is on the disk, however long that is.
//!
//! The system takes paths of at most 4095 bytes, and a path of an image that is nearly as long may be below a folder with a long path of
//! its own. Such a place is told by an open folder on the way, which Linux shows in `/proc/self/fd`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// The longest path that the system takes, without the zero at its end.
const LONGEST: usize = 4095;
/// How much of a long path the folder that is opened may have: less than the system takes, and of a path of an image all but a few names.
const OPENED: usize = 3800;

/// A path below a folder; `AsRef` is what the system takes for it, as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    taken: PathBuf,
    /// What it is really called, if that is not the same.
    told: Option<PathBuf>,
    _opened: Option<OwnedFd>,
}

impl Place {
    /// The place of `path`, which has names joined by `/`, below `folder`.
    pub(crate) fn new(folder: &Path, path: &[u8]) -> io::Result<Self> {
        let whole = whole(folder, path);
        if whole.as_os_str().len() <= LONGEST {
            return Ok(Self { taken: whole, told: None, _opened: None });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut opened = openat(CWD, folder, flags, Mode::empty())?;
        let mut rest = path;
        if let Some(cut) = path.get(..OPENED).and_then(|first| first.iter().rposition(|b| *b == b'/')) {
            let (first, last) = path.split_at(cut);
            opened = openat(&opened, OsStr::from_bytes(first), flags | OFlags::NOFOLLOW, Mode::empty())?;
            rest = last.get(1..).unwrap_or_default();
        }
        let taken = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(OsStr::from_bytes(rest));
        Ok(Self { taken, told: Some(whole), _opened: Some(opened) })
    }

    /// As people know it.
    pub(crate) fn told(&self) -> &Path {
        self.told.as_deref().unwrap_or(&self.taken)
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.taken
    }
}

/// As people know it.
pub(crate) fn whole(folder: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { folder.to_path_buf() } else { folder.join(OsStr::from_bytes(path)) }
}
