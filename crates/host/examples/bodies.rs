//! What `cargo xtask bench paf` measures: a folder's files out of memory, at three places: plain, in TLS, and in TLS with HTTP/2.
//! `bodies FOLDER CERTIFICATE KEY`; it prints a line with the three addresses and serves until it is killed.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use device::{Listener, Peer, Stack};
use host::Sockets;
use paf::files::{File, Files};
use paf::http::Limits;
use paf::tls::Identity;
use paf::{Stop, Tls, serve};
use rustls::crypto::ring;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, certificate, key] = arguments.as_slice() else { return Err("bodies FOLDER CERTIFICATE KEY".into()) };
    let provider = Arc::new(ring::default_provider());
    let identity = Identity::from_pem(&provider, &std::fs::read(certificate)?, &std::fs::read(key)?)?;
    let tls = Tls::new(provider, vec![identity])?;
    // All the load comes from one client.
    let limits = Limits { connections_per_client: 0, ..Limits::default() };
    host::runtime()?.block_on(async {
        let services = [
            paf::http(files(folder.as_ref())?, limits.clone()),
            paf::https(files(folder.as_ref())?, limits.clone(), &tls)?,
            paf::alpn(files(folder.as_ref())?, limits, &tls)?,
        ];
        let (mut places, mut served) = (Vec::new(), Vec::new());
        for service in services {
            let listener = Sockets::new().listen(([127, 0, 0, 1], 0).into()).await?;
            let Peer::Ip(place) = listener.local()? else { return Err("no address".into()) };
            places.push(place.to_string());
            served.push(tokio::spawn(serve(service, listener, Stop::new())));
        }
        println!("{}", places.join(" "));
        for service in served {
            service.await?;
        }
        Ok(())
    })
}

type Memory = HashMap<String, File<Bytes>>;

fn files(folder: &Path) -> Result<Files<Memory>, Box<dyn Error>> {
    let mut all = Memory::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = File::new("application/octet-stream", Bytes::from(std::fs::read(entry.path())?), &name)?;
        all.insert(format!("/{name}"), file);
    }
    Ok(Files::new(all))
}
