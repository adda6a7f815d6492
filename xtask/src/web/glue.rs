//! wasm-bindgen, as a library: from rustc's wasm to the wasm a browser runs and the glue that loads it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

/// One of the client's programs, ready for a browser.
#[derive(Debug)]
pub(crate) struct Glue {
    /// The program's name.
    pub(crate) name: &'static str,
    /// An ECMAScript module whose default export, `__wbg_init`, loads the wasm.
    pub(crate) js: String,
    /// The wasm.
    pub(crate) wasm: Vec<u8>,
}

/// Runs wasm-bindgen on `wasm`, with `scratch` for its output; `name` is the program's.
pub(crate) fn generate(wasm: &Path, name: &'static str, scratch: &Path) -> Result<Glue> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    Bindgen::new()
        .input_path(wasm)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(scratch)
        .context("wasm-bindgen refuses the client")?;
    let snippets = scratch.join("snippets");
    if snippets.exists() {
        bail!("a dependency of pasteur-web brings JavaScript of its own: see {}", snippets.display());
    }
    let read = |ending: &str| {
        let file = format!("{name}{ending}");
        fs::read(scratch.join(&file)).with_context(|| format!("wasm-bindgen wrote no {file}"))
    };
    let js = String::from_utf8(read(".js")?).context("the glue is not UTF-8")?;
    if !js.contains("__wbg_init") {
        bail!("the glue has no __wbg_init: this wasm-bindgen is not the one xtask knows");
    }
    Ok(Glue { name, js, wasm: read("_bg.wasm")? })
}
