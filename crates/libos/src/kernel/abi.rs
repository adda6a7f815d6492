//! The symbols that `std` asks for on `x86_64-unknown-hermit` (crate `hermit-abi` 0.5), and no others: files, sockets
//! and processes are not here, and a program that uses them does not link.

use core::alloc::Layout;
use core::ffi::c_char;
use core::ptr::NonNull;

use super::{machine, memory, print, threads};
use crate::machine::{Nanos, Status};
use crate::scheduler::{Event, Woken};
use crate::x86;

const EAGAIN: i32 = 11;
const EBADF: isize = 9;
const EINVAL: i32 = 22;
const ETIMEDOUT: i32 = 110;

const REALTIME: i32 = 1;
const MONOTONIC: i32 = 4;

const RELATIVE: u32 = 1;

/// `timespec` of the ABI.
#[repr(C)]
pub(crate) struct Timespec {
    seconds: i64,
    nanos: i32,
}

/// `iovec` of the ABI.
#[repr(C)]
pub(crate) struct Piece {
    start: *const u8,
    size: usize,
}

#[unsafe(no_mangle)]
extern "C" fn sys_malloc(size: usize, align: usize) -> *mut u8 {
    let taken = Layout::from_size_align(size, align).ok().and_then(memory::take);
    taken.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_realloc(memory: *mut u8, old: usize, align: usize, size: usize) -> *mut u8 {
    let (Some(memory), Ok(old)) = (NonNull::new(memory), Layout::from_size_align(old, align)) else {
        return core::ptr::null_mut();
    };
    // SAFETY: `std` resizes what it took with this layout, and uses the new place only.
    unsafe { memory::resize(memory, old, size) }.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_free(memory: *mut u8, size: usize, align: usize) {
    if let (Some(memory), Ok(layout)) = (NonNull::new(memory), Layout::from_size_align(size, align)) {
        // SAFETY: `std` gives back what it took with this layout.
        unsafe { memory::give(memory, layout) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_write(file: i32, start: *const u8, size: usize) -> isize {
    if !matches!(file, 1 | 2) {
        return -EBADF;
    }
    if size > 0 {
        // SAFETY: `std` passes a slice's parts.
        print(unsafe { core::slice::from_raw_parts(start, size) });
    }
    size.cast_signed()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_writev(file: i32, pieces: *const Piece, count: usize) -> isize {
    let mut written = 0;
    for index in 0..count {
        // SAFETY: `std` passes an array of this many pieces, each a slice's parts.
        let wrote = unsafe {
            let piece = &*pieces.add(index);
            sys_write(file, piece.start, piece.size)
        };
        if wrote < 0 {
            return wrote;
        }
        written += wrote;
    }
    written
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_clock_gettime(clock: i32, out: *mut Timespec) -> i32 {
    let nanos = match clock {
        REALTIME => machine().wall(),
        MONOTONIC => machine().monotonic(),
        _ => return -EINVAL,
    };
    let (seconds, nanos) = ((nanos / 1_000_000_000).cast_signed(), (nanos % 1_000_000_000) as i32);
    // SAFETY: `std` passes a place for the answer.
    unsafe { out.write(Timespec { seconds, nanos }) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_futex_wait(word: *const u32, expected: u32, limit: *const Timespec, flags: u32) -> i32 {
    // SAFETY: `std` passes an atomic word; with one processor, and no interruption, a volatile load is an atomic one.
    if unsafe { word.read_volatile() } != expected {
        return -EAGAIN;
    }
    // SAFETY: `std` passes null or a time.
    let deadline = unsafe { limit.as_ref() }.map(|limit| {
        let seconds = Nanos::try_from(limit.seconds).unwrap_or(0).saturating_mul(1_000_000_000);
        let span = seconds.saturating_add(Nanos::try_from(limit.nanos).unwrap_or(0));
        if flags & RELATIVE != 0 { machine().monotonic().saturating_add(span) } else { span }
    });
    match threads::wait(Some(Event::Futex(word.addr())), deadline) {
        Woken::Event => 0,
        Woken::Deadline => -ETIMEDOUT,
    }
}

#[unsafe(no_mangle)]
extern "C" fn sys_futex_wake(word: *const u32, most: i32) -> i32 {
    let woken = threads::wake(Event::Futex(word.addr()), usize::try_from(most).unwrap_or(0));
    i32::try_from(woken).unwrap_or(i32::MAX)
}

#[unsafe(no_mangle)]
extern "C" fn sys_spawn2(
    main: extern "C" fn(usize),
    argument: usize,
    _priority: u8,
    stack: usize,
    _core: isize,
) -> u32 {
    threads::spawn(stack, main, argument).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn sys_join(thread: u32) -> i32 {
    threads::join(thread);
    0
}

#[unsafe(no_mangle)]
extern "C" fn sys_yield() {
    threads::pause();
}

#[unsafe(no_mangle)]
extern "C" fn sys_usleep(micros: u64) {
    threads::wait(None, Some(machine().monotonic().saturating_add(micros.saturating_mul(1000))));
}

#[unsafe(no_mangle)]
extern "C" fn sys_available_parallelism() -> usize {
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_read_entropy(out: *mut u8, size: usize, _flags: u32) -> isize {
    // SAFETY: `std` passes an initialised slice's parts.
    let out = unsafe { core::slice::from_raw_parts_mut(out, size) };
    if machine().entropy(out) { size.cast_signed() } else { -1 }
}

#[unsafe(no_mangle)]
extern "C" fn sys_exit(status: i32) -> ! {
    machine().exit(Status::Exit(status))
}

#[unsafe(no_mangle)]
extern "C" fn sys_abort() -> ! {
    x86::backtrace_here();
    machine().exit(Status::Abort)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: the text ends with a zero byte. It is not `CStr`'s own search, which may call this function.
    while unsafe { text.add(length).read() } != 0 {
        length += 1;
    }
    length
}
