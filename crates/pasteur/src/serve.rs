//! The application on a network: listeners, sweeps, and an orderly end.

use std::io::ErrorKind;
#[cfg(feature = "h3")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{Kind, Problem};
use bytes::Bytes;
use device::{Clock, Listener, NoEntropy, Peer, Place, Random, Stack};
use http::Response;
use paf::http::{Fault, Limits, Refusal, Service};
use paf::tls::TlsError;
use paf::{Redirect, Stop, Tls};
use store::Store;
use thiserror::Error;
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::app::App;
use crate::config::Config;
use crate::log::{Log, Sink};
use crate::site::Site;
use crate::trouble::Seldom;
use crate::{failure, headers};

/// How long the operator's open requests may take once everything else is over: their answers are short, and were asked for before.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// How the caller holds a running server.
pub struct Control {
    /// Pulled to end it.
    pub stop: Stop,
    /// Where log lines go.
    pub sink: Arc<dyn Sink>,
    /// Called once every listener listens.
    pub ready: Box<dyn FnOnce(&Ready) + Send>,
}

/// Where a server listens, with the ports that were chosen.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The public listeners.
    pub listen: Vec<Place>,
    /// Whether they speak TLS.
    pub tls: bool,
    /// The listeners that send plain HTTP to them.
    pub redirect: Vec<Place>,
    /// The admin listeners.
    pub admin: Vec<Place>,
    /// The public listeners that have no HTTP/3 beside them though it was asked for, and why.
    #[cfg(feature = "h3")]
    pub without_h3: Vec<(SocketAddr, ErrorKind)>,
}

/// Why a server did not start, or did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A place cannot be listened at.
    #[error("cannot listen at {place}: {error}")]
    Listen {
        /// The place.
        place: Place,
        /// What the stack says.
        error: std::io::Error,
    },
    /// TLS cannot be spoken.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] TlsError),
    /// There is no secure randomness, so no id or token can be made.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The store did not close well.
    #[error("the store did not close: {0}")]
    Close(store::Error),
}

/// Serves `site` and the pastes of `store` until the stop switch is pulled and open requests are finished or cut. Then
/// the store is closed.
///
/// # Errors
/// [`ServeError`]; nothing is left running.
pub async fn serve<K: Stack, S: Store>(
    stack: &K,
    store: S,
    site: Site,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: Config,
    control: Control,
) -> Result<(), ServeError> {
    random.fill(&mut [0; 32])?;
    let mut http = config.http.clone();
    http.refuse = refusal;
    http.exempt.extend(&config.trusted_proxies);
    let (listen_at, listeners) = listen(stack, &config.listen).await?;
    let (redirect_at, redirect_listeners) = listen(stack, &config.redirect_listen).await?;
    let (admin_at, admin_listeners) = listen(stack, &config.admin_listen).await?;
    let (tls, http2) = (config.tls.clone(), config.http2);
    #[cfg(feature = "h3")]
    let (datagrams, h3_port) = (config.datagrams.clone(), config.h3_port);

    let sweep_every = config.sweep_every;
    let proxies = config.proxy_protocol.clone();
    let challenges = tls.as_ref().and_then(Tls::challenges).unwrap_or_default();
    let log = Log::new(&config, control.sink);
    let app = App::new(store.clone(), site, Arc::clone(&clock), random, config, log.clone());
    let limits = http.clone();
    let grace = http.grace.min(ADMIN_GRACE);
    let service = match (&tls, http2) {
        (Some(tls), true) => paf::alpn(app.clone(), http, tls)?,
        (Some(tls), false) => paf::https(app.clone(), http, tls)?,
        (None, true) => paf::http(app.clone(), http).plain_with_http2(),
        (None, false) => paf::http(app.clone(), http),
    }
    .behind(&proxies);
    let (told, time) = (log.clone(), Arc::clone(&clock));
    let unaccepted = Seldom::default();
    let service = service.on_fault(move |fault| match fault {
        Fault::Panicked(_) => {
            told.event(time.now(), "error", "a request met a fault of the server's own, and was answered with 500");
        }
        Fault::BodyPanicked(_) => {
            told.event(time.now(), "error", "an answer met a fault of the server's own, and broke off");
        }
        // As where the descriptors are used up: newcomers wait, and nobody else would tell.
        Fault::Accept(error) if error.kind() != ErrorKind::ConnectionAborted && unaccepted.is_due(&*time) => {
            told.event(time.now(), "error", &fault.to_string());
        }
        _ => {}
    });
    // Strangers come to both.
    let redirect = service.beside(Redirect::to_port(port(&listen_at)).with_challenges(challenges));
    let admin = Admin { app: app.clone(), http: service.counters(), limits, stop: control.stop.clone() };
    let admin = Service::new(admin, Limits { connections: 64, grace, refuse: refusal, ..Limits::default() });

    let mut public = JoinSet::new();
    #[cfg(feature = "h3")]
    let (services, without_h3) =
        beside_tls(&service, tls.as_ref(), datagrams.as_deref(), h3_port, &listen_at, &control.stop, &mut public)?;
    #[cfg(not(feature = "h3"))]
    let services = vec![service; listeners.len()];
    for (service, listener) in services.into_iter().zip(listeners) {
        public.spawn(paf::serve(service, listener, control.stop.clone()));
    }
    for listener in redirect_listeners {
        public.spawn(paf::serve(redirect.clone(), listener, control.stop.clone()));
    }
    let mut behind = JoinSet::new();
    let admin_stop = Stop::new();
    for listener in admin_listeners {
        behind.spawn(paf::serve(admin.clone(), listener, admin_stop.clone()));
    }
    let sweeps = tokio::spawn(sweep(app, sweep_every));
    log.event(clock.now(), "info", "started");
    (control.ready)(&Ready {
        listen: listen_at,
        tls: tls.is_some(),
        redirect: redirect_at,
        admin: admin_at,
        #[cfg(feature = "h3")]
        without_h3,
    });

    control.stop.pulled().await;
    log.event(clock.now(), "info", "stopping: open requests may finish");
    while public.join_next().await.is_some() {}
    sweeps.abort();
    let closed = store.close().await.map_err(ServeError::Close);
    admin_stop.pull();
    while behind.join_next().await.is_some() {}
    log.event(clock.now(), "info", "stopped");
    closed
}

/// Listens everywhere, and tells where, with the ports that were chosen.
async fn listen<K: Stack>(stack: &K, places: &[Place]) -> Result<(Vec<Place>, Vec<K::Listener>), ServeError> {
    let (mut at, mut listeners) = (Vec::new(), Vec::new());
    for place in places {
        let failed = |error| ServeError::Listen { place: place.clone(), error };
        for listener in stack.listen_at(place).await.map_err(failed)? {
            at.push(match listener.local() {
                Ok(Peer::Ip(address)) => Place::Ip(address),
                _ => place.clone(),
            });
            listeners.push(listener);
        }
    }
    Ok((at, listeners))
}

/// Listeners without HTTP/3 beside them, and why.
#[cfg(feature = "h3")]
type Without = Vec<(SocketAddr, ErrorKind)>;

/// Serves HTTP/3 at each of `places` that speaks TLS. Gives the service for each place, which tells of it at `port` (that of the place
/// unless there is one, and nothing where it is 0), and where there is none: there, the rest is served all the same.
#[cfg(feature = "h3")]
fn beside_tls<H: paf::http::Handler>(
    service: &Service<H>,
    tls: Option<&Tls>,
    datagrams: Option<&dyn paf::http::Datagrams>,
    port: Option<u16>,
    places: &[Place],
    stop: &Stop,
    public: &mut JoinSet<()>,
) -> Result<(Vec<Service<H>>, Without), TlsError> {
    let (mut services, mut without) = (Vec::new(), Vec::new());
    for place in places {
        let mut service = service.clone();
        if let (Some(tls), Some(datagrams), Place::Ip(address)) = (tls, datagrams, place) {
            match datagrams.bind(*address) {
                Ok(socket) => {
                    public.spawn(paf::serve_h3(service.h3(tls)?, socket, stop.clone()));
                    match port.unwrap_or(address.port()) {
                        0 => {}
                        port => service = service.advertise_h3(port),
                    }
                }
                Err(error) => without.push((*address, error.kind())),
            }
        }
        services.push(service);
    }
    Ok((services, without))
}

/// The port that browsers are sent to.
fn port(listen: &[Place]) -> u16 {
    let ports = listen.iter().filter_map(|place| match place {
        Place::Ip(address) => Some(address.port()),
        _ => None,
    });
    ports.into_iter().next().unwrap_or(443)
}

/// Gives back the space of what has expired, again and again: whatever fails now may do at the next time, as on a full disk. It ends
/// when the server aborts it.
async fn sweep<S: Store>(app: App<S>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match app.store.sweep().await {
            Ok(swept) => app.metrics.swept(&swept),
            Err(error) => app.note(&error),
        }
    }
}

/// The answer to what never reaches the application.
fn refusal(why: Refusal, limits: &Limits) -> Response<Bytes> {
    let problem = match why {
        Refusal::TooSlow => {
            let most = u64::try_from(limits.head_time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            Problem::new(Kind::TooSlow).detail("the request's head").limit("head_seconds", most)
        }
        Refusal::TargetTooLong | Refusal::HeadTooLarge | Refusal::TooManyLines => {
            let (limit, most) = match why {
                Refusal::TooManyLines => ("head_lines", limits.head_lines),
                _ => ("head_bytes", limits.head_bytes),
            };
            let problem = Problem::new(Kind::TooLarge).detail("the request's head").limit(limit, most as u64);
            Problem { status: why.status(), ..problem }
        }
        Refusal::BadHost => {
            Problem::new(Kind::Malformed).detail("a request has exactly one Host, with or without a port")
        }
        Refusal::Full => {
            let problem = Problem::new(Kind::Unavailable).detail("all connections are taken");
            problem.limit("connections", limits.connections as u64).retry_after(1)
        }
        Refusal::FullForClient => {
            let problem = Problem::new(Kind::Unavailable).detail("this client has as many connections as one may have");
            problem.limit("connections_per_client", limits.connections_per_client as u64).retry_after(1)
        }
        Refusal::NotTls => Problem::new(Kind::Malformed).detail("plain HTTP at a port that speaks TLS: use https"),
        _ => Problem::new(Kind::Malformed).detail("the request's head is malformed"),
    };
    let mut answer = failure::respond(&problem);
    headers::secure(answer.headers_mut(), false);
    answer
}
