//! Threads: their stacks and local storage, and the switch from one to the next.

use core::ptr::NonNull;

use super::memory::{Block, Stack};
use super::single::Single;
use super::{fail, machine};
use crate::machine::{MOST_DEVICES, Nanos, Status};
use crate::scheduler::{Event, Scheduler, Tid, Woken};
use crate::tls::Template;
use crate::x86::{self, switch};

/// The first thread's stack, in bytes.
const FIRST_STACK: usize = 512 << 10;

/// What goes on with a thread.
struct Context {
    /// The stack pointer while it does not run.
    saved: usize,
    /// The thread pointer.
    local: usize,
    stack: Stack,
    _storage: Block,
}

struct Threads {
    scheduler: Scheduler<Context>,
    template: Template,
    /// A thread that ended, and whose stack the next one frees, since it ran on it.
    ended: Option<Context>,
    /// How often each device asked for attention.
    attention: [u32; MOST_DEVICES],
    /// Where the stack pointer of an ended thread is written: nobody reads it.
    nowhere: usize,
}

static THREADS: Single<Option<Threads>> = Single::new(None);

/// Begins the first thread, in which `main` runs.
pub(crate) fn start(template: Template, main: extern "C" fn(usize)) -> ! {
    let Some(context) = Context::new(template, FIRST_STACK, main, 0) else {
        fail(Status::Boot, format_args!("too little memory for a thread"));
    };
    let (saved, local) = (context.saved, context.local);
    THREADS.with(|threads| {
        *threads = Some(Threads {
            scheduler: Scheduler::new(context),
            template,
            ended: None,
            attention: [0; MOST_DEVICES],
            nowhere: 0,
        });
    });
    x86::set_thread_pointer(local);
    let mut boot = 0;
    // SAFETY: the context is new, and what is saved of the boot's own is never gone back to.
    unsafe { switch::switch(&raw mut boot, saved) };
    fail(Status::Abort, format_args!("the boot was gone back to"))
}

/// Adds a thread; `None` where memory or numbers are out.
pub(crate) fn spawn(stack: usize, main: extern "C" fn(usize), argument: usize) -> Option<Tid> {
    let template = with(|threads| threads.template);
    let context = Context::new(template, stack, main, argument)?;
    // A refused context is dropped outside of the borrow.
    with(|threads| threads.scheduler.spawn(context)).ok()
}

/// Lets the other threads run that can.
pub(crate) fn pause() {
    with(|threads| threads.scheduler.pause());
    reschedule();
}

/// Waits for an event or a time on [`crate::machine::Machine::monotonic`]'s clock.
pub(crate) fn wait(event: Option<Event>, deadline: Option<Nanos>) -> Woken {
    with(|threads| threads.scheduler.wait(event, deadline));
    reschedule();
    with(|threads| threads.scheduler.woken())
}

/// Wakes who waits for an event, and says how many.
pub(crate) fn wake(event: Event, most: usize) -> usize {
    with(|threads| threads.scheduler.wake(event, most))
}

/// How often a device has asked for attention.
pub(crate) fn times(device: u8) -> u32 {
    with(|threads| threads.attention.get(usize::from(device)).copied().unwrap_or(0))
}

/// Lets those look again who wait for a device.
pub(crate) fn raise(device: u8) {
    with(|threads| {
        if let Some(times) = threads.attention.get_mut(usize::from(device)) {
            *times = times.wrapping_add(1);
        }
        threads.scheduler.wake(Event::Device(device), usize::MAX);
    });
}

/// Waits until a device has asked for attention since it had done so `seen` times, and gives how often it now has: as often, where
/// `deadline` came first.
pub(crate) fn attention(device: u8, seen: u32, deadline: Option<Nanos>) -> u32 {
    loop {
        let times = times(device);
        if times != seen || wait(Some(Event::Device(device)), deadline) == Woken::Deadline {
            return times;
        }
    }
}

/// Waits for the end of a thread; at once where it has ended.
pub(crate) fn join(tid: Tid) {
    if with(|threads| threads.scheduler.lives(tid)) {
        wait(Some(Event::End(tid)), None);
    }
}

/// The running thread and the guard page of its stack; `None` before there are threads, and in the middle of a call of this module.
pub(crate) fn running() -> Option<(Tid, core::ops::Range<usize>)> {
    let running = THREADS.try_with(|threads| {
        let scheduler = &mut threads.as_mut()?.scheduler;
        let tid = scheduler.current();
        Some((tid, scheduler.context(tid)?.stack.guard()))
    });
    running.flatten()
}

/// Where each thread begins.
pub(crate) extern "C" fn begin(main: extern "C" fn(usize), argument: usize) -> ! {
    free_ended();
    main(argument);
    with(|threads| threads.ended = threads.scheduler.finish());
    reschedule();
    fail(Status::Abort, format_args!("a thread that ended was gone back to"))
}

fn with<R>(work: impl FnOnce(&mut Threads) -> R) -> R {
    THREADS.with(|threads| match threads {
        Some(threads) => work(threads),
        None => fail(Status::Abort, format_args!("a thread was asked for before there are any")),
    })
}

/// Runs the next thread that can; sleeps until there is one.
fn reschedule() {
    loop {
        attend();
        let now = machine().monotonic();
        let (before, next, deadline) = with(|threads| {
            let scheduler = &mut threads.scheduler;
            scheduler.expire(now);
            (scheduler.current(), scheduler.choose(), scheduler.deadline())
        });
        let Some(next) = next else {
            machine().wait(deadline);
            continue;
        };
        // Only a thread that is still there can come next again: numbers are not used twice.
        if next != before {
            let (from, to, local) = with(|threads| {
                let from = match threads.scheduler.context(before) {
                    Some(context) => &raw mut context.saved,
                    None => &raw mut threads.nowhere,
                };
                let (to, local) = threads.scheduler.context(next).map_or((0, 0), |next| (next.saved, next.local));
                (from, to, local)
            });
            x86::set_thread_pointer(local);
            // SAFETY: the next thread's context was saved by this function or made by `Context::new`, and its stack
            // is kept by the scheduler; `from` stays where it is, since nothing changes the scheduler until it is written.
            unsafe { switch::switch(from, to) };
            free_ended();
        }
        return;
    }
}

/// Wakes who waits for the devices that asked for attention.
fn attend() {
    let mut raised = machine().attention();
    while raised != 0 {
        raise(raised.trailing_zeros() as u8);
        raised &= raised - 1;
    }
}

fn free_ended() {
    drop(with(|threads| threads.ended.take()));
}

impl Context {
    fn new(template: Template, size: usize, main: extern "C" fn(usize), argument: usize) -> Option<Self> {
        let (layout, offset) = template.layout().ok()?;
        let storage = Block::zeroed(layout)?;
        let stack = Stack::new(size)?;
        // SAFETY: the block was laid out for the template, whose initial bytes the linker put where it says; the word
        // at the thread pointer lies within it.
        let local = unsafe {
            let initial = core::ptr::with_exposed_provenance::<u8>(template.start);
            storage.start().as_ptr().copy_from_nonoverlapping(initial, template.filled.min(template.size));
            let pointer: NonNull<u8> = storage.start().add(offset);
            let local = pointer.as_ptr().expose_provenance();
            pointer.cast::<usize>().write(local);
            local
        };
        // SAFETY: the stack is new, and larger than what is prepared on it.
        let saved = unsafe { switch::prepare(stack.top(), main, argument) };
        Some(Self { saved, local, stack, _storage: storage })
    }
}
