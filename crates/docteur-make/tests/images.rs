//! What the maker writes the reader reads, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use docteur::{Defect, Encoding, Error, Image};
use docteur_make::{Writer, image_of_folder};
use sha2::{Digest, Sha256};

/// Three small files: one that shrinks, one that does not, one that is empty.
fn small() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.add("/index.html", "text/html; charset=utf-8", b"<p>hello, hello, hello, hello</p>".repeat(4)).unwrap();
    writer.add("/a/noise", "application/octet-stream", Sha256::digest(b"noise").to_vec()).unwrap();
    writer.add("/empty", "text/plain", Vec::new()).unwrap();
    writer.finish().unwrap()
}

fn open(image: &[u8]) -> Result<Image<&[u8]>, Error<std::convert::Infallible>> {
    let image = Image::open(image)?;
    image.verify()?;
    Ok(image)
}

/// The same image with one of its index's bytes changed and the root made right again, as an adversary would.
fn forged(image: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = image.to_vec();
    change(&mut image);
    let index = u64::from_le_bytes(image[16..24].try_into().unwrap());
    let end = image.len().min(64_usize.saturating_add(usize::try_from(index).unwrap()));
    let root = Sha256::new().chain_update(&image[..32]).chain_update(&image[64..end]).finalize();
    image[32..64].copy_from_slice(&root);
    image
}

#[test]
fn files_come_back_with_their_types_and_encodings() {
    let bytes = small();
    let image = open(&bytes).unwrap();
    let paths: Vec<_> = image.files().iter().map(docteur::File::path).collect();
    assert_eq!(paths, ["/a/noise", "/empty", "/index.html"]);

    let page = image.file("/index.html").unwrap();
    assert_eq!(page.media_type(), "text/html; charset=utf-8");
    let text = b"<p>hello, hello, hello, hello</p>".repeat(4);
    assert_eq!(image.read(page.identity()).unwrap(), text);
    assert_eq!(page.identity().hash, <[u8; 32]>::from(Sha256::digest(&text)));
    let brotli = image.read(page.variant(Encoding::Brotli).unwrap()).unwrap();
    let mut plain = Vec::new();
    brotli::BrotliDecompress(&mut &brotli[..], &mut plain).unwrap();
    assert_eq!(plain, text);

    let noise = image.file("/a/noise").unwrap();
    assert_eq!(noise.variants().len(), 1, "what does not shrink is stored once");
    assert!(image.file("/nothing").is_none());
    assert!(image.file("index.html").is_none());
}

#[test]
fn every_flipped_bit_is_found() {
    let good = small();
    let mut bad = good.clone();
    for bit in 0..good.len() * 8 {
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&bad).is_err(), "bit {bit}");
        bad[bit / 8] ^= 1 << (bit % 8);
    }
    open(&bad).unwrap();
}

#[test]
fn every_cut_and_every_addition_is_found() {
    let good = small();
    for len in 0..good.len() {
        assert!(open(&good[..len]).is_err(), "{len}");
    }
    assert!(open(&[&good[..], b"\0"].concat()).is_err());
}

#[test]
fn an_adversary_who_can_hash_gets_errors_too() {
    let good = small();
    let index = usize::try_from(u64::from_le_bytes(good[16..24].try_into().unwrap())).unwrap();
    // Any byte of the header and index, set to any of these, with a true root: opens consistently or fails cleanly.
    for at in (8..32).chain(64..64 + index) {
        for value in [0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff] {
            if let Ok(image) = open(&forged(&good, |bytes| bytes[at] = value)) {
                let paths: Vec<_> = image.files().iter().map(|f| f.path().to_owned()).collect();
                assert!(paths.is_sorted(), "{paths:?}");
                assert!(paths.iter().all(|p| docteur::layout::is_path(p)), "{paths:?}");
            }
        }
    }
    let says = |change: fn(&mut Vec<u8>)| match open(&forged(&good, change)) {
        Err(Error::Image { defect, .. }) => defect,
        other => panic!("{other:?}"),
    };
    assert_eq!(says(|b| b[0] = b'D'), Defect::Magic);
    assert_eq!(says(|b| b[8] = 1), Defect::Version(1));
    assert_eq!(says(|b| b[12] = 2), Defect::Index);
    assert_eq!(says(|b| b[24] += 1), Defect::Length);
    assert_eq!(says(|b| b[66] = b'x'), Defect::Path);
    assert_eq!(says(|b| b[64..66].copy_from_slice(&[0xff; 2])), Defect::Path);
    assert_eq!(says(|b| b[16..24].copy_from_slice(&[0xff; 8])), Defect::Length);
    assert_eq!(says(|b| b[75] = b'\n'), Defect::MediaType);
}

#[test]
fn a_folder_gives_one_image_whatever_its_order() {
    let names = ["b/two.css", "a.txt", "b/one.html", "z/y/x.wasm", ".hidden"];
    let build = |order: &mut dyn Iterator<Item = &&str>, root: &Path| {
        for name in order {
            let place = root.join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, name.repeat(50)).unwrap();
        }
        image_of_folder(root).unwrap()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = build(&mut names.iter(), one.path());
    assert_eq!(image, build(&mut names.iter().rev(), two.path()));
    assert_eq!(image, image_of_folder(one.path()).unwrap());
    assert_eq!(open(&image).unwrap().file("/b/two.css").unwrap().media_type(), "text/css; charset=utf-8");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("x")).unwrap();
    let error = image_of_folder(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("x is neither a file nor a folder"), "{error}");
}

#[test]
fn a_bad_path_type_or_repetition_is_refused() {
    let mut writer = Writer::new();
    writer.add("/a", "text/plain", Vec::new()).unwrap();
    assert!(writer.add("/a", "text/plain", Vec::new()).is_err());
    assert!(writer.add("/../a", "text/plain", Vec::new()).is_err());
    assert!(writer.add("/b", "text/plain\r\n", Vec::new()).is_err());
}
