//! The application: routes, policy and configuration. It knows no operating system: network, store, clock and
//! randomness are seams that its caller fills.
//!
//! [`App`] answers requests (tests call it without sockets); [`serve`] runs it on a stack with its limits, its admin
//! listener and its sweeps.

mod admin;
mod answer;
mod app;
mod config;
mod failure;
mod form;
mod handlers;
mod headers;
mod log;
mod metrics;
mod openapi;
#[cfg(feature = "options")]
mod options;
mod origin;
mod rate;
mod route;
mod serve;
mod site;
mod trouble;
#[cfg(feature = "options")]
mod units;

pub use answer::Answer;
pub use app::App;
pub use config::{Config, ForwardedHeader, LogFormat, Memory};
pub use log::{Log, Sink};
pub use openapi::document as openapi_document;
#[cfg(feature = "options")]
pub use options::{Logged, Options};
pub use serve::{Control, Ready, ServeError, serve};
pub use site::{Site, SiteError};
#[cfg(feature = "options")]
pub use units::{duration, size};
