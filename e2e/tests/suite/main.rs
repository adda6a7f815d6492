//! The scenarios of the whole: a browser, the command line, a server and what may go wrong between them.

mod harness;
