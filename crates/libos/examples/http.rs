//! A page over HTTP, on the library operating system alone: a card, the network over it, and a service over that.

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use device::Stack;
use netstack::{Config, Netstack};
use paf::Stop;
use paf::files::{File, Files};
use paf::http::Limits;

libos::manifest![card("net")];

fn main() -> Result<(), Box<dyn Error>> {
    let card = libos::card("net").ok_or("there is no network card")?;
    let page = File::new("text/plain", Bytes::from("hello from a machine of its own\n"), "1")?;
    let service = paf::http(Files::new(HashMap::from([("/index.html".to_owned(), page)])), Limits::default());
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let (stack, driver) = Netstack::new(card, &libos::Entropy, Config::default().dhcp())?;
        let driver = tokio::spawn(driver);
        let listener = stack.listen("0.0.0.0:80".parse()?).await?;
        tokio::spawn(paf::serve(service, listener, Stop::new()));
        println!("serving");
        Err(driver.await?.into())
    })
}
