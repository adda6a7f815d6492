//! Keys from a link and a password. Argon2id takes the better part of a second and 64 MiB, so it runs in a worker that
//! loads this same program, and the page stays alive.

use alloc::string::{String, ToString};

use api::{Kdf, Token};
use envelope::{ContentKey, Keys, LinkSecret, Stretched};
use js_sys::{JsString, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, HtmlScriptElement, MessageEvent, WorkerOptions, WorkerType};
use zeroize::Zeroizing;

use crate::bindings::{TRUSTED_TYPES, TrustedPolicy, TrustedWorker};
use crate::dom;
use crate::trouble::Trouble;

/// What sealing and opening need of a paste's keys.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) content: ContentKey,
    pub(crate) read: Token,
}

/// The keys of a link without a password.
pub(crate) fn keys(secret: &LinkSecret) -> Access {
    access(&Keys::derive(secret, None))
}

/// The keys of a link and a password.
pub(crate) async fn keys_with_password(secret: &LinkSecret, password: &str, kdf: &Kdf) -> Result<Access, Trouble> {
    // The browser has Unicode's tables; they would be the largest part of this program.
    let normal: String = JsString::from(password).normalize("NFC").into();
    let normal = Zeroizing::new(normal);
    let worker = match spawn() {
        Ok(worker) => worker,
        // Without a worker the page stands still for a moment.
        Err(_) => {
            dom::drawn().await;
            return derive(secret, &normal, kdf);
        }
    };
    let answer = ask(&worker, secret, &normal, kdf).await;
    // Its 64 MiB go with it.
    worker.terminate();
    match answer {
        Some(answer) => read_answer(&answer),
        None => derive(secret, &normal, kdf),
    }
}

/// The worker's whole life: one question, one answer.
pub(crate) fn serve(scope: &DedicatedWorkerGlobalScope) {
    let answering = scope.clone();
    dom::on(scope, "message", move |event: MessageEvent| {
        let answer = Object::new();
        match read_question(&event.data()).and_then(|(secret, password, kdf)| derive(&secret, &password, &kdf)) {
            Ok(access) => {
                put(&answer, "content", &Uint8Array::from(&access.content.as_bytes()[..]));
                put(&answer, "read", &access.read.encode().as_str().into());
            }
            Err(Trouble::Password(what)) => put(&answer, "trouble", &what.into()),
            Err(_) => put(&answer, "trouble", &"it could not be stretched".into()),
        }
        let _ = answering.post_message(&answer);
    });
    // Messages sent before this are waiting, but one sent while the program was still loading may have gone by.
    let _ = scope.post_message(&JsValue::TRUE);
}

fn derive(secret: &LinkSecret, password: &str, kdf: &Kdf) -> Result<Access, Trouble> {
    let stretched = Stretched::argon2id_normalized(password, kdf).map_err(|e| Trouble::Password(e.to_string()))?;
    Ok(access(&Keys::derive(secret, Some(&stretched))))
}

fn access(keys: &Keys) -> Access {
    Access { content: keys.content_key().clone(), read: keys.read_token() }
}

fn spawn() -> Result<TrustedWorker, Trouble> {
    const LACKS: Trouble = Trouble::Browser("workers");
    let url = script().ok_or(LACKS)?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    TrustedWorker::new(&trusted(&url), &options).map_err(|_| LACKS)
}

thread_local! {
    /// The one policy the page's CSP allows; a name can be taken once.
    static POLICY: Option<TrustedPolicy> = policy();
}

/// A policy that lets through the page's own script and nothing else.
fn policy() -> Option<TrustedPolicy> {
    let rule = Closure::<dyn Fn(String) -> Option<String>>::new(move |url| (script()? == url).then_some(url));
    let rules = Object::new();
    put(&rules, "createScriptURL", rule.as_ref());
    rule.forget();
    TRUSTED_TYPES.with(|types| types.as_ref()?.create_policy("pasteur", &rules).ok())
}

/// The address as Trusted Types want it, where the browser has them.
fn trusted(url: &str) -> JsValue {
    let trusted = POLICY.with(|policy| policy.as_ref()?.create_script_url(url).ok());
    trusted.unwrap_or_else(|| url.into())
}

/// The address of this program's glue.
fn script() -> Option<String> {
    let script = dom::document().ok()?.query_selector("script[type=module]").ok().flatten()?;
    Some(script.dyn_into::<HtmlScriptElement>().ok()?.src())
}

/// Sends the question once the worker is ready, and gives the answer; `None` if the worker fails.
async fn ask(worker: &TrustedWorker, secret: &LinkSecret, password: &str, kdf: &Kdf) -> Option<JsValue> {
    message(worker).await?;
    let question = Object::new();
    put(&question, "fragment", &secret.fragment().as_str().into());
    put(&question, "password", &password.into());
    put(&question, "salt", &Uint8Array::from(&kdf.salt[..]));
    worker.post_message(&question).ok()?;
    message(worker).await
}

async fn message(worker: &TrustedWorker) -> Option<JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        worker.set_onmessage(Some(&resolve));
        worker.set_onerror(Some(&reject));
    });
    let event: MessageEvent = JsFuture::from(promise).await.ok()?.unchecked_into();
    Some(event.data())
}

fn read_question(data: &JsValue) -> Result<(LinkSecret, Zeroizing<String>, Kdf), Trouble> {
    let broken = || Trouble::Password("the worker was asked nonsense".into());
    let text = |name| take(data, name).as_string().map(Zeroizing::new).ok_or_else(broken);
    let secret = LinkSecret::parse_fragment(&text("fragment")?).map_err(|_| broken())?;
    let salt: Uint8Array = take(data, "salt").dyn_into().map_err(|_| broken())?;
    let salt = salt.to_vec().try_into().map_err(|_| broken())?;
    Ok((secret, text("password")?, Kdf::v1(salt)))
}

fn read_answer(data: &JsValue) -> Result<Access, Trouble> {
    if let Some(what) = take(data, "trouble").as_string() {
        return Err(Trouble::Password(what));
    }
    let broken = || Trouble::Password("the worker answered nonsense".into());
    let content: Uint8Array = take(data, "content").dyn_into().map_err(|_| broken())?;
    let mut bytes = Zeroizing::new([0; 32]);
    if content.length() != 32 {
        return Err(broken());
    }
    content.copy_to(&mut *bytes);
    let read = take(data, "read").as_string().map(Zeroizing::new).ok_or_else(broken)?;
    let read = read.parse().map_err(|_| broken())?;
    Ok(Access { content: ContentKey::from_bytes(*bytes), read })
}

fn put(object: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

fn take(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
