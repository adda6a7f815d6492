//! The ordinary machine's world: sockets, files, clock and entropy.
