//! The least there is: `std` on the library operating system.

use libos as _;

fn main() {
    println!("hello from {:?}", std::env::args().collect::<Vec<_>>());
}
