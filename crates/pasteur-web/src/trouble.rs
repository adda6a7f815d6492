//! What can go wrong, and the sentence that tells a person of it.

use alloc::format;
use alloc::string::{String, ToString};

use api::{Kind, Problem};

use crate::amounts;

/// Why a paste could not be created or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The page is not in a secure context, so there is no WebCrypto.
    Insecure,
    /// The link is damaged: what exactly.
    Link(String),
    /// No such paste, or it has expired.
    NotFound,
    /// It was read and destroyed, or somebody is reading it.
    Burnt,
    /// The read token was refused and there is no password: the link's key belongs to another paste.
    WrongKey,
    /// The read token was refused: the password is wrong.
    WrongPassword,
    /// Too many tries; seconds to wait where the server says so.
    TooMany(Option<u64>),
    /// The server is stopping or has too much to do; seconds to wait where it says so.
    Busy(Option<u64>),
    /// What stands between page and server answered in its place, with this status.
    Blocked(u16),
    /// The server asks to claim first: the paste burns.
    ClaimNeeded,
    /// Larger than the server takes: the limit in bytes, where known.
    TooLarge(Option<u64>),
    /// The server's store is full.
    Full,
    /// The server cannot be reached.
    Offline,
    /// The server refused with this sentence.
    Refused(String),
    /// The server failed or sent what no version of it sends.
    Server,
    /// The header has a version or parameters this page does not know.
    Version,
    /// What arrived is not what was sealed.
    Altered,
    /// What was sealed is not a paste's form.
    Form(String),
    /// What was chosen cannot be sealed: why.
    Contents(String),
    /// A chosen file could not be read, with its name.
    File(String),
    /// A password too long for its limit, or not enough memory to check it.
    Password(String),
    /// The browser has no room for what is to be fetched, or was.
    NoRoom,
    /// The same, for a paste that this page alone may read now.
    NoRoomLeft,
    /// The browser lacks or refused something this page needs.
    Browser(&'static str),
    /// The user pressed Cancel.
    Cancelled,
}

impl Trouble {
    /// What an answer of the server that is no success means. `problem` is its document, if it has one.
    pub(crate) fn from_answer(status: u16, problem: Option<&Problem>) -> Self {
        let kind = problem.and_then(|p| Kind::from_uri(&p.kind));
        match kind {
            Some(Kind::NotFound | Kind::NoRoute) => Self::NotFound,
            Some(Kind::Burnt) => Self::Burnt,
            Some(Kind::TokenWrong | Kind::TokenMissing) => Self::WrongKey,
            Some(Kind::ClaimNeeded) => Self::ClaimNeeded,
            Some(Kind::TooMany) => Self::TooMany(problem.and_then(|p| p.retry_after)),
            Some(Kind::Unavailable | Kind::TooSlow) => Self::Busy(problem.and_then(|p| p.retry_after)),
            Some(Kind::TooLarge) => Self::TooLarge(problem.and_then(|p| p.value)),
            Some(Kind::Full) => Self::Full,
            Some(Kind::Internal) => Self::Server,
            Some(_) => problem.map_or(Self::Server, |p| Self::Refused(p.to_string())),
            // A proxy answered in the server's place: it knows nothing of pastes and their tokens.
            None => match status {
                413 => Self::TooLarge(None),
                429 => Self::TooMany(None),
                408 | 503 => Self::Busy(None),
                502 | 504 => Self::Offline,
                507 => Self::Full,
                500.. => Self::Server,
                _ => Self::Blocked(status),
            },
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Offline | Self::TooMany(_) | Self::Busy(_) | Self::Server)
    }

    /// Whether the user is offered another try.
    pub(crate) fn may_be_tried_again(&self) -> bool {
        self.passes() || matches!(self, Self::Cancelled | Self::Blocked(_) | Self::NoRoom | Self::NoRoomLeft)
    }

    /// The sentence for the page.
    pub(crate) fn words(&self) -> String {
        let fixed = match self {
            Self::Link(what) => {
                return format!(
                    "This link is damaged: {what}. Nothing was sent. Ask for the link again, or copy it whole."
                );
            }
            Self::TooMany(Some(s)) => {
                return format!("Too many tries. Wait {} and try again.", amounts::span(*s));
            }
            Self::Busy(Some(s)) => {
                return format!(
                    "The server has too much to do, or is about to stop. Wait {} and try again.",
                    amounts::span(*s)
                );
            }
            Self::Blocked(status) => {
                return format!(
                    "Something between this page and the server does not let this through, such as a proxy or a firewall (HTTP {status}). Nothing was lost."
                );
            }
            Self::TooLarge(Some(limit)) => {
                return format!("This is too large: the server takes at most {}.", amounts::bytes(*limit));
            }
            Self::Refused(what) => return format!("The server refused: {what}."),
            Self::Form(what) => return format!("The paste was opened, but is not laid out as a paste: {what}."),
            Self::Contents(what) => return format!("This cannot be sealed: {what}."),
            Self::File(name) => {
                return format!(
                    "“{name}” could not be read. It may have been moved or changed since it was chosen, or be a folder."
                );
            }
            Self::Password(what) => return format!("The password could not be used: {what}."),
            Self::Browser(what) => return format!("This browser cannot do what the page needs: {what}."),
            Self::Insecure => {
                "This page was not loaded over HTTPS, so the browser gives it no cryptography. Open it by its https:// address."
            }
            Self::NotFound => {
                "There is no such paste. It may have expired or been deleted, or the link is not complete."
            }
            Self::Burnt => "This paste was to be read once, and it has been read. It no longer exists.",
            Self::WrongKey => {
                "The key in this link does not open this paste. Part of the link may belong to another one."
            }
            Self::WrongPassword => "That is not the password. Nothing was lost: try again.",
            Self::TooMany(None) => "Too many tries. Wait a moment and try again.",
            Self::Busy(None) => "The server has too much to do, or is about to stop. Wait a moment and try again.",
            Self::ClaimNeeded => "This paste burns after reading, and has to be claimed first. Load the page again.",
            Self::TooLarge(None) => "This is larger than the server takes.",
            Self::Full => "The server is full and cannot take more now. Nothing was lost; try again later.",
            Self::Offline => "The server cannot be reached. Check the connection and try again.",
            Self::Server => "The server failed. Try again later.",
            Self::Version => {
                "This paste was made by a version this page does not know. Load the page again, or use a newer client."
            }
            Self::Altered => {
                "What the server sent is not what was sealed: it was altered or cut on its way. Nothing of the damaged part is shown."
            }
            Self::NoRoom => {
                "The browser has no room left for this file. Free some disk space, or use the command line: pasteur get."
            }
            Self::NoRoomLeft => {
                "The browser has no room left for this paste, and the paste is this page's alone. Do not close or reload it: free some disk space within ten minutes, then press “Try again”."
            }
            Self::Cancelled => "Cancelled.",
        };
        String::from(fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(problem: &Problem) -> Trouble {
        Trouble::from_answer(problem.status, Some(problem))
    }

    #[test]
    fn problem_documents_are_understood() {
        assert_eq!(answer(&Problem::new(Kind::NotFound)), Trouble::NotFound);
        assert_eq!(answer(&Problem::new(Kind::Burnt)), Trouble::Burnt);
        assert_eq!(answer(&Problem::new(Kind::TokenWrong)), Trouble::WrongKey);
        assert_eq!(answer(&Problem::new(Kind::TooLarge).limit("max_paste", 1 << 20)), Trouble::TooLarge(Some(1 << 20)));
        assert_eq!(answer(&Problem::new(Kind::TooMany).retry_after(7)), Trouble::TooMany(Some(7)));
        assert!(answer(&Problem::new(Kind::Malformed).detail("part header")).words().contains("part header"));
    }

    #[test]
    fn every_kind_has_a_sentence() {
        for kind in Kind::ALL {
            let words = answer(&Problem::new(kind)).words();
            assert!(words.ends_with('.') && words.len() > 20, "{words}");
        }
    }

    #[test]
    fn a_busy_server_is_not_blamed_on_its_user() {
        let busy = answer(&Problem::new(Kind::Unavailable).retry_after(5));
        assert_eq!(busy, Trouble::Busy(Some(5)));
        assert!(busy.words().starts_with("The server has too much to do") && busy.passes());
        assert!(answer(&Problem::new(Kind::TooMany)).words().starts_with("Too many tries"));
    }

    #[test]
    fn a_proxys_answer_is_understood_by_its_status() {
        for (status, trouble) in [
            (400, Trouble::Blocked(400)),
            (401, Trouble::Blocked(401)),
            (403, Trouble::Blocked(403)),
            (404, Trouble::Blocked(404)),
            (405, Trouble::Blocked(405)),
            (408, Trouble::Busy(None)),
            (410, Trouble::Blocked(410)),
            (413, Trouble::TooLarge(None)),
            (429, Trouble::TooMany(None)),
            (451, Trouble::Blocked(451)),
            (500, Trouble::Server),
            (502, Trouble::Offline),
            (503, Trouble::Busy(None)),
            (504, Trouble::Offline),
            (507, Trouble::Full),
            (520, Trouble::Server),
        ] {
            assert_eq!(Trouble::from_answer(status, None), trouble, "{status}");
            // A page of the proxy's is never taken for the server's word on a paste or a key.
            assert!(!trouble.words().contains("paste") && !trouble.words().contains("key"), "{}", trouble.words());
        }
    }
}
