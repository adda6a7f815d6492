//! A test of a service without a network: the handler, its limits and its clients on a simulated one, on a clock that
//! jumps. `cargo run -p paf --example simulated`, or `cargo test`.

use std::collections::HashMap;
use std::time::Duration;

use device::Stack;
use device::sim::{Delay, SimStack, Trouble};
use paf::files::{File, Files};
use paf::http::Limits;
use paf::{Stop, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let page = File::new("text/plain", bytes::Bytes::from("hello"), "1")?;
    let service = paf::http(Files::new(HashMap::from([("/index.html".to_owned(), page)])), Limits::default());
    let delay = Delay { most: Duration::from_millis(100), sleep: |time| Box::pin(tokio::time::sleep(time)) };
    let network = SimStack::with(Trouble { seed: 7, split: true, delay: Some(delay), cut: None });
    let (at, stop) = ("10.0.0.1:80".parse()?, Stop::new());
    let served = tokio::spawn(serve(service, network.listen(at).await?, stop.clone()));

    let mut client = network.connect(at)?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");

    // Who says nothing is let go, long before the hour is over.
    let mut silent = network.connect(at)?;
    assert_eq!(tokio::time::timeout(Duration::from_secs(3600), silent.read(&mut [0])).await??, 0);
    stop.pull();
    Ok(served.await?)
}

#[test]
fn holds() {
    main().unwrap();
}
