//! End-to-end tests: a real Chromium, driven through chromedriver, and the real binary `pasteur`.
//!
//! A test gets a [`World`]: a server of its own, on this machine or a machine itself ([`Kind`]), with a store of its own, browsers, the command line and a wire that
//! can be cut. When its scenario has passed, the world is judged: no console error, no violated policy, no request to
//! another host, no cookie, a clean stop of the server, and nothing secret in the store's file or the logs.
//!
//! Controls are found as a person with a screen reader finds them, by role and accessible name.

mod axe;
mod browser;
mod clockwork;
mod control;
mod elsewhere;
mod files;
mod http;
mod input;
mod process;
mod program;
mod server;
mod trust;
mod turn;
mod watch;
mod webdriver;
mod wire;
mod world;

pub use browser::{Browser, Scheme};
pub use control::Control;
pub use files::{pattern_file, same_pattern, write_file};
pub use http::{Response, request};
pub use input::Key;
pub use process::peak_memory;
pub use program::{Program, Ran};
pub use server::{Kind, Server};
pub use turn::Turn;
pub use wire::Wire;
pub use world::{World, scenario, scenario_on};

use std::time::Duration;

/// How long an ordinary step may take on a machine with too much to do.
pub const STEP: Duration = Duration::from_secs(30);

/// How long a step with hundreds of megabytes may take.
pub const BIG_STEP: Duration = Duration::from_secs(300);
