//! A wire between browser and server that can be cut in the middle of an answer or of a request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A TCP relay. Until it is told to cut, it only passes bytes on.
pub struct Wire {
    scheme: &'static str,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    down: Direction,
    up: Direction,
    cuts: usize,
    /// Bytes of the server's answers so far.
    answered: u64,
    /// Bytes a second each way; 0 is as fast as it goes.
    rate: u64,
}

#[derive(Default)]
struct Direction {
    /// Bytes to let pass before each of the coming cuts.
    planned: VecDeque<u64>,
    passed: u64,
}

#[derive(Clone, Copy)]
enum Way {
    Down,
    Up,
}

impl Wire {
    /// A wire to the server at this address, which speaks `http` or `https`.
    ///
    /// # Errors
    /// No socket could be opened.
    pub async fn to(scheme: &'static str, server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, Arc::clone(&shared)));
            }
        });
        Ok(Self { scheme, address, state, task })
    }

    /// The address to use instead of the server's.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Plans cuts of what the server sends: the first after this many bytes from now on, each further one after that
    /// many bytes more. A cut resets the connection that carries the byte.
    pub fn cut_answers_after(&self, bytes: &[u64]) {
        self.lock().down = Direction { planned: bytes.iter().copied().collect(), passed: 0 };
    }

    /// The same for what the server is sent.
    pub fn cut_requests_after(&self, bytes: &[u64]) {
        self.lock().up = Direction { planned: bytes.iter().copied().collect(), passed: 0 };
    }

    /// Lets at most this many bytes a second pass each way on a connection; 0 is as fast as it goes.
    pub fn slow_down(&self, rate: u64) {
        self.lock().rate = rate;
    }

    /// How often it has been cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.lock().cuts
    }

    /// How many bytes the server has sent over it.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.lock().answered
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        // A delay here would be measured as the server's.
        let _ = stream.set_nodelay(true);
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    // Whichever way is cut first takes the other with it: both halves are dropped, and with unread bytes in a socket
    // the kernel sends a reset.
    let (down, up) =
        (copy(server_read, client_write, &state, Way::Down), copy(client_read, server_write, &state, Way::Up));
    tokio::pin!(down, up);
    tokio::select! {
        cut = &mut down => if !cut { up.await; },
        cut = &mut up => if !cut { down.await; },
    }
}

/// Passes bytes on until the sender is done (false) or the wire is cut (true).
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &Mutex<State>, way: Way) -> bool {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => {
                let _ = to.shutdown().await;
                return false;
            }
            Ok(n) => n,
        };
        let ((pass, cut), rate) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let budget = state.budget(way, n);
            if let Way::Down = way {
                state.answered += budget.0 as u64;
            }
            (budget, state.rate)
        };
        if let Some(micros) = (n as u64 * 1_000_000).checked_div(rate) {
            sleep(Duration::from_micros(micros)).await;
        }
        if to.write_all(&buffer[..pass]).await.is_err() || cut {
            return true;
        }
    }
}

impl State {
    /// How many of `n` bytes may pass, and whether the wire is cut after them.
    fn budget(&mut self, way: Way, n: usize) -> (usize, bool) {
        let direction = match way {
            Way::Down => &mut self.down,
            Way::Up => &mut self.up,
        };
        let Some(&limit) = direction.planned.front() else { return (n, false) };
        let left = limit.saturating_sub(direction.passed);
        if (n as u64) < left {
            direction.passed += n as u64;
            return (n, false);
        }
        direction.planned.pop_front();
        direction.passed = 0;
        self.cuts += 1;
        (left as usize, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_cut_where_it_was_told_and_whole_again_after() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::to("http", server.local_addr().unwrap()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let _ = stream.write_all(&[7; 1000]).await;
            }
        });
        wire.cut_answers_after(&[300]);
        for expected in [300, 1000] {
            let mut got = Vec::new();
            let mut stream = TcpStream::connect(wire.address).await.unwrap();
            let _ = stream.read_to_end(&mut got).await;
            assert_eq!(got.len(), expected);
        }
        assert_eq!((wire.cuts(), wire.answered()), (1, 1300));
    }
}
