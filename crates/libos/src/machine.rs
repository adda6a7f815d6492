//! What the rest of the crate asks of a machine, and nothing else: a second kind of machine implements this trait.

/// Nanoseconds of a clock: since boot, or since 1970 for the wall clock.
pub(crate) type Nanos = u64;

/// A virtual machine with one processor.
pub(crate) trait Machine: Sync {
    /// Writes to the console; what cannot be written is lost.
    fn console(&self, text: &[u8]);

    /// Time since boot; it never goes back.
    fn monotonic(&self) -> Nanos;

    /// Time since 1970 in UTC, as far as the machine knows it.
    fn wall(&self) -> Nanos;

    /// Sleeps until a device asks for attention or `deadline` is there (on [`Self::monotonic`]'s clock), without
    /// taking the processor from the machine below. It may return early.
    fn wait(&self, deadline: Option<Nanos>);

    /// Fills `out` from a hardware source; `false` where the source fails, and `out` must not be used.
    fn entropy(&self, out: &mut [u8]) -> bool;

    /// Ends the machine.
    fn exit(&self, status: Status) -> !;
}

/// How the machine ends. A monitor with an `isa-debug-exit` device shows [`Self::code`], from 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The program's own status; 0 to 62 are told apart.
    Exit(i32),
    /// A processor exception, by its vector.
    Fault(u8),
    /// A panic or an abort.
    Abort,
    /// No source of entropy: the machine is not started.
    NoEntropy,
    /// Memory, or the boot information, is not enough to start.
    Boot,
}

impl Status {
    /// One number for each way to end.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Exit(status) => u8::try_from(status).map_or(63, |status| status.min(63)),
            Self::Fault(vector) => 64 + vector.min(31),
            Self::Abort => 100,
            Self::NoEntropy => 101,
            Self::Boot => 102,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn every_end_has_a_number_of_its_own() {
        assert_eq!(Status::Exit(0).code(), 0);
        assert_eq!(Status::Exit(62).code(), 62);
        assert_eq!([Status::Exit(63), Status::Exit(-1), Status::Exit(300)].map(Status::code), [63; 3]);
        assert_eq!(Status::Fault(14).code(), 78);
        assert_eq!([Status::Abort, Status::NoEntropy, Status::Boot].map(Status::code), [100, 101, 102]);
    }
}
