//! How a run goes, on standard error: a line that changes on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::record::Progress;
use crate::report::text::count;

/// Seconds between two plain lines.
const EVERY: f64 = 10.0;

pub(super) struct Live {
    bar: Option<ProgressBar>,
    last_phase: String,
    last_line: f64,
}

impl Live {
    pub(super) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        // Without a terminal the first line comes with the first phase.
        Self { bar, last_phase: String::new(), last_line: if quiet { f64::INFINITY } else { f64::NEG_INFINITY } }
    }

    /// Shows one second.
    pub(super) fn show(&mut self, progress: &Progress, asked: u64, sent_per_second: u64, delivered_per_second: u64) {
        let failed = if progress.failed > 0 { format!(", {} failed", count(progress.failed)) } else { String::new() };
        let wrong = if progress.wrong > 0 { format!("   {} WRONG", count(progress.wrong)) } else { String::new() };
        let users = format!("users {}/{}", count(progress.open), count(asked));
        let visits = format!("visits {}", count(progress.visiting));
        let users = match (asked, progress.visiting) {
            (0, _) => visits,
            (_, 0) => users,
            _ => format!("{users}   {visits}"),
        };
        let text = format!(
            "{:>4.0} s  {:<12} {users}{failed}   sent {} ({}/s)   delivered {} ({}/s){wrong}",
            progress.second,
            progress.phase,
            count(progress.sent),
            count(sent_per_second),
            count(progress.delivered),
            count(delivered_per_second),
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.last_line == f64::INFINITY => {}
            None if progress.phase != self.last_phase || progress.second - self.last_line >= EVERY => {
                self.last_phase.clone_from(&progress.phase);
                self.last_line = progress.second;
                #[expect(clippy::print_stderr, reason = "progress goes to standard error")]
                {
                    eprintln!("{text}");
                }
            }
            None => {}
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
