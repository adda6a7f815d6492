//! Where to listen, as an operator writes it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen: `127.0.0.1:8080`, `[::]:80`, `unix:/run/a.sock`, `unix:/run/a.sock?mode=660`, `systemd`, `systemd:NAME`.
/// Not every stack has each kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An internet address and port.
    Ip(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// Its file.
        path: PathBuf,
        /// Who may connect, as a file's mode; `None` leaves it to the process.
        mode: Option<u32>,
    },
    /// Sockets that whoever started the process listens with already: those of that name, or all that no name was asked
    /// for.
    Passed(Option<String>),
}

/// Not a place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceError;

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let (path, mode) = match path.rsplit_once("?mode=") {
                Some((path, mode)) => (path, Some(u32::from_str_radix(mode, 8).map_err(|_| PlaceError)?)),
                None => (path, None),
            };
            return match mode {
                _ if path.is_empty() => Err(PlaceError),
                Some(mode) if mode > 0o777 => Err(PlaceError),
                mode => Ok(Self::Unix { path: path.into(), mode }),
            };
        }
        match text.strip_prefix("systemd") {
            Some("") => Ok(Self::Passed(None)),
            Some(name) => match name.strip_prefix(':') {
                Some(name) if !name.is_empty() => Ok(Self::Passed(Some(name.to_owned()))),
                _ => Err(PlaceError),
            },
            None => text.parse().map(Self::Ip).map_err(|_| PlaceError),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix { path, mode: None } => write!(f, "unix:{}", path.display()),
            Self::Unix { path, mode: Some(mode) } => write!(f, "unix:{}?mode={mode:o}", path.display()),
            Self::Passed(None) => f.write_str("systemd"),
            Self::Passed(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a place to listen at is an address with a port, as 127.0.0.1:8080 or [::]:80; or unix:PATH, with \
             ?mode=660 if need be; or systemd or systemd:NAME",
        )
    }
}

impl std::error::Error for PlaceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in [
            "127.0.0.1:8080",
            "[::1]:80",
            "unix:/run/a b.sock",
            "unix:relative",
            "unix:/x?mode=660",
            "unix:/x?y",
            "systemd",
            "systemd:web",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_place() {
        for text in [
            "",
            "nowhere",
            "127.0.0.1",
            "localhost:80",
            "unix:",
            "unix:?mode=660",
            "unix:/x?mode=9",
            "unix:/x?mode=7777",
            "systemd:",
            "systemdx",
        ] {
            assert_eq!(text.parse::<Place>(), Err(PlaceError), "{text}");
        }
    }
}
