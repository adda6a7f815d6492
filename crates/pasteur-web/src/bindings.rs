//! What web-sys does not declare, or declares unstable: Trusted Types, workers from trusted URLs, locks.

use js_sys::{Function, Object, Promise};
use wasm_bindgen::prelude::*;
use web_sys::WorkerOptions;

#[wasm_bindgen]
extern "C" {
    /// <https://www.w3.org/TR/trusted-types/#trusted-type-policy-factory>
    pub(crate) type TrustedTypes;
    #[wasm_bindgen(thread_local_v2, js_name = trustedTypes)]
    pub(crate) static TRUSTED_TYPES: Option<TrustedTypes>;
    #[wasm_bindgen(method, catch, js_name = createPolicy)]
    pub(crate) fn create_policy(this: &TrustedTypes, name: &str, rules: &Object) -> Result<TrustedPolicy, JsValue>;

    pub(crate) type TrustedPolicy;
    #[wasm_bindgen(method, catch, js_name = createScriptURL)]
    pub(crate) fn create_script_url(this: &TrustedPolicy, url: &str) -> Result<JsValue, JsValue>;

    /// A worker whose address may be a `TrustedScriptURL`.
    #[wasm_bindgen(extends = web_sys::Worker, extends = web_sys::EventTarget, js_name = Worker)]
    pub(crate) type TrustedWorker;
    #[wasm_bindgen(constructor, js_class = "Worker", catch)]
    pub(crate) fn new(url: &JsValue, options: &WorkerOptions) -> Result<TrustedWorker, JsValue>;

    /// <https://www.w3.org/TR/web-locks/>
    pub(crate) type Locks;
    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = locks)]
    pub(crate) static LOCKS: Option<Locks>;
    #[wasm_bindgen(method)]
    pub(crate) fn request(this: &Locks, name: &str, held: &Function) -> Promise;
}
