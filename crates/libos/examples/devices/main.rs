//! What the tests try with devices, which are there on the library operating system alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a trial fails by panicking: the machine then ends with a status"
)]

#[cfg(target_os = "hermit")]
mod trials;

// What a trial needs it takes; the machines of the tests have not got everything.
libos::manifest![
    memory 20;
    disk("plain").optional(),
    disk("other").optional(),
    disk("fixed").read_only().optional(),
    disk("config").read_only().optional(),
    card("first").optional(),
    card("second").optional(),
];

fn main() {
    #[cfg(target_os = "hermit")]
    trials::main();
    #[cfg(not(target_os = "hermit"))]
    println!("this program is a kernel: build it for x86_64-unknown-hermit");
}
