//! A run that somebody watches on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::{Place, scenario};

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_mins(1);

/// A terminal of its own, with a run in its foreground.
struct Terminal {
    child: Child,
    /// The end at which somebody types and reads.
    keys: File,
    /// The end that the run has.
    line: File,
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Terminal {
    fn run(command: &Command, columns: NonZero<u16>) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let line = File::from(open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
        let end = || Stdio::from(line.try_clone().unwrap());
        let mut leading = Command::new("setsid");
        leading.arg("--ctty").arg(command.get_program()).args(command.get_args());
        leading.current_dir(command.get_current_dir().unwrap()).env("TERM", "xterm-256color");
        leading.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let shown = Arc::new((Mutex::new(vt100::Parser::new(ROWS, columns, 0)), Condvar::new()));
        tcsetwinsize(&line, size(columns)).unwrap();
        let child = leading.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let terminal = Self { child, keys: File::from(keys), line, shown };
        terminal.show();
        terminal
    }

    /// Shows what comes, and says where the cursor is when it is asked.
    fn show(&self) {
        let (mut from, mut answers) = (self.keys.try_clone().unwrap(), self.keys.try_clone().unwrap());
        let shown = self.shown.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // The end that the run has is kept open here, too: this ends with the test.
            while let Ok(length @ 1..) = from.read(&mut part) {
                let mut parser = shown.0.lock().unwrap();
                parser.process(&part[..length]);
                if part[..length].windows(4).any(|four| four == b"\x1b[6n") {
                    let (row, column) = parser.screen().cursor_position();
                    let _ = write!(answers, "\x1b[{};{}R", row + 1, column + 1);
                }
                drop(parser);
                shown.1.notify_all();
            }
        });
    }

    /// Waits until the screen is as it should be, and returns its text.
    fn wait_until(&self, fits: impl Fn(&vt100::Screen) -> bool) -> String {
        let (shown, changed) = &*self.shown;
        let misses = |parser: &mut vt100::Parser| !fits(parser.screen());
        let (parser, waited) = changed.wait_timeout_while(shown.lock().unwrap(), LIMIT, misses).unwrap();
        let contents = parser.screen().contents();
        assert!(!waited.timed_out(), "it never came to what is waited for:\n{contents}");
        contents
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait_until(|screen| screen.contents().contains(text))
    }

    fn resize(&self, columns: NonZero<u16>) {
        self.shown.0.lock().unwrap().screen_mut().set_size(ROWS, columns);
        tcsetwinsize(&self.keys, size(columns)).unwrap();
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        // It may be gone.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    fn shows_what_is_typed(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Once the run is over: what is typed is shown again, and so is the cursor.
    fn is_given_back(&self) {
        assert!(self.shows_what_is_typed());
        self.wait_until(|screen| !screen.hide_cursor());
    }
}

/// So many rows have room for the screen.
const ROWS: NonZero<u16> = NonZero::new(40).unwrap();

fn size(columns: NonZero<u16>) -> Winsize {
    Winsize { ws_row: ROWS.get(), ws_col: columns.get(), ws_xpixel: 0, ws_ypixel: 0 }
}

fn columns(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn small(place: &Place) -> Command {
    place.command(&["run", &scenario("small.toml"), "--out", "out", "--set", "steady=60s"])
}

#[test]
fn a_screen_follows_its_terminal_and_hides_what_is_typed() {
    let place = Place::new();
    let mut terminal = Terminal::run(&small(&place), columns(120));
    terminal.wait_for("nothing: no delivery lost, doubled");
    assert!(!terminal.shows_what_is_typed());
    terminal.types("wxyz");
    terminal.resize(columns(60));
    let contents = terminal.wait_for("no delivery so far");
    assert!(contents.contains("40 connected of 40"), "{contents}");
    terminal.resize(columns(200));
    let contents = terminal.wait_for("nothing: no delivery lost, doubled");
    assert!(!contents.contains("wxyz"), "{contents}");
    terminal.types("\x03");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
    let contents = terminal.wait_for("INTERRUPTED");
    assert!(!contents.contains("wxyz"), "{contents}");
    terminal.is_given_back();
}

/// Somebody who does not want to wait for goodbyes gets the terminal back as it was.
#[test]
fn an_end_at_once_leaves_a_terminal_that_can_be_used() {
    let place = Place::new();
    let mut terminal = Terminal::run(&small(&place), columns(100));
    terminal.wait_for("nothing: no delivery lost, doubled");
    // Two signals of one kind may be taken for one.
    terminal.types("\x03");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
    terminal.is_given_back();
}
