//! A paste's ciphertext as it comes from the server: in order, resumed where a connection drops, never more of it in
//! memory than was asked for.

use alloc::format;

use api::{Id, Token};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Response};

use crate::buffers::release;
use crate::job::Job;
use crate::retry::Backoff;
use crate::trouble::Trouble;
use crate::{client, dom};

/// How often a server that never answered is asked before the user is told.
const FIRST_TRIES: u32 = 3;

/// Bytes `at..end` of a paste's content.
#[derive(Debug)]
pub(crate) struct Feed {
    job: Job,
    id: Id,
    token: Token,
    at: u64,
    end: u64,
    reader: Option<ReadableStreamDefaultReader>,
    /// What the last chunk held beyond what was taken.
    rest: Option<Uint8Array>,
    backoff: Backoff,
    /// Tries before the first answer.
    tries: Option<u32>,
}

impl Feed {
    /// Nothing is asked of the server before the first [`Feed::open`] or [`Feed::take`].
    pub(crate) fn new(job: &Job, id: Id, token: Token, at: u64, end: u64) -> Self {
        Self {
            job: job.clone(),
            id,
            token,
            at,
            end,
            reader: None,
            rest: None,
            backoff: Backoff::default(),
            tries: Some(0),
        }
    }

    /// Makes sure that the server answers, so that a wrong token is known before anything is read.
    pub(crate) async fn open(&mut self) -> Result<(), Trouble> {
        while self.reader.is_none() {
            match self.connect().await {
                Ok(reader) => {
                    self.reader = Some(reader);
                    self.tries = None;
                }
                Err(trouble) => self.wait(trouble).await?,
            }
        }
        Ok(())
    }

    /// The next `len` bytes, which have to lie before the end.
    pub(crate) async fn take(&mut self, len: u32) -> Result<Uint8Array, Trouble> {
        let whole = Uint8Array::new_with_length(len);
        let mut filled = 0;
        while filled < len {
            let chunk = match self.rest.take() {
                Some(rest) => rest,
                None => match self.chunk().await {
                    Ok(chunk) => chunk,
                    Err(trouble) => {
                        self.reader = None;
                        self.wait(trouble).await?;
                        continue;
                    }
                },
            };
            let fits = chunk.length().min(len - filled);
            if fits < chunk.length() {
                whole.set(&chunk.subarray(0, fits), filled);
                self.rest = Some(chunk.subarray(fits, chunk.length()));
            } else {
                whole.set(&chunk, filled);
                release(&chunk.buffer());
            }
            filled += fits;
            self.at += u64::from(fits);
        }
        Ok(whole)
    }

    /// Lets go of the connection.
    pub(crate) fn close(&mut self) {
        self.rest = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.cancel();
        }
    }

    async fn chunk(&mut self) -> Result<Uint8Array, Trouble> {
        self.job.check()?;
        self.open().await?;
        let Some(reader) = &self.reader else { return Err(Trouble::Offline) };
        let read = JsFuture::from(reader.read()).await.map_err(|e| self.job.broken(e))?;
        let value = Reflect::get(&read, &JsValue::from_str("value")).unwrap_or_default();
        // An end before ours is a dropped connection too.
        let chunk: Uint8Array = value.dyn_into().map_err(|_| Trouble::Offline)?;
        self.backoff.progress();
        Ok(chunk)
    }

    async fn connect(&self) -> Result<ReadableStreamDefaultReader, Trouble> {
        // Bytes of `rest` were counted as not yet taken, and `rest` is empty whenever there is no connection.
        let answer = client::content(&self.job, &self.id, &self.token, Some((self.at, self.end))).await?;
        if !starts_at(&answer, self.at) {
            return Err(Trouble::Server);
        }
        let body = answer.body().ok_or(Trouble::Browser("streams"))?;
        ReadableStreamDefaultReader::new(&body).map_err(|_| Trouble::Browser("streams"))
    }

    /// Waits before another try, or gives the trouble back where another try will not help.
    async fn wait(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if !trouble.passes() {
            return Err(trouble);
        }
        if let Some(tries) = &mut self.tries {
            *tries += 1;
            if *tries == FIRST_TRIES || !matches!(trouble, Trouble::Offline) {
                return Err(trouble);
            }
        }
        let asked = if let Trouble::TooMany(seconds) = trouble { seconds } else { None };
        let Some(wait) = self.backoff.next_wait(asked) else { return Err(trouble) };
        dom::sleep(wait).await;
        self.job.check()
    }
}

/// Whether an answer's body begins with this byte of the content.
fn starts_at(answer: &Response, at: u64) -> bool {
    match answer.status() {
        206 => {
            let range = answer.headers().get("Content-Range").ok().flatten().unwrap_or_default();
            range.starts_with(&format!("bytes {at}-"))
        }
        _ => at == 0,
    }
}
