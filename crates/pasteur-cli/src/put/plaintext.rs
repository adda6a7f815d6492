//! A paste's plaintext, read as it is made: the envelope's framing, and between it what the sources give.

use std::io::{self, Read};

use envelope::plain::{Boundary, Contents, Meta, NewFile, Step, Writer};

use super::source::{Item, Source, Sources};
use crate::args::PutArgs;
use crate::client::Failed;
use crate::failure::Failure;

/// The plaintext. Where a source fails, reading ends in an error, and the [`Failed`] it was given says why.
pub(super) struct Plaintext {
    writer: Writer,
    text: Option<Source>,
    files: Vec<Option<Source>>,
    /// Framing on its way out.
    framing: Vec<u8>,
    at: usize,
    body: Option<Body>,
    failed: Failed,
}

/// The source that is being sent.
struct Body {
    from: Box<dyn Read + Send>,
    shown: std::path::PathBuf,
    /// What is missing of its announced length.
    left: Option<u64>,
}

impl Plaintext {
    /// The plaintext of these sources. Each is opened when its turn comes.
    pub(super) fn new(args: &PutArgs, sources: Sources, failed: Failed) -> Result<Self, Failure> {
        let formatter = args.formatter.map(|formatter| formatter.name().to_owned());
        let meta = Meta { title: args.title.clone(), language: args.language.clone(), formatter, files: None };
        let paste = sources.text.as_ref().map(|text| match text {
            Source::Text(text) => Some(text.len() as u64),
            Source::Stdin | Source::File(_) | Source::Bytes(..) => None,
        });
        let new_file =
            |item: &Item| NewFile { name: item.name.clone(), media_type: item.media_type.to_owned(), size: item.size };
        let contents = Contents { meta, paste, files: sources.files.iter().map(new_file).collect() };
        let boundary = Boundary::from_random(&*super::random::<18>()?);
        let writer = Writer::new(boundary, contents).map_err(|e| Failure::Input(e.to_string()))?;
        let files = sources.files.into_iter().map(|item| Some(item.source)).collect();
        Ok(Self { writer, text: sources.text, files, framing: Vec::new(), at: 0, body: None, failed })
    }

    /// Its length in bytes, where every source's is known.
    pub(super) fn len(&self) -> Option<u64> {
        self.writer.total_len()
    }

    /// Goes on to the writer's next step; `false` at the end.
    fn step(&mut self) -> Result<bool, Failure> {
        let (source, len) = match self.writer.next().map_err(|e| Failure::Input(e.to_string()))? {
            None => return Ok(false),
            Some(Step::Bytes(bytes)) => {
                self.framing.clear();
                self.framing.extend_from_slice(bytes);
                self.at = 0;
                return Ok(true);
            }
            Some(Step::Paste { len }) => (self.text.take(), len),
            Some(Step::File { index, len }) => (self.files.get_mut(index).and_then(Option::take), len),
        };
        // The writer asks for each of the sources that it was told of, once.
        let Some(source) = source else { return Ok(true) };
        let shown = source.shown();
        self.body = Some(Body { from: source.open()?, shown, left: len });
        Ok(true)
    }

    fn give(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        loop {
            if self.at < self.framing.len() {
                let amount = into.len().min(self.framing.len() - self.at);
                into[..amount].copy_from_slice(&self.framing[self.at..self.at + amount]);
                self.at += amount;
                return Ok(amount);
            }
            if let Some(body) = &mut self.body {
                let amount = body.read(into)?;
                if amount > 0 {
                    self.writer.sent(amount as u64).map_err(|e| Failure::Input(e.to_string()))?;
                    return Ok(amount);
                }
                self.body = None;
            }
            if !self.step()? {
                return Ok(0);
            }
        }
    }
}

impl Body {
    /// Reads on, to the announced length at most: a log that grows meanwhile is sent as it was.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        let most = self.left.map_or(into.len(), |left| into.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let amount = loop {
            match self.from.read(&mut into[..most]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::local("cannot read", &self.shown, e)),
                Ok(amount) => break amount,
            }
        };
        match &mut self.left {
            Some(left) if amount == 0 && *left > 0 => {
                let shown = self.shown.display();
                Err(Failure::Input(format!("{shown} became shorter while it was sent: {left} bytes are missing")))
            }
            left => {
                *left = left.map(|left| left - amount as u64);
                Ok(amount)
            }
        }
    }
}

impl Read for Plaintext {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        self.give(into).map_err(|failure| {
            let echo = io::Error::other(failure.to_string());
            self.failed.set(failure);
            echo
        })
    }
}
