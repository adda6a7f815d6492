//! Sealing: plaintext in one Blob, ciphertext out in another, a few segments with WebCrypto at once.
//!
//! Both Blobs are the browser's: they refer to the chosen files and to sealed segments that the browser keeps, on disk
//! where they are many. A tab holds only the segments under way.

use alloc::collections::VecDeque;

use envelope::{Place, SegmentPlan, StreamHeader, sealed_len};
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::buffers::release;
use crate::gcm::{Gcm, Use};
use crate::job::Job;
use crate::random;
use crate::spool::blob;
use crate::stretch::Access;
use crate::trouble::Trouble;

/// Segments under way at once.
const DEPTH: usize = 4;
/// After this many sealed segments the browser is waited for: a Blob's bytes stay in the tab until it has taken them, and
/// sealing is the faster of the two.
const UNTAKEN: u32 = 8;
/// Sealed segments that are put together to one Blob, so that no list grows with the paste.
const BUNDLE: u32 = 64;

/// Seals a plaintext; `public_header` are the header's bytes as they are sent. `progress` hears bytes of plaintext.
pub(crate) async fn seal(
    job: &Job,
    plain: &Blob,
    access: &Access,
    public_header: &str,
    progress: impl Fn(u64, u64),
) -> Result<Blob, Trouble> {
    let len = plain.size() as u64;
    let plan = SegmentPlan::new(sealed_len(len)).map_err(|_| Trouble::TooLarge(None))?;
    let header = StreamHeader::new(random::bytes()?, random::bytes()?);
    let gcm = Gcm::new(&header.segment_key(&access.content, public_header.as_bytes()), Use::Seal).await?;

    let mut out = Bundles::new();
    out.push(&Uint8Array::from(&header.to_bytes()[..])).await?;
    let mut reading = VecDeque::with_capacity(DEPTH);
    let mut sealing = VecDeque::with_capacity(DEPTH);
    let mut next = 0;
    loop {
        while reading.len() < DEPTH {
            let Some(place) = plan.segment(next) else { break };
            reading.push_back((slice(plain, &place)?.array_buffer(), place));
            next += 1;
        }
        if sealing.len() == DEPTH || reading.is_empty() {
            let Some((promise, plain, done)) = sealing.pop_front() else { break };
            let sealed = JsFuture::from(promise).await.map_err(|_| Trouble::Browser("WebCrypto's AES-GCM"))?;
            release(&plain);
            out.push(&Uint8Array::new(&sealed)).await?;
            progress(done, len);
        }
        let Some((promise, place)) = reading.pop_front() else { continue };
        job.check()?;
        let bytes = JsFuture::from(promise).await.map_err(unreadable)?;
        let bytes: ArrayBuffer = bytes.unchecked_into();
        if u64::from(bytes.byte_length()) != place.plain.end - place.plain.start {
            // A file that changed since it was chosen.
            return Err(unreadable(bytes.into()));
        }
        let sealed = gcm.seal(&header.nonce(place.index, place.last), &bytes)?;
        sealing.push_back((sealed, bytes, place.plain.end));
    }
    out.finish()
}

fn slice(plain: &Blob, place: &Place) -> Result<Blob, Trouble> {
    // Blobs are measured in floats; they are exact as far as 2^53 bytes.
    let slice = plain.slice_with_f64_and_f64(place.plain.start as f64, place.plain.end as f64);
    slice.map_err(|_| Trouble::Browser("slices of files"))
}

fn unreadable(_: wasm_bindgen::JsValue) -> Trouble {
    Trouble::File("One of the files".into())
}

struct Bundles {
    whole: Array,
    now: Array,
}

impl Bundles {
    fn new() -> Self {
        Self { whole: Array::new(), now: Array::new() }
    }

    /// Gives bytes into the browser's keeping, and their buffer back.
    async fn push(&mut self, bytes: &Uint8Array) -> Result<(), Trouble> {
        let sealed = blob(&Array::of1(bytes))?;
        release(&bytes.buffer());
        self.now.push(&sealed);
        if self.now.length().is_multiple_of(UNTAKEN) {
            let last = sealed.slice_with_i32_and_i32(0, 1).map_err(|_| Trouble::NoRoom)?;
            JsFuture::from(last.array_buffer()).await.map_err(|_| Trouble::NoRoom)?;
        }
        if self.now.length() == BUNDLE {
            self.bundle()?;
            self.now = Array::new();
        }
        Ok(())
    }

    fn bundle(&self) -> Result<(), Trouble> {
        let bundle = blob(&self.now)?;
        self.whole.push(&bundle);
        Ok(())
    }

    fn finish(self) -> Result<Blob, Trouble> {
        self.bundle()?;
        blob(&self.whole)
    }
}
