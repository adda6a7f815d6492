//! Takes a paste's plaintext apart as it comes: text to standard output or a file, files into the folder.

use std::fs::File;
use std::io::{self, Read, Stdout};

use envelope::plain::{Event, PlainError, Reader};

use super::folder::Folder;
use super::text::TextOut;
use crate::failure::Failure;
use crate::progress::Progress;

/// Bytes of plaintext that are looked at at once.
const CHUNK: usize = 256 * 1024;
/// The name of a text that goes into a file.
const TEXT_NAME: &str = "paste.txt";

/// What a paste says of itself and its files.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) title: Option<String>,
    pub(super) language: Option<String>,
    pub(super) formatter: Option<String>,
    /// Whether the folder's first file is the text.
    pub(super) text_saved: bool,
    pub(super) files: Vec<Named>,
}

/// A file's name and type, as its sender wrote them.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) media_type: Option<String>,
}

/// Reads the plaintext to its verified end. With `text_as_file` the text becomes a file like the others; with
/// `durable` each file is on the disk before the next one begins.
pub(super) fn run(
    mut plaintext: impl Read,
    folder: &mut Folder,
    progress: &Progress,
    text_as_file: bool,
    durable: bool,
) -> Result<Unpacked, Failure> {
    let mut reader = Reader::new();
    let mut sink = Sink { folder, progress, text_as_file, durable, to: To::Nothing, unpacked: Unpacked::default() };
    let mut chunk = vec![0; CHUNK];
    loop {
        let amount = match plaintext.read(&mut chunk) {
            Ok(0) => break,
            Ok(amount) => amount,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(cause(e)),
        };
        let mut input = &chunk[..amount];
        while let Some(event) = reader.next(&mut input).map_err(|e| malformed(&e))? {
            sink.take(event)?;
        }
    }
    reader.close().map_err(|e| malformed(&e))?;
    Ok(sink.unpacked)
}

struct Sink<'a> {
    folder: &'a mut Folder,
    progress: &'a Progress,
    text_as_file: bool,
    durable: bool,
    to: To,
    unpacked: Unpacked,
}

/// Where the current body goes.
enum To {
    Nothing,
    Stdout(TextOut<Stdout>),
    File(File),
}

impl Sink<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), Failure> {
        match event {
            Event::Meta(meta) => {
                self.unpacked.title = meta.title;
                self.unpacked.language = meta.language;
                self.unpacked.formatter = meta.formatter;
            }
            Event::PasteBegin if self.text_as_file => {
                self.to = To::File(self.folder.begin(TEXT_NAME)?);
                self.unpacked.text_saved = true;
            }
            Event::PasteBegin => self.to = To::Stdout(TextOut::stdout()),
            Event::FileBegin(head) => {
                self.to = To::File(self.folder.begin(&head.name)?);
                self.unpacked.files.push(Named { name: head.name, media_type: Some(head.media_type) });
            }
            Event::PasteData(bytes) | Event::FileData(bytes) => match &mut self.to {
                To::Nothing => {}
                To::Stdout(out) => self.progress.aside(|| out.write(bytes))?,
                To::File(file) => self.folder.write(file, bytes)?,
            },
            Event::PasteEnd | Event::FileEnd => match std::mem::replace(&mut self.to, To::Nothing) {
                To::Nothing => {}
                To::Stdout(mut out) => self.progress.aside(|| out.end())?,
                To::File(file) => self.folder.end(&file, self.durable)?,
            },
            // `Done`, and what later versions of the format may tell.
            _ => {}
        }
        Ok(())
    }
}

/// Why the plaintext could not be read: what fetching said, or else the content is not what was sealed.
fn cause(e: io::Error) -> Failure {
    e.downcast::<Failure>().unwrap_or_else(|e| Failure::Damaged(e.to_string()))
}

fn malformed(e: &PlainError) -> Failure {
    Failure::Damaged(e.to_string())
}
