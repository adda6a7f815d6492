//! The image's symbols: it asks nobody for anything, and has of `std`'s ABI what `libos` gives it, without files and sockets.

use std::process::Command;

use crate::machine::image;

#[test]
fn needs_qemu_the_symbols_are_those_of_the_abi_and_no_others() {
    let abi: Vec<_> = include_str!("../../../libos/abi.txt").lines().collect();
    assert!(abi.contains(&"sys_exit") && !abi.contains(&""), "{abi:?}");
    let output = Command::new("nm").arg(image()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Those that link-time optimisation has not taken in.
    assert!(text.lines().any(|line| line.ends_with(" T sys_exit")), "the image has its symbols");
    for line in text.lines() {
        let (kind, name) = line.rsplit_once(' ').unwrap();
        assert!(!kind.ends_with(['U', 'w', 'v']), "{name} is undefined");
        assert!(!name.starts_with("sys_") || abi.contains(&name), "{name} is not of the ABI");
    }
}
