//! The fuzz targets of `fuzz/`, run on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what is shared with the form parser's targets is not used whole")]

#[path = "../../../../fuzz/shared/input.rs"]
mod input;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;
mod stream;

use replay::replay;

#[test]
fn stream_seeds() {
    // Kinds of frames, and lengths at the edges.
    let words: [&[u8]; 8] =
        [&[0, 5], &[1, 3, 0, 0, 0], &[0x21, 2, 7, 7], &[4, 0], &[0x0d, 1, 0], &[0x40, 0x64], &[0xbf, 0xff], &[0xff; 8]];
    replay("paf_frames", stream::run, usize::MAX, &words);
}
