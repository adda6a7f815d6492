//! What `pasteur serve` takes beside the options that a server has everywhere. Each is defined here and nowhere else: flag,
//! environment, key of the configuration file, help, manual and the README's table follow from it.

use std::path::PathBuf;

use clap::{ArgAction, ValueHint};

/// Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What `pasteur serve` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) shared: pasteur::Options,
    /// PEM certificates to speak TLS with, each with those that sign it; the first is for clients that name no host
    #[arg(long, env = "PASTEUR_TLS_CERT", value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Vec<PathBuf>,
    /// The PEM private key of each certificate, in the same order
    #[arg(long, env = "PASTEUR_TLS_KEY", value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Vec<PathBuf>,
    /// Speak TLS with a certificate made at each start, which browsers warn of: for trying out
    #[arg(long, env = "PASTEUR_TLS_SELF_SIGNED", action = ArgAction::SetTrue, conflicts_with_all = ["tls_cert", "tls_key"], value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) tls_self_signed: bool,
    /// Names to have a certificate for from an authority, by ACME, which renews it as well; using it agrees to the authority's terms
    #[arg(long, env = "PASTEUR_ACME", value_name = "DOMAIN", value_delimiter = ',', value_parser = domain, conflicts_with_all = ["tls_cert", "tls_key", "tls_self_signed"])]
    pub(crate) acme: Vec<String>,
    /// The e-mail address that the authority may write to [default: none]
    #[arg(long, env = "PASTEUR_ACME_CONTACT", value_name = "ADDRESS", value_parser = mailbox)]
    pub(crate) acme_contact: Option<String>,
    /// The authority's directory
    #[arg(long, env = "PASTEUR_ACME_DIRECTORY", value_name = "URL", value_parser = directory, default_value = LETS_ENCRYPT)]
    pub(crate) acme_directory: String,
    /// A PEM certificate to know the authority's own server by, for an authority of one's own [default: those of this system]
    #[arg(long, env = "PASTEUR_ACME_ROOT", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) acme_root: Option<PathBuf>,
    /// The folder for the account and the certificate, private keys among them [default: that of the store, with .acme behind]
    #[arg(long, env = "PASTEUR_ACME_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) acme_dir: Option<PathBuf>,
    /// Serve no HTTP/2, with TLS and without: HTTP/1.1 alone, and HTTP/3
    #[arg(long, env = "PASTEUR_NO_H2", action = ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) no_h2: bool,
    /// Serve no HTTP/3, which is served by UDP at every port that speaks TLS
    #[arg(long, env = "PASTEUR_NO_H3", action = ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) no_h3: bool,
    /// The port by UDP at which clients find HTTP/3, where a router or a container maps another one to that of `--listen`; 0 tells them of none [default: that of `--listen`]
    #[arg(long, env = "PASTEUR_H3_PORT", value_name = "NUMBER", conflicts_with = "no_h3")]
    pub(crate) h3_port: Option<u16>,
    /// The file that holds the pastes; made if it is not there
    #[arg(long, env = "PASTEUR_STORE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) store: Option<PathBuf>,
    /// A TOML file with more options: their names without dashes in front, as `max-paste = "64MiB"`
    #[arg(long, env = "PASTEUR_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The site's docteur image [default: the one built in]
    #[arg(long, env = "PASTEUR_SITE", value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub(crate) site: Option<PathBuf>,
    /// Commit one paste at a time: slow, for comparison
    #[arg(long, hide = true)]
    pub(crate) no_group_commit: bool,
    /// Print the table of options in the README
    #[arg(long, hide = true)]
    pub(crate) print_options: bool,
}

impl ServeOptions {
    /// The first option that says how to ask an authority, where none is asked. It is looked for once all is together: the names may be in
    /// the configuration file.
    pub(super) fn lacks_acme(&self) -> Option<&'static str> {
        let given = [
            ("--acme-contact", self.acme_contact.is_some()),
            ("--acme-root", self.acme_root.is_some()),
            ("--acme-dir", self.acme_dir.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given && self.acme.is_empty()).map(|(name, _)| name)
    }
}

/// A name that an authority can certify: letters, digits, dashes and dots, in lower case.
fn domain(text: &str) -> Result<String, String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    // The last label of an address is a number, and no name's is.
    let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    match name.len() <= 253 && name.split('.').all(is_label) && !is_address {
        true => Ok(name),
        false => Err(String::from("a name is like paste.example: no address, no wildcard, no port")),
    }
}

/// What an authority can write to: it goes into a `mailto:` of one address without more (RFC 8555 section 7.3).
fn mailbox(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"?&,;:<>()[]\\\"%#/".contains(&b));
    let is_one = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && domain(host).is_ok());
    match is_plain && is_one {
        true => Ok(text.to_owned()),
        false => Err(String::from("an address is like operator@paste.example: one alone, without a name before it")),
    }
}

/// Where an authority says what it can (RFC 8555 section 7.1.1): what is sent there is not for others to read or to change.
fn directory(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.parse::<ureq::http::Uri>() {
        Ok(uri)
            if uri.scheme() == Some(&ureq::http::uri::Scheme::HTTPS)
                && uri.host().is_some_and(|host| !host.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(String::from("a directory is like https://authority.example/directory")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn contacts_are_addresses_of_mail() {
        for good in ["operator@paste.example", " a.b+c@xn--bcher-kva.example "] {
            assert_eq!(super::mailbox(good).as_deref(), Ok(good.trim()));
        }
        for bad in ["", "operator", "@paste.example", "a@", "a@b@c.example", "mailto:a@b.example", "a b@c.example"] {
            assert!(super::mailbox(bad).is_err(), "{bad}");
        }
        for bad in
            ["a@b.example,c@d.example", "A <a@b.example>", "a@b.example?subject=x", "a%2Cb@c.example", "a@127.0.0.1"]
        {
            assert!(super::mailbox(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn directories_are_asked_in_secret() {
        for good in [super::LETS_ENCRYPT, "https://127.0.0.1:14000/dir"] {
            assert_eq!(super::directory(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "authority.example",
            "http://authority.example/",
            "ftp://a.example",
            "https://",
            "https:///x",
            "/directory",
        ] {
            assert!(super::directory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn domains_are_names() {
        assert_eq!(super::domain(" Paste.Example. ").as_deref(), Ok("paste.example"));
        assert_eq!(super::domain("xn--bcher-kva.example").as_deref(), Ok("xn--bcher-kva.example"));
        for bad in ["", "a..b", "*.a.example", "127.0.0.1", "::1", "a.example:443", "-a.example", "bücher.example"] {
            assert!(super::domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_documentation_tells_the_limits_of_http2_and_http3() {
        let words = include_str!("../../../../docs/serve.md").split_whitespace().collect::<Vec<_>>().join(" ");
        let pasteur::Config { http: paf::http::Limits { http2, http3, .. }, .. } = pasteur::Config::default();
        assert_eq!((http3.streams, http3.stream_window), (http2.streams, http2.stream_window));
        assert_eq!(http3.connection_window, http2.connection_window);
        for told in [
            format!("at most {} streams", http2.streams),
            format!("{} KiB a stream and {} MiB in all", http2.stream_window >> 10, http2.connection_window >> 20),
            format!(
                "more than {} resets, {} pings, {} settings or {} other control frames a second",
                http2.resets, http2.pings, http2.settings, http2.others
            ),
            format!("keeps at most {} MiB of answers", http3.send_window >> 20),
            format!("more than {} resets, or {} frames and streams that carry nothing", http3.resets, http3.others),
            format!("While {} handshakes are under way", http3.unproven),
        ] {
            assert!(words.contains(&told), "{told}");
        }
    }
}
