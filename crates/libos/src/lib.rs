//! A library operating system: Rust's own `std` for `x86_64-unknown-hermit` on a virtual machine with one processor.
//! A program that uses this crate and is built for that target is a kernel that boots by PVH; `std` finds here the
//! symbols that it asks for, and none for files and sockets, so that a program which uses them does not link. It declares its
//! devices with [`manifest!`].
//!
//! | module | what |
//! |---|---|
//! | `machine` | what everything else asks of a machine: the one trait that a new kind of machine implements |
//! | `x86` | the PC: boot, page tables, exceptions, clocks, where its words go, where devices are (only on the target) |
//! | `kernel` | threads, futexes, memory and the symbols for `std` (only on the target) |
//! | `devices` | disks, network cards and entropy as the seams of the crate `device` (only on the target) |
//! | `elsewhere` | the same for a program that is looked at on a host: nothing |
//! | `behind` | writes to a disk that nobody waits for |
//! | `copy` | `memcpy` and its like, for the compiler |
//! | `apart` | where devices' registers can lie |
//! | `naming` | which device of the machine is which of the program's |
//! | `virtio` | transports, queues and drivers |
//! | the others | arithmetic and decisions without a machine, tested on any host |
//!
//! Nothing interrupts a thread: interrupts are let in only while the processor sleeps. So a value that is never borrowed
//! across a switch needs no lock.

#![no_std]
// A host builds and tests what knows no machine; the half that uses it exists on the target alone.
#![cfg_attr(not(target_os = "hermit"), allow(dead_code))]

extern crate alloc;

mod abi;
mod apart;
mod behind;
mod clock;
mod cmdline;
#[cfg(target_arch = "x86_64")]
mod copy;
#[cfg(target_os = "hermit")]
mod devices;
mod elf;
#[cfg(not(target_os = "hermit"))]
mod elsewhere;
mod entropy;
mod fault;
mod heap;
#[cfg(target_os = "hermit")]
mod kernel;
mod machine;
mod memory;
mod naming;
mod paging;
mod pvh;
mod scheduler;
mod sources;
mod tls;
mod virtio;
mod wall;
#[cfg(target_os = "hermit")]
mod x86;

#[cfg(target_os = "hermit")]
pub use devices::{Card, Clock, Disk, Entropy, asked_to_stop, card, disk, memory, memory_taken};

#[cfg(not(target_os = "hermit"))]
pub use elsewhere::{Card, Entropy, card};

pub use device::manifest;

/// Declares the program's devices, once in each program: `libos::manifest![disk("store"), card("net")]`, with the functions of
/// [`manifest`]. They are written into the image (`pasteur unikernel inspect` prints them), the machine does not start without those
/// that it needs, and `libos::disk` and `libos::card` give them by their names. A program that declares none says
/// `libos::manifest![]`; without that it does not link.
///
/// `libos::manifest![memory 24; card("net")]` says the least memory, too, in MiB of all of the machine's, without which that does not start.
#[macro_export]
macro_rules! manifest {
    (memory $mebibytes:expr; $($device:expr),* $(,)?) => {
        const _: () = {
            #[allow(unused_imports)]
            use $crate::manifest::{card, disk};
            type Manifest = $crate::manifest::Note<{ <[&str]>::len(&[$(stringify!($device)),*]) }>;
            // On a host nobody reads it, but it is looked at.
            #[cfg_attr(target_os = "hermit", unsafe(link_section = ".note.libos"), unsafe(export_name = "libos_manifest"))]
            static MANIFEST: Manifest = Manifest::new([$($device),*]);
            #[cfg_attr(target_os = "hermit", unsafe(link_section = ".note.libos"), unsafe(export_name = "libos_memory"))]
            static MEMORY: $crate::manifest::Memory = $crate::manifest::Memory::new($mebibytes);
        };
    };
    ($($device:expr),* $(,)?) => {
        $crate::manifest![memory 0; $($device),*];
    };
}
