//! `docteur mount`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use docteur_make::{Mount, Unmount};

use super::look;

/// Mounts the image and stays until it is unmounted; a signal unmounts it.
pub(crate) fn run(image: &Path, folder: &Path) -> Result<ExitCode> {
    let opened = look::open(image)?;
    let told = look::named(image);
    let mount = Mount::new(opened, folder, move |damage| {
        // There is nobody to tell if this fails.
        let _ = writeln!(io::stderr(), "docteur: {told}: {damage}");
    })
    .with_context(|| format!("{} cannot be mounted at {}", image.display(), folder.display()))?;
    let (send, receive) = mpsc::channel();
    // Signals are listened for before anybody is told that there is something to unmount.
    let (ready, listening) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let failed = signals(&ready, &receive).err();
        if let Some(error) = failed {
            let _ = writeln!(io::stderr(), "docteur: {error:#}");
        }
    })?;
    listening.recv().context("signals cannot be listened for")?;
    writeln!(io::stdout(), "{} is mounted at {}", image.display(), folder.display())?;
    mount.run(|unmount| drop(send.send(unmount)))?;
    Ok(ExitCode::SUCCESS)
}

fn signals(ready: &mpsc::Sender<()>, mounted: &mpsc::Receiver<Unmount>) -> Result<()> {
    host::runtime()?.block_on(async {
        let mut signals = host::Signals::new()?;
        ready.send(())?;
        let mut unmount = mounted.recv()?;
        signals.stop().await;
        unmount.detach().context("it cannot be unmounted")
    })
}
