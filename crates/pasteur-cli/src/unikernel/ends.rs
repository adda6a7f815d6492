//! How a machine ended, in words (docs/unikernel.md has the table).

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What QEMU's own exit code says of a machine that had begun to run: its own status, where there is one.
pub(super) fn status(qemu: ExitStatus) -> Option<u8> {
    // The debug port makes it odd.
    let code = u8::try_from(qemu.code()?).ok()?;
    (code & 1 == 1).then_some(code >> 1)
}

/// A machine's status in words, if it did not end well.
pub(super) fn words(status: u8) -> Option<String> {
    Some(match status {
        0 => return None,
        1..=62 => format!("the program ended with status {status}"),
        63 => "the program ended with a status of 63 or more".into(),
        64..=95 => format!("the processor met with exception {}, which the console tells of", status - 64),
        100 => "the program panicked, or ended in disorder".into(),
        101 => "the machine has no source of entropy".into(),
        102 => "the machine has too little memory, or is not loaded as it has to be; the console tells which".into(),
        103 => "the machine lacks a device that the program needs".into(),
        104 => "nothing tells the machine the date, or how fast time goes; the console tells which".into(),
        other => format!("the machine ended with status {other}, which is not known"),
    })
}

/// In words how QEMU ended where the machine did not say anything.
pub(super) fn silent(qemu: ExitStatus) -> String {
    match (qemu.signal(), qemu.code()) {
        (Some(signal), _) => format!("QEMU was ended by signal {signal}"),
        (_, Some(0)) => "the machine was reset, and does not say why".into(),
        (_, code) => format!("QEMU ended with code {}", code.unwrap_or(-1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_codes_are_the_machines() {
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!([1, 15, 201, 157].map(|raw| status(code(raw))), [Some(0), Some(7), Some(100), Some(78)]);
        assert_eq!([0, 2].map(|raw| status(code(raw))), [None, None]);
        assert_eq!(status(ExitStatus::from_raw(9)), None);
        assert_eq!(silent(ExitStatus::from_raw(9)), "QEMU was ended by signal 9");
        assert_eq!(silent(code(0)), "the machine was reset, and does not say why");
        assert_eq!(words(0), None);
        let told = words(78).unwrap();
        assert_eq!(told, "the processor met with exception 14, which the console tells of");
        assert!((1..=127).all(|status| words(status).is_some()));
    }
}
