//! Exit codes: part of the interface, documented in the README.

use std::process::{ExitCode, Termination};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for holds.
    Passed = 0,
    /// A case or a threshold failed.
    Failed = 1,
    /// The scenario or the command line is wrong; nothing was sent.
    Usage = 2,
    /// The target cannot be reached, died, or speaks another protocol.
    Target = 3,
    /// The measurement is not valid or not conclusive.
    NotValid = 4,
    /// Nothing matched, or everything was skipped.
    NothingMatched = 5,
    /// One part of a run has done its share; what it comes to is decided where the parts are put together.
    Part = 6,
    /// Interrupted; the partial record is kept.
    Interrupted = 130,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
