//! A line every ten seconds, and one for each phase: for files, and for terminals that are not really there.

use super::Frame;
use crate::aside::aside;
use crate::record::Progress;
use crate::vocab::text::{count, time};

/// Seconds between two lines.
const EVERY: f64 = 10.0;

pub(super) struct Lines {
    last_phase: String,
    last_line: f64,
}

impl Lines {
    pub(super) fn new() -> Self {
        // The first line comes with the first phase.
        Self { last_phase: String::new(), last_line: f64::NEG_INFINITY }
    }

    pub(super) fn show(&mut self, frame: &Frame, progress: &Progress, before: &Progress) {
        if progress.phase == self.last_phase && progress.second - self.last_line < EVERY {
            return;
        }
        self.last_phase.clone_from(&progress.phase);
        self.last_line = progress.second;
        aside(&line(frame.asked, progress, before));
    }
}

/// A second in one line; `asked` users are to be there.
pub fn line(asked: u64, progress: &Progress, before: &Progress) -> String {
    let mut parts = vec![format!("{:>4.0} s  {:<12}", progress.second, progress.phase)];
    if asked > 0 {
        parts.push(format!("users {}/{}", count(progress.connected), count(asked)));
    }
    if progress.failed > 0 {
        parts.push(format!("{} failed", count(progress.failed)));
    }
    if progress.iterating > 0 || asked == 0 {
        parts.push(format!("iterations {}", count(progress.iterating)));
    }
    if progress.sent > 0 {
        let each = |now: u64, before: u64| count(now.saturating_sub(before));
        parts.push(format!("sent {} ({}/s)", count(progress.sent), each(progress.sent, before.sent)));
        let delivered = each(progress.delivered, before.delivered);
        parts.push(format!("delivered {} ({delivered}/s)", count(progress.delivered)));
    }
    if let Some((name, summary)) = progress.latency.first() {
        parts.push(format!("{name} p99 {}", time(summary.p99 as f64)));
    }
    if progress.wrong > 0 {
        parts.push(format!("{} WRONG", count(progress.wrong)));
    }
    parts.join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Summary;

    #[test]
    fn a_line_says_what_there_is_to_say() {
        let before = Progress { sent: 1_000, delivered: 9_000, ..Progress::default() };
        let latency = [("tell.delivery".to_owned(), Summary { p99: 2_340_000, ..Summary::default() })];
        let progress = Progress {
            second: 12.0,
            phase: "steady".to_owned(),
            connected: 39,
            failed: 1,
            sent: 1_500,
            delivered: 13_500,
            wrong: 2,
            latency: latency.into_iter().collect(),
            ..Progress::default()
        };
        assert_eq!(
            line(40, &progress, &before),
            "  12 s  steady         users 39/40   1 failed   sent 1,500 (500/s)   delivered 13,500 (4,500/s)   \
             tell.delivery p99 2.34 ms   2 WRONG"
        );
        let visitors = Progress { phase: "p".to_owned(), iterating: 7, ..Progress::default() };
        assert_eq!(line(0, &visitors, &Progress::default()), "   0 s  p              iterations 7");
    }
}
