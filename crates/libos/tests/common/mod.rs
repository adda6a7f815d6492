//! A machine that runs, and what is asked of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A machine that is turned off when the test is done with it.
pub(crate) struct Machine(pub(crate) std::process::Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until somebody answers.
pub(crate) fn get(port: u16, patience: Duration) -> Option<String> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Ok(mut flow) = TcpStream::connect(("127.0.0.1", port)) {
            let limited = flow.set_read_timeout(Some(Duration::from_secs(5)));
            limited.and_then(|()| flow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).ok()?;
            let mut answer = String::new();
            // QEMU takes a connection before the machine does, and may break it off.
            if flow.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
                return Some(answer);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
