//! What both pages have: a status line, an alert, and a card that shows work going on and can cancel it.

use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, HtmlElement, HtmlProgressElement};

use crate::amounts;
use crate::dom;
use crate::job::Job;
use crate::trouble::Trouble;

/// Milliseconds between two redrawings of a progress bar.
const REDRAW: f64 = 80.0;
/// Milliseconds of work that a page which has nothing else to show bears without a card: one that flashes by is no help, and
/// drawing it twice takes longer than opening a small paste.
const PATIENCE: u32 = 150;

/// The page's voice.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    status: HtmlElement,
    alert: HtmlElement,
    work: HtmlElement,
    step: HtmlElement,
    bar: HtmlProgressElement,
    amount: HtmlElement,
    job: Rc<RefCell<Option<Job>>>,
    idle: Job,
    drawn: Rc<Cell<f64>>,
    patience: u32,
    /// Whether the card is about to be shown.
    due: Rc<Cell<bool>>,
}

impl Panel {
    pub(crate) fn find() -> Result<Self, Trouble> {
        let panel = Self {
            status: dom::by_id("status")?,
            alert: dom::by_id("alert")?,
            work: dom::by_id("work")?,
            step: dom::by_id("step")?,
            bar: dom::by_id("progress")?,
            amount: dom::by_id("amount")?,
            job: Rc::default(),
            idle: Job::new()?,
            drawn: Rc::default(),
            patience: 0,
            due: Rc::default(),
        };
        let cancel: HtmlElement = dom::by_id("cancel")?;
        let job = panel.job.clone();
        dom::on(&cancel, "click", move |_: Event| {
            if let Some(job) = &*job.borrow() {
                job.cancel();
            }
        });
        Ok(panel)
    }

    /// The same, but its card is shown only for work that takes a while.
    pub(crate) fn patient(self) -> Self {
        Self { patience: PATIENCE, ..self }
    }

    /// A status message; an alert that stood there has been dealt with.
    pub(crate) fn say(&self, words: &str) {
        dom::text(&self.alert, "");
        dom::text(&self.status, words);
    }

    /// Tells of trouble. What was cancelled is no trouble.
    pub(crate) fn tell(&self, trouble: &Trouble) {
        if *trouble == Trouble::Cancelled {
            return self.say(&trouble.words());
        }
        dom::text(&self.status, "");
        dom::text(&self.alert, &trouble.words());
        // Out of sight is not told.
        self.alert.scroll_into_view_with_bool(false);
    }

    /// Begins a step of a job, with an empty bar.
    pub(crate) fn begin(&self, job: &Job, step: &str) {
        *self.job.borrow_mut() = Some(job.clone());
        dom::text(&self.step, step);
        dom::text(&self.amount, "");
        self.say(step);
        self.bar.set_value(0.0);
        self.drawn.set(0.0);
        self.show_in_time();
    }

    /// A step whose length is not known.
    pub(crate) fn begin_unmeasured(&self, job: &Job, step: &str) {
        self.begin(job, step);
        // Without a value a bar shows that something goes on.
        let _ = self.bar.remove_attribute("value");
    }

    /// How far the step is, in bytes.
    pub(crate) fn progress(&self, done: u64, all: u64) {
        let now = dom::now();
        if now - self.drawn.get() < REDRAW && done < all {
            return;
        }
        self.drawn.set(now);
        self.bar.set_value(f64::from(amounts::thousandths(done, all)));
        dom::text(&self.amount, &format!("{} of {}", amounts::bytes(done), amounts::bytes(all)));
    }

    /// The job of short requests that nobody cancels.
    pub(crate) fn idle_job(&self) -> Job {
        self.idle.clone()
    }

    /// The job is over.
    pub(crate) fn end(&self) {
        *self.job.borrow_mut() = None;
        dom::show(&self.work, false);
    }

    /// Shows the card, or sees to it that it is shown if there still is work when patience ends.
    fn show_in_time(&self) {
        if self.patience == 0 {
            return dom::show(&self.work, true);
        }
        if self.due.replace(true) {
            return;
        }
        let panel = self.clone();
        spawn_local(async move {
            dom::sleep(panel.patience).await;
            panel.due.set(false);
            dom::show(&panel.work, panel.job.borrow().is_some());
        });
    }
}
