//! Copying text.

use wasm_bindgen_futures::JsFuture;

use crate::dom;
use crate::trouble::Trouble;

/// Puts text on the clipboard.
pub(crate) async fn write(text: &str) -> Result<(), Trouble> {
    const REFUSED: Trouble = Trouble::Browser("the clipboard");
    let clipboard = dom::window()?.navigator().clipboard();
    if clipboard.is_undefined() {
        return Err(REFUSED);
    }
    JsFuture::from(clipboard.write_text(text)).await.map(|_| ()).map_err(|_| REFUSED)
}
