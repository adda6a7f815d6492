//! Standard output, of which nobody may be reading: what is said waits in memory, up to a bound, and never who says it.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most that waits, in bytes.
const MOST: usize = 1 << 20;

/// How long is waited at the end while nothing of it is taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is said, on its way.
#[derive(Clone)]
pub(super) struct Words(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// How many bytes were lost since the last that found room.
    lost: usize,
    /// How many the thread that writes has in hand, and how often it took some.
    writing: usize,
    turns: u64,
    /// Whoever read it reads no more.
    closed: bool,
}

impl Words {
    /// Has a thread write to `out`.
    pub(super) fn to(mut out: impl Write + Send + 'static) -> Self {
        let words = Self(Arc::default());
        let writer = words.clone();
        thread::spawn(move || {
            while let Some(piece) = writer.take() {
                let written = out.write_all(&piece).and_then(|()| out.flush());
                let mut state = writer.state();
                state.writing = 0;
                state.turns += 1;
                if written.is_err() {
                    (state.closed, state.lost) = (true, 0);
                    state.waiting.clear();
                }
                writer.0.1.notify_all();
            }
        });
        words
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece to write; `None` where nobody reads any more.
    fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.closed {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // In small pieces, so that it is seen that some are taken.
        let size = state.waiting.len().min(4096);
        let piece: Vec<u8> = state.waiting.drain(..size).collect();
        state.writing = piece.len();
        (!state.closed).then_some(piece)
    }

    /// Says something. Where there is no room for it, it is lost, which is told with what comes next.
    pub(super) fn say(&self, text: &[u8]) {
        let mut state = self.state();
        if state.closed || text.is_empty() {
            return;
        }
        let note = match state.lost {
            0 => String::new(),
            lost => format!("\npasteur: {lost} bytes were lost here, since nobody read them\n"),
        };
        if state.waiting.len() + note.len() + text.len() > MOST {
            state.lost += text.len();
            return;
        }
        state.lost = 0;
        state.waiting.extend(note.as_bytes());
        state.waiting.extend(text);
        self.0.1.notify_all();
    }

    /// Waits until everything is written, nothing was taken for [`PATIENCE`], or `enough` says so, which is asked ten times a second.
    /// How many bytes were not written.
    pub(super) fn drain(&self, mut enough: impl FnMut() -> bool) -> usize {
        let mut state = self.state();
        let (mut turns, mut since) = (state.turns, Instant::now());
        while !state.waiting.is_empty() || state.writing > 0 {
            if state.turns != turns {
                (turns, since) = (state.turns, Instant::now());
            }
            if since.elapsed() > PATIENCE || enough() {
                break;
            }
            let woken = self.0.1.wait_timeout(state, Duration::from_millis(100));
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed { 0 } else { state.waiting.len() + state.writing + state.lost }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;

    #[test]
    fn everything_is_written_in_its_order() {
        let (mut read, write) = io::pipe().unwrap();
        let reader = thread::spawn(move || {
            let mut said = vec![0; 300_000];
            read.read_exact(&mut said).unwrap();
            said
        });
        let words = Words::to(write);
        let text: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        text.chunks(1000).for_each(|piece| words.say(piece));
        assert_eq!(words.drain(|| false), 0);
        assert!(reader.join().unwrap() == text);
    }

    #[test]
    fn who_says_something_never_waits_and_what_is_lost_is_counted() {
        let (mut read, write) = io::pipe().unwrap();
        let words = Words::to(write);
        for _ in 0..100 {
            words.say(&[b'x'; 100_000]);
        }
        let not_written = words.drain(|| true);
        assert!((8_000_000..=10_000_000).contains(&not_written), "{not_written}");
        let lost = words.state().lost;
        assert_eq!(lost % 100_000, 0);
        let reader = thread::spawn(move || {
            let mut said = vec![0; 10_000_000 - lost];
            read.read_exact(&mut said).unwrap();
            let mut rest = String::new();
            read.take(72).read_to_string(&mut rest).unwrap();
            rest
        });
        assert_eq!(words.drain(|| false), lost);
        words.say(b"again, and more than is looked at");
        let rest = reader.join().unwrap();
        assert!(
            rest.starts_with(&format!("\npasteur: {lost} bytes were lost here, since nobody read them\nagain")),
            "{rest}"
        );
    }

    #[test]
    fn nobody_is_there() {
        let (read, write) = io::pipe().unwrap();
        drop(read);
        let words = Words::to(write);
        for _ in 0..100 {
            words.say(&[b'x'; 100_000]);
        }
        assert_eq!(words.drain(|| false), 0, "who went does not miss it");
    }
}
