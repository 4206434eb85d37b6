//! What is typed while a screen is shown is not shown: it would tear the screen, and a shell would take it for a command afterwards.
//! Ctrl-C goes on to work.

use std::io::{Stdin, stdin};

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

/// The terminal says nothing of what is typed as long as this lives.
pub(super) struct Hush {
    stdin: Stdin,
    /// How it was; nothing if it could not be asked.
    before: Option<Termios>,
}

impl Hush {
    pub(super) fn new() -> Self {
        let stdin = stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot be silent shows what is typed, and nothing else is worse.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &silent);
        }
        Self { stdin, before }
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcflush(&self.stdin, QueueSelector::IFlush);
            let _ = tcsetattr(&self.stdin, OptionalActions::Now, before);
        }
    }
}
