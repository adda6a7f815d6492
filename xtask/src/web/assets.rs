//! Names that say what is in a file, and pages that insist on it.
//!
//! Every file under `/assets/` gets a part of its hash into its name, so that it can be cached for ever; whatever refers to
//! it is rewritten; and `script` and `link` elements get an `integrity` attribute where browsers heed it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding as _};
use sha2::{Digest, Sha256, Sha384};

use super::glue::Glue;

const ASSETS: &str = "/assets/";

/// The site with the client's programs in it: `/assets/NAME.js` and `/assets/NAME.wasm` for each. `files` are the site's
/// sources by absolute path.
pub(crate) fn assemble(mut files: BTreeMap<String, Vec<u8>>, programs: Vec<Glue>) -> Result<BTreeMap<String, Vec<u8>>> {
    // Scripts by path, and the wasm that each starts.
    let mut scripts = BTreeMap::new();
    for Glue { name, js, wasm } in programs {
        let [script, program] = [".js", ".wasm"].map(|ending| format!("{ASSETS}{name}{ending}"));
        scripts.insert(script.clone(), program.clone());
        for (path, bytes) in [(program, wasm), (script, js.into_bytes())] {
            if files.insert(path.clone(), bytes).is_some() {
                bail!("site{path} is in the way of the generated one");
            }
        }
    }
    let mut sources: Vec<_> = files.into_iter().collect();
    // What refers comes after what it refers to.
    sources.sort_by_key(|(path, _)| rank(path));

    let mut names = BTreeMap::new();
    let mut site = BTreeMap::new();
    for (path, mut bytes) in sources {
        if rank(&path) > 0 {
            let text = String::from_utf8(bytes).with_context(|| format!("site{path} is not UTF-8"))?;
            let mut text = rewrite(&text, &names, path.ends_with(".html")).with_context(|| format!("site{path}"))?;
            if let Some(wasm) = scripts.get(&path) {
                text.push_str(&start(names.get(wasm).with_context(|| format!("there is no {wasm}"))?));
            }
            bytes = text.into_bytes();
        }
        let name = match path.strip_prefix(ASSETS) {
            Some(_) => {
                let asset = Asset::of(&path, &bytes);
                let name = asset.name.clone();
                names.insert(path, asset);
                name
            }
            None => path,
        };
        site.insert(name, bytes);
    }
    Ok(site)
}

/// A named asset.
#[derive(Debug)]
struct Asset {
    name: String,
    integrity: String,
}

impl Asset {
    fn of(path: &str, bytes: &[u8]) -> Self {
        let hash: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (stem, extension) = path.rsplit_once('.').map_or((path, String::new()), |(s, e)| (s, format!(".{e}")));
        Self {
            name: format!("{stem}-{hash}{extension}"),
            integrity: format!("sha384-{}", Base64::encode_string(&Sha384::digest(bytes))),
        }
    }
}

/// 0 refers to nothing; others may refer to what has a smaller rank.
fn rank(path: &str) -> u8 {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match (path.starts_with(ASSETS), extension) {
        (_, "svg" | "json" | "webmanifest") => 1,
        (_, "css") => 2,
        (true, "js") => 3,
        (_, "html") => 4,
        _ => 0,
    }
}

/// The line that starts the client, appended to the glue.
fn start(wasm: &Asset) -> String {
    format!("\n__wbg_init({{ module_or_path: fetch(\"{}\", {{ integrity: \"{}\" }}) }});\n", wasm.name, wasm.integrity)
}

/// `text` with every `/assets/...` by its new name, and in HTML with the integrity of what a page loads.
fn rewrite(text: &str, names: &BTreeMap<String, Asset>, html: bool) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ASSETS) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))).unwrap_or(from.len());
        let (path, after) = from.split_at(end);
        let asset = names.get(path).with_context(|| format!("there is no {path} that may be referred to here"))?;
        out.push_str(before);
        out.push_str(&asset.name);
        rest = after;
        if html && checks(&out) {
            let quote = after.strip_prefix('"').with_context(|| format!("{path} has to end with a double quote"))?;
            out.push_str(&format!("\" integrity=\"{}\"", asset.integrity));
            rest = quote;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether a page that stops here is in a tag that loads what it names, and that browsers check. What is preloaded for a
/// script's fetch is checked by that fetch; an attribute there is ignored, and warned about.
fn checks(page: &str) -> bool {
    let tag = page.rfind('<').map_or("", |at| &page[at..]);
    tag.starts_with("<script ") || (tag.starts_with("<link ") && !tag.contains("rel=\"preload\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(page: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let files = [
            ("/index.html", page),
            ("/assets/pasteur.css", "body { background: url(/assets/dots.svg) }"),
            ("/assets/dots.svg", "<svg/>"),
            ("/robots.txt", "User-agent: *"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let glue = Glue { name: "pasteur", js: "async function __wbg_init() {}".into(), wasm: b"\0asm".to_vec() };
        assemble(files.into(), vec![glue])
    }

    fn text(site: &BTreeMap<String, Vec<u8>>, start: &str) -> (String, String) {
        let (path, bytes) = site.iter().find(|(path, _)| path.starts_with(start)).unwrap();
        (path.clone(), String::from_utf8(bytes.clone()).unwrap())
    }

    #[test]
    fn pages_name_what_they_load_by_hash_and_insist_on_it() {
        let page = "<link rel=\"stylesheet\" href=\"/assets/pasteur.css\">\
            <link rel=\"preload\" href=\"/assets/pasteur.wasm\" as=\"fetch\">\
            <script type=\"module\" src=\"/assets/pasteur.js\"></script><img src=\"/assets/dots.svg\" alt=\"\">";
        let site = site(page).unwrap();
        let (_, page) = text(&site, "/index.html");
        let (css, style) = site.iter().find(|(path, _)| path.ends_with(".css")).unwrap();
        let style = std::str::from_utf8(style).unwrap();
        let (svg, _) = text(&site, "/assets/dots-");
        assert!(css.ends_with(".css") && css.len() == "/assets/pasteur-0123456789abcdef.css".len(), "{css}");
        let integrity = format!("sha384-{}", Base64::encode_string(&Sha384::digest(style.as_bytes())));
        assert!(page.contains(&format!("href=\"{css}\" integrity=\"{integrity}\">")), "{page}");
        assert!(page.contains(&format!("<img src=\"{svg}\" alt=\"\">")), "{page}");
        let (wasm, _) = site.iter().find(|(path, _)| path.ends_with(".wasm")).unwrap();
        assert!(page.contains(&format!("href=\"{wasm}\" as=\"fetch\">")), "{page}");
        assert!(style.contains(svg.as_str()), "{style}");
        assert_eq!(page.matches("integrity=").count(), 2);
        assert!(site.contains_key("/robots.txt"));
    }

    #[test]
    fn the_glue_starts_the_client_with_its_wasm() {
        let site = site("").unwrap();
        let (wasm, _) = site.iter().find(|(path, _)| path.ends_with(".wasm")).unwrap();
        let (_, js) = site.iter().find(|(path, _)| path.ends_with(".js")).unwrap();
        let integrity = format!("sha384-{}", Base64::encode_string(&Sha384::digest(b"\0asm")));
        let line = format!("__wbg_init({{ module_or_path: fetch(\"{wasm}\", {{ integrity: \"{integrity}\" }}) }});\n");
        assert!(String::from_utf8_lossy(js).ends_with(&line));
    }

    #[test]
    fn a_dead_reference_is_an_error() {
        let error = site("<img src=\"/assets/gone.png\">").unwrap_err();
        assert_eq!(format!("{error:#}"), "site/index.html: there is no /assets/gone.png that may be referred to here");
    }
}
