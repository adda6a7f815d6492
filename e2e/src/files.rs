//! Files to send, and whether they came back.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Writes a file of `length` bytes that neither repeat nor compress, the same for the same seed; in little memory.
///
/// # Errors
/// It could not be written.
pub fn pattern_file(folder: &Path, name: &str, length: u64, seed: u64) -> Result<PathBuf> {
    let path = folder.join(name);
    let mut file = BufWriter::new(File::create(&path).with_context(|| format!("creating {}", path.display()))?);
    let mut pattern = Pattern::new(seed);
    let mut left = length;
    let mut block = vec![0; 64 * 1024];
    while left > 0 {
        let n = left.min(block.len() as u64) as usize;
        pattern.fill(&mut block);
        file.write_all(&block[..n])?;
        left -= n as u64;
    }
    file.flush()?;
    Ok(path)
}

/// Checks that a file holds exactly what [`pattern_file`] wrote for this length and seed.
///
/// # Errors
/// It does not (the first wrong place is named), or could not be read.
pub fn same_pattern(path: &Path, length: u64, seed: u64) -> Result<()> {
    let mut file = BufReader::new(File::open(path).with_context(|| format!("opening {}", path.display()))?);
    let found = path.metadata()?.len();
    ensure!(found == length, "{} has {found} bytes instead of {length}", path.display());
    let mut pattern = Pattern::new(seed);
    let (mut expected, mut actual) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut at = 0;
    while at < length {
        let n = (length - at).min(expected.len() as u64) as usize;
        pattern.fill(&mut expected);
        file.read_exact(&mut actual[..n])?;
        let wrong = expected[..n].iter().zip(&actual).position(|(e, a)| e != a);
        ensure!(wrong.is_none(), "{} differs at byte {}", path.display(), at + wrong.unwrap_or(0) as u64);
        at += n as u64;
    }
    Ok(())
}

/// Writes a small file.
///
/// # Errors
/// It could not be written.
pub fn write_file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// xorshift64*: fast, and long enough not to repeat in any file.
struct Pattern(u64);

impl Pattern {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn fill(&mut self, block: &mut [u8]) {
        for word in block.chunks_exact_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            word.copy_from_slice(&self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_told_from_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let path = pattern_file(folder.path(), "a", 100_001, 7).unwrap();
        same_pattern(&path, 100_001, 7).unwrap();
        assert!(same_pattern(&path, 100_000, 7).is_err());
        assert!(same_pattern(&path, 100_001, 8).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100_000] ^= 1;
        let path = write_file(folder.path(), "b", bytes).unwrap();
        let error = same_pattern(&path, 100_001, 7).unwrap_err();
        assert!(error.to_string().ends_with("differs at byte 100000"), "{error}");
    }
}
