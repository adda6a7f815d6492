//! Headers on every answer.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the pages may do. Everything they need comes from this server; what is decrypted is text on the page or a file to
/// save, and never a document, a picture or a sound of this origin.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types pasteur";

/// No power of the browser is needed, but to write the link to the clipboard.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-write=(self), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), \
    payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=()";

/// Two years, as the preload lists ask.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// The names that are not the standard library's of headers.
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const POWERS: HeaderName = HeaderName::from_static("permissions-policy");

/// What every answer has, unless its handler says otherwise. Both sides are static: putting them into an answer allocates
/// nothing but their room.
const COMMON: [(HeaderName, HeaderValue); 7] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (OPENER, HeaderValue::from_static("same-origin")),
    (RESOURCE, HeaderValue::from_static("same-origin")),
    (POWERS, HeaderValue::from_static(PERMISSIONS)),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Puts the headers that every answer has under those that `own` has.
pub(crate) fn secure(own: &mut HeaderMap, tls: bool) {
    own.reserve(COMMON.len() + usize::from(tls));
    for (name, value) in COMMON {
        own.entry(name).or_insert(value);
    }
    if tls {
        own.insert(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}
