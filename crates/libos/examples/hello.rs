//! The least there is: `std` on the library operating system.

libos::manifest![];

fn main() {
    println!("hello from {:?}", std::env::args().collect::<Vec<_>>());
}
