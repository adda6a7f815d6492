//! How an image is built.

/// What an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Segments of up to 512 KiB and a base of 1 MiB: quick to read with little memory, and larger.
    FastRead,
    /// Segments of up to 2 MiB and a base of 8 MiB.
    #[default]
    Default,
    /// Segments of 8 MiB for all files, and a base of 8 MiB: the smallest, and some milliseconds for a file.
    Max,
}

/// Which times are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Each path's own.
    #[default]
    Own,
    /// Each path's own, but none after this many seconds since 1970: what `SOURCE_DATE_EPOCH` asks for.
    NotAfter(i64),
    /// This for all, in seconds since 1970.
    All(i64),
}

/// When short files get short segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classes {
    /// Not at all: the smallest.
    Never,
    /// Where the base has three quarters of the text that is in them, so that they cost little.
    #[default]
    Covered,
    /// In any case: the quickest.
    Always,
}

/// How an image is built. The same tree and options give the same bytes; `threads` and `memory` make no difference to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// zstd's level, 1 to 22. Where there is a base, 20 and 21 are as 22, which takes some three times as long as 19, and half a gigabyte.
    pub level: i32,
    /// Bytes of the longest segment, 4 KiB to 64 MiB.
    pub segment: u32,
    /// Whether short files are put into shorter segments, which are quicker to read: where there is a base and files are arranged, those of
    /// at most an eighth of the longest segment into segments of 5/16, and those of at most a 128th into segments of a sixteenth, yet not
    /// below 64 KiB.
    pub classes: Classes,
    /// The most bytes of the base, at most 64 MiB; 0 for none. Little input gets none in any case.
    pub base: u32,
    /// Whether similar files are put beside each other; else files stand in the order of their paths.
    pub arrange: bool,
    /// The most threads.
    pub threads: usize,
    /// About how many bytes of memory building may take. As many of the threads work as fit, and one in any case. It makes no difference
    /// to the image.
    pub memory: u64,
    /// Which times are recorded.
    pub times: Times,
    /// Whether modes are kept; else a folder is `0755`, a file `0644`, or `0755` where its owner may run it.
    pub modes: bool,
    /// Whether extended attributes are kept.
    pub attributes: bool,
    /// Whether files get media types by their names, and brotli, zstd and gzip encodings where these are smaller.
    pub web: bool,
    /// Keys and values about the image.
    pub metadata: docteur::Metadata,
}

impl Options {
    /// What a profile stands for, with zstd's level 19, as many threads as there are processors, and 512 MiB of memory.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let (segment, base, classes) = match profile {
            Profile::FastRead => (512 << 10, 1 << 20, Classes::Always),
            Profile::Default => (2 << 20, 8 << 20, Classes::Covered),
            Profile::Max => (8 << 20, 8 << 20, Classes::Never),
        };
        Self {
            level: 19,
            segment,
            base,
            classes,
            arrange: true,
            threads: std::thread::available_parallelism().map_or(1, Into::into),
            memory: 512 << 20,
            times: Times::Own,
            modes: true,
            attributes: true,
            web: false,
            metadata: docteur::Metadata::default(),
        }
    }

    /// A web site: media types and encodings, and nothing that depends on the machine it was built on.
    #[must_use]
    pub fn site() -> Self {
        let times = Times::All(0);
        Self { times, modes: false, attributes: false, web: true, ..Self::profile(Profile::Default) }
    }

    pub(crate) fn checked(&self) -> Self {
        Self {
            level: self.level.clamp(1, 22),
            segment: self.segment.clamp(4 << 10, docteur::layout::MAX_SEGMENT),
            base: self.base.min(docteur::layout::MAX_BASE),
            threads: self.threads.clamp(1, 256),
            ..self.clone()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::profile(Profile::Default)
    }
}
