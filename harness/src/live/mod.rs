//! A run while it goes on: a screen or lines for whoever watches (`screen`, `lines`), and the same figures for Prometheus
//! (`prometheus`) and for an OpenTelemetry collector (`otlp`).

mod lines;
mod otlp;
mod otlp_http;
mod prometheus;
mod screen;

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use self::lines::Lines;
use self::otlp::Collector;
use self::screen::Screen;
use crate::log;
use crate::record::Progress;
use crate::report::figures::{Figure, Of, figures, quantiles};
use crate::vocab::lock::LockExt;

pub use self::lines::line;

/// To whom a run is shown.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    pub quiet: bool,
    /// Where Prometheus may ask.
    pub metrics: Option<SocketAddr>,
    /// Where an OpenTelemetry collector listens, such as `http://127.0.0.1:4318`.
    pub otlp: Option<String>,
}

impl Audience {
    /// Whether everybody can be told; the error says who cannot, ahead of anything being sent.
    pub fn check(&self) -> Result<(), String> {
        if let Some(address) = self.metrics {
            let tried = std::net::TcpListener::bind(address);
            tried.map_err(|error| format!("cannot serve --metrics at {address}: {error}; nothing was sent"))?;
        }
        match &self.otlp {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                Err(format!("expected --otlp http://HOST:4318 or https://, found `{url}`; nothing was sent"))
            }
            _ => Ok(()),
        }
    }
}

/// What does not change during a run.
#[derive(Clone, Debug)]
pub struct Frame {
    pub scenario: String,
    pub asked: u64,
    /// Name and end of each phase, in seconds.
    pub phases: Vec<(String, f64)>,
}

/// The figures as they were last.
type Latest = Arc<Mutex<Figures>>;

/// The figures of a second.
#[derive(Debug, Default)]
struct Figures {
    /// Of the run, and of each worker where several processes run it.
    all: Vec<Figure>,
    /// Quantiles of that second, for those to whom no histogram can be told.
    quantiles: Vec<Figure>,
}

/// Shows a run; dropping it ends that.
pub struct Live {
    shown: Shown,
    latest: Latest,
    frame: Frame,
    before: Option<Progress>,
    prometheus: Option<tokio::task::JoinHandle<()>>,
    otlp: Option<Collector>,
}

enum Shown {
    Nothing,
    Lines(Lines),
    Screen(Box<Screen>),
}

impl Live {
    /// Opens everything that is wanted; the error says what cannot be.
    pub async fn new(audience: &Audience, frame: Frame) -> Result<Self, String> {
        let latest = Latest::default();
        let prometheus = match audience.metrics {
            Some(address) => Some(prometheus::serve(address, latest.clone()).await?),
            None => None,
        };
        let otlp = match &audience.otlp {
            Some(url) => Some(Collector::new(url, &frame.scenario, &latest)?),
            None => None,
        };
        let shown = if audience.quiet { Shown::Nothing } else { watched(&frame) };
        Ok(Self { shown, latest, frame, before: None, prometheus, otlp })
    }

    /// Shows one second.
    pub fn show(&mut self, progress: &Progress) {
        self.show_all(progress, &[]);
    }

    /// Shows one second of several workers together, and of each by its number.
    pub fn show_all(&mut self, progress: &Progress, workers: &[(u32, Progress)]) {
        let run = Of { scenario: &self.frame.scenario, worker: None, asked: Some(self.frame.asked) };
        let each = workers
            .iter()
            .flat_map(|(number, progress)| figures(Of { worker: Some(*number), asked: None, ..run }, progress));
        let all = figures(run, progress).into_iter().chain(each).collect();
        *self.latest.lock_unpoisoned() = Figures { all, quantiles: quantiles(run, progress) };
        let before = self.before.replace(progress.clone()).unwrap_or_default();
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Lines(lines) => lines.show(&self.frame, progress, &before),
            Shown::Screen(screen) => {
                // A terminal that went away takes the screen with it, not the run.
                if screen.show(&self.frame, progress, &before).is_err() {
                    self.shown = Shown::Lines(Lines::new());
                }
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(server) = self.prometheus.take() {
            server.abort();
        }
        if let Some(collector) = self.otlp.take() {
            collector.end();
        }
    }
}

/// Whether a terminal of this kind can be drawn on; a `dumb` one would show what moves its cursor.
fn can_move(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// A screen for somebody who watches, lines for a file.
fn watched(frame: &Frame) -> Shown {
    // Lines of the log would tear a screen.
    let terminal = !log::is_on()
        && can_move(std::env::var_os("TERM").as_deref())
        && io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && io::stderr().is_terminal();
    let screen = terminal.then(|| Screen::new(frame)).and_then(Result::ok);
    screen.map_or_else(|| Shown::Lines(Lines::new()), |screen| Shown::Screen(Box::new(screen)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_lines() {
        assert!(can_move(Some(OsStr::new("xterm-256color"))) && can_move(Some(OsStr::new("linux"))));
        assert!(!can_move(Some(OsStr::new("dumb"))) && !can_move(Some(OsStr::new(""))) && !can_move(None));
    }
}
