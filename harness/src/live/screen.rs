//! A few lines of a terminal that follow the run: where it is, who is there, how much goes through, how fast, what is
//! wrong, and whether sio-bench itself keeps up. Above it the terminal stays as it is.

use std::io::{self, Stderr, stderr};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Sparkline};
use ratatui::{Frame as Canvas, Terminal, TerminalOptions, Viewport};

use super::Frame;
use crate::hush::Hush;
use crate::record::{Cost, Progress, Summary};
use crate::vocab::text::{bytes, count, time};

/// Lines that it takes.
const HEIGHT: u16 = 10;
/// Columns of the names on the left.
const NAMES: u16 = 10;
/// With fewer columns the curve of latencies is left out, and
const FOR_BOTH: u16 = 94;
/// what went wrong is said in short.
const FOR_WORDS: u16 = 82;
/// Seconds that are remembered for the curves.
const REMEMBERED: usize = 240;

pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    history: History,
    hush: Hush,
}

/// What the curves show, oldest first.
#[derive(Default)]
struct History {
    delivered: Vec<u64>,
    slowest: Vec<u64>,
}

impl History {
    fn add(&mut self, progress: &Progress, before: &Progress) {
        let slowest = progress.latency.values().map(|summary| summary.p99).max().unwrap_or(0);
        for (list, value) in
            [(&mut self.delivered, progress.delivered.saturating_sub(before.delivered)), (&mut self.slowest, slowest)]
        {
            list.push(value);
            if list.len() > REMEMBERED {
                list.remove(0);
            }
        }
    }
}

impl Screen {
    pub(super) fn new(_frame: &Frame) -> io::Result<Self> {
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        let terminal = Terminal::with_options(CrosstermBackend::new(stderr()), options)?;
        Ok(Self { terminal, history: History::default(), hush: Hush::begin() })
    }

    pub(super) fn show(&mut self, frame: &Frame, progress: &Progress, before: &Progress) -> io::Result<()> {
        self.history.add(progress, before);
        let Self { terminal, history, hush } = self;
        let shown = hush
            .draw(|| terminal.draw(|canvas| draw(canvas, canvas.area(), frame, progress, before, history)).map(drop));
        shown.unwrap_or(Ok(()))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let Self { terminal, hush, .. } = self;
        // What was shown makes room for the report.
        hush.draw(|| {
            let _ = terminal.clear();
            let _ = terminal.show_cursor();
        });
    }
}

fn draw(canvas: &mut Canvas<'_>, area: Rect, frame: &Frame, now: &Progress, before: &Progress, history: &History) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [whole, users, rate, rates, latencies, wrong, generator, cost] = rows.areas(area);
    progress_bar(canvas, whole, frame, now);
    canvas.render_widget(Paragraph::new(named("users", users_text(frame, now))), users);
    let each = |now: u64, before: u64| count(now.saturating_sub(before));
    let text =
        format!("{} sent/s   {} delivered/s", each(now.sent, before.sent), each(now.delivered, before.delivered));
    canvas.render_widget(Paragraph::new(named("rate", text)), rate);
    curve(canvas, rates, "", &history.delivered);
    // Figures first: a curve has what they leave.
    let beside = if area.width < FOR_BOTH { 0 } else { 30 };
    let parts = [Constraint::Percentage(100 - beside), Constraint::Percentage(beside)];
    let [table, trend] = Layout::horizontal(parts).areas(latencies);
    let lines = now.latency.iter().map(|(name, summary)| latency_line(name, summary, table.width));
    let lines: Vec<_> = lines.collect();
    canvas.render_widget(Paragraph::new(lines), table);
    let width = usize::from(trend.width);
    canvas.render_widget(Sparkline::default().data(last(&history.slowest, width)), trend);
    canvas.render_widget(Paragraph::new(wrong_line(now, area.width)), wrong);
    canvas.render_widget(Paragraph::new(named("generator", generator_text(now))), generator);
    canvas.render_widget(Paragraph::new(named("cost", cost_text(now, before))), cost);
}

fn progress_bar(canvas: &mut Canvas<'_>, area: Rect, frame: &Frame, now: &Progress) {
    let end = frame.phases.last().map_or(0.0, |(_, end)| *end);
    let share = if end > 0.0 { (now.second / end).clamp(0.0, 1.0) } else { 0.0 };
    let place =
        if now.second < 0.0 { "connecting".to_owned() } else { format!("{:.0} s of {end:.0} s", now.second.min(end)) };
    let label = format!("{}   {}   {place} ", frame.scenario, now.phase);
    let gauge = LineGauge::default().label(label).ratio(share).filled_style(Style::new().add_modifier(Modifier::BOLD));
    canvas.render_widget(gauge, area);
}

/// A name in the left column, and what it says.
fn named(name: &'static str, text: String) -> Line<'static> {
    Line::from(vec![Span::from(format!("{name:<width$}", width = usize::from(NAMES))).dim(), Span::from(text)])
}

fn users_text(frame: &Frame, now: &Progress) -> String {
    let mut parts = Vec::new();
    if frame.asked > 0 {
        parts.push(format!("{} connected of {}", count(now.connected), count(frame.asked)));
    }
    if now.failed > 0 {
        parts.push(format!("{} failed", count(now.failed)));
    }
    if now.iterating > 0 || frame.asked == 0 {
        parts.push(format!("{} iterations under way", count(now.iterating)));
    }
    parts.join("   ")
}

fn latency_line(name: &str, summary: &Summary, width: u16) -> Line<'static> {
    let values = [("p50", summary.p50), ("p99", summary.p99), ("max", summary.max)];
    let text: Vec<_> = values.iter().map(|(name, value)| format!("{name} {:>8}", time(*value as f64))).collect();
    let text = text.join("  ");
    let room = usize::from(width).saturating_sub(text.len()).clamp(8, 25);
    let name: String = name.chars().take(room - 1).collect();
    Line::from(format!("{name:<room$}{text}"))
}

fn wrong_line(now: &Progress, width: u16) -> Line<'static> {
    let text = match now.wrong {
        0 if width < FOR_WORDS => "no delivery so far".to_owned(),
        wrong if width < FOR_WORDS => format!("{} DELIVERIES", count(wrong)),
        0 => "nothing: no delivery lost, doubled, misdelivered or out of order so far".to_owned(),
        wrong => format!("{} DELIVERIES LOST, DOUBLED, MISDELIVERED OR OUT OF ORDER", count(wrong)),
    };
    let line = named("wrong", text);
    if now.wrong > 0 { line.bold().red() } else { line }
}

fn generator_text(now: &Progress) -> String {
    let value = |summary: &Summary| if summary.count > 0 { time(summary.p99 as f64) } else { "-".to_owned() };
    format!("late p99 {}   read p99 {}", value(&now.late), value(&now.read))
}

fn cost_text(now: &Progress, before: &Progress) -> String {
    let seconds = now.second - before.second;
    let side = |now: &Cost, before: &Cost| {
        let share =
            now.cpu.zip(before.cpu).filter(|_| seconds > 0.0).map(|(now, before)| (now - before) / seconds * 100.0);
        let share = share.map_or_else(|| "-".to_owned(), |share| format!("{share:.0} % of a core"));
        format!("{share}, {}", now.memory.map_or_else(|| "-".to_owned(), |memory| bytes(memory as f64)))
    };
    format!("target {}   sio-bench {}", side(&now.target, &before.target), side(&now.own, &before.own))
}

fn curve(canvas: &mut Canvas<'_>, area: Rect, name: &'static str, values: &[u64]) {
    let [left, right] = Layout::horizontal([Constraint::Length(NAMES), Constraint::Min(1)]).areas(area);
    canvas.render_widget(Paragraph::new(name), left);
    canvas.render_widget(Sparkline::default().data(last(values, usize::from(right.width))), right);
}

/// As many of the last values as there is room for.
fn last(values: &[u64], room: usize) -> &[u64] {
    &values[values.len().saturating_sub(room)..]
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(width: u16, now: &Progress, before: &Progress) -> String {
        let frame = Frame { scenario: "fanout".to_owned(), asked: 500, phases: vec![("steady".to_owned(), 30.0)] };
        let mut history = History::default();
        (0..40).for_each(|n| history.add(&Progress { delivered: n * n, ..Progress::default() }, &Progress::default()));
        let mut terminal = Terminal::new(TestBackend::new(width, HEIGHT)).unwrap();
        terminal.draw(|canvas| draw(canvas, canvas.area(), &frame, now, before, &history)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_second_on_the_screen() {
        let summary = Summary { count: 9, p50: 420_000, p99: 2_340_000, max: 12_300_000, ..Summary::default() };
        let before = Progress { second: 11.0, sent: 1_000, delivered: 9_000, ..Progress::default() };
        let now = Progress {
            second: 12.0,
            phase: "steady".to_owned(),
            connected: 499,
            failed: 1,
            iterating: 3,
            sent: 1_300,
            delivered: 12_000,
            latency: [("tell.delivery".to_owned(), summary), ("tell.first".to_owned(), summary)].into_iter().collect(),
            late: summary,
            target: Cost { cpu: Some(3.0), memory: Some(52_000_000) },
            ..Progress::default()
        };
        insta::assert_snapshot!("screen", drawn(100, &now, &before));
        let wrong = Progress { wrong: 7, ..now.clone() };
        assert!(drawn(100, &wrong, &before).contains("7 DELIVERIES LOST"));
        // What counts is whole at 60, 80 and 200 columns.
        for width in [60, 80, 200] {
            let text = drawn(width, &now, &before);
            for part in [
                "p99  2.34 ms  max  12.3 ms",
                "tell.delivery",
                "300 sent/s   3,000 delivered/s",
                "read p99 -",
                "so far",
            ] {
                assert!(text.contains(part), "{part} at {width}:\n{text}");
            }
            assert!(drawn(width, &wrong, &before).contains("7 DELIVERIES"));
        }
        // Whatever the terminal's size is, nothing panics.
        for width in [1, 7, 20, 300] {
            drawn(width, &now, &before);
        }
    }
}
