//! Headers on every answer.

use std::sync::LazyLock;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the pages may do. Everything they need comes from this server; what is decrypted is text on the page or a file to
/// save, and never a document, a picture or a sound of this origin.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types pasteur";

/// No power of the browser is needed, but to write the link to the clipboard.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-write=(self), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), \
    payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=()";

/// Two years, as the preload lists ask.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

static COMMON: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut map = HeaderMap::with_capacity(16);
    map.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    map.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    map.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    map.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    map.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    map.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
    map
});

/// Puts the headers that every answer has under those that `own` has.
pub(crate) fn secure(own: &mut HeaderMap, tls: bool) {
    let mut map = COMMON.clone();
    for (name, value) in own.drain() {
        // A name repeats only where a handler appends, and none does.
        if let Some(name) = name {
            map.insert(name, value);
        }
    }
    if !map.contains_key(CACHE_CONTROL) {
        map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if tls {
        map.insert(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
    *own = map;
}

/// The same headers as lines, for answers that never reach a handler.
pub(crate) fn lines() -> String {
    let mut map = HeaderMap::new();
    secure(&mut map, false);
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    map.iter().map(line).collect()
}
