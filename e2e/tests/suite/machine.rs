//! The same scenarios where the server is a machine of its own, in QEMU, that is reached by TLS and HTTP/2.

use anyhow::{Result, ensure};
use e2e::{Kind, World, scenario_on};

use crate::{broken, burning, command_line, create, endings, options};

/// A test each of scenarios that a server on a host passes as well.
macro_rules! on_a_machine {
    ($($name:ident: $act:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            scenario_on(Kind::Machine, stringify!($name), $act)
        }
    )*};
}

on_a_machine! {
    needs_qemu_needs_chromium_it_is_reached_by_http2: by_http2;
    needs_qemu_needs_chromium_a_text: create::a_text;
    needs_qemu_needs_chromium_files: create::files;
    needs_qemu_needs_chromium_text_and_files: create::text_and_files;
    needs_qemu_needs_chromium_files_of_edge_sizes: create::files_of_edge_sizes;
    needs_qemu_needs_chromium_nothing: create::nothing;
    needs_qemu_needs_chromium_a_password: options::password;
    needs_qemu_needs_chromium_all_options: options::all_options;
    needs_qemu_needs_chromium_a_paste_is_read_once: burning::read_once;
    needs_qemu_needs_chromium_a_wrong_password: burning::wrong_password;
    needs_qemu_needs_chromium_two_readers: burning::two_readers;
    needs_qemu_needs_chromium_scanners: burning::scanners;
    needs_qemu_needs_chromium_from_the_browser: command_line::from_the_browser;
    needs_qemu_needs_chromium_to_the_browser: command_line::to_the_browser;
    needs_qemu_needs_chromium_a_paste_is_removed: command_line::removed;
    needs_qemu_needs_chromium_a_paste_is_deleted: endings::deleted;
    needs_qemu_needs_chromium_a_download_is_resumed: broken::resumed;
}

async fn by_http2(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    browser.open(&world.server.origin()).await?;
    browser.find("button", "Create link").await?;
    let protocols = "JSON.stringify([...new Set([...performance.getEntriesByType('navigation'), \
                     ...performance.getEntriesByType('resource')].map(e => e.nextHopProtocol))])";
    let protocols = browser.evaluate(protocols).await?;
    ensure!(protocols == r#"["h2"]"#, "the page came by {protocols}");
    ensure!(browser.evaluate("isSecureContext").await? == true, "the page is not secure");
    Ok(())
}
