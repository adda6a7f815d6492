//! The create page: what was typed and chosen is sealed, sent, and becomes a link.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use api::{Created, Expiry, Kdf, PublicHeader, ServerLimits};
use envelope::{Link, LinkSecret};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, HtmlButtonElement, HtmlElement, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use zeroize::Zeroizing;

use crate::done::Done;
use crate::files::Files;
use crate::form::Form;
use crate::job::Job;
use crate::panel::Panel;
use crate::stretch::{self, Access};
use crate::trouble::Trouble;
use crate::{amounts, client, dom, expiry, gcm, leaving, random, sealing, spool, upload};

struct Page {
    panel: Panel,
    form: HtmlElement,
    text: HtmlTextAreaElement,
    title: HtmlInputElement,
    expires: HtmlSelectElement,
    password: HtmlInputElement,
    burn: HtmlInputElement,
    submit: HtmlButtonElement,
    files: Files,
    done: Done,
    limits: RefCell<Option<ServerLimits>>,
    offered: RefCell<Vec<Expiry>>,
}

/// Brings the page to life.
pub(crate) fn start(panel: Panel) -> Result<(), Trouble> {
    // Said before anything is typed, not after.
    gcm::subtle()?;
    let size: HtmlElement = dom::by_id("size")?;
    let files = {
        let size = size.clone();
        let sum: Rc<RefCell<Option<Files>>> = Rc::default();
        let of = sum.clone();
        let files = Files::watch(move || {
            if let Some(files) = &*of.borrow() {
                let n = files.all().len();
                let words = match n {
                    0 => String::new(),
                    1 => format!("1 file, {}", amounts::bytes(files.bytes())),
                    _ => format!("{n} files, {}", amounts::bytes(files.bytes())),
                };
                dom::text(&size, &words);
            }
        })?;
        *sum.borrow_mut() = Some(files.clone());
        files
    };
    let page = Rc::new(Page {
        form: dom::by_id("create")?,
        text: dom::by_id("text")?,
        title: dom::by_id("title")?,
        expires: dom::by_id("expires")?,
        password: dom::by_id("password")?,
        burn: dom::by_id("burn")?,
        submit: dom::by_id("submit")?,
        done: Done::find(panel.clone())?,
        limits: RefCell::default(),
        offered: RefCell::default(),
        panel,
        files,
    });
    page.offer(None, false)?;
    page.watch()?;
    dom::show(&page.form, true);
    spool::clean_later();
    let page = page.clone();
    spawn_local(async move {
        if let Ok(limits) = client::limits(&page.panel.idle_job()).await {
            let _ = page.allow(limits);
        }
    });
    Ok(())
}

impl Page {
    fn watch(self: &Rc<Self>) -> Result<(), Trouble> {
        let page = self.clone();
        dom::on(&self.form, "submit", move |event: Event| {
            event.prevent_default();
            spawn_local(page.clone().create());
        });
        self.done.kept.guard(&dom::window()?, || false);
        let page = self.clone();
        leaving::wipe_when_left(move || {
            page.text.set_value("");
            page.title.set_value("");
            page.password.set_value("");
            page.done.wipe();
        })?;
        let reveal: HtmlElement = dom::by_id("reveal")?;
        let (password, button) = (self.password.clone(), reveal.clone());
        dom::on(&reveal, "click", move |_: Event| {
            let shown = password.type_() == "text";
            password.set_type(if shown { "password" } else { "text" });
            dom::attribute(&button, "aria-pressed", if shown { "false" } else { "true" });
        });
        // Ctrl+Enter sends, as in every mailer.
        let (submit, text) = (self.submit.clone(), self.text.clone());
        dom::on(&text, "keydown", move |event: web_sys::KeyboardEvent| {
            if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                submit.click();
            }
        });
        Ok(())
    }

    /// Fills the choice of life times; a choice made already is kept where it is still there.
    fn offer(&self, longest: Option<u64>, known: bool) -> Result<(), Trouble> {
        let (mut all, mut first) = expiry::choices(longest);
        if !known {
            all.retain(|e| *e != Expiry::Never);
        }
        let before = self.offered.borrow().get(self.expires.selected_index() as usize).copied();
        if let Some(at) = before.and_then(|b| all.iter().position(|e| *e == b)) {
            first = at;
        }
        self.expires.set_text_content(None);
        for expiry in &all {
            let option: web_sys::HtmlOptionElement = dom::element("option")?;
            option.set_value(&expiry.to_string());
            dom::text(&option, &life(*expiry));
            dom::append(&self.expires, &option);
        }
        self.expires.set_selected_index(first as i32);
        *self.offered.borrow_mut() = all;
        Ok(())
    }

    fn allow(&self, limits: ServerLimits) -> Result<(), Trouble> {
        self.offer(limits.max_expiry, true)?;
        let limit: HtmlElement = dom::by_id("limit")?;
        dom::text(&limit, &format!("At most {} in all.", amounts::bytes(limits.max_paste)));
        *self.limits.borrow_mut() = Some(limits);
        Ok(())
    }

    async fn create(self: Rc<Self>) {
        dom::show(&self.form, false);
        // To leave now is to give up what is being sealed and sent.
        self.done.kept.only_copy();
        let made = self.make().await;
        self.panel.end();
        match made {
            Ok((link, created, header)) => {
                // What was secret is not left lying about.
                self.password.set_value("");
                self.text.set_value("");
                self.done.show(&link, created, &header);
            }
            Err(trouble) => {
                self.done.kept.saved();
                dom::show(&self.form, true);
                self.panel.tell(&trouble);
                let _ = self.submit.focus();
            }
        }
    }

    async fn make(&self) -> Result<(Link, Created, PublicHeader), Trouble> {
        let job = Job::new()?;
        self.panel.begin(&job, "Sealing …");
        let password = Zeroizing::new(self.password.value());
        let secret = LinkSecret::from_bytes(random::bytes()?);
        let kdf = if password.is_empty() { None } else { Some(Kdf::v1(random::bytes()?)) };
        let header = PublicHeader { v: 1, kdf, burn: self.burn.checked(), comments: false };
        let encoded = header.encode();

        let form = Form::lay_out(&self.text.value(), &self.title.value(), &self.files.all())?;
        if let Some(limits) = self.limits.borrow().as_ref().filter(|l| form.sealed_len() > l.max_paste) {
            return Err(Trouble::TooLarge(Some(limits.max_paste)));
        }
        let access = self.access(&job, &secret, &password, &header).await?;
        self.panel.begin(&job, "Sealing …");
        let content =
            sealing::seal(&job, form.plain(), &access, &encoded, |done, all| self.panel.progress(done, all)).await?;

        self.panel.begin(&job, "Sending …");
        let chosen = self.offered.borrow().get(self.expires.selected_index() as usize).copied();
        let expiry = chosen.unwrap_or(Expiry::In(86_400));
        let form = upload::Form { header: &encoded, read: &access.read, expiry, content: &content };
        let panel = self.panel.clone();
        let created = upload::send(&job, &form, move |done, all| panel.progress(done, all)).await?;
        let base = dom::window()?.location().origin().map_err(|_| Trouble::Browser("an address"))?;
        Ok((Link { base, id: created.id, secret }, created, header))
    }

    async fn access(
        &self,
        job: &Job,
        secret: &LinkSecret,
        password: &str,
        header: &PublicHeader,
    ) -> Result<Access, Trouble> {
        let Some(kdf) = &header.kdf else { return Ok(stretch::keys(secret)) };
        self.panel.begin_unmeasured(job, "Strengthening the password …");
        let access = stretch::keys_with_password(secret, password, kdf).await?;
        job.check()?;
        Ok(access)
    }
}

fn life(expiry: Expiry) -> String {
    match expiry {
        Expiry::In(seconds) => format!("in {}", amounts::span(seconds)),
        Expiry::Never => String::from("never"),
    }
}
