//! `pasteur serve`: the application in the ordinary machine's world.

mod acme;
mod failure;
mod file;
mod fresh;
mod log;
mod options;
mod table;
mod tls;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::CommandFactory;
use device::Place;
use host::{Entropy, FileBlock, Sockets, SystemClock};
use pasteur::{Control, Ready, Site};
use store::{Embedded, Options as StoreOptions};

use acme::Certified;
use failure::Failure;
use fresh::Fresh;
use log::Lines;
pub(crate) use options::ServeOptions;
use tls::Certificates;

/// The site this program was built with; empty where it was built without one.
static SITE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/site.img"));

/// Descriptors that are not connections of the public listeners: 64 of the store, listeners, standard streams and the runtime's own, as
/// many of the admin listener's connections, of newcomers who wait for a place, and of those who are told that there is none.
const OTHER_DESCRIPTORS: u64 = 256;

/// Connections for which there are descriptors, where the process may have so many: those that others need are kept, but for a quarter.
fn connections(descriptors: u64) -> usize {
    let connections = descriptors.saturating_sub(OTHER_DESCRIPTORS).max(descriptors / 4);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Serves until SIGTERM or SIGINT, and until open requests have finished or their time is over.
pub(crate) fn run(options: ServeOptions) -> ExitCode {
    if options.print_options {
        print!("{}", table::markdown(&crate::args::Args::command()));
        return ExitCode::SUCCESS;
    }
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pasteur: {failure}");
            failure.exit_code()
        }
    }
}

fn start(options: ServeOptions) -> Result<(), Failure> {
    let options = match &options.config {
        Some(path) => file::merge(&crate::args::Args::command(), std::env::args_os().collect(), path)?,
        None => options,
    };
    if let Some(option) = options.lacks_acme() {
        return Err(Failure::WithoutAcme(option));
    }
    let Some(path) = options.store.clone() else { return Err(Failure::StoreMissing) };
    let site = site(options.site.as_deref())?;
    let mut config = options.shared.config();
    let certificates = Certificates::of(&options)?;
    config.tls = certificates.as_ref().map(|certificates| certificates.tls().clone());
    if config.tls.is_none() && !config.redirect_listen.is_empty() {
        return Err(Failure::RedirectWithoutTls);
    }
    if config.tls.is_none() && options.h3_port.is_some() {
        return Err(Failure::PortWithoutTls);
    }
    config.http.connections = config.http.connections.min(connections(host::raise_descriptor_limit()));

    // Before there are threads: it takes what was passed out of the environment.
    let sockets = Sockets::new().with_passed();
    config.http2 = !options.no_h2;
    if config.tls.is_some() && !options.no_h3 {
        config.datagrams = Some(Arc::new(sockets.clone()));
        config.h3_port = options.h3_port;
    }
    let clock = Arc::new(SystemClock::new());
    let fresh = Fresh::default();
    let block = open(&path, &fresh)?;
    let mut journal = path.clone().into_os_string();
    journal.push(".journal");
    let journal = open(journal.as_ref(), &fresh)?;
    let mut store_options = StoreOptions::default();
    store_options.journal = Some(Arc::new(journal));
    store_options.quota = options.shared.quota;
    store_options.cache_bytes = options.shared.cache;
    store_options.group_commit = !options.no_group_commit;
    hush_caught_panics();
    let store = Embedded::open(block, store_options, clock.clone());
    let store = store.map_err(|error| Failure::store(&path, error))?;

    let certified = match &config.tls {
        Some(tls) if !options.acme.is_empty() => Some(Certified::start(&options, &path, tls, clock.clone())?),
        _ => None,
    };
    let lines = Lines::start();
    let stop = paf::Stop::new();
    let ready = {
        let fresh = fresh.clone();
        move |places: &Ready| {
            fresh.keep();
            announce(places);
            if let Some(certified) = certified {
                tokio::spawn(certified.run());
            }
        }
    };
    let control = Control { stop: stop.clone(), sink: Arc::new(lines.sink()), ready: Box::new(ready) };
    let runtime = host::runtime().map_err(Failure::Runtime)?;
    let served = runtime.block_on(async {
        let mut signals = host::Signals::new().map_err(Failure::Runtime)?;
        tokio::spawn(async move {
            signals.stop().await;
            stop.pull();
        });
        // A terminal that closes sends it as well, and is no reason to end.
        let mut hangups = host::Hangups::new().map_err(Failure::Runtime)?;
        tokio::spawn(async move {
            loop {
                hangups.next().await;
                if let Some(certificates) = &certificates {
                    certificates.reload();
                }
            }
        });
        pasteur::serve(&sockets, store, site, clock, Arc::new(Entropy), config, control).await.map_err(Failure::Serve)
    });
    lines.finish();
    served
}

/// Opens one of the store's files, or makes it.
fn open(path: &Path, fresh: &Fresh) -> Result<FileBlock, Failure> {
    let block = FileBlock::open(path).map_err(|error| Failure::store_file(path, error))?;
    if block.is_new() {
        fresh.made(path);
    }
    Ok(block)
}

/// Leaves untold what a panic prints where the store turns it into an error: the error's line in the log says all there is
/// to say, and says it once a minute.
fn hush_caught_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !store::catches_panics() {
            hook(panic);
        }
    }));
}

/// Tells where the server listens, once it does.
fn announce(ready: &Ready) {
    let mut out = std::io::stdout().lock();
    let scheme = if ready.tls { "https" } else { "http" };
    for (what, scheme, places) in [
        ("listening", scheme, &ready.listen),
        ("redirecting", "http", &ready.redirect),
        ("admin listening", "http", &ready.admin),
    ] {
        for place in places {
            // Nobody may be reading it; the server serves all the same.
            let _ = match place {
                Place::Ip(address) => writeln!(out, "{what} on {scheme}://{address}"),
                other => writeln!(out, "{what} on {other} ({scheme})"),
            };
        }
    }
    let _ = out.flush();
    for (address, why) in &ready.without_h3 {
        eprintln!("pasteur: no HTTP/3 at {address}, by UDP: {why}");
    }
}

/// The site: an image file, or the one built in.
fn site(path: Option<&Path>) -> Result<Site, Failure> {
    let site = match path {
        Some(path) => Site::open(Bytes::from(std::fs::read(path).map_err(|e| Failure::site_file(path, e))?)),
        None if SITE.is_empty() => return Err(Failure::SiteMissing),
        None => Site::built_in(SITE),
    };
    site.map_err(|error| Failure::Site { path: path.map(Path::to_owned), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_others() {
        assert_eq!([20_000, 1024, 256, 200, 4].map(connections), [19_744, 768, 64, 50, 1]);
    }
}
