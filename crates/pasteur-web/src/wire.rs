//! The documents of API v1, read by the browser's own JSON: a reader of our own would be a tenth of the program.

use alloc::string::String;

use api::{Claimed, Created, Info, PasteState, Problem, ServerLimits};
use js_sys::{JSON, Reflect};
use wasm_bindgen::JsValue;

/// A document that an answer's body holds.
pub(crate) trait Document: Sized {
    /// Reads its fields; `None` where one is missing or of another kind. Others are passed over.
    fn read(fields: &Fields) -> Option<Self>;
}

/// Reads a document from an answer's body.
pub(crate) fn read<T: Document>(body: &str) -> Option<T> {
    let value = JSON::parse(body).ok()?;
    T::read(&Fields(value.is_object().then_some(value)?))
}

/// A JSON object's fields.
pub(crate) struct Fields(JsValue);

impl Fields {
    fn value(&self, name: &str) -> JsValue {
        Reflect::get(&self.0, &name.into()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).as_string()
    }

    fn number(&self, name: &str) -> Option<u64> {
        // From here on JavaScript's numbers are no longer exact.
        const END: f64 = 9_007_199_254_740_992.0;
        let number = self.value(name).as_f64().filter(|n| (0.0..END).contains(n))?;
        // A fraction is no number of anything here.
        let whole = number as u64;
        (whole as f64 == number).then_some(whole)
    }

    /// A number that may be null or missing.
    fn number_or_none(&self, name: &str) -> Option<Option<u64>> {
        let value = self.value(name);
        if value.is_null() || value.is_undefined() { Some(None) } else { self.number(name).map(Some) }
    }
}

impl Document for ServerLimits {
    fn read(fields: &Fields) -> Option<Self> {
        let (max_paste, max_expiry) = (fields.number("max_paste")?, fields.number_or_none("max_expiry")?);
        Some(Self { max_paste, max_expiry })
    }
}

impl Document for Created {
    fn read(fields: &Fields) -> Option<Self> {
        let delete_token = zeroize::Zeroizing::new(fields.text("delete_token")?);
        Some(Self {
            id: fields.text("id")?.parse().ok()?,
            delete_token: delete_token.parse().ok()?,
            expires_at: fields.number_or_none("expires_at")?,
        })
    }
}

impl Document for Info {
    fn read(fields: &Fields) -> Option<Self> {
        Some(Self {
            header: fields.text("header")?,
            size: fields.number("size")?,
            created_at: fields.number("created_at")?,
            expires_at: fields.number_or_none("expires_at")?,
            state: match fields.text("state")?.as_str() {
                "open" => PasteState::Open,
                "claimed" => PasteState::Claimed,
                _ => return None,
            },
        })
    }
}

impl Document for Claimed {
    fn read(fields: &Fields) -> Option<Self> {
        let lease = zeroize::Zeroizing::new(fields.text("lease")?);
        Some(Self { lease: lease.parse().ok()?, expires_in: fields.number("expires_in")? })
    }
}

impl Document for Problem {
    fn read(fields: &Fields) -> Option<Self> {
        Some(Self {
            kind: fields.text("type")?,
            title: fields.text("title")?,
            status: fields.number("status")?.try_into().ok()?,
            detail: fields.text("detail"),
            limit: fields.text("limit"),
            value: fields.number_or_none("value")?,
            retry_after: fields.number_or_none("retry_after")?,
        })
    }
}
