//! What `pasteur serve` takes. Each option is defined here and nowhere else: flag, environment, key of the
//! configuration file, help, manual and the README's table follow from it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ValueEnum, ValueHint};
use device::Place;
use paf::Net;
use paf::http::Limits;
use pasteur::Config;

use super::units::{duration, seconds, size, some, some_size};

/// Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What `pasteur serve` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct ServeOptions {
    /// Where to listen: addresses, as 127.0.0.1:8080 or [::]:80 (which takes IPv4, too); unix:PATH, or unix:PATH?mode=660; systemd, or systemd:NAME, for sockets it passes
    #[arg(long, env = "PASTEUR_LISTEN", value_name = "PLACE", value_delimiter = ',', default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<Place>,
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
    #[arg(long, env = "PASTEUR_ACME_CONTACT", value_name = "ADDRESS", requires = "acme")]
    pub(crate) acme_contact: Option<String>,
    /// The authority's directory
    #[arg(long, env = "PASTEUR_ACME_DIRECTORY", value_name = "URL", default_value = LETS_ENCRYPT)]
    pub(crate) acme_directory: String,
    /// A PEM certificate to know the authority's own server by, for an authority of one's own [default: those of this system]
    #[arg(long, env = "PASTEUR_ACME_ROOT", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "acme")]
    pub(crate) acme_root: Option<PathBuf>,
    /// The folder for the account and the certificate, private keys among them [default: that of the store, with .acme behind]
    #[arg(long, env = "PASTEUR_ACME_DIR", value_name = "DIR", value_hint = ValueHint::DirPath, requires = "acme")]
    pub(crate) acme_dir: Option<PathBuf>,
    /// Serve no HTTP/3, which is served by UDP at every port that speaks TLS
    #[arg(long, env = "PASTEUR_NO_H3", action = ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) no_h3: bool,
    /// Where plain HTTP is sent to the first of `--listen` under TLS [default: none]
    #[arg(long, env = "PASTEUR_REDIRECT_HTTP", value_name = "PLACE", value_delimiter = ',')]
    pub(crate) redirect_http: Vec<Place>,
    /// The file that holds the pastes; made if it is not there
    #[arg(long, env = "PASTEUR_STORE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) store: Option<PathBuf>,
    /// A TOML file with more options: their names without dashes in front, as `max-paste = "64MiB"`
    #[arg(long, env = "PASTEUR_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The largest content of a paste
    #[arg(long, env = "PASTEUR_MAX_PASTE", value_name = "SIZE", default_value = "2GiB", value_parser = some_size)]
    pub(crate) max_paste: u64,
    /// The most bytes of content in all [default: what the disk holds]
    #[arg(long, env = "PASTEUR_QUOTA", value_name = "SIZE", value_parser = some_size)]
    pub(crate) quota: Option<u64>,
    /// The longest life of a paste, as 30d [default: for ever]
    #[arg(long, env = "PASTEUR_MAX_EXPIRY", value_name = "TIME", value_parser = seconds)]
    pub(crate) max_expiry: Option<u64>,
    /// Where to tell metrics (/metrics) and readiness (/readyz) [default: none]
    #[arg(long, env = "PASTEUR_ADMIN_LISTEN", value_name = "PLACE", value_delimiter = ',')]
    pub(crate) admin_listen: Vec<Place>,
    /// Pastes that a client may create in a minute, and at once; 0 is no limit
    #[arg(long, env = "PASTEUR_CREATE_RATE", value_name = "NUMBER", default_value = "300")]
    pub(crate) create_rate: u32,
    /// Wrong tokens (wrong passwords, that is) that a client may send in a minute, and at once; 0 is no limit
    #[arg(long, env = "PASTEUR_WRONG_TOKEN_RATE", value_name = "NUMBER", default_value = "30")]
    pub(crate) wrong_token_rate: u32,
    /// Proxies whose connections begin with a PROXY header, version 2, that says whose they are, as 10.0.0.0/8; `unix` is this machine's by a Unix socket
    #[arg(long, env = "PASTEUR_PROXY_PROTOCOL", value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) proxy_protocol: Vec<Net>,
    /// Reverse proxies whose headers are believed about their clients' addresses, as 10.0.0.0/8; `unix` is this machine's by a Unix socket
    #[arg(long, env = "PASTEUR_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<Net>,
    /// The header in which those proxies tell it; they have to set it themselves, or remove it
    #[arg(long, env = "PASTEUR_FORWARDED_HEADER", value_name = "NAME", default_value = "x-forwarded-for")]
    pub(crate) forwarded_header: ForwardedHeader,
    /// Connections open at once; fewer where the system has fewer descriptors
    #[arg(long, env = "PASTEUR_CONNECTIONS", value_name = "NUMBER", default_value = "16384", value_parser = some)]
    pub(crate) connections: usize,
    /// Connections open at once from one client; 0 is no limit. This machine and trusted proxies are not counted
    #[arg(long, env = "PASTEUR_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", default_value = "512")]
    pub(crate) connections_per_client: usize,
    /// How long open requests may take to finish after SIGTERM
    #[arg(long, env = "PASTEUR_GRACE", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// How often the space of expired pastes is given back
    #[arg(long, env = "PASTEUR_SWEEP", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) sweep: Duration,
    /// The store's memory for pages
    #[arg(long, env = "PASTEUR_CACHE", value_name = "SIZE", default_value = "8MiB", value_parser = memory)]
    pub(crate) cache: usize,
    /// The site's docteur image [default: the one built in]
    #[arg(long, env = "PASTEUR_SITE", value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub(crate) site: Option<PathBuf>,
    /// How requests are logged to standard error
    #[arg(long, env = "PASTEUR_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Name clients' addresses in the log
    #[arg(long, env = "PASTEUR_LOG_CLIENTS", action = ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) log_clients: bool,
    /// Commit one paste at a time: slow, for comparison
    #[arg(long, hide = true)]
    pub(crate) no_group_commit: bool,
    /// Print the table of options in the README
    #[arg(long, hide = true)]
    pub(crate) print_options: bool,
}

/// The header in which a proxy tells its client's address.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ForwardedHeader {
    /// X-Forwarded-For and X-Forwarded-Proto
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON document a line
    Json,
    /// No log
    None,
}

impl ServeOptions {
    /// The application's configuration, without its TLS, which is made of files, and its sockets.
    pub(crate) fn config(&self) -> Config {
        let mut exempt: Vec<Net> = ["127.0.0.0/8", "::1"].iter().filter_map(|net| net.parse().ok()).collect();
        exempt.extend(&self.trusted_proxies);
        let http = Limits {
            connections: self.connections,
            connections_per_client: self.connections_per_client,
            exempt,
            grace: self.grace,
            ..Limits::default()
        };
        Config {
            listen: self.listen.clone(),
            tls: None,
            datagrams: None,
            redirect_listen: self.redirect_http.clone(),
            admin_listen: self.admin_listen.clone(),
            max_paste: self.max_paste,
            max_expiry: self.max_expiry,
            create_rate: self.create_rate,
            wrong_token_rate: self.wrong_token_rate,
            proxy_protocol: self.proxy_protocol.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            forwarded_header: match self.forwarded_header {
                ForwardedHeader::XForwardedFor => pasteur::ForwardedHeader::XForwardedFor,
                ForwardedHeader::Forwarded => pasteur::ForwardedHeader::Forwarded,
            },
            http,
            sweep_every: self.sweep,
            log: match self.log_format {
                LogFormat::Text => Some(pasteur::LogFormat::Text),
                LogFormat::Json => Some(pasteur::LogFormat::Json),
                LogFormat::None => None,
            },
            log_clients: self.log_clients,
        }
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

fn memory(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| String::from("more than this machine can address"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Args, Command};

    #[test]
    fn the_defaults_are_the_applications_own() {
        let args = Args::try_parse_from(["pasteur", "serve", "--store", "x"]).unwrap();
        let Command::Serve(options) = args.command else { panic!("another command") };
        let (ours, theirs) = (options.config(), pasteur::Config::default());
        assert_eq!((ours.max_paste, ours.max_expiry), (theirs.max_paste, theirs.max_expiry));
        assert_eq!((ours.create_rate, ours.wrong_token_rate), (theirs.create_rate, theirs.wrong_token_rate));
        assert_eq!(
            (ours.sweep_every, ours.log, ours.log_clients),
            (theirs.sweep_every, theirs.log, theirs.log_clients)
        );
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
