//! The show page: from a link to text and files.
//!
//! [`Page::run`] is its life from top to bottom: the link is checked before anything is sent, the password before
//! anything is claimed, and a paste that burns is claimed by nothing but the button that says so.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::{Cell, RefCell};

use api::{Id, Info, Kdf, PasteState, PublicHeader, Token};
use envelope::LinkSecret;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, HtmlElement, HtmlInputElement};
use zeroize::Zeroizing;

use crate::job::Job;
use crate::kept::Kept;
use crate::opening::Opening;
use crate::panel::Panel;
use crate::reading::{self, Paste};
use crate::shelf::Shelf;
use crate::spool::Room;
use crate::stretch::{self, Access};
use crate::textview::TextView;
use crate::trouble::Trouble;
use crate::{amounts, client, dom, gcm, leaving, spool, tools};

/// The page and what it holds.
pub(crate) struct Page {
    pub(crate) panel: Panel,
    pub(crate) title: HtmlElement,
    pub(crate) text: TextView,
    pub(crate) shelf: Shelf,
    pub(crate) room: Room,
    /// What further files are read from, once the beginning has been read.
    pub(crate) paste: RefCell<Option<Paste>>,
    /// Whether files are being fetched.
    pub(crate) fetching: Cell<bool>,
    pub(crate) kept: Kept,
    ask: HtmlElement,
    password: HtmlInputElement,
    warning: HtmlElement,
    again: HtmlElement,
}

/// What the server said of the paste, checked.
struct Known {
    id: Id,
    secret: LinkSecret,
    info: Info,
    header: PublicHeader,
}

/// Brings the page to life.
pub(crate) fn start(panel: Panel) -> Result<(), Trouble> {
    // Another key in the address bar is another paste to this page.
    let window = dom::window()?;
    dom::on(&window, "hashchange", |_: Event| {
        let _ = dom::window().map(|w| w.location().reload());
    });
    let page = Rc::new(Page {
        title: dom::by_id("title")?,
        text: TextView::find()?,
        shelf: Shelf::find()?,
        room: Room::default(),
        paste: RefCell::default(),
        fetching: Cell::default(),
        kept: Kept::default(),
        ask: dom::by_id("ask")?,
        password: dom::by_id("password")?,
        warning: dom::by_id("warning")?,
        again: dom::by_id("again")?,
        panel,
    });
    let fetcher = page.clone();
    page.shelf.on_wanted(move || {
        let page = fetcher.clone();
        spawn_local(async move { reading::fetch_wanted(&page).await });
    });
    tools::watch(&page)?;
    let left = page.clone();
    leaving::wipe_when_left(move || {
        left.text.clear();
        left.shelf.clear();
        dom::text(&left.title, "");
        left.password.set_value("");
    })?;
    let held = page.clone();
    page.kept.guard(&window, move || held.text.len() == 0 && held.shelf.is_taken());
    spool::clean_later();
    spawn_local(async move {
        while let Err(trouble) = page.run().await {
            page.kept.saved();
            page.panel.end();
            page.panel.tell(&trouble);
            if !trouble.may_be_tried_again() {
                break;
            }
            page.wish_to_try_again().await;
        }
    });
    Ok(())
}

impl Page {
    async fn run(&self) -> Result<(), Trouble> {
        let known = self.look_up().await?;
        let mut access = self.keys(&known).await?;
        let opening = loop {
            match (self.begin(&known, &access).await, &known.header.kdf) {
                (Err(Trouble::WrongKey), Some(kdf)) => {
                    self.panel.end();
                    self.panel.tell(&Trouble::WrongPassword);
                    access = self.ask(&known.secret, kdf).await?;
                }
                (opening, _) => break opening?,
            }
        };
        self.read(&known, &access, opening).await
    }

    /// Reads the link and asks what anybody may know of the paste.
    async fn look_up(&self) -> Result<Known, Trouble> {
        let location = dom::window()?.location();
        let path = location.pathname().unwrap_or_default();
        let id = path.rsplit('/').next().unwrap_or_default().parse();
        let id: Id = id.map_err(|_| Trouble::Link("it does not name a paste".into()))?;
        let fragment = Zeroizing::new(location.hash().unwrap_or_default());
        let secret = LinkSecret::parse_fragment(&fragment).map_err(|e| Trouble::Link(e.to_string()))?;
        gcm::subtle()?;

        let job = Job::new()?;
        self.panel.begin_unmeasured(&job, "Looking for the paste …");
        let info = client::info(&job, &id).await?;
        self.panel.end();
        self.panel.say("");
        let header = PublicHeader::decode(&info.header).map_err(|_| Trouble::Version)?;
        if header.burn && info.state == PasteState::Claimed {
            return Err(Trouble::Burnt);
        }
        Ok(Known { id, secret, info, header })
    }

    async fn keys(&self, known: &Known) -> Result<Access, Trouble> {
        match &known.header.kdf {
            None => Ok(stretch::keys(&known.secret)),
            Some(kdf) => self.ask(&known.secret, kdf).await,
        }
    }

    /// Asks for the password.
    async fn ask(&self, secret: &LinkSecret, kdf: &Kdf) -> Result<Access, Trouble> {
        dom::show(&self.ask, true);
        let _ = self.password.focus();
        self.password.select();
        let password = loop {
            dom::next(&self.ask, "submit").await.prevent_default();
            let password = Zeroizing::new(self.password.value());
            if !password.is_empty() {
                break password;
            }
        };
        dom::show(&self.ask, false);
        let job = Job::new()?;
        self.panel.begin_unmeasured(&job, "Checking the password …");
        let access = stretch::keys_with_password(secret, &password, kdf).await?;
        job.check()?;
        Ok(access)
    }

    /// The token that reads the content: the read token, or for a paste that burns the lease, once the user has said so.
    async fn enter(&self, known: &Known, access: &Access) -> Result<Token, Trouble> {
        if !known.header.burn {
            return Ok(access.read.clone());
        }
        let job = Job::new()?;
        if known.header.kdf.is_some() {
            // A right token is told to claim first, a wrong one that it is wrong: so a password is proven before the
            // user is asked for more.
            match client::content(&job, &known.id, &access.read, Some((0, 1))).await {
                Ok(_) | Err(Trouble::ClaimNeeded) => {}
                Err(trouble) => return Err(trouble),
            }
            self.panel.end();
        }
        // Once it is claimed, what the browser cannot hold is lost to everybody.
        if self.room.lacks(known.info.size).await {
            return Err(Trouble::NoRoom);
        }
        self.panel.say("");
        let size: HtmlElement = dom::by_id("warning-size")?;
        dom::text(&size, &format!("It holds {} or a little less.", amounts::bytes(known.info.size)));
        dom::show(&self.warning, true);
        let heading: HtmlElement = dom::by_id("warning-title")?;
        let _ = heading.focus();
        let burn: HtmlElement = dom::by_id("burn")?;
        dom::next(&burn, "click").await;
        dom::show(&self.warning, false);
        // It may have been a while.
        if self.room.lacks(known.info.size).await {
            return Err(Trouble::NoRoom);
        }
        self.panel.begin_unmeasured(&job, "Claiming the paste …");
        // To leave from here on is to lose the paste for everybody.
        self.kept.arriving();
        Ok(client::claim(&job, &known.id, &access.read).await?.lease)
    }

    /// Enters and opens. A lease is had once: from then on every try is made with it.
    async fn begin(&self, known: &Known, access: &Access) -> Result<(Job, Opening), Trouble> {
        let token = self.enter(known, access).await?;
        match self.open(known, access, token.clone()).await {
            Err(trouble) if trouble.may_be_tried_again() => {
                self.panel.end();
                self.panel.tell(&trouble);
                self.try_again(known, access, &token).await
            }
            opening => opening,
        }
    }

    async fn open(&self, known: &Known, access: &Access, token: Token) -> Result<(Job, Opening), Trouble> {
        let job = Job::new()?;
        self.panel.begin(&job, "Opening …");
        let Known { id, info, .. } = known;
        let opening = Opening::whole(&job, *id, token, &access.content, &info.header, info.size).await?;
        Ok((job, opening))
    }

    /// Reads the paste; where that breaks off, again at the user's wish: the read token or the lease is still good.
    async fn read(&self, known: &Known, access: &Access, opening: (Job, Opening)) -> Result<(), Trouble> {
        let (mut job, mut opening) = opening;
        let token = opening.sealed().token.clone();
        while let Err(trouble) = reading::read(self, &job, &mut opening, known.header.burn).await {
            let trouble = match trouble {
                Trouble::NoRoom if known.header.burn => Trouble::NoRoomLeft,
                trouble => trouble,
            };
            opening.close();
            self.panel.end();
            self.panel.tell(&trouble);
            if !trouble.may_be_tried_again() {
                if known.header.burn {
                    // No more of it will come, but what has come is nowhere else.
                    self.kept.only_copy();
                }
                return Ok(());
            }
            (job, opening) = self.try_again(known, access, &token).await?;
        }
        self.panel.end();
        self.panel.say(&self.summary(known.header.burn));
        // Words for a date are the browser's, and at the first call it takes longer for them than for all of the above.
        tools::tell_life(&known.info)?;
        tools::show(self)?;
        if known.header.burn || known.header.kdf.is_some() {
            // The button that was pressed is gone, and the focus with it.
            let _ = self.title.focus();
        }
        if known.header.burn {
            self.destroy(known, &token).await;
        }
        Ok(())
    }

    async fn try_again(&self, known: &Known, access: &Access, token: &Token) -> Result<(Job, Opening), Trouble> {
        loop {
            self.wish_to_try_again().await;
            self.text.clear();
            self.shelf.clear();
            self.room.clear().await;
            match self.open(known, access, token.clone()).await {
                Err(trouble) if trouble.may_be_tried_again() => {
                    self.panel.end();
                    self.panel.tell(&trouble);
                }
                opening => return opening,
            }
        }
    }

    /// Waits until the user wants another try.
    async fn wish_to_try_again(&self) {
        dom::show(&self.again, true);
        let _ = self.again.focus();
        dom::next(&self.again, "click").await;
        dom::show(&self.again, false);
    }

    /// Everything has been read: what was to burn is destroyed now, not when its lease ends.
    async fn destroy(&self, known: &Known, lease: &Token) {
        // From here on the page holds the only copy.
        self.kept.only_copy();
        let (life, words) = match client::delete(&self.panel.idle_job(), &known.id, lease).await {
            Ok(()) | Err(Trouble::NotFound | Trouble::Burnt) => (
                "Destroyed",
                "The paste is destroyed on the server. What you see is the only copy: save it before you close this page.",
            ),
            Err(_) => (
                "Destroyed within ten minutes",
                "The paste was read. The server destroys it within ten minutes. Save it before you close this page.",
            ),
        };
        let _ = tools::say_life(life);
        self.panel.say(words);
    }

    fn summary(&self, burn: bool) -> String {
        let files = self.shelf.len();
        match (self.text.len(), files) {
            _ if burn => String::from("Opened. Destroying it on the server …"),
            _ if self.text.is_cut() => {
                String::from("Opened. The text is too long for this page: copying or saving it gives all of it.")
            }
            (0, 0) => String::from("Opened. This paste is empty."),
            (_, 0) => String::from("Opened."),
            (_, 1) => String::from("Opened. It has 1 file."),
            _ => format!("Opened. It has {files} files."),
        }
    }
}
