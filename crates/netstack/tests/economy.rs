//! What a connection costs where little happens: segments for each question, waits for acknowledgements, idle hours, peers that are gone,
//! and a card without room. In virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Stack};
use netstack::{Config, Limits, NetFlow, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

#[derive(Default)]
struct Counts {
    /// Frames that were sent, and tries to send one for which there was no room.
    sent: usize,
    refused: usize,
    /// Whether there is no room, and who is to be told when there is.
    full: bool,
    waker: Option<Waker>,
}

/// A card that counts, and has no room when a test says so.
struct Card {
    cable: SimEthernet,
    counts: Arc<Mutex<Counts>>,
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        self.cable.mac()
    }

    fn mtu(&self) -> usize {
        self.cable.mtu()
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        self.cable.receive(out)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        let mut counts = self.counts.lock().unwrap();
        if counts.full {
            counts.refused += 1;
            return Ok(false);
        }
        counts.sent += 1;
        self.cable.send(frame)
    }

    fn register(&mut self, waker: &Waker) {
        self.cable.register(waker);
        self.counts.lock().unwrap().waker = Some(waker.clone());
    }
}

/// Two machines, and a flow between them.
struct World {
    asking: NetFlow,
    answering: NetFlow,
    /// Of the frames of the server, and of those of the client.
    counts: [Arc<Mutex<Counts>>; 2],
    /// Moves the client's frames; aborted, the client is gone.
    client: tokio::task::JoinHandle<()>,
}

async fn world(limits: Limits) -> World {
    let (one, other) = SimEthernet::pair(WireTrouble::default());
    let counts = [Arc::default(), Arc::default()];
    let config = |address: &str| Config::default().address(address.parse().unwrap()).limits(limits);
    let card = |cable, counts: &Arc<Mutex<Counts>>| Card { cable, counts: Arc::clone(counts) };
    let here = config("10.0.0.1/24");
    let (server, driver) = Netstack::new(card(one, &counts[0]), &SimRandom::new(1), here).unwrap();
    tokio::spawn(driver);
    let there = config("10.0.0.2/24");
    let (client, driver) = Netstack::new(card(other, &counts[1]), &SimRandom::new(2), there).unwrap();
    let moves = tokio::spawn(async move { drop(driver.await) });
    let at = "10.0.0.1:80".parse().unwrap();
    let mut listener = server.listen(at).await.unwrap();
    let asking = client.connect(at).await.unwrap();
    let (answering, _) = listener.accept().await.unwrap();
    World { asking, answering, counts, client: moves }
}

impl World {
    /// A question and its answer, which takes so long to be found.
    async fn exchange(&mut self, thinking: Duration) {
        let mut said = [0; 8];
        self.asking.write_all(b"question").await.unwrap();
        self.answering.read_exact(&mut said).await.unwrap();
        sleep(thinking).await;
        self.answering.write_all(b"response").await.unwrap();
        self.asking.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"response");
    }

    fn sent(&self) -> usize {
        self.counts.iter().map(|counts| counts.lock().unwrap().sent).sum()
    }
}

/// An acknowledgement goes with an answer that comes soon, and by itself with one that does not.
#[tokio::test(start_paused = true)]
async fn acknowledgements_travel_with_answers() {
    let mut world = world(Limits::default()).await;
    world.exchange(Duration::ZERO).await;
    let before = world.sent();
    for _ in 0..100 {
        world.exchange(Duration::from_millis(1)).await;
    }
    assert!(world.sent() - before <= 202, "{} segments for 100 questions and answers", world.sent() - before);
    let before = world.sent();
    for _ in 0..100 {
        world.exchange(Duration::from_millis(100)).await;
    }
    let sent = world.sent() - before;
    assert!((300..=402).contains(&sent), "{sent} segments for 100 questions and late answers");
}

/// An answer's body does not wait for the acknowledgement of its head, nor that for anything.
#[tokio::test(start_paused = true)]
async fn pieces_of_an_answer_do_not_wait() {
    let mut world = world(Limits::default()).await;
    world.exchange(Duration::ZERO).await;
    for _ in 0..100 {
        world.exchange(Duration::ZERO).await;
        let begun = Instant::now();
        for piece in [b"head", b"body", b"tail"] {
            let mut got = [0; 4];
            world.answering.write_all(piece).await.unwrap();
            world.asking.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, piece);
        }
        assert!(begun.elapsed() < Duration::from_millis(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_as_long_as_its_ends() {
    let mut world = world(Limits::default()).await;
    for _ in 0..3 {
        sleep(Duration::from_hours(6)).await;
        world.exchange(Duration::from_hours(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_is_given_up_without_a_word_to_it() {
    let limits = Limits::default();
    let mut world = world(limits).await;
    world.exchange(Duration::ZERO).await;
    world.client.abort();
    let begun = Instant::now();
    let end = timeout(Duration::from_hours(1), world.answering.read_u8()).await;
    let error = end.expect("it is not waited for ever").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(begun.elapsed() <= limits.silence + limits.keep_alive, "{:?}", begun.elapsed());
}

/// Windows are scaled: without, one of more than 64 KiB could not be told (RFC 7323 section 2).
#[tokio::test(start_paused = true)]
async fn a_large_window_is_used() {
    let mut world = world(Limits { receive: 1 << 20, ..Limits::default() }).await;
    let data: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let written = timeout(Duration::from_mins(1), world.asking.write_all(&data)).await;
    written.expect("there is room for all of it, though nobody reads").unwrap();
    let mut got = vec![0; data.len()];
    world.answering.read_exact(&mut got).await.unwrap();
    assert!(got == data);
}

#[tokio::test(start_paused = true)]
async fn a_card_without_room_is_waited_for_and_not_asked_all_the_time() {
    let mut world = world(Limits::default()).await;
    world.exchange(Duration::ZERO).await;
    let counts = Arc::clone(&world.counts[0]);
    counts.lock().unwrap().full = true;
    world.answering.write_all(&[7; 50_000]).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let refused = counts.lock().unwrap().refused;
    assert!((1..1000).contains(&refused), "asked {refused} times in ten seconds");
    let waker = {
        let mut counts = counts.lock().unwrap();
        counts.full = false;
        counts.waker.take().expect("somebody waits for room")
    };
    waker.wake();
    let mut got = vec![0; 50_000];
    world.asking.read_exact(&mut got).await.unwrap();
    assert_eq!(got, [7; 50_000]);
}
