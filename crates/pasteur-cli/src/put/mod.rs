//! `pasteur put`: seals texts and files and sends them, then prints the link.
//!
//! One thread reads and seals, another sends; a few blocks wait between them, whatever the length.

mod plaintext;
mod source;

use std::io;
use std::time::{Duration, Instant};

use api::{Created, Expiry, Kdf, Kind, Problem, PublicHeader, ServerLimits};
use envelope::{Keys, Link, LinkSecret, Stretched, sealed_len};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::args::PutArgs;
use crate::client::{Failed, Server, Upload};
use crate::failure::Failure;
use crate::history::{Entry, History};
use crate::human;
use crate::pipe::Ahead;
use crate::progress::Progress;
use plaintext::Plaintext;
use source::Sources;

/// How long a paste lives where neither the user nor the server says: a week.
const DEFAULT_LIFE: u64 = 7 * 86_400;

/// More than what comes before the first sealed segment, and less than that.
const FIRST: usize = 64 * 1024;

/// How long an idle connection is good for, whatever the server or a proxy thinks.
const KEPT: Duration = Duration::from_secs(5);

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    link: &'a str,
    server: &'a str,
    id: api::Id,
    delete_token: &'a api::Token,
    expires_at: Option<u64>,
    size: u64,
    burn: bool,
    password: bool,
}

/// A paste that the server has.
struct Done {
    link: Link,
    created: Created,
    size: u64,
}

pub(crate) fn run(args: &PutArgs) -> Result<(), Failure> {
    let sources = Sources::of(args)?;
    let server = Server::new(&args.server);
    // Asked before anything is typed or sealed: a server that cannot be reached or takes no such paste says so now.
    let limits = server.limits()?;
    let expiry = expiry(args.expires, &limits)?;
    let summary = sources.summary();
    let password = args.password.new_password()?;
    let done = send(args, sources, &server, &limits, expiry, password.as_deref().map(String::as_str))?;

    let url = done.link.to_url();
    let remembered = !args.no_history && remember(&done, args.output.quiet);
    if args.output.json {
        let report = Report {
            link: &url,
            server: server.base(),
            id: done.created.id,
            delete_token: &done.created.delete_token,
            expires_at: done.created.expires_at,
            size: done.size,
            burn: args.burn,
            password: password.is_some(),
        };
        return crate::print_json(&report).map_err(unlinked);
    }
    if !args.output.quiet {
        let end = human::end(done.created.expires_at, human::now());
        let once = if args.burn { "; it can be read once" } else { "" };
        eprintln!("Sent {summary}, {} sealed. Expires: {end}{once}.", human::size(done.size));
        if remembered {
            eprintln!("To delete it: pasteur rm {}/{}", server.base(), done.created.id);
        }
    }
    if !remembered {
        // However quiet: nobody else has it.
        let (base, id) = (server.base(), done.created.id);
        eprintln!("To delete {base}/{id} this token is needed: {}", *done.created.delete_token.encode());
    }
    crate::print(&Zeroizing::new(format!("{}\n", *url))).map_err(unlinked)
}

fn send(
    args: &PutArgs,
    sources: Sources,
    server: &Server,
    limits: &ServerLimits,
    expiry: Expiry,
    password: Option<&str>,
) -> Result<Done, Failure> {
    let secret = LinkSecret::from_bytes(*random::<32>()?);
    let kdf = password.map(|_| random::<16>().map(|salt| Kdf::v1(*salt))).transpose()?;
    let stretched = match (password, &kdf) {
        (Some(password), Some(kdf)) => {
            Some(Stretched::argon2id(password, kdf).map_err(|e| Failure::Usage(e.to_string()))?)
        }
        _ => None,
    };
    let keys = Keys::derive(&secret, stretched.as_ref());
    let header = PublicHeader { v: 1, kdf, burn: args.burn, comments: false }.encode();

    let failed = Failed::default();
    let plaintext = Plaintext::new(args, sources, failed.clone())?;
    let size = plaintext.len().map(sealed_len);
    if let Some(size) = size.filter(|&size| size > limits.max_paste) {
        let detail =
            format!("it would be {} sealed, the server takes {}", human::size(size), human::size(limits.max_paste));
        return Err(refusal(Kind::TooLarge, detail, "max_paste", limits.max_paste));
    }
    let content = envelope::io::SealReader::new(
        plaintext,
        keys.content_key(),
        header.as_bytes(),
        *random::<32>()?,
        *random::<7>()?,
    );
    let mut content = Ahead::start("seal", content).map_err(|e| Failure::local("cannot start", "a thread", e))?;
    // What is typed or computed may take its time: a server is not asked to wait for it, as long as it is less than a segment.
    let began = Instant::now();
    content.wait_for(FIRST);
    // Meanwhile the server may have closed the connection that it told its limits by.
    let later = (began.elapsed() > KEPT).then(|| Server::new(server.base()));
    let server = later.as_ref().unwrap_or(server);
    let progress = Progress::start("Sending", size, args.output.quiet || args.output.json);
    let counted = progress.count(content);
    let sent = counted.amount();
    let upload = Upload::new(&header, &keys.read_token(), expiry, counted, size, failed)?;
    let created = server.create(upload);
    progress.end();
    let created = created?;
    let link = Link { base: server.base().to_owned(), id: created.id, secret };
    Ok(Done { link, created, size: sent.get() })
}

/// A link that nobody took is lost, and no quiet end.
fn unlinked(failure: Failure) -> Failure {
    match failure {
        Failure::HungUp => {
            Failure::local("cannot print the link to", "standard output", io::ErrorKind::BrokenPipe.into())
        }
        other => other,
    }
}

/// The life time asked for, or the default, as far as the server allows.
fn expiry(asked: Option<Expiry>, limits: &ServerLimits) -> Result<Expiry, Failure> {
    match (asked, limits.max_expiry) {
        (None, most) => Ok(Expiry::In(most.map_or(DEFAULT_LIFE, |most| most.clamp(1, DEFAULT_LIFE)))),
        (Some(Expiry::Never), Some(most)) => {
            let detail = format!("this server keeps pastes for at most {}, not for ever", crate::duration::show(most));
            Err(refusal(Kind::TooLarge, detail, "max_expiry", most))
        }
        (Some(Expiry::In(seconds)), Some(most)) if seconds > most => {
            let detail = format!("this server keeps pastes for at most {}", crate::duration::show(most));
            Err(refusal(Kind::TooLarge, detail, "max_expiry", most))
        }
        (Some(asked), _) => Ok(asked),
    }
}

/// What the server would answer, said before anything is sent.
fn refusal(kind: Kind, detail: String, limit: &str, value: u64) -> Failure {
    Failure::Problem(Box::new(Problem::new(kind).detail(detail).limit(limit, value)))
}

/// Whether the history now holds the delete token.
fn remember(done: &Done, quiet: bool) -> bool {
    let Some(history) = History::of_user() else { return false };
    let entry = Entry {
        server: done.link.base.clone(),
        id: done.created.id,
        delete_token: done.created.delete_token.clone(),
        created_at: human::now(),
        expires_at: done.created.expires_at,
    };
    let result = history.add(entry);
    if let Err(e) = &result
        && !quiet
    {
        eprintln!("pasteur: cannot write {}: {e}", history.path().display());
    }
    result.is_ok()
}

/// Random bytes from the system alone; without them nothing is sealed.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure>
where
    [u8; N]: Zeroize,
{
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(Failure::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_time_keeps_to_the_servers_limit() {
        let limits = |max_expiry| ServerLimits { max_paste: 1, max_expiry };
        assert_eq!(expiry(None, &limits(None)).unwrap(), Expiry::In(DEFAULT_LIFE));
        assert_eq!(expiry(None, &limits(Some(60))).unwrap(), Expiry::In(60));
        assert_eq!(expiry(Some(Expiry::Never), &limits(None)).unwrap(), Expiry::Never);
        assert_eq!(expiry(Some(Expiry::In(60)), &limits(Some(60))).unwrap(), Expiry::In(60));
        for asked in [Expiry::Never, Expiry::In(61)] {
            assert_eq!(expiry(Some(asked), &limits(Some(60))).unwrap_err().code(), crate::failure::code::REFUSED);
        }
    }
}
