//! A transport that gives no more bytes than it may, and takes the pack itself.
//!
//! What is counted is what the other end says: references, what it tells of its progress, and the pack. Whoever reads through it gets an
//! empty pack, once the true one is where it belongs: gitoxide would hold each of its objects in memory.

use std::any::Any;
use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gix::bstr::BStr;
use gix::protocol::transport::client::blocking_io::{
    ExtendedBufRead, HandleProgress, ReadlineBufRead, RequestWriter, SetServiceResponse, Transport,
};
use gix::protocol::transport::client::{Error, MessageKind, TransportWithoutIO, WriteMode};
use gix::protocol::transport::packetline::PacketLineRef;
use gix::protocol::transport::packetline::read::ProgressAction;
use gix::protocol::transport::{Protocol, Service};

use super::objects::Receiving;

/// A pack of no objects, as far as it is looked at.
const EMPTY: &[u8] = b"PACK\0\0\0\x02\0\0\0\0";

/// How many bytes may still come; 0 once there were too many.
#[derive(Clone, Debug)]
pub(super) struct Left(Arc<AtomicU64>);

impl Left {
    pub(super) fn new(bytes: u64) -> Self {
        // The last byte tells that none may come any more.
        Self(Arc::new(AtomicU64::new(bytes.saturating_add(1))))
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let less = |left: u64| Some(left.saturating_sub(bytes as u64));
        // The closure always gives a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if self.is_over() { Err(io::Error::other("the other end sends more than it may")) } else { Ok(()) }
    }
}

/// Another transport, counted.
pub(super) struct Bounded {
    /// There always is one, but for the moment in which this takes its place.
    inner: Option<Box<dyn Transport + Send>>,
    left: Left,
    receiving: Receiving,
}

impl Bounded {
    /// Puts itself between a connection and its transport. What kind of hash the other end uses it learns there.
    pub(super) fn enclose(transport: &mut Box<dyn Transport + Send>, left: &Left, receiving: &Receiving) {
        let around = |inner| Box::new(Self { inner, left: left.clone(), receiving: receiving.clone() });
        let inner = std::mem::replace(transport, around(None));
        *transport = around(Some(inner));
    }

    fn inner(&mut self) -> io::Result<&mut Box<dyn Transport + Send>> {
        self.inner.as_mut().ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl TransportWithoutIO for Bounded {
    fn set_identity(&mut self, identity: gix::sec::identity::Account) -> Result<(), Error> {
        self.inner()?.set_identity(identity)
    }

    fn to_url(&self) -> Cow<'_, BStr> {
        self.inner.as_ref().map_or(Cow::Borrowed(BStr::new("")), |inner| inner.to_url())
    }

    fn supported_protocol_versions(&self) -> &[Protocol] {
        self.inner.as_ref().map_or(&[], |inner| inner.supported_protocol_versions())
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.connection_persists_across_multiple_requests())
    }

    fn configure(&mut self, config: &dyn Any) -> gix::error::Result {
        match &mut self.inner {
            Some(inner) => inner.configure(config),
            None => Ok(()),
        }
    }
}

impl Transport for Bounded {
    fn handshake<'a>(
        &mut self,
        service: Service,
        extra: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, Error> {
        let left = self.left.clone();
        let Some(inner) = &mut self.inner else { return Err(io::Error::from(io::ErrorKind::NotConnected).into()) };
        let response = inner.handshake(service, extra)?;
        let format = response.capabilities.capability("object-format");
        if format.and_then(|format| format.value()).is_some_and(|format| format == "sha256") {
            self.receiving.hash = gix::hash::Kind::Sha256;
        }
        let refs = response.refs.map(|reader| -> Box<dyn ReadlineBufRead + '_> {
            Box::new(Counted { reader, left, receiving: None, empty: b"" })
        });
        Ok(SetServiceResponse { refs, ..response })
    }

    fn request(
        &mut self,
        write_mode: WriteMode,
        on_into_read: MessageKind,
        trace: bool,
    ) -> Result<RequestWriter<'_>, Error> {
        let (left, receiving) = (self.left.clone(), Some(self.receiving.clone()));
        let (writer, reader) = self.inner()?.request(write_mode, on_into_read, trace)?.into_parts();
        let reader = Box::new(Counted { reader, left, receiving, empty: b"" });
        Ok(RequestWriter::new_from_bufread(writer, reader, write_mode, on_into_read, trace))
    }
}

struct Counted<R> {
    reader: R,
    left: Left,
    /// Where a pack goes, until there was one. All else comes in lines.
    receiving: Option<Receiving>,
    /// What is left of the pack that stands for it.
    empty: &'static [u8],
}

impl<R: BufRead> Counted<R> {
    fn receive(&mut self) -> io::Result<()> {
        let Some(receiving) = self.receiving.take() else { return Ok(()) };
        receiving.receive(&mut Pack { reader: &mut self.reader, left: &self.left })?;
        self.empty = EMPTY;
        Ok(())
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.receive()?;
        if !self.empty.is_empty() {
            return Ok(self.empty);
        }
        self.left.take(0)?;
        self.reader.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        if let Some(rest) = self.empty.get(len..).filter(|_| !self.empty.is_empty()) {
            self.empty = rest;
            return;
        }
        // What is over is told at the next read.
        let _ = self.left.take(len);
        self.reader.consume(len);
    }
}

/// The pack itself.
struct Pack<'a, R> {
    reader: &'a mut R,
    left: &'a Left,
}

impl<R: BufRead> Read for Pack<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Pack<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.left.take(0)?;
        self.reader.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        // What is over is told at the next read.
        let _ = self.left.take(len);
        self.reader.consume(len);
    }
}

impl<R: ReadlineBufRead> ReadlineBufRead for Counted<R> {
    fn readline(&mut self) -> Option<io::Result<gix::error::Result<PacketLineRef<'_>>>> {
        let line = self.reader.readline();
        let len = match &line {
            Some(Ok(Ok(line))) => line.as_slice().map_or(0, <[u8]>::len),
            _ => 0,
        };
        match self.left.take(len) {
            Ok(()) => line,
            Err(error) => Some(Err(error)),
        }
    }

    fn readline_str(&mut self, line: &mut String) -> io::Result<usize> {
        let len = self.reader.readline_str(line)?;
        self.left.take(len)?;
        Ok(len)
    }
}

impl<'a, R: ExtendedBufRead<'a>> ExtendedBufRead<'a> for Counted<R> {
    fn set_progress_handler(&mut self, handle: Option<HandleProgress<'a>>) {
        let left = self.left.clone();
        self.reader.set_progress_handler(handle.map(|mut handle| -> HandleProgress<'a> {
            Box::new(move |is_error, text| match left.take(text.len().max(1)) {
                Ok(()) => handle(is_error, text),
                Err(_) => ProgressAction::Break(()),
            })
        }));
    }

    fn peek_data_line(&mut self) -> Option<io::Result<Result<&[u8], Error>>> {
        self.reader.peek_data_line()
    }

    fn reset(&mut self, version: Protocol) {
        self.reader.reset(version);
    }

    fn stopped_at(&self) -> Option<MessageKind> {
        self.reader.stopped_at()
    }
}
