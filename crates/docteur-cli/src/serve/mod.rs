//! `docteur serve`: a web site out of an image.

mod kept;
mod site;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use device::{Listener, Peer, Place, Stack};
use host::{Signals, Sockets};
use paf::http::Limits;
use paf::{Stop, serve};

use super::look;
use site::Site;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The image
    image: PathBuf,
    /// Where to listen: an address and a port, or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Place,
    /// MiB of decoded files to keep [default: a quarter of the machine's memory, or of what its control group may have]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    cache: Option<u32>,
    /// The most connections of one client; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_per_client)]
    connections_per_client: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let image = look::open(&arguments.image)?;
    // As many as the runtime has: no thread waits for a cache.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cache = match arguments.cache {
        Some(mebibytes) => u64::from(mebibytes) << 20,
        None => (host::memory() / 4).clamp(1 << 20, 1 << 40),
    };
    let cache = usize::try_from(cache)?;
    let told = look::named(&arguments.image);
    let site = Site::new(image, threads, cache, move |damage| {
        // There is nobody to tell if this fails.
        let _ = writeln!(io::stderr(), "docteur: {told}: {damage}");
    });
    let limits = Limits { connections_per_client: arguments.connections_per_client, ..Limits::default() };
    // Where it cannot be raised, the limits on connections still hold.
    let _ = host::raise_descriptor_limit();
    host::runtime()?.block_on(listen(site, limits, &arguments.listen, &arguments.image))?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until a signal; what is being answered then gets its time.
async fn listen(site: Site, limits: Limits, place: &Place, image: &Path) -> Result<()> {
    let service = paf::http(site, limits);
    let (stop, mut signals) = (Stop::new(), Signals::new()?);
    let mut served = Vec::new();
    for listener in Sockets::new().listen_at(place).await.with_context(|| place.to_string())? {
        match listener.local()? {
            Peer::Ip(address) => writeln!(io::stdout(), "{} is served at http://{address}/", image.display())?,
            _ => writeln!(io::stdout(), "{} is served at {place}", image.display())?,
        }
        served.push(tokio::spawn(serve(service.clone(), listener, stop.clone())));
    }
    signals.stop().await;
    stop.pull();
    for service in served {
        service.await?;
    }
    Ok(())
}
