//! Images: a small one, made by hand, that cannot be run, and the real examples of `libos`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const TARGET: &str = "x86_64-unknown-hermit";

/// A 64-bit program for x86 with these notes, each an owner, a type and a descriptor.
pub(crate) fn with_notes(notes: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (owner, kind, descriptor) in notes {
        for number in [owner.len() as u32, descriptor.len() as u32, *kind] {
            bytes.extend(number.to_le_bytes());
        }
        for part in [owner, descriptor] {
            bytes.extend(*part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    let mut image = vec![0; 64];
    image[..6].copy_from_slice(b"\x7fELF\x02\x01");
    for (at, byte) in [(16, 2), (18, 62), (32, 64), (54, 56), (56, 2)] {
        image[at] = byte;
    }
    for (kind, offset, size) in [(1u32, 0, 64), (4, 64 + 2 * 56, bytes.len() as u64)] {
        image.extend(kind.to_le_bytes());
        image.extend([4, 0, 0, 0]);
        for field in [offset, 0x20_0000, 0x20_0000, size, size, 4] {
            image.extend(field.to_le_bytes());
        }
    }
    image.extend(bytes);
    image
}

/// An image whose manifest has these entries: kind, flags, name.
pub(crate) fn with_devices(devices: &[(u8, u8, &str)]) -> Vec<u8> {
    let mut manifest = Vec::new();
    for (kind, flags, name) in devices {
        manifest.extend([*kind, *flags, 0, 0]);
        manifest.extend(name.as_bytes());
        manifest.resize(manifest.len().next_multiple_of(24), 0);
    }
    with_notes(&[(b"Xen\0", 18, &0x20_0100u64.to_le_bytes()), (b"libos\0", 1, &manifest)])
}

/// An image without devices whose machine has to have so many MiB.
pub(crate) fn with_memory(mebibytes: u32) -> Vec<u8> {
    let (entry, mebibytes) = (0x20_0100u64.to_le_bytes(), mebibytes.to_le_bytes());
    with_notes(&[(b"Xen\0", 18, &entry), (b"libos\0", 1, &[]), (b"libos\0", 2, &mebibytes)])
}

/// An example of `libos`, as its own tests build it, in the same folder.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../unikernel");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "libos", "--examples", "--profile", "unikernel"])
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=compiler-builtins-mem", "--target", TARGET])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../libos"))
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_PROFILE_UNIKERNEL_LTO", "off")
            .env("RUSTFLAGS", "-Crelocation-model=static -Cforce-frame-pointers=yes")
            .status()
            .unwrap();
        assert!(built.success(), "the examples do not build for {TARGET}; it needs the component rust-src");
        target.join(TARGET).join("unikernel/examples")
    });
    folder.join(name)
}
