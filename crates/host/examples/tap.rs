//! A server on a TCP/IP stack of its own, beside the kernel's: 10.0.0.2 on a TAP device.
//!
//!     ip tuntap add dev tap0 mode tap user "$USER"; ip address add 10.0.0.1/24 dev tap0; ip link set tap0 up   # as root
//!     cargo run -p host --features tap --example tap -- tap0 &  curl http://10.0.0.2/

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use device::Stack;
use host::{Entropy, Tap};
use netstack::{Config, Netstack};
use paf::files::{File, Files};
use paf::http::Limits;
use paf::{Stop, serve};

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or("tap0".into());
    let page = File::new("text/plain", Bytes::from("hello\n"), "1")?;
    let site = Files::new(HashMap::from([("/index.html".to_owned(), page)]));
    host::runtime()?.block_on(async {
        let config = Config::default().address("10.0.0.2/24".parse()?);
        let (stack, driver) = Netstack::new(Tap::open(&name)?, &Entropy, config)?;
        let listener = stack.listen("10.0.0.2:80".parse()?).await?;
        tokio::spawn(serve(paf::http(site, Limits::default()), listener, Stop::new()));
        Err(driver.await.into())
    })
}
