//! Which encodings a client takes, and how gladly (RFC 9110 section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// How a content is encoded on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// A weight in thousandths; 0 is a refusal.
type Weight = u16;

/// The weight of each encoding for one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted([Option<Weight>; 4]);

impl Accepted {
    pub(super) fn of(request: &HeaderMap) -> Self {
        let mut weights = [None; 4];
        let mut rest = None;
        for line in request.get_all(ACCEPT_ENCODING) {
            for item in line.to_str().unwrap_or_default().split(',') {
                let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
                let (name, weight) = (name.trim(), weight(parameters));
                if name == "*" {
                    rest = Some(weight);
                }
                if let Some(coding) = Coding::ALL.into_iter().find(|c| name.eq_ignore_ascii_case(c.token())) {
                    weights[coding as usize] = Some(weight);
                }
            }
        }
        Self(weights.map(|weight| weight.or(rest)))
    }

    /// The weight of `coding`; `None` where the client does not take it.
    pub(super) fn weight(self, coding: Coding) -> Option<Weight> {
        match self.0[coding as usize] {
            Some(weight) => Some(weight).filter(|weight| *weight > 0),
            // Not named, it is still taken, but gladly only what was named.
            None => (coding == Coding::Identity).then_some(0),
        }
    }
}

/// The weight in parameters (section 12.4.2). One that is not well formed counts as none: it is not gladly meant to be 0.
fn weight(parameters: &str) -> Weight {
    let q = parameters.split(';').find_map(|p| p.trim().strip_prefix("q=").or(p.trim().strip_prefix("Q=")));
    let Some(q) = q else { return 1000 };
    let (whole, digits) = q.split_once('.').unwrap_or((q, ""));
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 1000;
    }
    match whole {
        "0" => digits.bytes().zip([100, 10, 1]).map(|(digit, unit)| Weight::from(digit - b'0') * unit).sum(),
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepted(lines: &[&'static str]) -> [Option<Weight>; 4] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Coding::ALL.map(|coding| Accepted::of(&headers).weight(coding))
    }

    #[test]
    fn reads_weights() {
        const ALL: Option<Weight> = Some(1000);
        assert_eq!(accepted(&["gzip, deflate, br, zstd"]), [Some(0), ALL, ALL, ALL]);
        assert_eq!(accepted(&["gzip;q=1.0, br;q=0"]), [Some(0), None, None, ALL]);
        assert_eq!(accepted(&["GZIP ; q=0.5 , br;Q=0.25", "zstd;q=0.001"]), [Some(0), Some(250), Some(1), Some(500)]);
        assert_eq!(accepted(&["*"]), [ALL, ALL, ALL, ALL]);
        assert_eq!(accepted(&["*;q=0, gzip"]), [None, None, None, ALL]);
        assert_eq!(accepted(&["identity;q=0, *;q=0.3"]), [None, Some(300), Some(300), Some(300)]);
        assert_eq!(accepted(&[""]), [Some(0), None, None, None]);
        assert_eq!(accepted(&["br;q=0.000, gzip;q=0.0000, zstd;q=x"]), [Some(0), None, ALL, ALL]);
    }
}
