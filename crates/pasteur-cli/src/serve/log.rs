//! Log lines on standard error, written by a thread of their own, so that no request waits for a terminal or a disk.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pasteur::Sink;

/// Bytes that may wait to be written; lines beyond are dropped and counted.
const MOST: usize = 1 << 20;
/// Lines of this time go out together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How long the end waits for whoever reads the log.
const LAST: Duration = Duration::from_secs(1);

/// The thread that writes.
pub(super) struct Lines {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// Where lines are handed in.
pub(super) struct Waiting(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    dropped: u64,
    idle: bool,
    over: bool,
}

impl Lines {
    /// Starts the thread. Where there is none to be had, lines are dropped.
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let builder = std::thread::Builder::new().name("log".into()).stack_size(128 * 1024);
        let writer = builder.spawn({
            let shared = Arc::clone(&shared);
            move || shared.write()
        });
        Self { shared, writer: writer.ok() }
    }

    /// A handle for lines.
    pub(super) fn sink(&self) -> Waiting {
        Waiting(Arc::clone(&self.shared))
    }

    /// Writes what waits, and ends the thread; where nobody takes the log, what waits is lost after [`LAST`].
    pub(super) fn finish(self) {
        self.shared.queue().over = true;
        self.shared.wake.notify_one();
        let end = Instant::now() + LAST;
        while self.writer.as_ref().is_some_and(|writer| !writer.is_finished()) && Instant::now() < end {
            std::thread::sleep(TOGETHER / 4);
        }
    }
}

impl Sink for Waiting {
    fn line(&self, line: &str) {
        let mut queue = self.0.queue();
        if queue.text.len() + line.len() > MOST {
            queue.dropped += 1;
        } else {
            queue.text.extend_from_slice(line.as_bytes());
        }
        if std::mem::take(&mut queue.idle) {
            self.0.wake.notify_one();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let mut batch = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.text.is_empty() && !queue.over {
                queue.idle = true;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            batch.clear();
            std::mem::swap(&mut batch, &mut queue.text);
            let (dropped, over) = (std::mem::take(&mut queue.dropped), queue.over);
            drop(queue);
            if dropped > 0 {
                batch.extend_from_slice(format!("{dropped} log lines were dropped: too many at once\n").as_bytes());
            }
            // A log that nobody can take is no reason to stop serving.
            let _ = std::io::stderr().write_all(&batch);
            if over {
                return;
            }
            std::thread::sleep(TOGETHER);
        }
    }
}
