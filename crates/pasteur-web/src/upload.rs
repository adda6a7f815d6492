//! The creating form on its way to the server, by XMLHttpRequest: the one way a browser streams a Blob over HTTP/1.1
//! and tells how far it is.

use alloc::string::ToString;

use api::{Created, Expiry, Token, field, path};
use js_sys::Promise;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FormData, ProgressEvent, XmlHttpRequest};

use crate::job::Job;
use crate::trouble::Trouble;
use crate::wire;

/// What is sent: the fields of API v1's creating form.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    pub(crate) header: &'a str,
    pub(crate) read: &'a Token,
    pub(crate) expiry: Expiry,
    pub(crate) content: &'a Blob,
}

/// Sends; `progress` hears how many bytes of how many are under way.
pub(crate) async fn send(
    job: &Job,
    form: &Form<'_>,
    progress: impl Fn(u64, u64) + 'static,
) -> Result<Created, Trouble> {
    job.check()?;
    let request = XmlHttpRequest::new().map_err(lacks)?;
    request.open("POST", path::PASTES).map_err(lacks)?;

    let heard = Closure::<dyn FnMut(ProgressEvent)>::new(move |e: ProgressEvent| {
        progress(e.loaded() as u64, e.total() as u64);
    });
    request.upload().map_err(lacks)?.set_onprogress(Some(heard.as_ref().unchecked_ref()));

    let abort = {
        let request = request.clone();
        Closure::<dyn FnMut()>::new(move || {
            let _ = request.abort();
        })
    };
    job.signal().set_onabort(Some(abort.as_ref().unchecked_ref()));

    let ended = Promise::new(&mut |resolve, _| request.set_onloadend(Some(&resolve)));
    let sent = request.send_with_opt_form_data(Some(&encode(form).map_err(lacks)?));
    sent.map_err(lacks)?;
    let _ = JsFuture::from(ended).await;
    job.signal().set_onabort(None);
    job.check()?;

    let status = request.status().unwrap_or(0);
    let body = request.response_text().ok().flatten().unwrap_or_default();
    match status {
        0 => Err(Trouble::Offline),
        201 => wire::read(&body).ok_or(Trouble::Server),
        _ => Err(Trouble::from_answer(status, wire::read(&body).as_ref())),
    }
}

fn encode(form: &Form<'_>) -> Result<FormData, JsValue> {
    let data = FormData::new()?;
    data.append_with_str(field::HEADER, form.header)?;
    data.append_with_str(field::READ, &Token::encode_hash(&form.read.hash()))?;
    data.append_with_str(field::EXPIRES_IN, &form.expiry.to_string())?;
    data.append_with_blob_and_filename(field::CONTENT, form.content, "content")?;
    Ok(data)
}

fn lacks(_: JsValue) -> Trouble {
    Trouble::Browser("XMLHttpRequest")
}
