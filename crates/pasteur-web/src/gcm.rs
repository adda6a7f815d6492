//! AES-256-GCM by WebCrypto, a segment at a time.

use js_sys::{ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesGcmParams, CryptoKey, SubtleCrypto};

use envelope::SegmentKey;

use crate::dom;
use crate::trouble::Trouble;

/// What a key is for; WebCrypto holds it to that.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Seal,
    Open,
}

/// One stream's AEAD. The key is in the browser's hands and cannot be taken out of them again.
#[derive(Clone, Debug)]
pub(crate) struct Gcm {
    subtle: SubtleCrypto,
    key: CryptoKey,
}

impl Gcm {
    pub(crate) async fn new(key: &SegmentKey, what_for: Use) -> Result<Self, Trouble> {
        const LACKS: Trouble = Trouble::Browser("WebCrypto's AES-GCM");
        let subtle = subtle()?;
        let usage = match what_for {
            Use::Seal => "encrypt",
            Use::Open => "decrypt",
        };
        let raw = Uint8Array::from(&key.as_bytes()[..]);
        let usages = js_sys::Array::of1(&usage.into());
        let promise = subtle.import_key_with_str("raw", &raw, "AES-GCM", false, &usages).map_err(|_| LACKS)?;
        let key = JsFuture::from(promise).await;
        raw.fill(0, 0, 32);
        Ok(Self { subtle, key: key.map_err(|_| LACKS)?.unchecked_into() })
    }

    /// Starts to seal: the promise gives ciphertext and tag.
    pub(crate) fn seal(&self, nonce: &[u8; 12], plain: &ArrayBuffer) -> Result<Promise, Trouble> {
        let how = AesGcmParams::new("AES-GCM", &Uint8Array::from(&nonce[..]));
        self.subtle
            .encrypt_with_object_and_buffer_source(&how, &self.key, plain)
            .map_err(|_| Trouble::Browser("WebCrypto's AES-GCM"))
    }

    /// Starts to open: the promise gives the plaintext, or is refused.
    pub(crate) fn open(&self, nonce: &[u8; 12], sealed: &Uint8Array) -> Result<Promise, Trouble> {
        let how = AesGcmParams::new("AES-GCM", &Uint8Array::from(&nonce[..]));
        self.subtle
            .decrypt_with_object_and_js_u8_array(&how, &self.key, sealed)
            .map_err(|_| Trouble::Browser("WebCrypto's AES-GCM"))
    }
}

/// WebCrypto, which is there only in a secure context.
pub(crate) fn subtle() -> Result<SubtleCrypto, Trouble> {
    let window = dom::window()?;
    if !window.is_secure_context() {
        return Err(Trouble::Insecure);
    }
    let crypto = window.crypto().map_err(|_| Trouble::Insecure)?;
    let subtle = crypto.subtle();
    if subtle.is_undefined() { Err(Trouble::Insecure) } else { Ok(subtle) }
}
