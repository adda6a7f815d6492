//! Images of docteur: on a block device, and their files as tokio's streams.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use docteur::layout::MAGIC;
use docteur::{Content, Error, Pool, Source};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use crate::Block;

/// Where the superblock says how long the image is, behind the magic and more.
const LENGTH_AT: usize = 16;
const HEAD: usize = LENGTH_AT + 8;
/// The most bytes that are decoded at once.
const PIECE: usize = 64 << 10;

/// An image at the beginning of a block device, which may be longer: devices are counted in sectors.
#[derive(Clone, Debug)]
pub struct BlockSource<B> {
    block: B,
    len: u64,
}

impl<B: Block> BlockSource<B> {
    /// Reads how long the image says it is; what it says is checked when it is opened.
    ///
    /// # Errors
    /// Whatever the device reports.
    pub fn new(block: B) -> io::Result<Self> {
        let len = said(&block)?;
        Ok(Self { block, len })
    }
}

/// The image at the beginning of a block device, as it is there: what it says is checked when it is opened.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] where it has more than `most` bytes; whatever the device reports.
pub fn whole(block: &impl Block, most: u64) -> io::Result<Vec<u8>> {
    let len = said(block)?;
    if len > most {
        let what = format!("the image has {len} bytes, and {most} are the most");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    block.read(0, &mut bytes)?;
    Ok(bytes)
}

/// The length that the image says it has, or the device's. What is no image has its first bytes, which say so: there is no need for more
/// of it.
fn said(block: &impl Block) -> io::Result<u64> {
    let len = block.len()?;
    let mut head = [0; HEAD];
    if len < HEAD as u64 {
        return Ok(len);
    }
    block.read(0, &mut head)?;
    if !head.starts_with(&MAGIC) {
        return Ok(HEAD as u64);
    }
    let said = head.last_chunk().copied().map_or(0, u64::from_le_bytes);
    Ok(len.min(said))
}

impl<B: Block> Source for BlockSource<B> {
    type Error = io::Error;

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.block.read(offset, buffer)
    }
}

/// A file's bytes, or those of one of its encodings, as a stream that can be read from any place. It decodes where it is polled, and
/// takes at most the time of one segment; so it is never pending, and cancel safe. Damage is an error of
/// [`io::ErrorKind::InvalidData`].
#[derive(Debug)]
pub struct ContentReader<S> {
    pool: Arc<Pool<S>>,
    content: Content,
    at: u64,
}

impl<S> ContentReader<S> {
    /// Before the first byte of `content`, which has to be of the pool's image.
    pub fn new(pool: Arc<Pool<S>>, content: Content) -> Self {
        Self { pool, content, at: 0 }
    }
}

// Nothing in it is pinned.
impl<S> Unpin for ContentReader<S> {}

impl<S: Source<Error: std::error::Error + Send + Sync + 'static>> AsyncRead for ContentReader<S> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (content, at, most) = (self.content, self.at, buffer.remaining().min(PIECE));
        let read = self.pool.with(|image, cache| {
            let piece = image.piece_of(cache, &content, at, most)?;
            buffer.put_slice(piece);
            Ok(piece.len())
        });
        let read = read.map_err(|error: Error<S::Error>| match error {
            Error::Source(error) => io::Error::other(error),
            damage => io::Error::new(io::ErrorKind::InvalidData, damage),
        })?;
        self.at += read as u64;
        Poll::Ready(Ok(()))
    }
}

/// As in a file, a place beyond the end is one where nothing is read.
impl<S> AsyncSeek for ContentReader<S> {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no byte before the first"))?;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.at))
    }
}

#[cfg(test)]
mod tests {
    use docteur::{Cache, Defect, Image, Kind, Limits};
    use tokio::io::{AsyncReadExt, AsyncSeekExt};

    use crate::sim;

    use super::*;

    const IMAGE: &[u8] = include_bytes!("../../docteur/tests/frozen/small-1.img");

    /// A device of whole sectors that begins with these bytes.
    fn device(bytes: &[u8]) -> sim::SimBlock {
        let disk = sim::SimBlock::new();
        disk.set_len((bytes.len() as u64).next_multiple_of(4096)).unwrap();
        disk.write(0, bytes).unwrap();
        disk
    }

    fn open(bytes: &[u8]) -> Result<Image<BlockSource<sim::SimBlock>>, Error<io::Error>> {
        Image::open(BlockSource::new(device(bytes)).unwrap(), &Limits::default())
    }

    #[test]
    fn an_image_is_read_from_a_device_that_is_longer() {
        let image = open(IMAGE).unwrap();
        image.verify(&mut Cache::new(0), |_, _| {}).unwrap();
        let mut longer = IMAGE.to_vec();
        longer[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        for wrong in [&longer, &IMAGE[..IMAGE.len() / 2], &IMAGE[..9]] {
            assert!(matches!(open(wrong), Err(Error::Image { .. })));
        }
        assert_eq!(whole(&device(IMAGE), 1 << 20).unwrap(), IMAGE);
        let refused = whole(&device(IMAGE), IMAGE.len() as u64 - 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        let stranger = [0xa5; 1 << 20];
        assert!(matches!(open(&stranger), Err(Error::Image { defect: Defect::Magic, .. })));
        assert_eq!(whole(&device(&stranger), 1000).unwrap(), stranger[..24], "no more than says that it is none");
        let empty = Image::open(BlockSource::new(sim::SimBlock::new()).unwrap(), &Limits::default());
        assert!(matches!(empty, Err(Error::Image { defect: Defect::Magic, .. })));
    }

    #[test]
    fn a_file_is_a_stream_from_any_place() {
        let image = open(IMAGE).unwrap();
        let mut cache = Cache::new(0);
        let entry = image.find(&mut cache, b"docs/index.html").unwrap().unwrap();
        let Kind::File(content) = entry.kind else { unreachable!("it is a file") };
        let all = image.read_all(&mut cache, &content, 1 << 20).unwrap();
        let pool = Arc::new(Pool::new(image, 1, 0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut reader = ContentReader::new(Arc::clone(&pool), content);
            for (to, at) in [
                (SeekFrom::Start(0), 0),
                (SeekFrom::End(-9), all.len() - 9),
                (SeekFrom::Current(-30), all.len() - 30),
                (SeekFrom::End(5), all.len()),
            ] {
                assert_eq!((reader.seek(to).await.unwrap() as usize).min(all.len()), at);
                let mut read = Vec::new();
                reader.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, &all[at..]);
            }
            assert_eq!(reader.seek(SeekFrom::End(-1_000_000)).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
            let nowhere = Content { segment: u32::MAX, ..content };
            let damage = ContentReader::new(pool, nowhere).read(&mut [0; 4]).await.unwrap_err();
            assert_eq!(damage.kind(), io::ErrorKind::InvalidData);
        });
    }
}
