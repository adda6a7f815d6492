//! What a client does to a paste, each in one request, and what is known of it afterwards: also where no answer came.

use api::{Claimed, Created, Id, PublicHeader, Token, path};

use crate::chance::split_mix;
use crate::http::{Answer, Connection};

/// What is known of a paste.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It can be read, or claimed.
    Open,
    /// It was claimed, and this is the lease.
    Claimed(Token),
    /// It was asked to be claimed, deleted or burnt, and no answer came: it is as before, or it was done.
    Claiming,
    Deleting,
    Burning(Token),
    /// It is no more, and this is the status that says so.
    Gone(u16),
    /// Somebody claimed it who did not get the lease.
    Lost,
}

/// A paste that was answered.
#[derive(Debug)]
pub(crate) struct Paste {
    id: Id,
    read: Token,
    delete: Token,
    burn: bool,
    size: usize,
    pub(crate) fate: Fate,
}

/// What a read token gives: bytes that are another paste's nowhere.
pub(crate) fn content(read: &Token, size: usize) -> Vec<u8> {
    let hash = read.hash();
    let mut state = u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| split_mix(&mut state).to_le_bytes()).collect();
    bytes.truncate(size);
    bytes
}

/// How a form is told that [`form`] makes.
pub(crate) const KIND: &str = "content-type: multipart/form-data; boundary=frontier";

/// The form by which a paste is made of the content of its read token.
pub(crate) fn form(read: &Token, burn: bool, size: usize) -> Vec<u8> {
    let header = PublicHeader { v: 1, kdf: None, burn, comments: false }.encode();
    let mut form = Vec::new();
    let hash = Token::encode_hash(&read.hash());
    for (name, value) in [
        ("header", header.as_bytes()),
        ("read", hash.as_bytes()),
        ("expires_in", b"86400"),
        ("content", &content(read, size)),
    ] {
        let kind = if name == "content" { "content-type: application/octet-stream\r\n" } else { "" };
        let head = format!("--frontier\r\ncontent-disposition: form-data; name=\"{name}\"\r\n{kind}\r\n");
        form.extend([head.as_bytes(), value, b"\r\n"].concat());
    }
    form.extend(b"--frontier--\r\n");
    form
}

pub(crate) fn bearer(token: &Token) -> String {
    format!("authorization: Bearer {}", token.encode().as_str())
}

/// The answer, which is one of these; a server that says that it failed has not answered.
fn one_of(answer: Answer, statuses: &[u16], what: &str) -> Option<Answer> {
    let known = statuses.contains(&answer.status) || answer.status >= 500;
    assert!(known, "{what}: {} {}", answer.head, String::from_utf8_lossy(&answer.body));
    (answer.status < 500).then_some(answer)
}

impl Paste {
    /// Makes one; `None` where no answer came.
    pub(crate) fn create(to: &mut Connection, seed: &mut u64) -> Option<Self> {
        let mut token = [0; 32];
        token.chunks_mut(8).for_each(|part| part.copy_from_slice(&split_mix(seed).to_le_bytes()));
        let (read, burn) = (Token::new(token), split_mix(seed).is_multiple_of(3));
        // Most are in their rows, some in pieces, and a few in several.
        let most = [2 << 10, 8 << 10, 64 << 10, 1 << 20][(split_mix(seed) % 37 / 12) as usize];
        let size = 1 + (split_mix(seed) % most) as usize;
        let form = form(&read, burn, size);
        let answer = one_of(to.ask("POST", path::PASTES, &[KIND.to_owned()], &form)?, &[201], "a creation")?;
        let Created { id, delete_token: delete, .. } = serde_json::from_slice(&answer.body).unwrap();
        Some(Self { id, read, delete, burn, size, fate: Fate::Open })
    }

    fn get(&self, to: &mut Connection, token: &Token) -> Option<Answer> {
        to.ask("GET", &path::content(&self.id), &[bearer(token)], &[])
    }

    fn whole(&self, answer: &Answer) {
        assert!(answer.status == 200, "{self:?} is {answer:?}");
        assert!(answer.body == content(&self.read, self.size), "a byte of {self:?} is another");
    }

    /// Reads it, if that goes.
    pub(crate) fn peek(&self, to: &mut Connection) {
        if let Some(answer) = self.get(to, &self.read).filter(|answer| answer.status == 200) {
            self.whole(&answer);
        }
    }

    /// Goes on with it: it is claimed and burnt, or deleted. `None` where no answer came.
    pub(crate) fn end(&mut self, to: &mut Connection) -> Option<()> {
        let this = path::paste(&self.id);
        match (&self.fate, self.burn) {
            (Fate::Open, false) => {
                self.fate = Fate::Deleting;
                one_of(to.ask("DELETE", &this, &[bearer(&self.delete)], &[])?, &[200, 204], "a deletion")?;
                self.fate = Fate::Gone(404);
            }
            (Fate::Open, true) => {
                self.fate = Fate::Claiming;
                let head = [bearer(&self.read)];
                let answer = one_of(to.ask("POST", &path::claim(&self.id), &head, &[])?, &[200], "a claim")?;
                let Claimed { lease, .. } = serde_json::from_slice(&answer.body).unwrap();
                self.fate = Fate::Claimed(lease);
            }
            (Fate::Claimed(lease), _) => {
                let lease = lease.clone();
                let head = [bearer(&lease)];
                self.fate = Fate::Burning(lease);
                one_of(to.ask("DELETE", &this, &head, &[])?, &[200, 204], "a burning")?;
                self.fate = Fate::Gone(410);
            }
            _ => {}
        }
        Some(())
    }

    /// Looks whether it is what was answered, and what became of what was not.
    pub(crate) fn check(&mut self, to: &mut Connection) {
        let asked = |answer: Option<Answer>| answer.unwrap_or_else(|| panic!("no answer about {self:?}"));
        let info = asked(to.ask("GET", &path::paste(&self.id), &[], &[]));
        let claimed = String::from_utf8_lossy(&info.body).contains("\"claimed\"");
        let is = |status: u16, lease: bool| {
            assert!(info.status == status && claimed == lease, "{self:?} is {info:?}");
        };
        let fate = match (&self.fate, info.status) {
            (Fate::Gone(status), _) => return is(*status, false),
            (Fate::Lost, _) => return,
            (Fate::Open, _) if self.burn => return is(200, false),
            (Fate::Deleting, 404) => Fate::Gone(404),
            (Fate::Burning(_), 410) => Fate::Gone(410),
            (Fate::Open | Fate::Deleting, _) => {
                is(200, false);
                self.whole(&asked(self.get(to, &self.read)));
                Fate::Open
            }
            (Fate::Claimed(lease) | Fate::Burning(lease), _) => {
                is(200, true);
                self.whole(&asked(self.get(to, lease)));
                let again = asked(to.ask("POST", &path::claim(&self.id), &[bearer(&self.read)], &[]));
                assert_eq!(again.status, 410, "a second claim of {self:?}");
                Fate::Claimed(lease.clone())
            }
            (Fate::Claiming, _) => {
                is(200, claimed);
                if claimed { Fate::Lost } else { Fate::Open }
            }
        };
        self.fate = fate;
    }

    /// Whether the store has to have it.
    pub(crate) fn is_there(&self) -> bool {
        matches!(self.fate, Fate::Open | Fate::Claimed(_))
    }
}
