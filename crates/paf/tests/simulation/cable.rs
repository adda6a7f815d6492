//! The service on a TCP/IP stack over a cable that loses, repeats, reorders and damages frames: to clients all that is a delay, and
//! every request is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use device::Stack;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Config, Netstack};
use paf::http::{Limits, Service, serve};
use paf::{Counters, Stop};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answers::Answers;
use super::clients::request;
use super::handler::Handler;
use super::world::{Dice, GRACE};

/// Runs one seed to its end, and tells how many answers there were.
pub(crate) fn run(seed: u64) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(live(seed))
}

async fn live(seed: u64) -> usize {
    let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let [lost, repeated, late, damaged] = [30, 30, 100, 20].map(|most| dice.below(most) as u16);
    let (card, other) = SimEthernet::pair(WireTrouble { seed: dice.below(u64::MAX), lost, repeated, late, damaged });
    let mut drivers = JoinSet::new();
    let mut stack = |card: SimEthernet, address: &str| {
        let config = Config::default().address(address.parse().unwrap());
        let (stack, driver) = Netstack::new(card, &SimRandom::new(dice.below(u64::MAX)), config).unwrap();
        drivers.spawn(async move { drop(driver.await) });
        stack
    };
    let (server, client) = (stack(card, "10.0.0.1/24"), stack(other, "10.0.0.2/24"));
    let at: SocketAddr = "10.0.0.1:80".parse().unwrap();
    let handler = Handler::default();
    let service = Service::new(handler.clone(), Limits::default());
    let (counters, stop): (Arc<Counters>, _) = (service.counters(), Stop::new());
    let served = tokio::spawn(serve(service, server.listen(at).await.unwrap(), stop.clone()));
    let ids = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..1 + dice.below(8) {
        clients.spawn(ask(client.clone(), at, Arc::clone(&ids), Dice::new(dice.below(u64::MAX))));
    }
    let answers: usize = clients.join_all().await.into_iter().sum();
    // Ends and their acknowledgements are lost as well.
    sleep(Duration::from_secs(100)).await;
    assert_eq!(counters.snapshot().open, 0, "connections without a client");
    stop.pull();
    timeout(GRACE + Duration::from_secs(10), served).await.expect("the service does not end").unwrap();
    assert!(handler.0.lock().unwrap().values().all(|times| *times == 1), "a request was handled twice");
    answers
}

/// Requests that queue on a connection, and others after them.
async fn ask(stack: Netstack, at: SocketAddr, ids: Arc<AtomicU64>, mut dice: Dice) -> usize {
    sleep(dice.millis(2000)).await;
    let (read, mut write) = tokio::io::split(stack.connect(at).await.expect("a client that gets through"));
    let mut answers = Answers::new(read);
    let mut all = 0;
    for _ in 0..1 + dice.below(3) {
        let (bytes, asked): (Vec<_>, Vec<_>) =
            (0..1 + dice.below(4)).map(|_| request(ids.fetch_add(1, Ordering::Relaxed), &mut dice)).unzip();
        let bytes = bytes.concat();
        let (sent, got) = tokio::join!(write.write_all(&bytes), answers.check(&asked));
        sent.expect("a connection that holds");
        assert_eq!(got.answers, asked.len(), "a client was not answered: {got:?}");
        all += got.answers;
        sleep(dice.millis(3000)).await;
    }
    all
}
