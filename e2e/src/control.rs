//! What a user sees and touches: one element of a page.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::input::Key;
use crate::webdriver::ELEMENT;

/// An element that was found by its role and name. It is stale once its page is left.
pub struct Control<'b> {
    browser: &'b Browser,
    id: String,
    /// Role and name, for errors.
    what: String,
}

impl<'b> Control<'b> {
    pub(crate) fn new(browser: &'b Browser, id: &str, what: String) -> Self {
        Self { browser, id: id.to_owned(), what }
    }

    /// Clicks its middle, as a mouse does: it has to be in sight, with nothing before it.
    ///
    /// # Errors
    /// It is not.
    pub async fn click(&self) -> Result<()> {
        self.post("click", json!({})).await.map(drop)
    }

    /// Types text into it, key by key.
    ///
    /// # Errors
    /// It takes no keys.
    pub async fn type_in(&self, text: &str) -> Result<()> {
        self.post("value", json!({"text": text})).await.map(drop)
    }

    /// Empties a text box.
    ///
    /// # Errors
    /// It cannot be edited.
    pub async fn clear(&self) -> Result<()> {
        self.post("clear", json!({})).await.map(drop)
    }

    /// Puts text in at once, as an input method does: for what is too long to type.
    ///
    /// # Errors
    /// It cannot have the focus.
    pub async fn insert(&self, text: &str) -> Result<()> {
        self.call("arguments[0].focus()", json!(null)).await?;
        self.browser.driver.cdp("Input.insertText", json!({"text": text})).await.map(drop)
    }

    /// Puts text in through the clipboard: for what an input method would take too long for.
    ///
    /// # Errors
    /// It cannot have the focus.
    pub async fn paste(&self, text: &str) -> Result<()> {
        self.call("arguments[0].focus()", json!(null)).await?;
        self.browser.evaluate(&format!("navigator.clipboard.writeText({})", Value::from(text))).await?;
        self.browser.key(Key::ControlV).await
    }

    /// Chooses files, as in the browser's dialog.
    ///
    /// # Errors
    /// It is no file input, or a file is missing.
    pub async fn choose_files(&self, files: &[impl AsRef<Path>]) -> Result<()> {
        let mut paths = Vec::new();
        for file in files {
            paths.push(file.as_ref().to_str().context("a path that is not UTF-8")?);
        }
        self.post("value", json!({"text": paths.join("\n")})).await.map(drop)
    }

    /// The texts of a combobox's options, in order.
    ///
    /// # Errors
    /// It has none.
    pub async fn options(&self) -> Result<Vec<String>> {
        let texts = self.call("return [...arguments[0].options].map(o => o.text.trim())", json!(null)).await?;
        let texts = texts.as_array().with_context(|| format!("{} has no options", self.what))?;
        Ok(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Chooses the option with this text.
    ///
    /// # Errors
    /// There is none.
    pub async fn choose(&self, text: &str) -> Result<()> {
        let script = "return [...arguments[0].options].find(o => o.text.trim() === arguments[1])";
        let option = self.call(script, text.into()).await?;
        let Some(id) = option[ELEMENT].as_str() else { bail!("{} has no option \"{text}\"", self.what) };
        Control::new(self.browser, id, format!("option \"{text}\"")).click().await
    }

    /// The text to be seen in it, as the browser lays it out.
    ///
    /// # Errors
    /// It is stale.
    pub async fn text(&self) -> Result<String> {
        Ok(self.ask("text").await?.as_str().unwrap_or_default().to_owned())
    }

    /// All the text below it, exactly as it is in the document.
    ///
    /// # Errors
    /// It is stale.
    pub async fn text_content(&self) -> Result<String> {
        Ok(self.call("return arguments[0].textContent", json!(null)).await?.as_str().unwrap_or_default().to_owned())
    }

    /// A text box's or combobox's value.
    ///
    /// # Errors
    /// It has none.
    pub async fn value(&self) -> Result<String> {
        let value = self.ask("property/value").await?;
        Ok(value.as_str().with_context(|| format!("{} has no value", self.what))?.to_owned())
    }

    /// The accessible names of what has this role below it, in order.
    ///
    /// # Errors
    /// It is stale.
    pub async fn names_below(&self, role: &str) -> Result<Vec<String>> {
        let answer = self.post("elements", json!({"using": "css selector", "value": "*"})).await?;
        let mut names = Vec::new();
        for element in answer.as_array().into_iter().flatten() {
            let id = element[ELEMENT].as_str().unwrap_or_default();
            let below = Control::new(self.browser, id, String::new());
            if below.ask("computedrole").await? == role {
                names.push(below.ask("computedlabel").await?.as_str().unwrap_or_default().to_owned());
            }
        }
        Ok(names)
    }

    /// Whether a checkbox is checked.
    ///
    /// # Errors
    /// It is stale.
    pub async fn is_checked(&self) -> Result<bool> {
        Ok(self.ask("selected").await? == true)
    }

    /// Whether it can be used: neither disabled nor said to be.
    ///
    /// # Errors
    /// It is stale.
    pub async fn is_enabled(&self) -> Result<bool> {
        Ok(self.ask("enabled").await? == true && self.ask("attribute/aria-disabled").await? != "true")
    }

    /// The middle of it in the window, in CSS pixels.
    pub(crate) async fn middle(&self) -> Result<(f64, f64)> {
        let script = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'}); \
                      const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]";
        let point = self.call(script, json!(null)).await?;
        Ok((point[0].as_f64().context("no place")?, point[1].as_f64().context("no place")?))
    }

    async fn call(&self, script: &str, argument: Value) -> Result<Value> {
        let element = json!({ELEMENT: self.id});
        let body = json!({"script": script, "args": [element, argument]});
        self.browser.driver.post("/execute/sync", body).await.with_context(|| self.what.clone())
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value> {
        let path = format!("/element/{}/{command}", self.id);
        self.browser.driver.post(&path, body).await.with_context(|| format!("{command} of {}", self.what))
    }

    async fn ask(&self, question: &str) -> Result<Value> {
        let path = format!("/element/{}/{question}", self.id);
        self.browser.driver.ask(&path).await.with_context(|| format!("{question} of {}", self.what))
    }
}
