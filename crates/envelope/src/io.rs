//! Blocking adaptors for [`Read`] and [`Write`], over the AEAD of [`crate::native`].
//!
//! Memory: two segments, whatever the length. No byte of plaintext comes out before its segment was authenticated; that
//! nothing is missing is known at the end alone ([`OpenReader`] at its end of file, [`OpenWriter::finish`]), so what was
//! written before an error has to be thrown away.

use std::io::{self, Read, Write};

use crate::keys::ContentKey;
use crate::native::Aes256Gcm;
use crate::stream::{OpenError, Opener, Sealer, Segment, StreamHeader};

/// Bytes asked of a reader at once.
const CHUNK: usize = 64 * 1024;

/// Bytes on their way out.
#[derive(Default)]
struct Ready {
    bytes: Vec<u8>,
    at: usize,
}

impl Ready {
    fn give(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.bytes.len() - self.at);
        out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        n
    }

    fn replace(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.at = 0;
        std::mem::replace(&mut self.bytes, bytes)
    }
}

/// Reads a chunk, passing over interruptions.
fn read_some(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(chunk) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads plaintext from a reader, and is read as the sealed stream.
pub struct SealReader<R> {
    from: R,
    sealer: Sealer,
    aead: Aes256Gcm,
    chunk: Vec<u8>,
    /// What of `chunk` is not pushed yet.
    pending: std::ops::Range<usize>,
    ready: Ready,
    ended: bool,
}

impl<R: Read> SealReader<R> {
    /// Seals what `from` gives; salt and nonce prefix as [`Sealer::new`] wants them.
    pub fn new(
        from: R,
        content_key: &ContentKey,
        associated_data: &[u8],
        salt: [u8; 32],
        nonce_prefix: [u8; 7],
    ) -> Self {
        let sealer = Sealer::new(content_key, associated_data, salt, nonce_prefix);
        let aead = Aes256Gcm::new(sealer.segment_key());
        let ready = Ready { bytes: sealer.header().to_bytes().to_vec(), at: 0 };
        Self { from, sealer, aead, chunk: vec![0; CHUNK], pending: 0..0, ready, ended: false }
    }

    /// The reader of plaintext.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn next_segment(&mut self) -> io::Result<Segment> {
        loop {
            let mut input = &self.chunk[self.pending.clone()];
            let segment = self.sealer.push(&mut input).map_err(io::Error::other)?;
            self.pending.start = self.pending.end - input.len();
            if let Some(segment) = segment {
                return Ok(segment);
            }
            let n = read_some(&mut self.from, &mut self.chunk)?;
            self.pending = 0..n;
            if n == 0 {
                self.ended = true;
                return self.sealer.finish().map_err(io::Error::other);
            }
        }
    }
}

impl<R: Read> Read for SealReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.ready.give(out);
            if n > 0 || out.is_empty() || self.ended {
                return Ok(n);
            }
            let segment = self.next_segment()?;
            let sealed = self.aead.seal(segment).map_err(io::Error::other)?;
            let used = self.ready.replace(sealed);
            self.sealer.recycle(used);
        }
    }
}

/// What both directions of opening share.
struct Unsealer {
    opener: Opener,
    aead: Option<Aes256Gcm>,
}

impl Unsealer {
    fn new(content_key: &ContentKey, associated_data: &[u8]) -> Self {
        Self { opener: Opener::new(content_key, associated_data), aead: None }
    }

    fn push(&mut self, input: &mut &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self.opener.push(input).map_err(invalid)? {
            Some(segment) => self.open(segment).map(Some),
            None => Ok(None),
        }
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        let last = self.opener.finish().map_err(invalid)?;
        let plain = self.open(last)?;
        self.opener.close().map_err(invalid)?;
        Ok(plain)
    }

    fn open(&mut self, segment: Segment) -> io::Result<Vec<u8>> {
        let aead = match (&mut self.aead, self.opener.segment_key()) {
            (Some(aead), _) => aead,
            (none, Some(key)) => none.insert(Aes256Gcm::new(key)),
            (None, None) => return Err(invalid(OpenError::Unfinished)),
        };
        let index = segment.index;
        self.opener.accept(index, aead.open(segment)).map_err(invalid)
    }
}

/// The error as `io` has it: [`io::ErrorKind::UnexpectedEof`] for a cut stream, else
/// [`io::ErrorKind::InvalidData`]; its inner error is the [`OpenError`].
fn invalid(error: OpenError) -> io::Error {
    let kind = match error {
        OpenError::Truncated(_) => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}

/// Reads a sealed stream from a reader, and is read as its plaintext.
///
/// Its end of file (`Ok(0)`) says that the whole stream was there and unaltered. An error sticks.
pub struct OpenReader<R> {
    from: R,
    unsealer: Unsealer,
    chunk: Vec<u8>,
    pending: std::ops::Range<usize>,
    ready: Ready,
    ended: bool,
}

impl<R: Read> OpenReader<R> {
    /// Opens what `from` gives.
    pub fn new(from: R, content_key: &ContentKey, associated_data: &[u8]) -> Self {
        Self {
            from,
            unsealer: Unsealer::new(content_key, associated_data),
            chunk: vec![0; CHUNK],
            pending: 0..0,
            ready: Ready::default(),
            ended: false,
        }
    }

    /// The stream's header, once its first segment has been read.
    pub fn header(&self) -> Option<&StreamHeader> {
        self.unsealer.opener.header()
    }

    /// The reader of ciphertext.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn next_plain(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut input = &self.chunk[self.pending.clone()];
            let plain = self.unsealer.push(&mut input)?;
            self.pending.start = self.pending.end - input.len();
            if let Some(plain) = plain {
                return Ok(plain);
            }
            let n = read_some(&mut self.from, &mut self.chunk)?;
            self.pending = 0..n;
            if n == 0 {
                let plain = self.unsealer.finish()?;
                self.ended = true;
                return Ok(plain);
            }
        }
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.ready.give(out);
            if n > 0 || out.is_empty() || self.ended {
                return Ok(n);
            }
            let plain = self.next_plain()?;
            let used = self.ready.replace(plain);
            self.unsealer.opener.recycle(used);
        }
    }
}

/// Is written a sealed stream, and writes its plaintext to a writer.
///
/// Dropping it without [`OpenWriter::finish`] leaves the last segment unwritten, and says nothing of the stream.
pub struct OpenWriter<W> {
    to: W,
    unsealer: Unsealer,
    /// The writer behind failed, so that an unknown part of what it was given is missing there.
    broken: bool,
}

impl<W: Write> OpenWriter<W> {
    /// Opens what is written to it, into `to`.
    pub fn new(to: W, content_key: &ContentKey, associated_data: &[u8]) -> Self {
        Self { to, unsealer: Unsealer::new(content_key, associated_data), broken: false }
    }

    /// Ends the stream: writes its last segment, flushes, and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer, and an [`OpenError`] inside an [`io::Error`] where the stream is not whole.
    pub fn finish(mut self) -> io::Result<W> {
        let plain = self.unsealer.finish()?;
        self.pass_on(&plain)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn pass_on(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("a write failed before: what is written has a gap"));
        }
        self.to.write_all(plain).inspect_err(|_| self.broken = true)
    }
}

impl<W: Write> Write for OpenWriter<W> {
    /// Takes the whole of `input`. After an error of the writer behind, nothing more is written, and
    /// [`OpenWriter::finish`] fails.
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        let mut rest = input;
        while let Some(plain) = self.unsealer.push(&mut rest)? {
            self.pass_on(&plain)?;
            self.unsealer.opener.recycle(plain);
        }
        Ok(input.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
