//! The kernel command line as a program's arguments: words are divided by blanks, quotes keep blanks together, and words
//! that describe devices to a kernel are not the program's.

use alloc::string::String;
use alloc::vec::Vec;

/// The longest command line that is read, in bytes, with the zero byte at its end.
pub(crate) const LONGEST: usize = 4096;

/// The program's arguments, without its name.
pub(crate) fn arguments(line: &str) -> Vec<String> {
    words(line).into_iter().filter(|word| !word.starts_with("virtio_mmio.device=")).collect()
}

/// A virtio-mmio device that the line tells of (`virtio_mmio.device=SIZE@ADDRESS:INTERRUPT`, as Linux has it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MmioDevice {
    /// Its registers' first byte, and how many there are.
    pub(crate) start: usize,
    /// As [`Self::start`].
    pub(crate) size: usize,
    /// The number of its interrupt among the I/O APICs' inputs.
    pub(crate) interrupt: u32,
}

/// The devices that the line tells of, in its order; what is not such a description is passed over.
pub(crate) fn mmio_devices(line: &str) -> Vec<MmioDevice> {
    let described = |word: &String| {
        let (size, rest) = word.strip_prefix("virtio_mmio.device=")?.split_once('@')?;
        let mut rest = rest.split(':');
        let (start, interrupt) = (number(rest.next()?)?, rest.next()?.parse().ok()?);
        let size = match size.strip_suffix(['K', 'k']) {
            Some(kibibytes) => number(kibibytes)?.checked_mul(1024)?,
            None => number(size)?,
        };
        Some(MmioDevice { start, size, interrupt })
    };
    words(line).iter().filter_map(described).collect()
}

fn number(text: &str) -> Option<usize> {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| usize::from_str_radix(digits, 16)).ok()
}

/// Splits as a shell does: `'…'` takes everything literally, `"…"` and bare words heed a backslash.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match (char, quote) {
            ('\'' | '"', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (close, Some(open)) if close == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(rest.next()),
            (' ' | '\t' | '\n', None) => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::{MmioDevice, arguments, mmio_devices};

    #[test]
    fn words_are_a_shells() {
        assert_eq!(arguments(""), [""; 0]);
        assert_eq!(arguments("  --dhcp\t--name  x "), ["--dhcp", "--name", "x"]);
        assert_eq!(arguments(r#"--name 'a b' "c \"d\"" e\ f ''"#), ["--name", "a b", "c \"d\"", "e f", ""]);
        assert_eq!(arguments(r"'a\b' 'open"), [r"a\b", "open"]);
    }

    #[test]
    fn device_tables_are_not_the_programs() {
        assert_eq!(arguments("virtio_mmio.device=512@0xfeb00e00:12 --dhcp"), ["--dhcp"]);
    }

    #[test]
    fn device_tables_are_read() {
        // QEMU's microvm without ACPI
        let qemu = "virtio_mmio.device=512@0xfeb00c00:11 virtio_mmio.device=512@0xfeb00e00:12";
        let device = |start, size, interrupt| MmioDevice { start, size, interrupt };
        assert_eq!(mmio_devices(qemu), [device(0xfeb0_0c00, 512, 11), device(0xfeb0_0e00, 512, 12)]);
        // Firecracker 1.7, with a disk and a card
        let firecracker = "reboot=k panic=1 pci=off root=/dev/vda rw \
            virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6";
        assert_eq!(mmio_devices(firecracker), [device(0xd000_0000, 4096, 5), device(0xd000_1000, 4096, 6)]);
        // Firecracker of ACPI's days, with the options of `docs/unikernel/firecracker.json`, a disk, a card and a source of entropy
        let firecracker = "--ipv4 172.16.0.2/24 --gateway 172.16.0.1 --admin-listen [::]:9000 virtio_mmio.device=4K@0xc0001000:5 \
            virtio_mmio.device=4K@0xc0002000:6 virtio_mmio.device=4K@0xc0003000:7";
        let three = [(0xc000_1000, 5), (0xc000_2000, 6), (0xc000_3000, 7)];
        assert_eq!(mmio_devices(firecracker), three.map(|(start, interrupt)| device(start, 4096, interrupt)));
        let words = ["--ipv4", "172.16.0.2/24", "--gateway", "172.16.0.1", "--admin-listen", "[::]:9000"];
        assert_eq!(arguments(firecracker), words);
        for wrong in ["512@:5", "@0x1:5", "512@0x1", "512@0x1:x", "0x@0x1:5", "9@0x1ffffffffffffffff:1"] {
            assert_eq!(mmio_devices(&format!("virtio_mmio.device={wrong}")), [], "{wrong}");
        }
        assert_eq!(mmio_devices("--dhcp"), []);
    }
}
