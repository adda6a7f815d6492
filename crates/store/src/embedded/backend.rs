//! redb's storage over a [`Block`].

use std::io;
use std::sync::Arc;

use device::Block;
use redb::StorageBackend;

/// Hands redb's calls to a block device. Several may stand over one device, one after the other: a database that
/// failed is dropped, and the device is opened anew.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn Block>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.flush()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
