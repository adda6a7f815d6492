//! What the tests try on a booted machine: its argument names a thing to do, well or badly.

#![allow(clippy::unwrap_used, clippy::panic, clippy::useless_vec)]

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

libos::manifest![];

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "much" => much(),
        "threads" => threads(),
        "time" => time(),
        "dates" => dates(),
        "heap" => heap(),
        "status" => std::process::exit(7),
        "large" => println!("{}", std::hint::black_box(&LARGE).lock().unwrap().len()),
        "panic" => panic!("as asked"),
        "full-stack" => println!("{}", deep(u64::MAX)),
        fault => touch(fault),
    }
}

/// Says more than a console has room for, and then does what the next argument names, if there is one.
fn much() {
    for line in 0..20_000 {
        println!("line {line} of more than there is room for");
    }
    match std::env::args().nth(2).as_deref() {
        None | Some("much") => {}
        Some("panic") => panic!("as asked"),
        Some(fault) => touch(fault),
    }
}

fn threads() {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let shared = Arc::clone(&shared);
            let small = std::thread::Builder::new().stack_size(64 << 10);
            let work = move || {
                for _ in 0..100 {
                    *shared.0.lock().unwrap() += 1;
                    std::thread::yield_now();
                }
                shared.1.notify_all();
            };
            small.spawn(work).unwrap()
        })
        .collect();
    drop(shared.1.wait_while(shared.0.lock().unwrap(), |count| *count < 5000).unwrap());
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let (send, receive) = mpsc::channel();
    let sender = std::thread::spawn(move || (0..1000).for_each(|number| send.send(number).unwrap()));
    let sum: i32 = receive.iter().sum();
    sender.join().unwrap();
    // Its hasher is seeded with the machine's entropy.
    let count = HashMap::from([(*shared.0.lock().unwrap(), sum)]);
    println!("{count:?}");
}

fn time() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    let slept = start.elapsed();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("{} {}", slept.as_millis(), now.as_secs());
}

/// Tells the time of both clocks in milliseconds, five times a second for a minute.
fn dates() {
    let start = Instant::now();
    for _ in 0..300 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        println!("{} {}", start.elapsed().as_millis(), now.as_millis());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn heap() {
    for round in 0..1000usize {
        let block = vec![round as u8; 4 << 20];
        assert_eq!(block[round * 1000], round as u8);
    }
    let refused = Vec::<u8>::new().try_reserve_exact(1 << 30).is_err();
    println!("refused: {refused}");
}

fn deep(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { deep(depth - 1) + here[depth as usize % 64] }
}

/// So that the program needs more memory than some machines have.
static LARGE: std::sync::Mutex<[u8; 6 << 20]> = std::sync::Mutex::new([0; 6 << 20]);

static TEXT: &str = "read only";

#[allow(unsafe_code)]
fn touch(fault: &str) {
    let mut data = [0xc3u8; 16];
    let heap = vec![0xc3u8; 16];
    // SAFETY: none of it is sound; each ends the machine, which is what is tried.
    unsafe {
        match fault {
            "null" => drop(std::ptr::without_provenance::<u8>(std::hint::black_box(8)).read_volatile()),
            "nowhere" => std::ptr::without_provenance_mut::<u8>(0xd000_0000).write_volatile(1),
            "write-text" => (main as *const () as *mut u8).write_volatile(1),
            "write-constant" => TEXT.as_ptr().cast_mut().write_volatile(1),
            "run-stack" => std::mem::transmute::<*mut u8, fn()>(data.as_mut_ptr())(),
            "run-heap" => std::mem::transmute::<*const u8, fn()>(heap.as_ptr())(),
            "run-constant" => std::mem::transmute::<*const u8, fn()>(TEXT.as_ptr())(),
            "run-static" => std::mem::transmute::<*const u8, fn()>(LARGE.lock().unwrap().as_ptr())(),
            // The registers of the processor's interrupt controller.
            "run-device" => std::mem::transmute::<usize, fn()>(0xfee0_0000)(),
            // Where the program begins, as the linker is told.
            "write-headers" => std::ptr::without_provenance_mut::<u8>(0x20_0000).write_volatile(1),
            "opcode" => std::arch::asm!("ud2"),
            other => println!("{other:?} is nothing that can be tried"),
        }
    }
}
