//! Typed values of the headers that matter: Content-Type, Content-Disposition, Content-Transfer-Encoding.

mod disposition;
mod file_name;
mod mime;

pub use disposition::Disposition;
pub(crate) use disposition::{Places, hex, lossy};
pub use file_name::base_name;
pub use mime::{ContentType, Params, TransferEncoding};

/// Characters of a token (RFC 9110, section 5.6.2), which a field name and a parameter name are made of.
pub(crate) fn is_token(b: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut token = [false; 256];
        let others = b"!#$%&'*+-.^_`|~";
        let mut b = 0_u8;
        while b < 128 {
            token[b as usize] = b.is_ascii_alphanumeric();
            b += 1;
        }
        let mut at = 0;
        while at < others.len() {
            token[others[at] as usize] = true;
            at += 1;
        }
        token
    };
    TOKEN[usize::from(b)]
}

/// Without spaces and tabs around it.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
