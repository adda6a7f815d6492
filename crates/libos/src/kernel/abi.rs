//! The symbols that `std` asks for on `x86_64-unknown-hermit` (crate `hermit-abi` 0.5), and no others: files, sockets
//! and processes are not here, and a program that uses them does not link.

use core::ffi::c_char;
use core::ptr::NonNull;

use super::{machine, memory, print, threads};
use crate::abi::{self, Timespec};
use crate::machine::Status;
use crate::scheduler::Event;
use crate::x86;

/// `iovec` of the ABI.
#[repr(C)]
pub(crate) struct Piece {
    start: *const u8,
    size: usize,
}

#[unsafe(no_mangle)]
extern "C" fn sys_malloc(size: usize, align: usize) -> *mut u8 {
    let taken = abi::layout(size, align).and_then(memory::take);
    taken.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_realloc(memory: *mut u8, old: usize, align: usize, size: usize) -> *mut u8 {
    let (Some(memory), Some(old)) = (NonNull::new(memory), abi::layout(old, align)) else {
        return core::ptr::null_mut();
    };
    // SAFETY: `std` resizes what it took with this layout, and uses the new place only.
    unsafe { memory::resize(memory, old, size) }.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_free(memory: *mut u8, size: usize, align: usize) {
    if let (Some(memory), Some(layout)) = (NonNull::new(memory), abi::layout(size, align)) {
        // SAFETY: `std` gives back what it took with this layout.
        unsafe { memory::give(memory, layout) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_write(file: i32, start: *const u8, size: usize) -> isize {
    // SAFETY: `std` passes a slice's parts.
    abi::write(file, unsafe { bytes(start, size) }, print)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_writev(file: i32, pieces: *const Piece, count: usize) -> isize {
    let pieces = (0..count).map(|index| {
        // SAFETY: `std` passes an array of this many pieces, each a slice's parts.
        unsafe {
            let piece = &*pieces.add(index);
            bytes(piece.start, piece.size)
        }
    });
    abi::write_all(file, pieces, print)
}

/// # Safety
/// They are a slice's parts, whose bytes stay as they are for as long as they are used; a slice of none may begin anywhere.
unsafe fn bytes<'a>(start: *const u8, size: usize) -> &'a [u8] {
    // SAFETY: as the caller promises.
    if size == 0 { &[] } else { unsafe { core::slice::from_raw_parts(start, size) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_clock_gettime(clock: i32, out: *mut Timespec) -> i32 {
    match abi::time(clock, || machine().wall(), || machine().monotonic()) {
        Ok(time) => {
            // SAFETY: `std` passes a place for the answer.
            unsafe { out.write(time) };
            0
        }
        Err(error) => -error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_futex_wait(word: *const u32, expected: u32, limit: *const Timespec, flags: u32) -> i32 {
    // SAFETY: `std` passes an atomic word; with one processor, and no interruption, a volatile load is an atomic one.
    let found = unsafe { word.read_volatile() };
    abi::futex_wait(found, expected, || {
        // SAFETY: `std` passes null or a time.
        let deadline = abi::deadline(unsafe { limit.as_ref() }, flags, || machine().monotonic());
        threads::wait(Some(Event::Futex(word.addr())), deadline)
    })
}

#[unsafe(no_mangle)]
extern "C" fn sys_futex_wake(word: *const u32, most: i32) -> i32 {
    abi::futex_wake(most, |most| threads::wake(Event::Futex(word.addr()), most))
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
