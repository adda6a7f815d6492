//! A block device of this process as a disk of QEMU's, by NBD over a Unix socket (the protocol's `doc/proto.md`, fixed newstyle). So the
//! disk of a machine can lose its power with what was not flushed, and fail when a test says so.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use device::Block;

/// The longest request that is served, in bytes; QEMU's are shorter.
const MOST: u32 = 32 << 20;

/// How the disk is, and that it takes flushes.
const FLAGS: u16 = 1 | 1 << 2;

/// Serves the device to whoever connects, and gives QEMU's words for the disk. The folder is the socket's.
pub(crate) fn disk(folder: &Path, block: impl Block + Clone) -> String {
    let socket = folder.join("nbd");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let block = block.clone();
            // Its end is that of QEMU, at any point.
            std::thread::spawn(move || drop(serve(stream, &block)));
        }
    });
    format!(
        "format=raw,werror=report,rerror=report,file.driver=nbd,file.server.type=unix,file.server.path={}",
        socket.display()
    )
}

fn serve(mut stream: UnixStream, block: &impl Block) -> io::Result<()> {
    if agree(&mut stream, block.len()?)? { transmit(&mut stream, block) } else { Ok(()) }
}

fn number<const N: usize>(stream: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes[8 - N..])?;
    Ok(u64::from_be_bytes(bytes))
}

/// Both say what they know; `false` where the client wants nothing more.
fn agree(stream: &mut UnixStream, size: u64) -> io::Result<bool> {
    stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
    number::<4>(stream)?;
    let export = [&[0, 0], &size.to_be_bytes()[..], &FLAGS.to_be_bytes()].concat();
    loop {
        number::<8>(stream)?;
        let (option, len) = (number::<4>(stream)? as u32, number::<4>(stream)?);
        io::copy(&mut stream.take(len), &mut io::sink())?;
        let mut answer = |kind: u32, data: &[u8]| {
            let head = [&0x0003_e889_0455_65a9_u64.to_be_bytes()[..], &option.to_be_bytes(), &kind.to_be_bytes()];
            stream.write_all(&[&head.concat(), &(data.len() as u32).to_be_bytes()[..], data].concat())
        };
        match option {
            // By name, the client asks no more before it begins.
            1 => return stream.write_all(&export[2..]).map(|()| true),
            2 => return answer(1, &[]).map(|()| false),
            6 | 7 => {
                answer(3, &export)?;
                answer(1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            _ => answer(1 << 31 | 1, &[])?,
        }
    }
}

fn transmit(stream: &mut UnixStream, block: &impl Block) -> io::Result<()> {
    loop {
        number::<4>(stream)?;
        let (_, kind, cookie) = (number::<2>(stream)?, number::<2>(stream)?, number::<8>(stream)?);
        let (offset, len) = (number::<8>(stream)?, number::<4>(stream)? as u32);
        if len > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; if kind < 2 { len as usize } else { 0 }];
        let done = match kind {
            0 => block.read(offset, &mut data),
            1 => {
                stream.read_exact(&mut data)?;
                block.write(offset, &data)
            }
            2 => return Ok(()),
            3 => block.flush(),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        let error: u32 = match &done {
            Ok(()) => 0,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => 28,
            Err(_) => 5,
        };
        let head = [&0x6744_6698_u32.to_be_bytes()[..], &error.to_be_bytes(), &cookie.to_be_bytes()].concat();
        let read = if kind == 0 && done.is_ok() { &data[..] } else { &[] };
        stream.write_all(&[&head, read].concat())?;
    }
}
