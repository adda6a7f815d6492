//! Certificates by ACME (RFC 8555): had from an authority, kept, and renewed in time, while the service goes on.
//!
//! [`Certifier::run`] is a future to run beside the service. It proves the names by TLS-ALPN-01 (RFC 8737), at the service's own port, or by
//! HTTP-01, at the port of plain HTTP, through the [`Challenges`] that [`Tls`] and [`Redirect`](crate::Redirect) show. What it
//! has is kept by a [`Keep`], so that a new start asks for nothing that it has already. What cannot be written is served all the same,
//! and written as soon as it can be.

mod certificate;
mod kept;
mod order;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use device::{Clock, Timestamp};
use instant_acme::{Account, AccountBuilder, AccountCredentials, ChallengeType, NewAccount};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::tls::{Challenges, Tls, TlsError};
use certificate::Certificate;
use kept::Kept;

/// The name under which the account's key is kept.
const ACCOUNT: &str = "account.json";
/// The name under which the certificate and its key are kept, in one so that they always fit.
const CERTIFICATE: &str = "certificate.pem";

/// The name under which it is kept where the authority was told last that it may write to.
const CONTACT: &str = "contact.json";

/// What the first line of the certificate begins with: the address of the authority that gave it follows. To readers of PEM it is a comment.
const AUTHORITY: &str = "authority: ";
/// What an authority answers to who it does not know, or not any more (RFC 8555 section 6.7).
const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// How long to wait after each failure in a row, and each certificate that was no good for longer; the last for all after it. Let's Encrypt allows five failures an hour.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(3600), Duration::from_secs(6 * 3600)];

/// How long an authority may take over all that is asked for one certificate: longer than all that is waited for in an order.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Keeps an account and a certificate from one start to the next. What is kept holds private keys.
pub trait Keep: Send + Sync + 'static {
    /// What is kept under this name, if anything is.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn load(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>>;

    /// Keeps this under this name, in place of what was: all of it or nothing, whatever happens meanwhile.
    ///
    /// # Errors
    /// It cannot be kept.
    fn save(&self, name: &str, content: &[u8]) -> io::Result<()>;
}

/// What is to be certified, by whom, and how.
#[derive(Clone, Debug)]
pub struct Acme {
    /// The address of the authority's directory.
    pub directory: String,
    /// The names, as `paste.example`; one certificate has them all.
    pub domains: Vec<String>,
    /// Where the authority may write to, as `mailto:admin@paste.example`.
    pub contact: Vec<String>,
    /// Whether a [`Redirect`](crate::Redirect) shows the challenges at port 80 of every name, so that HTTP-01 may be tried as well.
    pub by_http: bool,
}

/// What happened to a certificate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The authority signed one, which is served from now on.
    Obtained {
        /// How long until it is renewed.
        renewed_in: Duration,
    },
    /// There is none, or it is not renewed yet; what was served before still is.
    Failed {
        /// Why.
        error: &'e AcmeError,
        /// How long until it is tried again.
        again_in: Duration,
    },
    /// The authority could not be told that it may write elsewhere from now on.
    ContactUntold {
        /// Why.
        error: &'e AcmeError,
    },
    /// The account or the certificate cannot be written: it is used, and lost where the program ends before it can be.
    Unwritten {
        /// Why.
        error: &'e AcmeError,
        /// How long until it is tried again.
        again_in: Duration,
    },
}

/// Why there is no certificate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The authority cannot be reached, or refused.
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority took longer than a quarter of an hour over all that it was asked.
    #[error("the authority does not answer")]
    Late,
    /// The authority could not verify a name.
    #[error("the authority did not find {name} proven{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NotProven {
        /// The name, or all of them.
        name: String,
        /// What the authority says.
        why: Option<String>,
    },
    /// The authority offers no way to prove a name that there is here.
    #[error("the authority offers {0} neither TLS-ALPN-01 nor, where there is plain HTTP, HTTP-01")]
    NoChallenge(String),
    /// A name that no certificate can have, or a key that could not be made.
    #[error("no certificate can be asked for: {0}")]
    Request(#[from] rcgen::Error),
    /// What came, or was kept, is not a certificate with its key.
    #[error(transparent)]
    Identity(#[from] TlsError),
    /// What is kept cannot be read or written.
    #[error("{name} cannot be kept: {error}")]
    Keep {
        /// Its name.
        name: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// Where an account is, of what is kept of it.
#[derive(serde::Deserialize)]
struct Place {
    directory: String,
}

fn is_unknown(error: &AcmeError) -> bool {
    matches!(error, AcmeError::Authority(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(UNKNOWN))
}

/// Keeps a service certified.
pub struct Certifier<K> {
    acme: Acme,
    tls: Tls,
    challenges: Challenges,
    kept: Kept<K>,
    clock: Arc<dyn Clock>,
    due: Duration,
}

impl<K: Keep> Certifier<K> {
    /// For the service that serves with `tls`, which has to show challenges ([`Tls::with_challenges`]); a redirect has to show the same
    /// ones where names may be proven by HTTP.
    pub fn new(acme: Acme, tls: Tls, keep: K, clock: Arc<dyn Clock>) -> Self {
        let challenges = tls.challenges().unwrap_or_default();
        Self { acme, tls, challenges, kept: Kept::new(keep), clock, due: Duration::ZERO }
    }

    /// Serves what is kept from an earlier start, if that is for these names, and gives how long until it is renewed: no time where another
    /// authority gave it. It asks nobody.
    ///
    /// # Errors
    /// [`AcmeError`]: what is kept cannot be read. A certificate is asked for then as if there were none.
    pub fn load(&mut self) -> Result<Option<Duration>, AcmeError> {
        let Some(pem) = self.kept.load(CERTIFICATE)? else { return Ok(None) };
        let certificate = Certificate::read(self.tls.provider(), &pem)?;
        if !certificate.is_for(&self.acme.domains) {
            return Ok(None);
        }
        let due = self.serve(certificate)?;
        self.due = if pem.starts_with(self.authority().as_bytes()) { due } else { Duration::ZERO };
        Ok(Some(self.due))
    }

    /// Has certificates signed when they are due, for ever: drop the future to end it. What was served before is served until then.
    /// `http` makes what requests to the authority are sent with; `tell` hears of every certificate and failure.
    pub async fn run(
        mut self,
        http: impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Send + Sync,
        tell: impl Fn(Event<'_>) + Send + Sync,
    ) {
        let (mut failed, mut unwritten) = (0, 0);
        self.tell_contact(&http, &tell).await;
        let mut due = self.after(self.due);
        let mut write = None;
        loop {
            self.sleep(write.map_or(due, |write: Timestamp| write.min(due))).await;
            if self.clock.now() >= due {
                due = match in_time(self.obtain(&http)).await {
                    Ok(due_in) => {
                        // One that is due at once, as where a clock is wrong, is not asked for without a pause.
                        let renewed_in = if due_in.is_zero() { again(&mut failed) } else { due_in };
                        if !due_in.is_zero() {
                            failed = 0;
                        }
                        tell(Event::Obtained { renewed_in });
                        self.after(renewed_in)
                    }
                    Err(error) => {
                        // One that was late may have left some.
                        self.challenges.clear();
                        let again_in = again(&mut failed);
                        tell(Event::Failed { error: &error, again_in });
                        self.after(again_in)
                    }
                };
                self.tell_contact(&http, &tell).await;
            }
            if self.kept.is_written() {
                (unwritten, write) = (0, None);
            } else if write.is_none_or(|write| self.clock.now() >= write) {
                write = match self.kept.write() {
                    Ok(()) => None,
                    Err(error) => {
                        let again_in = again(&mut unwritten);
                        tell(Event::Unwritten { error: &error, again_in });
                        Some(self.after(again_in))
                    }
                };
            }
        }
    }

    /// Has a certificate signed, serves it and keeps it; gives how long until it is due.
    async fn obtain(
        &mut self,
        http: &(impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Sync),
    ) -> Result<Duration, AcmeError> {
        let known = match self.account(http).await? {
            Some(account) => match self.certify(&account).await {
                Err(error) if is_unknown(&error) => None,
                result => Some(result?),
            },
            None => None,
        };
        let pem = match known {
            Some(pem) => pem,
            None => {
                let account = self.new_account(http).await?;
                self.certify(&account).await?
            }
        };
        let certificate = Certificate::read(self.tls.provider(), &pem)?;
        let mut kept = Zeroizing::new(self.authority().into_bytes());
        kept.extend_from_slice(&pem);
        let due = self.serve(certificate)?;
        self.kept.save(CERTIFICATE, kept);
        Ok(due)
    }

    /// The first line of a certificate that this authority gave.
    fn authority(&self) -> String {
        format!("{AUTHORITY}{}\n", self.acme.directory)
    }

    /// Has a certificate signed: the chain and its key.
    async fn certify(&self, account: &Account) -> Result<Zeroizing<Vec<u8>>, AcmeError> {
        let mut ways = vec![ChallengeType::TlsAlpn01];
        if self.acme.by_http {
            ways.push(ChallengeType::Http01);
        }
        let mut result = Err(AcmeError::NoChallenge(self.acme.domains.join(", ")));
        for way in ways {
            // A name that cannot be proven in one way may be in another: ports differ in who can reach them.
            result = order::certify(account, &self.acme.domains, &way, self.tls.provider(), &self.challenges).await;
            self.challenges.clear();
            match &result {
                Err(AcmeError::NotProven { .. } | AcmeError::NoChallenge(_)) => {}
                _ => break,
            }
        }
        result
    }

    /// The account that is kept, if it is with this authority. One that cannot be read is another version's, or damaged.
    async fn account(
        &self,
        http: &(impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Sync),
    ) -> Result<Option<Account>, AcmeError> {
        let Some(kept) = self.kept.load(ACCOUNT)? else { return Ok(None) };
        // The library tells nobody where an account is.
        let place: Option<Place> = serde_json::from_slice(&kept).ok();
        if place.is_none_or(|place| place.directory != self.acme.directory) {
            return Ok(None);
        }
        match serde_json::from_slice::<AccountCredentials>(&kept) {
            Ok(credentials) => Ok(Some(http()?.from_credentials(credentials).await?)),
            Err(_) => Ok(None),
        }
    }

    async fn new_account(
        &mut self,
        http: &(impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Sync),
    ) -> Result<Account, AcmeError> {
        let contact: Vec<&str> = self.acme.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = http()?.create(&new, self.acme.directory.clone(), None).await?;
        let json = Zeroizing::new(serde_json::to_vec(&credentials).map_err(instant_acme::Error::from)?);
        self.kept.save(ACCOUNT, json);
        self.contact_is_told()?;
        Ok(account)
    }

    /// Whether the authority knows where it may write to.
    fn is_contact_told(&self) -> bool {
        let told = self.kept.load(CONTACT).ok().flatten();
        told.and_then(|told| serde_json::from_slice::<Vec<String>>(&told).ok()) == Some(self.acme.contact.clone())
    }

    fn contact_is_told(&mut self) -> Result<(), AcmeError> {
        let json = serde_json::to_vec(&self.acme.contact).map_err(instant_acme::Error::from)?;
        self.kept.save(CONTACT, json.into());
        Ok(())
    }

    /// Tells the authority where it may write to (RFC 8555 section 7.3.2), if that has changed since it was told and there is an account. A
    /// certificate does not wait for that, or depend on it: it is tried again after the next one.
    async fn tell_contact(
        &mut self,
        http: &(impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Sync),
        tell: &(impl Fn(Event<'_>) + Sync),
    ) {
        if self.is_contact_told() {
            return;
        }
        if let Err(error) = in_time(self.update(http)).await {
            tell(Event::ContactUntold { error: &error });
        }
    }

    async fn update(
        &mut self,
        http: &(impl Fn() -> Result<AccountBuilder, instant_acme::Error> + Sync),
    ) -> Result<(), AcmeError> {
        let Some(account) = self.account(http).await? else { return Ok(()) };
        let contact: Vec<&str> = self.acme.contact.iter().map(String::as_str).collect();
        account.update_contacts(&contact).await?;
        self.contact_is_told()
    }

    fn serve(&self, certificate: Certificate) -> Result<Duration, AcmeError> {
        let due = certificate.due(self.clock.now());
        self.tls.replace(vec![certificate.identity])?;
        Ok(due)
    }

    fn after(&self, time: Duration) -> Timestamp {
        self.clock.now().after(time.as_secs())
    }

    /// Sleeps until then by the clock of the calendar: a machine that was suspended finds itself late, and not on time.
    async fn sleep(&self, until: Timestamp) {
        const LOOK: Duration = Duration::from_secs(3600);
        loop {
            let left = Duration::from_secs(until.0.saturating_sub(self.clock.now().0));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

/// Does what an authority has its part in, which may never answer.
async fn in_time<T>(work: impl Future<Output = Result<T, AcmeError>>) -> Result<T, AcmeError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(AcmeError::Late))
}

/// How long to wait after one more failure in a row.
fn again(failures: &mut usize) -> Duration {
    let wait = AGAIN[(*failures).min(AGAIN.len() - 1)];
    *failures += 1;
    wait
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use instant_acme::{BodyWrapper, BytesResponse, HttpClient};

    use super::*;

    /// An authority that takes every request and answers none.
    struct Mute;

    impl HttpClient for Mute {
        fn request(
            &self,
            _: http::Request<BodyWrapper<Bytes>>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
            Box::pin(std::future::pending())
        }
    }

    struct Nothing;

    impl Keep for Nothing {
        fn load(&self, _: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
            Ok(None)
        }

        fn save(&self, _: &str, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }

    struct Ticking(tokio::time::Instant);

    impl Clock for Ticking {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.elapsed().as_secs())
        }

        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_authority_that_never_answers_is_asked_again() {
        let own = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let identity = crate::tls::Identity::from_pem(&provider, chain.as_bytes(), key.as_bytes()).unwrap();
        let tls = Tls::new(provider, vec![identity]).unwrap().with_challenges(Challenges::default());
        let acme = Acme {
            directory: "https://authority.test/".to_owned(),
            domains: vec!["a.test".to_owned()],
            contact: Vec::new(),
            by_http: false,
        };
        let start = tokio::time::Instant::now();
        let certifier = Certifier::new(acme, tls, Nothing, Arc::new(Ticking(start)));
        let told = Mutex::new(Vec::new());
        let tell = |event: Event<'_>| match event {
            Event::Failed { error: AcmeError::Late, again_in } => {
                told.lock().unwrap().push((start.elapsed().as_secs() / 60, again_in))
            }
            other => panic!("{other:?}"),
        };
        let run = certifier.run(|| Ok(Account::builder_with_http(Box::new(Mute))), tell);
        let _ = tokio::time::timeout(Duration::from_secs(35 * 60), run).await;
        assert_eq!(told.lock().unwrap()[..], [(15, AGAIN[0]), (31, AGAIN[1])]);
    }
}
