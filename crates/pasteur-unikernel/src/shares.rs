//! Who may have how much of the machine's memory: there is no other, and what cannot be had ends the machine.

use netstack::Limits;

/// What a thread or a request needs now and then is left free beside these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Bytes of the store's pages.
    pub(crate) cache: usize,
    /// Bytes of contents on their way into the store, and as many on their way out.
    pub(crate) contents: usize,
    /// Bytes that a flow receives ahead, and as many that it sends.
    pub(crate) flow: usize,
    /// Flows at once.
    pub(crate) flows: usize,
    /// Of these, those that the application may have open: the others are for the operator, and for who is on the way in or out. Were
    /// they as many, it would never hear of one more, for which it closes one that rests.
    pub(crate) connections: usize,
    /// Requests at once on a connection of HTTP/2.
    pub(crate) streams: u32,
}

/// What is taken whoever is there: the server itself, pages that are being written, stacks; and what lies idle between blocks.
const ITSELF: usize = 8 << 20;

/// What a connection has beside its flow, where it sends as much as it may: buffers of HTTP and of TLS, and pieces of contents.
const CONNECTION: usize = 224 << 10;

/// The least memory that the server does with, in bytes: a little less than a machine of 24 MiB has.
const LEAST: usize = 15 << 20;

/// The longest image of a site on a disk where there is so much memory, in bytes; it is in memory as a whole.
pub(crate) fn longest_site(memory: usize) -> u64 {
    memory.saturating_sub(LEAST).min(64 << 20) as u64
}

impl Shares {
    /// Of so many bytes in all.
    pub(crate) fn of(memory: usize) -> Self {
        let flow = (memory / 512).next_power_of_two().clamp(16 << 10, 64 << 10);
        let limits = Limits::default();
        let flows = (memory * 3 / 4).saturating_sub(ITSELF) / (2 * flow + CONNECTION);
        let flows = flows.clamp(16, limits.sockets);
        Self {
            cache: (memory / 8).min(8 << 20),
            contents: (memory / 16).clamp(1 << 20, 16 << 20),
            flow,
            flows,
            connections: flows * 3 / 4,
            streams: (memory >> 20).clamp(16, 100) as u32,
        }
    }

    /// As the network stack is told.
    pub(crate) fn network(&self) -> Limits {
        let (sockets, half_open, backlog) = (self.flows, self.flows / 2, self.flows / 2);
        Limits { sockets, half_open, backlog, receive: self.flow, send: self.flow, ..Limits::default() }
    }

    /// What a client of HTTP/2 may send ahead, in bytes: on its way it has no more, and the server keeps what it does not take at once.
    pub(crate) fn window(&self) -> u32 {
        (2 * self.flow) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_leaves_the_server_its_memory() {
        assert_eq!(longest_site(1 << 20), 0);
        for mebibytes in [16, 24, 64, 79] {
            assert_eq!(longest_site(mebibytes << 20), (mebibytes as u64 - 15) << 20);
        }
        assert_eq!(longest_site(1 << 30), 64 << 20);
    }

    #[test]
    fn all_shares_are_a_part_of_the_whole() {
        for mebibytes in [16, 24, 32, 64, 256, 1024, 8192] {
            let memory = mebibytes << 20;
            let Shares { cache, contents, flow, flows, connections, streams } = Shares::of(memory);
            let taken = cache + 2 * contents + (2 * flow + CONNECTION) * connections;
            assert!(taken <= memory * 3 / 4, "{taken} of {memory}");
            assert!(connections >= 12 && flows - connections >= 4, "{connections} of {flows}");
            assert!(flows >= 48 || mebibytes < 64, "{flows}");
            assert!((16..=100).contains(&streams));
        }
        let large = Shares::of(1 << 33);
        assert_eq!((large.flows, large.cache), (Limits::default().sockets, 8 << 20));
    }
}
