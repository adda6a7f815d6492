//! What a program finds of a machine where it is no kernel, as where it is looked at or tested on a host: nothing. So it is the same
//! program there.

use core::convert::Infallible;
use core::task::Waker;

use device::{Ethernet, NoEntropy, Random};

extern crate std;
use std::io;

/// A network card, of which there is none.
#[derive(Debug)]
pub struct Card(Infallible);

/// The machine's entropy, of which there is none.
#[derive(Clone, Copy, Debug)]
pub struct Entropy;

/// There is none.
#[must_use]
pub fn card(_: &str) -> Option<Card> {
    None
}

impl Random for Entropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        match self.0 {}
    }

    fn mtu(&self) -> usize {
        match self.0 {}
    }

    fn receive(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0 {}
    }

    fn send(&mut self, _: &[u8]) -> io::Result<bool> {
        match self.0 {}
    }

    fn flush(&mut self) {
        match self.0 {}
    }

    fn register(&mut self, _: &Waker) {
        match self.0 {}
    }
}
