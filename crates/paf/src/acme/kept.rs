//! What is kept from one start to the next, and what could not be written down yet: that is still had for as long as this one lasts.

use std::io;

use zeroize::Zeroizing;

use super::{AcmeError, Keep};

/// A [`Keep`] that forgets nothing it was given. It holds one content for each name at most.
pub(super) struct Kept<K> {
    keep: K,
    /// What could not be written, by its name.
    unwritten: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
}

impl<K: Keep> Kept<K> {
    pub(super) fn new(keep: K) -> Self {
        Self { keep, unwritten: Vec::new() }
    }

    /// What was kept last under this name.
    pub(super) fn load(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, AcmeError> {
        match self.unwritten.iter().find(|(unwritten, _)| *unwritten == name) {
            Some((_, content)) => Ok(Some(content.clone())),
            None => self.keep.load(name).map_err(|error| failed(name, error)),
        }
    }

    /// Keeps this under this name. Where it cannot be written, [`write`](Self::write) says why.
    pub(super) fn save(&mut self, name: &'static str, content: Zeroizing<Vec<u8>>) {
        self.unwritten.retain(|(unwritten, _)| *unwritten != name);
        if self.keep.save(name, &content).is_err() {
            self.unwritten.push((name, content));
        }
    }

    /// Whether all is written.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Writes what could not be written before.
    ///
    /// # Errors
    /// [`AcmeError::Keep`] for the first of what still cannot be.
    pub(super) fn write(&mut self) -> Result<(), AcmeError> {
        let mut result = Ok(());
        let keep = &self.keep;
        self.unwritten.retain(|(name, content)| match keep.save(name, content) {
            Ok(()) => false,
            Err(error) => {
                if result.is_ok() {
                    result = Err(failed(name, error));
                }
                true
            }
        });
        result
    }
}

fn failed(name: &'static str, error: io::Error) -> AcmeError {
    AcmeError::Keep { name, error }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        files: BTreeMap<String, Vec<u8>>,
        is_full: bool,
    }

    impl Keep for Disk {
        fn load(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
            Ok(self.0.lock().unwrap().files.get(name).cloned().map(Zeroizing::new))
        }

        fn save(&self, name: &str, content: &[u8]) -> io::Result<()> {
            let mut disk = self.0.lock().unwrap();
            if disk.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.files.insert(name.to_owned(), content.to_vec());
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_had_and_written_later() {
        let disk = Disk::default();
        let mut kept = Kept::new(disk.clone());
        let content = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        kept.save("a", content("old"));
        assert!(kept.is_written());
        disk.0.lock().unwrap().is_full = true;
        for new in ["newer", "newest"] {
            kept.save("a", content(new));
            kept.save("b", content(new));
            assert_eq!(kept.load("a").unwrap().unwrap().as_slice(), new.as_bytes());
        }
        assert_eq!(kept.unwritten.len(), 2);
        let AcmeError::Keep { name, error } = kept.write().unwrap_err() else { panic!("it is another error") };
        assert_eq!((name, error.kind()), ("a", io::ErrorKind::StorageFull));
        assert!(!kept.is_written() && disk.load("a").unwrap().unwrap().as_slice() == b"old");
        disk.0.lock().unwrap().is_full = false;
        kept.write().unwrap();
        assert!(kept.is_written());
        for name in ["a", "b"] {
            assert_eq!(disk.load(name).unwrap().unwrap().as_slice(), b"newest");
        }
    }
}
