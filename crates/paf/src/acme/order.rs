//! One order: the names are proven in one way, and the authority signs.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::AcmeError;
use crate::tls::Challenges;

/// How long an authority may take over one step.
const PATIENCE: Duration = Duration::from_secs(120);

/// Has one certificate signed for `domains`, each proven in this `way`; gives the chain and the key in PEM.
pub(super) async fn certify(
    account: &Account,
    domains: &[String],
    way: &ChallengeType,
    provider: &CryptoProvider,
    challenges: &Challenges,
) -> Result<Zeroizing<Vec<u8>>, AcmeError> {
    let names: Vec<_> = domains.iter().map(|domain| Identifier::Dns(domain.clone())).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    prove(&mut order, way, provider, challenges).await?;
    let patience = RetryPolicy::default().timeout(PATIENCE);
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        let why = refusal(&mut order, way).await;
        return Err(AcmeError::NotProven { name: domains.join(", "), why });
    }
    let key = KeyPair::generate()?;
    let request = CertificateParams::new(domains)?.serialize_request(&key)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&patience).await?;
    let mut pem = Zeroizing::new(chain.into_bytes());
    pem.extend_from_slice(Zeroizing::new(key.serialize_pem()).as_bytes());
    Ok(pem)
}

/// Shows what proves each name that is not proven yet, and tells the authority to look.
async fn prove(
    order: &mut Order,
    way: &ChallengeType,
    provider: &CryptoProvider,
    challenges: &Challenges,
) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            _ => return Err(AcmeError::NotProven { name, why: None }),
        }
        let Some(mut challenge) = authorization.challenge(way.clone()) else {
            return Err(AcmeError::NoChallenge(name));
        };
        let answer = challenge.key_authorization();
        match way {
            ChallengeType::TlsAlpn01 => {
                let (certificate, key) = witness(&name, &answer)?;
                challenges.show_by_tls(provider, &name, certificate, key)?;
            }
            _ => challenges.show_by_http(&challenge.token, answer.as_str()),
        }
        match challenge.set_ready().await {
            Ok(()) => {}
            // An authority that looks at once says at once what it saw.
            Err(instant_acme::Error::Api(problem)) => {
                return Err(AcmeError::NotProven { name, why: Some(problem.to_string()) });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The certificate that proves a name over TLS: signed by itself, with the answer's digest (RFC 8737 section 3).
fn witness(
    name: &str,
    answer: &KeyAuthorization,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AcmeError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(answer.digest().as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((certificate.der().clone(), key))
}

/// What the authority says of the first challenge that failed.
async fn refusal(order: &mut Order, way: &ChallengeType) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        // What the order remembers is from before the authority looked.
        let state = authorization.refresh().await.ok()?;
        let failed = state.challenges.iter().find(|challenge| challenge.r#type == *way)?.error.as_ref();
        if let Some(problem) = failed {
            return Some(problem.to_string());
        }
    }
    None
}
