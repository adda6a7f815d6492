//! The application in the world of the library operating system: the devices that the manifest declares fill its seams.

use std::net::IpAddr;
use std::sync::Arc;
use std::{panic, process, thread};

use bytes::Bytes;
use device::image::whole;
use device::{Block, Place};
use libos::{Clock, Entropy};
use netstack::Netstack;
use paf::Stop;
use pasteur::{Control, Memory, Ready, Sink, Site};
use store::{Embedded, Options as StoreOptions};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::failure::{DAMAGED, Failure};
use crate::options::Arguments;
use crate::shares::{Shares, longest_site};
use crate::{secrets, tls};

/// The site this program was built with; empty where it was built without one.
static SITE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/site.img"));

/// The stack of the thread that waits to be asked to stop.
const LISTENER_STACK: usize = 64 << 10;

/// That of the network's thread.
const NETWORK_STACK: usize = 256 << 10;

/// The log goes to the console.
struct Console;

impl Sink for Console {
    fn line(&self, line: &str) {
        print!("{line}");
    }
}

/// Serves until it is told to stop, at the admin listener or by Ctrl-C at the serial line, and until open requests have finished or their time is over.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    tell_of_damage();
    let (site, size) = site()?;
    let shares = Shares::of(libos::memory() - size);
    let tls = libos::disk(secrets::DISK).map(tls::of).transpose()?;
    if tls.is_none() && !arguments.shared.redirect_http.is_empty() {
        return Err(Failure::RedirectWithoutTls);
    }
    let card = libos::card("net").ok_or(Failure::Device("net"))?;
    let store = store(arguments, shares)?;
    let mut config = arguments.shared.config();
    config.listen = arguments.listen(tls.is_some());
    config.tls = tls;
    config.stop_by_admin = true;
    config.memory = Some(memory);
    config.http.connections = config.http.connections.min(shares.connections);
    let http2 = &mut config.http.http2;
    (http2.stream_window, http2.connection_window) = (shares.window(), shares.window());
    http2.streams = http2.streams.min(shares.streams);
    let network = arguments.network.config().limits(shares.network());

    let runtime = Builder::new_current_thread().enable_time().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let (stack, driver) = Netstack::new(card, &Entropy, network).map_err(Failure::Runtime)?;
        let (tell, mut failed) = oneshot::channel();
        let network = move || {
            let runtime = Builder::new_current_thread().enable_time().build();
            // Where nobody hears it, the server ends already.
            drop(tell.send(runtime.map(|runtime| runtime.block_on(driver))));
        };
        thread::Builder::new()
            .name("network".into())
            .stack_size(NETWORK_STACK)
            .spawn(network)
            .map_err(Failure::Runtime)?;
        let told = stack.clone();
        let ready = move |ready: &Ready| drop(tokio::spawn(announce(told, ready.clone())));
        let control = Control { stop: Stop::new(), sink: Arc::new(Console), ready: Box::new(ready) };
        let stop = control.stop.clone();
        let asked = stop.clone();
        let listen = move || {
            if libos::asked_to_stop() {
                asked.pull();
            }
        };
        thread::Builder::new().stack_size(LISTENER_STACK).spawn(listen).map_err(Failure::Runtime)?;
        let serving = pasteur::serve(&stack, store, site, Arc::new(Clock), Arc::new(Entropy), config, control);
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => served.map_err(Failure::Serve),
            failed = &mut failed => {
                // Nobody can be answered any more; the store is closed all the same.
                stop.pull();
                serving.await.map_err(Failure::Serve)?;
                Err(match failed {
                    Ok(Ok(error)) => Failure::Network(error),
                    Ok(Err(error)) => Failure::Runtime(error),
                    Err(_) => Failure::Runtime(std::io::Error::other("the network's thread ended")),
                })
            }
        }
    })
}

fn memory() -> Memory {
    Memory { taken: libos::memory_taken() as u64, whole: libos::memory() as u64 }
}

fn store(arguments: &Arguments, shares: Shares) -> Result<Embedded, Failure> {
    let disk = libos::disk("store").ok_or(Failure::Device("store"))?;
    let mut options = StoreOptions::default();
    options.quota = arguments.shared.quota;
    options.cache_bytes = if arguments.cache_given { arguments.shared.cache } else { shares.cache };
    options.contents_bytes = shares.contents;
    options.journal = libos::disk("journal").map(|disk| Arc::new(disk) as Arc<dyn Block>);
    Embedded::open(disk, options, Arc::new(Clock)).map_err(Failure::Store)
}

/// The site, and how much memory it takes: that on a disk, or the one built in, which takes none.
fn site() -> Result<(Site, usize), Failure> {
    let (site, size) = match libos::disk("site") {
        Some(disk) => {
            let image = whole(&disk, longest_site(libos::memory())).map_err(Failure::SiteDisk)?;
            let size = image.len();
            (Site::open(Bytes::from(image)), size)
        }
        None if SITE.is_empty() => return Err(Failure::SiteMissing),
        None => (Site::built_in(SITE), 0),
    };
    Ok((site.map_err(Failure::Site)?, size))
}

/// Has a panic of the database tell what it means, as a host's server does: it panics at some kinds of damage, and here nothing unwinds.
fn tell_of_damage() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        hook(panic);
        if store::catches_panics() {
            let damaged = store::Error::Damaged("the database is not consistent in itself".to_owned());
            println!("pasteur: {}", Failure::Store(damaged));
            process::exit(DAMAGED.into());
        }
    }));
}

/// Tells where the server listens, whenever the machine has other addresses.
async fn announce(stack: Netstack, ready: Ready) {
    let scheme = if ready.tls { "https" } else { "http" };
    let listeners = [
        ("listening", scheme, &ready.listen),
        ("redirecting", "http", &ready.redirect),
        ("admin listening", "http", &ready.admin),
    ];
    let mut known = Vec::new();
    loop {
        let addresses = stack.addresses_other_than(&known).await;
        for (what, scheme, places) in listeners {
            for place in places {
                match place {
                    Place::Ip(at) if at.ip().is_unspecified() => {
                        let new = addresses.iter().filter(|cidr| !known.contains(*cidr)).map(netstack::Cidr::address);
                        for ip in new.filter(|ip| is_reached(*ip) && (at.is_ipv6() || ip.is_ipv4())) {
                            println!("{what} on {scheme}://{}", std::net::SocketAddr::new(ip, at.port()));
                        }
                    }
                    other if known.is_empty() => println!("{what} on {scheme}://{other}"),
                    _ => {}
                }
            }
        }
        known = addresses;
    }
}

/// Whether an address can stand in a URL: one of the link needs the name of a card beside it.
fn is_reached(address: IpAddr) -> bool {
    !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
