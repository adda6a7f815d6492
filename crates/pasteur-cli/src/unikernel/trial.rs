//! Whether KVM works here. That the device is there says little: it may be closed, QEMU may not get on with it, or it may run
//! guests up to some instruction and then stop for ever, as KVM inside of other virtual machines does. So a guest of a few
//! instructions is run, within a bounded time; an SSE instruction is among them.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{guard, qemu};

const DEVICE: &str = "/dev/kvm";

/// How long the guest may take; it takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the guest ends with.
const STATUS: u8 = 21;

/// Runs the guest by KVM; `Err` says why that cannot be used.
pub(super) fn kvm(program: &Path) -> Result<(), String> {
    OpenOptions::new().read(true).write(true).open(DEVICE).map_err(|error| format!("{DEVICE}: {error}"))?;
    run(guard::command(program), true)
}

fn run(mut command: Command, kvm: bool) -> Result<(), String> {
    let mut image = tempfile::NamedTempFile::new().map_err(|error| format!("no file for a trial: {error}"))?;
    image.write_all(&guest()).map_err(|error| format!("no file for a trial: {error}"))?;
    command.args(qemu::ALWAYS).args(qemu::processor(kvm)).args(["-machine", "microvm", "-m", "16M", "-kernel"]);
    command.arg(image.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if Instant::now() >= until => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let Some(status) = status else {
        // It may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("a trial machine does not end within {} s", PATIENCE.as_secs()));
    };
    if status.code() == Some(i32::from(STATUS) << 1 | 1) {
        return Ok(());
    }
    let mut said = String::new();
    // What is no text is not told.
    let _ = child.stderr.take().map(|stderr| stderr.take(4096).read_to_string(&mut said));
    Err(said.lines().next().map_or_else(|| status.to_string(), |line| crate::human::printable(line, false)))
}

/// A guest that boots by PVH: it allows SSE, uses it, and ends with [`STATUS`].
fn guest() -> Vec<u8> {
    const BASE: u64 = 0x10_0000;
    const CODE: [u8; 20] = [
        0x0f, 0x20, 0xe0, // mov eax, cr4
        0x0d, 0x00, 0x06, 0x00, 0x00, // or eax, OSFXSR | OSXMMEXCPT
        0x0f, 0x22, 0xe0, // mov cr4, eax
        0x0f, 0x57, 0xc0, // xorps xmm0, xmm0
        0xb0, STATUS, // mov al, STATUS
        0xe6, 0xf4, // out 0xf4, al
        0xf4, 0xf4, // hlt
    ];
    let note = 64 + 2 * 56;
    let entry = note + 20;
    let size = entry + CODE.len() as u64;
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(16, 0);
    // a program (2) for x86-64 (62)
    image.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for field in [BASE + entry, 64, 0] {
        image.extend(field.to_le_bytes());
    }
    for field in [0u16, 0, 64, 56, 2, 64, 0, 0] {
        image.extend(field.to_le_bytes());
    }
    for (kind, offset, size) in [(1u32, 0, size), (4, note, 20)] {
        image.extend(kind.to_le_bytes());
        image.extend([5, 0, 0, 0]);
        for field in [offset, BASE + offset, BASE + offset, size, size, 4] {
            image.extend(field.to_le_bytes());
        }
    }
    for field in [4u32, 4, 18] {
        image.extend(field.to_le_bytes());
    }
    image.extend(b"Xen\0");
    image.extend(((BASE + entry) as u32).to_le_bytes());
    image.extend(CODE);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_qemu_the_guest_ends_where_the_processor_works() {
        // Without the guard, which is this program and not that of the test.
        run(Command::new("qemu-system-x86_64"), false).unwrap();
    }
}
