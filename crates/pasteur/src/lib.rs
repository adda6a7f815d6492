//! The application: routes, policy, configuration; it knows no operating system.
