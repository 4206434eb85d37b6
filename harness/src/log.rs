//! What the program says of itself while it works (`--log`, `SIO_LOG`): lines on standard error, with the spans `run`, `worker`,
//! `user` and `target` around them. Off unless it is asked for, and then nothing of it is on the path of a message: users say
//! what happens to their sessions, workers how each second went.

use std::io;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::aside::aside;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Whether lines are written, so that a screen would be torn by them.
static ON: AtomicBool = AtomicBool::new(false);

/// What is to be said, by level and module.
#[derive(Clone, Debug)]
pub struct Filter(Targets);

impl Filter {
    fn is_off(&self) -> bool {
        self.0.iter().all(|(_, level)| level == LevelFilter::OFF)
    }

    /// `debug`, or `info,sio_bench::load=debug`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("expected one of {}, or by module: info,sio_bench::load=debug; found `{text}`", LEVELS.join(", "))
        };
        // A variable that is set to nothing is not set.
        let text = if text.trim().is_empty() { "off" } else { text };
        for part in text.split(',') {
            let (module, level) = part.rsplit_once('=').unwrap_or(("sio_bench", part));
            // A word that is no level is a module to the library, so that a slip of the pen would say nothing at all.
            let is_module = module == "sio_bench" || module.starts_with("sio_bench::");
            if !is_module || !LEVELS.contains(&level.to_lowercase().as_str()) {
                return Err(expected());
            }
        }
        // A bare level is for our own modules: what libraries say of themselves explains nothing here.
        let parts =
            text.split(',').map(|part| if part.contains('=') { part.to_owned() } else { format!("sio_bench={part}") });
        Targets::from_str(&parts.collect::<Vec<_>>().join(",")).map(Self).map_err(|_| expected())
    }
}

/// Says from now on what the filter lets through, if that is anything.
pub fn init(filter: Filter) {
    if filter.is_off() {
        return;
    }
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Aside);
    let subscriber = tracing_subscriber::registry().with(filter.0).with(lines);
    // Fails only where something listens already, and the program does this once.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        ON.store(true, Ordering::Relaxed);
    }
}

/// Whether lines are written to standard error.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Standard error, as everything that is said beside the results: without secrets and without what moves a cursor.
struct Aside;

impl io::Write for Aside {
    /// A line comes as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        aside(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Aside {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_is_for_all_of_ours_and_a_module_for_itself() {
        let Filter(all) = Filter::parse("debug").unwrap();
        assert!(all.would_enable("sio_bench::load::worker", &Level::DEBUG));
        assert!(!all.would_enable("sio_bench::load::worker", &Level::TRACE));
        assert!(!all.would_enable("hyper::client", &Level::ERROR));
        let Filter(some) = Filter::parse("WARN,sio_bench::target=trace").unwrap();
        assert!(some.would_enable("sio_bench::target::process", &Level::TRACE));
        assert!(!some.would_enable("sio_bench::load", &Level::INFO));
    }

    #[test]
    fn a_filter_that_lets_nothing_through_is_none() {
        for (text, is_off) in [("", true), (" ", true), ("off", true), ("sio_bench::load=off", true), ("error", false)]
        {
            assert_eq!(Filter::parse(text).unwrap().is_off(), is_off, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_is_one() {
        for text in ["loud", "debug,", "load=debug", "sio_bench::load=loud", "debug=sio_bench", "sio_benches=debug"] {
            let error = Filter::parse(text).unwrap_err();
            assert!(error.contains("expected one of off, error") && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
