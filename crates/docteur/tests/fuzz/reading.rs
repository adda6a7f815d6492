//! Reads all that an image has, and holds what it says against itself.

use docteur::{Cache, Content, Entry, Error, Image, Kind, Limits, Memory, Walk};

/// The most of a file that is read, and of paths that are looked at.
const MOST: usize = 1 << 16;

/// Opens and reads `bytes`. An image that verifies has no damage to be found; one with damage says so, whatever is read of it.
pub(crate) fn all(bytes: &[u8]) {
    let Ok(image) = Image::open(Memory(bytes), &Limits::default()) else { return };
    let verified = image.verify(&mut Cache::new(0), |done, all| assert!(done <= all));
    if let Err(error) = &verified {
        assert!(matches!(error, Error::Image { at, .. } if *at <= bytes.len() as u64), "{error}");
    }
    let (mut small, mut large) = (Cache::new(0), Cache::new(1 << 20));
    let (mut walk, mut entries) = (Walk::new(), 0);
    let end = loop {
        match walk.next(&image, &mut small) {
            Ok(Some(entry)) if entries < MOST => {
                entries += 1;
                look(&image, &entry, (&mut small, &mut large), verified.is_ok());
            }
            Ok(Some(_)) => return,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if verified.is_ok() {
        assert_eq!((end, entries as u64), (Ok(()), image.superblock().entries));
    }
}

fn look(image: &Image<Memory<&[u8]>>, entry: &Entry, caches: (&mut Cache, &mut Cache), whole: bool) {
    let found = image.find(caches.1, &entry.path);
    if whole {
        assert_eq!(found.unwrap().as_ref(), Some(entry));
    }
    let Kind::File(content) = &entry.kind else { return };
    for content in entry.encodings.iter().map(|(_, content)| content).chain([content]) {
        let (one, other) = (read(image, content, caches.0), read(image, content, caches.1));
        assert_eq!(one, other);
        match one {
            Ok(bytes) => assert_eq!(bytes.len() as u64, content.size),
            Err(Error::Size { size, .. }) => assert_eq!(size, content.size),
            Err(error) => assert!(!whole, "{error}"),
        }
    }
}

fn read(
    image: &Image<Memory<&[u8]>>,
    content: &Content,
    cache: &mut Cache,
) -> Result<Vec<u8>, Error<core::convert::Infallible>> {
    image.read_all(cache, content, MOST)
}
