//! A server: `cargo run -p host --example hello -- 127.0.0.1:8080`, until Ctrl-C.

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use device::{Listener, Place, Stack};
use host::{Signals, Sockets};
use paf::files::{File, Files};
use paf::http::Limits;
use paf::{Stop, serve};
use tokio::task::JoinSet;

fn main() -> Result<(), Box<dyn Error>> {
    let place: Place = std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let page = File::new("text/plain", Bytes::from("hello\n"), "1")?;
    let site = Files::new(HashMap::from([("/index.html".to_owned(), page)]));
    host::runtime()?.block_on(async {
        let service = paf::http(site, Limits::default());
        let (stop, mut signals) = (Stop::new(), Signals::new()?);
        let mut served = JoinSet::new();
        for listener in Sockets::new().listen_at(&place).await? {
            println!("listening at {:?}", listener.local()?);
            served.spawn(serve(service.clone(), listener, stop.clone()));
        }
        signals.stop().await;
        stop.pull();
        served.join_all().await;
        Ok(())
    })
}
