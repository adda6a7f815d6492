//! The harness itself, on small pages of its own: it works a page as a user does, and misses nothing that must not
//! happen. A watchman who never cried would prove nothing.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use e2e::{Browser, Key, STEP, Scheme, Turn, pattern_file, same_pattern, write_file};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      require-trusted-types-for 'script'; trusted-types pasteur";

const CONTROLS: &str = r#"<!doctype html><html lang="en"><head><title>Controls</title>
<link rel="icon" href="/icon.svg"><script type="module" src="/controls.js"></script></head>
<body><main><h1>Controls</h1>
<label>Paste <textarea></textarea></label>
<label>Files <input type="file" multiple></label>
<label>Expires <select><option>1 hour</option><option>1 day</option></select></label>
<label><input type="checkbox"> Burn after reading</label>
<label>Password <input type="password"></label>
<button type="button">Create link</button>
<p role="status"></p>
<section aria-label="Paste"><ul aria-label="Files"></ul></section>
<button type="button" hidden>Hidden</button>
</main></body></html>"#;

const CONTROLS_SCRIPT: &str = r"
const [text, files] = [document.querySelector('textarea'), document.querySelector('input[type=file]')];
const show = list => { for (const file of list) {
    const a = document.createElement('a');
    a.style.display = 'inline-block'; a.style.padding = '6px';
    a.textContent = file.name; a.download = file.name; a.href = URL.createObjectURL(file);
    const item = document.createElement('li'); item.append(a);
    document.querySelector('ul').append(item);
} };
files.addEventListener('change', () => show(files.files));
document.addEventListener('dragover', e => e.preventDefault());
document.addEventListener('drop', e => { e.preventDefault(); show(e.dataTransfer.files); });
document.addEventListener('paste', e => show(e.clipboardData.files));
document.querySelector('button').addEventListener('click', () => {
    document.querySelector('[role=status]').textContent = text.value;
    navigator.clipboard.writeText(text.value);
});";

/// Does, once loaded, everything that must not happen.
const NAUGHTY: &str = r#"<!doctype html><html lang="en"><head><title>Naughty</title><link rel="icon" href="data:,">
<script type="module" src="/naughty.js"></script><script>1</script></head>
<body><main><h1>Naughty</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></main></body></html>"#;

const NAUGHTY_SCRIPT: &str = r"
console.error('went wrong');
console.warn('might go wrong');
document.cookie = 'a=b';
fetch('/sent', {method: 'POST', body: 'the secret of the paste', mode: 'cors'}).then(() => document.title = 'Done');
setTimeout(() => { throw new Error('thrown'); });";

/// Asks other hosts, with no policy that would stop it.
const LOOSE: &str = "<!doctype html><script>
const ask = `for (const host of ['http://elsewhere.example/', 'https://secure.example/']) fetch(host).catch(() => 0)`;
fetch('http://127.0.0.2:9/').catch(() => document.title = 'Done');
new Worker(URL.createObjectURL(new Blob([ask])));</script>";

#[test]
fn needs_chromium_a_page_is_worked_as_a_user_does() -> Result<()> {
    alone(async |browser, folder, pages| {
        browser.open(&format!("http://{pages}/controls.html")).await?;
        browser.find("textbox", "Paste").await?.type_in("typed").await?;
        browser.find("textbox", "Paste").await?.insert(", inserted <b>").await?;
        browser.press("button", "Create link").await?;
        ensure!(browser.said("status").await? == "typed, inserted <b>");
        ensure!(browser.clipboard().await? == "typed, inserted <b>");
        ensure!(!browser.has("button", "Hidden").await?, "a hidden button was found");

        let expires = browser.find("combobox", "Expires").await?;
        ensure!(expires.options().await? == ["1 hour", "1 day"]);
        expires.choose("1 day").await?;
        ensure!(expires.value().await? == "1 day");
        browser.find("checkbox", "Burn after reading").await?.click().await?;
        ensure!(browser.find("checkbox", "Burn after reading").await?.is_checked().await?);

        let chosen = pattern_file(folder.path(), "chosen.bin", 3_000_000, 1)?;
        let dropped = write_file(folder.path(), "dropped.txt", "dropped")?;
        browser.find("button", "Files").await?.choose_files(&[&chosen]).await?;
        browser.drop_files(&[&dropped], "textbox", "Paste").await?;
        let image = "new Promise(done => { const c = document.createElement('canvas'); c.toBlob(b => \
                     done(navigator.clipboard.write([new ClipboardItem({'image/png': b})]))) })";
        browser.evaluate(image).await?;
        browser.find("textbox", "Paste").await?.click().await?;
        browser.key(Key::ControlV).await?;
        let names = browser
            .until(STEP, "three files", async || {
                let names = browser.find("list", "Files").await?.names_below("link").await?;
                Ok((names.len() == 3).then_some(names))
            })
            .await?;
        ensure!(names == ["chosen.bin", "dropped.txt", "image.png"], "{names:?}");
        browser.press("link", "chosen.bin").await?;
        same_pattern(&browser.downloaded("chosen.bin", STEP).await?, 3_000_000, 1)?;

        browser.find("textbox", "Password").await?.click().await?;
        browser.keys("words").await?;
        ensure!(browser.find("textbox", "Password").await?.value().await? == "words");
        browser.tab_to("button", "Create link").await?;
        browser.is_accessible("controls").await?;
        browser.look(360, Scheme::Dark).await?;
        ensure!(browser.evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]").await?[1] == true);
        browser.picture(&folder.path().join("a.png")).await?;
        ensure!(browser.peak_memory()? > 1 << 20);
        let faults = browser.faults(&[b"chosen.bin".to_vec()]).await?;
        ensure!(faults.is_empty(), "{faults:#?}");
        Ok(())
    })
}

#[test]
fn needs_chromium_what_must_not_happen_is_seen() -> Result<()> {
    alone(async |browser, _, pages| {
        browser.open(&format!("http://{pages}/naughty.html")).await?;
        browser
            .until(STEP, "the page", async || Ok((browser.evaluate("document.title").await? == "Done").then_some(())))
            .await?;
        let faults = browser.faults(&[b"secret of the".to_vec()]).await?;
        let expected = [
            "wrote to the console: http://127.0.0.1",
            "\"went wrong\"",
            "\"might go wrong\"",
            "Error: thrown",
            "policy violated: script-src-elem by inline",
            "policy violated: img-src by data",
            "a secret is in a request: POST http://127.0.0.1",
            "set a cookie: ",
        ];
        all_in(&expected, &faults)?;
        let inaccessible = browser.is_accessible("naughty").await.unwrap_err().to_string();
        ensure!(inaccessible.contains("image-alt"), "{inaccessible}");
        Ok(())
    })
}

#[test]
fn needs_chromium_requests_to_other_hosts_are_seen() -> Result<()> {
    alone(async |browser, _, pages| {
        browser.open(&format!("http://{pages}/loose.html")).await?;
        let expected = [
            "asked another host: GET http://127.0.0.2:9/",
            "asked another host: GET http://elsewhere.example/ HTTP/1.1",
            "asked another host: CONNECT secure.example:443 HTTP/1.1",
        ];
        browser.until(STEP, "the requests", async || all_in(&expected, &browser.faults(&[]).await?).map(Some)).await
    })
}

fn all_in(expected: &[&str], faults: &[String]) -> Result<()> {
    for expected in expected {
        ensure!(faults.iter().any(|f| f.contains(expected)), "{expected} was not seen, only {faults:#?}");
    }
    Ok(())
}

/// A browser and pages to try it on, without `pasteur`.
fn alone(act: impl AsyncFnOnce(&Browser, &TempDir, SocketAddr) -> Result<()>) -> Result<()> {
    let turn = Turn::take()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let folder = TempDir::new_in(turn.folder())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        let browser = Browser::start(folder.path()).await?;
        act(&browser, &folder, address).await
    })
}

async fn answer(mut stream: TcpStream) -> Result<()> {
    let mut head = vec![0; 8192];
    let n = stream.read(&mut head).await?;
    let path = String::from_utf8_lossy(&head[..n]).split(' ').nth(1).unwrap_or_default().to_owned();
    let (kind, body) = match path.as_str() {
        "/controls.html" => ("text/html", CONTROLS),
        "/controls.js" => ("text/javascript", CONTROLS_SCRIPT),
        "/icon.svg" => ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "/naughty.html" => ("text/html", NAUGHTY),
        "/loose.html" => ("text/html", LOOSE),
        "/naughty.js" => ("text/javascript", NAUGHTY_SCRIPT),
        _ => ("text/plain", "taken"),
    };
    let policy = if path == "/loose.html" { "" } else { POLICY };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Security-Policy: {policy}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}
