//! A reader that works ahead in its own thread: sealing goes on while another thread sends, fetching while another
//! opens. At most [`BLOCKS`] blocks exist, whatever the length.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The length of a block: large enough to make the hand-over cheap, small enough for a cache.
const BLOCK: usize = 256 * 1024;
/// How many blocks wait at most.
const BLOCKS: usize = 6;
/// How much may be waited for: less than all blocks, which would wait for each other.
const HELD: usize = BLOCK * (BLOCKS - 2);

/// What another thread has read ahead. Dropping it ends that thread at its next block.
#[derive(Debug)]
pub(crate) struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    /// What was waited for and is not read yet.
    held: VecDeque<io::Result<Vec<u8>>>,
    ended: bool,
}

impl Ahead {
    /// Starts to read ahead in a thread of that name.
    pub(crate) fn start(name: &str, reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (to_reader, full) = sync_channel(BLOCKS);
        let (empty, from_reader) = sync_channel(BLOCKS);
        for _ in 0..BLOCKS {
            // The channel has room for all of them.
            let _ = empty.try_send(Vec::new());
        }
        let work = move || run(reader, &from_reader, &to_reader);
        thread::Builder::new().name(name.to_owned()).stack_size(512 * 1024).spawn(work)?;
        Ok(Self { full, empty, block: Vec::new(), at: 0, held: VecDeque::new(), ended: false })
    }

    /// Waits until so many bytes are there, or their end; at most [`HELD`].
    pub(crate) fn wait_for(&mut self, bytes: usize) {
        let mut there = self.held.iter().flatten().map(Vec::len).sum::<usize>();
        while there < bytes.min(HELD) {
            let Ok(block) = self.full.recv() else { return };
            let len = block.as_ref().map_or(0, Vec::len);
            self.held.push_back(block);
            if len == 0 {
                return;
            }
            there += len;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.ended && !into.is_empty() {
            let spent = std::mem::take(&mut self.block);
            self.at = 0;
            if spent.capacity() > 0 {
                let _ = self.empty.try_send(spent);
            }
            let next = self.held.pop_front().map_or_else(|| self.full.recv(), Ok);
            match next {
                Ok(Ok(block)) => {
                    self.ended = block.is_empty();
                    self.block = block;
                }
                Ok(Err(e)) => {
                    self.ended = true;
                    return Err(e);
                }
                // An end is always told by an empty block: without one, the thread is gone before its time.
                Err(_) => return Err(io::Error::other("the thread that reads ahead ended unexpectedly")),
            }
        }
        let amount = into.len().min(self.block.len() - self.at);
        into[..amount].copy_from_slice(&self.block[self.at..self.at + amount]);
        self.at += amount;
        Ok(amount)
    }
}

fn run(mut reader: impl Read, empty: &Receiver<Vec<u8>>, full: &SyncSender<io::Result<Vec<u8>>>) {
    while let Ok(mut block) = empty.recv() {
        block.resize(BLOCK, 0);
        let result = loop {
            match reader.read(&mut block) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let last = !matches!(result, Ok(amount) if amount > 0);
        let block = result.map(|amount| {
            block.truncate(amount);
            block
        });
        if full.send(block).is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_on_every_byte() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 7] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut ahead = Ahead::start("test", io::Cursor::new(bytes.clone())).unwrap();
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{length}");
            assert_eq!(ahead.read(&mut [0; 4]).unwrap(), 0);
        }
    }

    #[test]
    fn what_was_waited_for_is_read_after_it() {
        for length in [0, 1, BLOCK + 1, 9 * BLOCK + 7] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut ahead = Ahead::start("test", io::Cursor::new(bytes.clone())).unwrap();
            ahead.wait_for(1);
            ahead.wait_for(usize::MAX);
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{length}");
        }
    }

    #[test]
    fn hands_on_an_error_and_then_ends() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            }
        }
        let mut ahead = Ahead::start("test", Fails).unwrap();
        assert_eq!(ahead.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(ahead.read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn an_endless_reader_is_stopped_by_the_drop() {
        let mut ahead = Ahead::start("test", io::repeat(7)).unwrap();
        let mut block = vec![0; 3 * BLOCK];
        ahead.read_exact(&mut block).unwrap();
        assert!(block.iter().all(|&b| b == 7));
        drop(ahead);
    }
}
