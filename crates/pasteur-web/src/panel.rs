//! What both pages have: a status line, an alert, and a card that shows work going on and can cancel it.

use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use web_sys::{Event, HtmlElement, HtmlProgressElement};

use crate::amounts;
use crate::dom;
use crate::job::Job;
use crate::trouble::Trouble;

/// Milliseconds between two redrawings of a progress bar.
const REDRAW: f64 = 80.0;

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
        dom::show(&self.work, true);
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
}
