//! Fakes of the seams, in memory and under a test's control.
