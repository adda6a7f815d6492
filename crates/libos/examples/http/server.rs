//! The whole of it: a card, the network over it, and a service over that. Its arguments are an address with its prefix, as
//! in `10.0.2.15/24`, and a gateway.

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use device::Stack;
use libos::Entropy;
use netstack::{Config, Netstack};
use paf::Stop;
use paf::files::{File, Files};
use paf::http::Limits;

/// Serves until the machine is turned off.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("the command line is ADDRESS/PREFIX GATEWAY");
    let config = Config::default().address(argument()?.parse()?).gateway(argument()?.parse()?);
    let card = libos::card("net").ok_or("the network card is taken")?;
    let page = File::new("text/plain", Bytes::from("hello from a machine of its own\n"), "1")?;
    let service = paf::http(Files::new(HashMap::from([("/index.html".to_owned(), page)])), Limits::default());
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let (stack, driver) = Netstack::new(card, &Entropy, config)?;
        let driver = tokio::spawn(driver);
        let listener = stack.listen("0.0.0.0:80".parse()?).await?;
        println!("serving");
        tokio::spawn(paf::serve(service, listener, Stop::new()));
        Err(driver.await?.into())
    })
}
