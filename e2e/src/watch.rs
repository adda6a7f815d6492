//! What must not happen in a browser, seen in its logs.

use std::collections::BTreeSet;

use memchr::memmem;
use serde_json::Value;

/// A request that a page made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The address, without its fragment.
    pub url: String,
    /// The header fields the page's side gave it, and a form's text, for the search for secrets.
    rest: String,
}

/// The console and the network of one browser, as its logs told them.
#[derive(Default)]
pub(crate) struct Watch {
    allowed: BTreeSet<String>,
    pub(crate) forgiven: Vec<String>,
    errors: Vec<String>,
    pub(crate) requests: Vec<Request>,
}

impl Watch {
    /// Allows the host of this address.
    pub(crate) fn allow(&mut self, url: &str) {
        self.allowed.extend(host(url).map(str::to_owned));
    }

    /// Takes an entry of the log `browser`.
    pub(crate) fn console(&mut self, entry: &Value) {
        // Advice on how a page might be written has the level DEBUG.
        if entry["level"] == "SEVERE" || entry["level"] == "WARNING" {
            self.errors.push(entry["message"].as_str().unwrap_or_default().to_owned());
        }
    }

    /// Takes an entry of the log `performance`: an event of the DevTools protocol in JSON in JSON.
    pub(crate) fn network(&mut self, entry: &Value) {
        let event: Value = entry["message"].as_str().and_then(|m| serde_json::from_str(m).ok()).unwrap_or_default();
        let (event, text) = (&event["message"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
        let request = &event["params"]["request"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => self.requests.push(Request {
                method: text(&request["method"]),
                url: text(&request["url"]),
                rest: format!("{}{}", request["headers"], text(&request["postData"])),
            }),
            Some("Network.webSocketCreated" | "Network.webTransportCreated") => self.requests.push(Request {
                method: "GET".to_owned(),
                url: text(&event["params"]["url"]),
                rest: String::new(),
            }),
            _ => {}
        }
    }

    /// Everything wrong so far.
    pub(crate) fn faults(&self, secrets: &[Vec<u8>]) -> Vec<String> {
        let mut faults = Vec::new();
        for error in &self.errors {
            if !self.forgiven.iter().any(|f| error.contains(f)) {
                faults.push(format!("wrote to the console: {error}"));
            }
        }
        for request in &self.requests {
            if host(&request.url).is_some_and(|h| !self.allowed.contains(h)) {
                faults.push(format!("asked another host: {} {}", request.method, request.url));
            }
            let sent = format!("{} {}", request.url, request.rest);
            if secrets.iter().any(|s| memmem::find(sent.as_bytes(), s).is_some()) {
                faults.push(format!("a secret is in a request: {} {}", request.method, request.url));
            }
        }
        faults
    }
}

/// Host and port of an address that leads to a host (`blob:` and `data:` do not).
fn host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let leads = matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp");
    leads.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_or_leads_nowhere() {
        assert_eq!(host("http://127.0.0.1:80/a#b"), Some("127.0.0.1:80"));
        assert_eq!(host("wss://x?y"), Some("x"));
        assert_eq!(host("blob:http://x/1"), None);
        assert_eq!(host("data:text/plain,http://x/"), None);
    }
}
