//! `pasteur get`: fetches a paste and opens it, text to standard output, files into a folder.
//!
//! One thread fetches, another opens and writes. A paste that burns is claimed only when its files can be written, and
//! destroyed only when they are.

mod folder;
mod interrupt;
mod lease;
mod text;
mod unpack;

use api::{Info, Kind, PasteState, Problem, PublicHeader, Token};
use envelope::{Keys, Link, Stretched};
use serde::Serialize;

use crate::args::GetArgs;
use crate::client::{Access, Content, Server};
use crate::failure::Failure;
use crate::human;
use crate::pipe::Ahead;
use crate::progress::Progress;
use crate::secret;
use folder::{Folder, Saved};
use lease::Kept;
use unpack::Unpacked;

/// How often a typed password may be wrong.
const TRIES: u32 = 3;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    id: api::Id,
    title: Option<&'a str>,
    language: Option<&'a str>,
    formatter: Option<&'a str>,
    text: Option<ReportFile<'a>>,
    files: Vec<ReportFile<'a>>,
    burnt: bool,
}

#[derive(Serialize)]
struct ReportFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    path: String,
    size: u64,
}

/// A paste whose keys fit.
struct Unlocked {
    keys: Keys,
    content: Content,
    /// The lease of a paste that burns.
    lease: Option<Token>,
}

pub(crate) fn run(args: &GetArgs) -> Result<(), Failure> {
    if args.link.reveal() == "-" && args.password.takes_stdin() {
        return Err(Failure::Usage("standard input cannot be both the link and the password".into()));
    }
    let link = Link::parse(&secret::argument_or_stdin(&args.link, "Link")?);
    let link = link.map_err(|e| Failure::Link(e.to_string()))?;
    let server = Server::new(&link.base);
    let mut kept = Kept::of(&link.base, &link.id);
    let info = server.info(&link.id).inspect_err(|failure| {
        if matches!(failure.kind(), Some(Kind::Burnt | Kind::NotFound)) {
            kept.forget();
        }
    })?;
    let left = if info.state == PasteState::Claimed { kept.find() } else { None };
    if info.state == PasteState::Claimed && left.is_none() {
        return Err(Failure::Problem(Box::new(Problem::new(Kind::Burnt))));
    }
    let header = PublicHeader::decode(&info.header).map_err(|e| Failure::Damaged(e.to_string()))?;
    let mut folder = Folder::new(&args.output_dir, args.force);
    if header.burn {
        folder.probe()?;
    }
    let hidden = args.output.quiet || args.output.json;
    let Unlocked { keys, content, lease } = unlock(args, &link, &server, &info, &header, left.as_ref())?;
    let again = lease.as_ref().is_some_and(|lease| kept.keep(lease)) && !hidden;

    let progress = Progress::start("Fetching", Some(info.size), hidden);
    let watching = interrupt::clean_up(folder.leftovers(), progress.clone());
    watching.map_err(|e| Failure::local("cannot listen for", "signals", e))?;
    let fetched = Ahead::start("fetch", progress.count(content));
    let fetched = fetched.map_err(|e| Failure::local("cannot start", "a thread", e))?;
    let opened = envelope::io::OpenReader::new(fetched, keys.content_key(), info.header.as_bytes());
    let unpacked = unpack::run(opened, &mut folder, &progress, args.output.json, header.burn);
    progress.end();
    let received = unpacked.and_then(|unpacked| folder.keep(header.burn).map(|saved| (unpacked, saved)));
    let (unpacked, saved) = received.inspect_err(|_| {
        if again {
            eprintln!("pasteur: the paste is claimed for you: within ten minutes, the same command can read it again");
        }
    })?;
    let burnt = lease.is_some_and(|lease| destroy(&server, &link, &lease, args.output.quiet));
    if burnt {
        kept.forget();
    }
    tell(args, &link, &unpacked, &saved, burnt)
}

/// Finds the keys that fit, and opens the content; a paste that burns is claimed by that, unless a lease is left of it.
fn unlock(
    args: &GetArgs,
    link: &Link,
    server: &Server,
    info: &Info,
    header: &PublicHeader,
    left: Option<&Token>,
) -> Result<Unlocked, Failure> {
    let Some(kdf) = &header.kdf else {
        return open(args, link, server, info, header, left, Keys::derive(&link.secret, None));
    };
    let given = args.password.given()?;
    if given.is_none() && !secret::can_ask() {
        let how = "this paste needs a password: --password-file FILE, or run this in a terminal";
        return Err(Failure::SecretNeeded(how.into()));
    }
    let mut tries = if given.is_some() { 1 } else { TRIES };
    loop {
        let password = given.as_ref().map_or_else(|| secret::ask("Password: "), |given| Ok(given.clone()))?;
        let stretched = Stretched::argon2id(&password, kdf).map_err(|e| Failure::Usage(e.to_string()))?;
        tries -= 1;
        match open(args, link, server, info, header, left, Keys::derive(&link.secret, Some(&stretched))) {
            Err(failure @ Failure::Wrong { .. }) if tries > 0 => eprintln!("pasteur: {failure}"),
            result => return result,
        }
    }
}

/// Opens the content with these keys. Where they are wrong nothing is burnt: the server knows before.
fn open(
    args: &GetArgs,
    link: &Link,
    server: &Server,
    info: &Info,
    header: &PublicHeader,
    left: Option<&Token>,
    keys: Keys,
) -> Result<Unlocked, Failure> {
    let wrong = |failure: Failure| match failure.kind() {
        Some(Kind::TokenWrong) => Failure::Wrong { password: header.kdf.is_some() },
        _ => failure,
    };
    let retries = args.retries;
    if !header.burn {
        let access = Access { token: keys.read_token(), retries };
        let content = Content::open(server, link.id, info.size, access).map_err(wrong)?;
        return Ok(Unlocked { keys, content, lease: None });
    }
    let lease = match left {
        Some(lease) => lease.clone(),
        None => server.claim(&link.id, &keys.read_token()).map_err(wrong)?.lease,
    };
    let access = Access { token: lease.clone(), retries };
    // From here on this is the one reader ever: a first failure is no reason to give up.
    let content = Content::persistent(server, link.id, info.size, access);
    Ok(Unlocked { keys, content, lease: Some(lease) })
}

/// Destroys a paste that was read. Where the server cannot be told, the lease's end does it.
fn destroy(server: &Server, link: &Link, lease: &Token, quiet: bool) -> bool {
    let mut result = Ok(());
    for _ in 0..3 {
        result = server.delete(&link.id, lease);
        if !matches!(result, Err(Failure::Network { .. })) {
            break;
        }
    }
    if let Err(e) = &result
        && !quiet
    {
        eprintln!("pasteur: the paste was read, but is destroyed only when its lease ends: {e}");
    }
    result.is_ok()
}

fn tell(args: &GetArgs, link: &Link, unpacked: &Unpacked, saved: &[Saved], burnt: bool) -> Result<(), Failure> {
    let (text, files) = saved.split_at(usize::from(unpacked.text_saved));
    if args.output.json {
        let files = files.iter().zip(&unpacked.files).map(|(saved, file)| ReportFile {
            name: Some(&file.name),
            media_type: file.media_type.as_deref(),
            path: saved.path.display().to_string(),
            size: saved.size,
        });
        let text = text.first().map(|saved| ReportFile {
            name: None,
            media_type: None,
            path: saved.path.display().to_string(),
            size: saved.size,
        });
        return crate::print_json(&Report {
            server: &link.base,
            id: link.id,
            title: unpacked.title.as_deref(),
            language: unpacked.language.as_deref(),
            formatter: unpacked.formatter.as_deref(),
            text,
            files: files.collect(),
            burnt,
        });
    }
    if !args.output.quiet {
        if let Some(title) = &unpacked.title {
            eprintln!("Title: {}", human::printable(title, false));
        }
        for file in files {
            eprintln!("Saved {} ({})", file.path.display(), human::size(file.size));
        }
        if burnt {
            eprintln!("The paste is destroyed: this was its one reading.");
        }
    }
    Ok(())
}
