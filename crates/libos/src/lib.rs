//! A library operating system: Rust's own `std` for `x86_64-unknown-hermit` on a virtual machine with one processor.
//! A program that names this crate (`use libos as _;`) and is built for that target is a kernel that boots by PVH; `std` finds here the
//! symbols that it asks for, and none for files and sockets, so that a program which uses them does not link.
//!
//! | module | what |
//! |---|---|
//! | `machine` | what everything else asks of a machine: the one trait that a new kind of machine implements |
//! | `x86` | the PC: boot, page tables, exceptions, clocks, console, where devices are (only on the target) |
//! | `kernel` | threads, futexes, memory and the symbols for `std` (only on the target) |
//! | `devices` | disks, network cards and entropy as the seams of the crate `device` (only on the target) |
//! | `virtio` | transports, queues and drivers |
//! | the others | arithmetic and decisions without a machine, tested on any host |
//!
//! Nothing interrupts a thread: interrupts are let in only while the processor sleeps. So a value that is never borrowed
//! across a switch needs no lock.

#![no_std]
// A host builds and tests what knows no machine; the half that uses it exists on the target alone.
#![cfg_attr(not(target_os = "hermit"), allow(dead_code))]

extern crate alloc;

mod clock;
mod cmdline;
#[cfg(target_os = "hermit")]
mod devices;
mod elf;
mod entropy;
mod fault;
mod heap;
#[cfg(target_os = "hermit")]
mod kernel;
mod machine;
mod memory;
mod paging;
mod pvh;
mod scheduler;
mod tls;
mod virtio;
#[cfg(target_os = "hermit")]
mod x86;

#[cfg(target_os = "hermit")]
pub use devices::{Card, Devices, Disk, Entropy, devices};
