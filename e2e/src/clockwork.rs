//! When a page reached a state, by its own clock.

use anyhow::{Context, Result};
use serde_json::json;

use crate::{Browser, STEP};

impl Browser {
    /// From now on, every page notes the frame in which `state`, an expression, was true for the first time.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn note(&self, state: &str) -> Result<()> {
        // Asked at each frame, and by a timer too, since a page nobody looks at has no frames.
        let source = format!(
            "(() => {{ const look = () => {{ if (globalThis.e2eNoted === undefined && document.body && ({state})) \
             globalThis.e2eNoted = performance.now(); else if (globalThis.e2eNoted === undefined) requestAnimationFrame(look); }}; \
             requestAnimationFrame(look); }})()"
        );
        self.driver.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await.map(drop)
    }

    /// Waits for the noted state: milliseconds from the navigation's start to the frame.
    ///
    /// # Errors
    /// It was not reached within [`STEP`].
    pub async fn noted(&self) -> Result<f64> {
        self.until(STEP, "the noted state", async || Ok(self.evaluate("globalThis.e2eNoted ?? null").await?.as_f64()))
            .await
            .context("of the page")
    }
}
