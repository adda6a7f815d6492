//! From the entry to the program's `main`: each step needs those before it.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::ops::Range;
use core::sync::atomic::Ordering;

use device::manifest::{Manifest, Memory, Note};

use super::{CLOCKS, PC, RAM_END, WALL, cpu, devices, ram_end, tables, time, traps};
use crate::cmdline;
use crate::elf::Program;
use crate::kernel::single::Single;
use crate::kernel::{fail, memory, threads};
use crate::machine::{Machine, Status};
use crate::memory::{PAGE, usable};
use crate::pvh::{self, StartInfo};

global_asm!(include_str!("boot.s"), options(att_syntax));

/// What the entry's own page tables reach.
const REACH: usize = 1 << 32;

unsafe extern "C" {
    /// The program's ELF header, by the linker.
    static __ehdr_start: [u8; PAGE];
    /// The program's devices, by `libos::manifest!`: the note's head, which says how long the rest is.
    static libos_manifest: Note<0>;
    /// The least memory that it says there, in MiB.
    static libos_memory: Memory;
    fn runtime_entry(argc: i32, argv: *const *const c_char, env: *const *const c_char) -> !;
}

/// The program's arguments: its name, then the words of the command line.
static ARGUMENTS: Single<Vec<CString>> = Single::new(Vec::new());

/// Called by the entry, on the boot's stack.
#[unsafe(no_mangle)]
extern "C" fn libos_boot(info: usize) -> ! {
    traps::install();
    let boot = BootInfo::copy(info);
    // SAFETY: the linker put the program's headers at the start of its first page.
    let headers = unsafe { &__ehdr_start };
    let start = headers.as_ptr().expose_provenance();
    let program = match Program::parse(headers) {
        Ok(program) => program,
        Err(error) => fail(Status::Boot, format_args!("the program's own headers: {error:?}")),
    };
    RAM_END.store(boot.ram().map(|ram| ram.end).max().unwrap_or(0), Ordering::Relaxed);
    // SAFETY: the program's own note, which nobody changes.
    let (least, there) = unsafe { (libos_memory.mebibytes(), ram_end().div_ceil(1 << 20)) };
    // The firmware of some machines keeps less than a MiB of it for itself.
    if (there as u64) < least.into() {
        let why = "too little memory: the program needs";
        fail(Status::Boot, format_args!("{why} {least} MiB, and the machine has {there}"));
    }
    let free = |low: bool| {
        boot.ram().flat_map(|ram| usable(ram, start..program.end())).filter(move |range| (range.start < REACH) == low)
    };
    for range in free(true) {
        // SAFETY: it is RAM that holds neither the program nor what the loader left, and it is mapped.
        unsafe { memory::add(&(range.start..range.end.min(REACH))) };
    }
    if tables::install(boot.ram(), &program).is_err() {
        let size = memory::size() >> 10;
        fail(Status::Boot, format_args!("too little memory for page tables: {size} KiB are free"));
    }
    for range in free(false) {
        // SAFETY: as above; the new tables map it.
        unsafe { memory::add(&range) };
    }
    cpu::enable_vectors();
    match time::Clocks::measure() {
        Ok((clocks, wall)) => {
            CLOCKS.with(|place| *place = Some(clocks));
            WALL.with(|place| *place = Some(wall));
        }
        Err(what) => fail(Status::NoClock, format_args!("nothing tells {what}")),
    }
    let line = boot.command_line();
    devices::discover(&line, &boot.ram().collect::<Vec<_>>());
    if !PC.entropy(&mut [0; 32]) {
        let why = "the processor has no RDRAND, or it fails, and there is no virtio-rng that answers";
        fail(Status::NoEntropy, format_args!("no source of entropy: {why}"));
    }
    if let Err(lack) = devices::name(&manifest()) {
        fail(Status::NoDevice, format_args!("{lack}"));
    }
    let words = cmdline::arguments(&line);
    let named = core::iter::once("unikernel").chain(words.iter().map(|word| word.as_str()));
    // A word with a zero byte cannot come from a text that a zero byte ends.
    ARGUMENTS.with(|arguments| *arguments = named.filter_map(|word| CString::new(word).ok()).collect());
    threads::start(program.tls, main)
}

/// The devices that the program declares.
fn manifest() -> Manifest {
    // SAFETY: the program's own note.
    let (place, size) = unsafe { ((&raw const libos_manifest).expose_provenance(), libos_manifest.size()) };
    // SAFETY: the macro's note has this many bytes behind its head, and nobody changes them.
    let descriptor = unsafe {
        let start = core::ptr::with_exposed_provenance::<u8>(place + size_of::<Note<0>>());
        core::slice::from_raw_parts(start, size)
    };
    match Manifest::decode(descriptor) {
        Ok(manifest) => manifest,
        Err(error) => fail(Status::Boot, format_args!("the program's own manifest: {error}")),
    }
}

extern "C" fn main(_: usize) {
    let pointers = ARGUMENTS.with(|arguments| {
        let pointers = arguments.iter().map(|argument| argument.as_ptr());
        pointers.chain([core::ptr::null()]).collect::<Vec<_>>().leak()
    });
    let count = i32::try_from(pointers.len() - 1).unwrap_or(0);
    // SAFETY: the arguments are never changed again; it is called once, on the first thread.
    unsafe { runtime_entry(count, pointers.as_ptr(), core::ptr::null()) }
}

/// What the loader told, copied out of memory that becomes the heap's.
struct BootInfo {
    ram: [Option<Range<usize>>; pvh::MOST],
    line: [u8; cmdline::LONGEST],
}

impl BootInfo {
    fn copy(info: usize) -> Self {
        let mut boot = Self { ram: [const { None }; pvh::MOST], line: [0; cmdline::LONGEST] };
        // SAFETY: the loader's structure, which the entry was given the address of; the entry's tables map it.
        let info = unsafe { core::ptr::with_exposed_provenance::<[u8; pvh::SIZE]>(info).read_unaligned() };
        let Some(info) = StartInfo::parse(&info) else {
            fail(Status::Boot, format_args!("this is no PVH boot of version 1: there is no memory map"));
        };
        let map = usize::try_from(info.map).unwrap_or(0);
        for (index, place) in boot.ram.iter_mut().take(info.entries).enumerate() {
            let entry = core::ptr::with_exposed_provenance::<[u8; pvh::ENTRY]>(map + index * pvh::ENTRY);
            // SAFETY: the loader says that the map has this many entries there.
            *place = pvh::ram(&unsafe { entry.read_unaligned() });
        }
        let line = usize::try_from(info.command_line).unwrap_or(0);
        if line != 0 {
            for (index, place) in boot.line.iter_mut().enumerate() {
                // SAFETY: the loader's text, up to its zero byte.
                *place = unsafe { core::ptr::with_exposed_provenance::<u8>(line + index).read() };
                if *place == 0 {
                    break;
                }
            }
        }
        boot
    }

    fn ram(&self) -> impl Iterator<Item = Range<usize>> {
        self.ram.iter().flatten().cloned()
    }

    /// All of it: of what is cut, an option would be missing without a word.
    fn command_line(&self) -> alloc::borrow::Cow<'_, str> {
        let Ok(line) = CStr::from_bytes_until_nul(&self.line) else {
            let most = cmdline::LONGEST - 1;
            fail(Status::Boot, format_args!("the command line is longer than {most} bytes"));
        };
        line.to_string_lossy()
    }
}
