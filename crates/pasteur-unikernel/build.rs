//! How the program is linked to be a kernel, and the site's image inside: the file that `PASTEUR_SITE_IMAGE` names, or nothing.

use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PASTEUR_SITE_IMAGE");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("hermit") {
        for argument in ["-e_start", "--image-base=0x200000", "-zseparate-code", "-zmax-page-size=0x1000"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
    let to = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("site.img");
    match env::var_os("PASTEUR_SITE_IMAGE").filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo::rerun-if-changed={}", path.display());
            fs::copy(&path, &to).map_err(|e| format!("PASTEUR_SITE_IMAGE {}: {e}", path.display()))?;
        }
        None => fs::write(&to, [])?,
    }
    Ok(())
}
