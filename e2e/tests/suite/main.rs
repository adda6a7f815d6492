//! The scenarios of the whole: a browser, the command line, a server and what may go wrong between them.
//!
//! Every scenario's world is judged after it (`e2e::World`): so none needs to say that no other host was asked, that
//! the console is clean, or that the server's store and log hold no secret.

mod broken;
mod burning;
mod command_line;
mod create;
mod endings;
mod harness;
mod input;
mod links;
mod look;
mod machine;
mod options;
mod privacy;
mod steps;
