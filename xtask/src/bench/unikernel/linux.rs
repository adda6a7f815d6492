//! Debian's cloud kernel with the static `pasteur serve` as its init. Its packages are taken apart and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{paths, setup, shell, web};

/// What a machine starts from.
pub(super) struct Linux {
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
}

/// The modules that the machine's devices take, each behind those that it needs.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
];

/// The init: it sees to the devices, and becomes the server, whose options the kernel passes on from its command line.
const INIT: &str = "\
#!/bin/busybox sh
for module in MODULES; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t ext4 /dev/vda /store
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox ip link set eth0 up
exec /bin/pasteur serve --listen 0.0.0.0:80 --store /store/store \"$@\"
";

/// Gets and builds it.
pub(super) fn build(site: &web::Site) -> Result<Linux> {
    let folder = paths::target().join("linux");
    let (kernel, modules) = kernel(&folder)?;
    let busybox = unpack(&folder, "busybox-static")?.join("bin/busybox");
    let program = program(site)?;
    let mut archive = Archive::default();
    for name in ["bin", "dev", "modules", "proc", "store"] {
        archive.add(name, 0o40755, &[]);
    }
    archive.add("init", 0o100_755, INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
    let read = |file: &Path| fs::read(file).with_context(|| file.display().to_string());
    archive.add("bin/busybox", 0o100_755, &read(&busybox)?);
    archive.add("bin/pasteur", 0o100_755, &read(&program)?);
    for module in MODULES {
        let file = find(&modules, &format!("{module}.ko"))?.with_context(|| format!("there is no module {module}"))?;
        archive.add(&format!("modules/{module}.ko"), 0o100_644, &read(&file)?);
    }
    let initrd = folder.join("initrd");
    fs::write(&initrd, archive.finish())?;
    Ok(Linux { kernel, initrd })
}

/// A disk of `size` bytes with a file system that holds the store.
pub(super) fn disk(folder: &Path, store: &Path, size: u64) -> Result<PathBuf> {
    let (disk, root) = (folder.join("disk-linux"), folder.join("root"));
    fs::create_dir_all(&root)?;
    fs::copy(store, root.join("store"))?;
    fs::File::create(&disk)?.set_len(size)?;
    let program = if Path::new("/usr/sbin/mkfs.ext4").exists() { "/usr/sbin/mkfs.ext4" } else { "mkfs.ext4" };
    // Whatever is left to be done at the first mount would be done while figures are taken.
    let options = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-d"];
    shell::run(Command::new(program).args(options).arg(&root).arg(&disk))?;
    Ok(disk)
}

/// The kernel, and the folder of its modules.
fn kernel(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let depends = shell::output(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]));
    let name = depends.as_deref().unwrap_or_default().lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let name = name.context("apt knows no linux-image-cloud-amd64: is this Debian, and its lists up to date?")?;
    let root = unpack(folder, name)?;
    let version = name.trim_start_matches("linux-image-");
    Ok((root.join(format!("boot/vmlinuz-{version}")), root.join("lib/modules").join(version)))
}

/// What a package of Debian's has inside, in a folder of its own; it is fetched once.
fn unpack(folder: &Path, package: &str) -> Result<PathBuf> {
    let place = folder.join(package);
    if place.is_dir() {
        return Ok(place);
    }
    let fetched = folder.join("fetched");
    if fetched.is_dir() {
        fs::remove_dir_all(&fetched)?;
    }
    fs::create_dir_all(&fetched)?;
    shell::run(Command::new("apt-get").args(["--quiet", "download", package]).current_dir(&fetched))?;
    let archive = fs::read_dir(&fetched)?.next().context("apt-get fetched nothing")??.path();
    let unpacked = fetched.join("unpacked");
    shell::run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&unpacked))?;
    fs::rename(&unpacked, &place)?;
    Ok(place)
}

/// The program `pasteur`, linked with all that it needs: by glibc, whose memory is faster than that of musl.
fn program(site: &web::Site) -> Result<PathBuf> {
    let target = setup::compiler("host")?;
    ensure!(
        target == "x86_64-unknown-linux-gnu",
        "Linux's side of it is built on x86_64-unknown-linux-gnu, not {target}"
    );
    let folder = paths::target().join("static");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "pasteur-cli", "--target", &target]);
    cargo.env("CARGO_TARGET_DIR", &folder).env("PASTEUR_SITE_IMAGE", &site.image);
    cargo.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    shell::run(&mut cargo)?;
    let program = folder.join(target).join("release/pasteur");
    if !program.is_file() {
        bail!("cargo built no {}", program.display());
    }
    Ok(program)
}

/// A file of that name, wherever in the folder.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|file| file == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// An archive as the kernel takes its first files from (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    count: usize,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.count += 1;
        let fields = [self.count, mode as usize, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").into_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_one_to_cpio_too() {
        let mut archive = Archive::default();
        archive.add("bin", 0o40755, &[]);
        archive.add("bin/a", 0o100_755, b"hello");
        let bytes = archive.finish();
        // A header has 110 bytes; names and data are filled up to 4.
        assert_eq!(bytes.len(), (110 + 4 + 2) + (110 + 6 + 8) + (110 + 11 + 3));
        let second = &bytes[116..];
        assert_eq!(&second[..6], b"070701");
        assert_eq!((&second[54..62], &second[94..102]), (&b"00000005"[..], &b"00000006"[..]));
        assert_eq!((&second[110..116], &second[116..121]), (&b"bin/a\0"[..], &b"hello"[..]));
    }
}
