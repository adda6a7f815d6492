//! Keys, and things dropped on a page.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::browser::Browser;
use crate::webdriver::ELEMENT;

/// A key, or keys held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Forwards through the controls.
    Tab,
    /// Backwards through the controls.
    ShiftTab,
    /// Presses a button, follows a link.
    Enter,
    /// Presses a button, toggles a checkbox.
    Space,
    /// The next option.
    Down,
    /// Leaves a dialog.
    Escape,
    /// Pastes from the clipboard.
    ControlV,
}

impl Key {
    /// The modifier held, and the key, as WebDriver names them (section 17.4.2 of the standard).
    fn codes(self) -> (Option<char>, char) {
        match self {
            Self::Tab => (None, '\u{E004}'),
            Self::ShiftTab => (Some('\u{E008}'), '\u{E004}'),
            Self::Enter => (None, '\u{E007}'),
            Self::Space => (None, ' '),
            Self::Down => (None, '\u{E015}'),
            Self::Escape => (None, '\u{E00C}'),
            Self::ControlV => (Some('\u{E009}'), 'v'),
        }
    }
}

impl Browser {
    /// Presses a key, wherever the focus is.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn key(&self, key: Key) -> Result<()> {
        let (modifier, key) = key.codes();
        let keys: Vec<char> = modifier.into_iter().chain([key]).collect();
        let down = keys.iter().map(|k| json!({"type": "keyDown", "value": k}));
        let up = keys.iter().rev().map(|k| json!({"type": "keyUp", "value": k}));
        self.perform(down.chain(up).collect()).await
    }

    /// Types text, wherever the focus is.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn keys(&self, text: &str) -> Result<()> {
        let strokes = text.chars().flat_map(|k| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": k})));
        self.perform(strokes.collect()).await
    }

    /// Role and accessible name of what has the focus.
    ///
    /// # Errors
    /// Nothing has.
    pub async fn focused(&self) -> Result<(String, String)> {
        let element = self.driver.ask("/element/active").await?;
        let id = element[ELEMENT].as_str().context("nothing has the focus")?;
        let role = self.driver.ask(&format!("/element/{id}/computedrole")).await?;
        let name = self.driver.ask(&format!("/element/{id}/computedlabel")).await?;
        Ok((role.as_str().unwrap_or_default().to_owned(), name.as_str().unwrap_or_default().to_owned()))
    }

    /// Presses Tab until this control has the focus, and checks that the focus can be seen there.
    ///
    /// # Errors
    /// It is not reached by 40 presses, or looks as without the focus; where the focus went is told.
    pub async fn tab_to(&self, role: &str, name: &str) -> Result<()> {
        let mut path = Vec::new();
        for _ in 0..40 {
            let at = self.focused().await?;
            if at == (role.to_owned(), name.to_owned()) {
                let seen = self.evaluate(FOCUS_IS_SEEN).await?;
                if seen != true {
                    bail!("the focus cannot be seen on {role} \"{name}\"");
                }
                return Ok(());
            }
            path.push(format!("{} \"{}\"", at.0, at.1));
            self.key(Key::Tab).await?;
        }
        bail!("{role} \"{name}\" cannot be reached by Tab, only {}", path.join(", "))
    }

    /// Drops files from outside the browser on a control.
    ///
    /// # Errors
    /// There is no such control.
    pub async fn drop_files(&self, files: &[impl AsRef<Path>], role: &str, name: &str) -> Result<()> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        let (x, y) = self.find(role, name).await?.middle().await?;
        for kind in ["dragEnter", "dragOver", "drop"] {
            // 1: the source offers a copy.
            let data = json!({"items": [], "files": files, "dragOperationsMask": 1});
            self.driver.cdp("Input.dispatchDragEvent", json!({"type": kind, "x": x, "y": y, "data": data})).await?;
        }
        Ok(())
    }

    async fn perform(&self, actions: Vec<serde_json::Value>) -> Result<()> {
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.driver.post("/actions", actions).await.map(drop)
    }
}

/// Whether the focused element, or what holds it, shows an outline, a shadow or a border that goes when the focus does.
const FOCUS_IS_SEEN: &str = "(() => {
    const seen = e => {
        const s = getComputedStyle(e);
        return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none';
    };
    const e = document.activeElement;
    const label = e.labels && e.labels[0];
    return seen(e) || (e.parentElement && seen(e.parentElement)) || (label && seen(label)) || false;
})()";
