//! What is typed while a screen is shown is not shown: it would tear the screen, and a shell would take it for a command afterwards.
//! Ctrl-C goes on to work. However the program ends, the terminal is given back as it was.

use std::io::{Write as _, stderr, stdin};
use std::sync::Mutex;

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

use crate::vocab::lock::LockExt;

/// What has been done to the terminal.
static SHOWN: Mutex<Shown> = Mutex::new(Shown { screen: false, before: None });

struct Shown {
    /// Somebody draws a screen.
    screen: bool,
    /// How the terminal was before it was made silent, while it is.
    before: Option<Termios>,
}

/// The terminal says nothing of what is typed as long as this lives.
pub struct Hush;

impl Hush {
    /// Makes the terminal at standard input silent, if there is one.
    pub fn begin() -> Self {
        let mut shown = SHOWN.lock_unpoisoned();
        shown.screen = true;
        if let (None, Ok(modes)) = (&shown.before, tcgetattr(stdin())) {
            let mut silent = modes.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot be silent shows what is typed, and nothing else is worse.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &silent);
            shown.before = Some(modes);
        }
        Self
    }

    /// Draws, unless the terminal has been given back already: who ends the program at once does so on a thread of its own, and each
    /// drawing hides the cursor.
    pub fn draw<T>(&self, draw: impl FnOnce() -> T) -> Option<T> {
        let shown = SHOWN.lock_unpoisoned();
        shown.screen.then(draw)
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        end();
    }
}

/// Gives the terminal back as it was, and forgets what was typed: for who ends the program without goodbyes, since then nothing is dropped.
pub fn end() {
    let mut shown = SHOWN.lock_unpoisoned();
    if let Some(modes) = shown.before.take() {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
    }
    if std::mem::take(&mut shown.screen) {
        // Who draws a screen hides the cursor.
        let _ = stderr().write_all(b"\x1b[?25h");
    }
}
