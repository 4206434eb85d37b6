//! What was around a violation as lanes, one for each client: whether it was in the target, what it did from request to answer,
//! and what reached it. What is wrong stands out by its form as well as by its colour.

use std::fmt::Write as _;

use super::page::escape;
use crate::record::{Lane, LaneAct};

const WIDTH: f64 = 1_040.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 20.0;
const ROW: f64 = 46.0;
const TOP: f64 = 30.0;
/// More cannot be told apart; those nearest to what is wrong are shown.
const MOST_ACTS: usize = 400;
/// Width of a letter, about.
const LETTER: f64 = 6.2;

/// The picture; nothing when there is nothing to show.
pub(super) fn render(title: &str, lanes: &[Lane]) -> String {
    let Some(span) = Span::of(lanes) else { return String::new() };
    let height = TOP + ROW * lanes.len() as f64 + 24.0;
    let says = format!(
        "{}; {} to {}. A bar is a message from its sending to the answer that shows it took effect, a mark one that arrived; \
         the band behind a lane says whether the client had to get it, could, or had to go without",
        title,
        seconds(span.from),
        seconds(span.to)
    );
    let mut out =
        format!("<figure><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(&says));
    for (number, lane) in lanes.iter().enumerate() {
        span.lane(lane, TOP + ROW * number as f64, &mut out);
    }
    for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let at = span.from + (span.to - span.from) * share;
        let (x, y, label) = (span.x(at), height - 8.0, seconds(at));
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>");
    }
    let _ = write!(
        out,
        "<text x=\"{LEFT}\" y=\"16\">band: MUST get it</text><rect class=\"must\" x=\"{}\" y=\"6\" width=\"26\" height=\"12\"/>\
         <text x=\"{}\" y=\"16\">MAY</text><rect class=\"may\" x=\"{}\" y=\"6\" width=\"26\" height=\"12\"/>\
         <text x=\"{}\" y=\"16\">MUST NOT</text><rect class=\"mustnot\" x=\"{}\" y=\"6\" width=\"26\" height=\"12\"/>",
        LEFT + 106.0,
        LEFT + 150.0,
        LEFT + 182.0,
        LEFT + 226.0,
        LEFT + 290.0
    );
    let _ = writeln!(out, "</svg><figcaption>{}</figcaption></figure>", escape(&says));
    out
}

fn seconds(value: f64) -> String {
    format!("{value:.6} s")
}

/// The part of time that is shown.
struct Span {
    from: f64,
    to: f64,
}

impl Span {
    /// From a little before the first act to a little behind the last.
    fn of(lanes: &[Lane]) -> Option<Self> {
        let acts = || lanes.iter().flat_map(|lane| &lane.acts);
        let from = acts().map(|act| act.from).reduce(f64::min)?;
        let to = acts().map(|act| act.to.unwrap_or(act.from)).fold(from, f64::max);
        let room = ((to - from) * 0.06).max(1e-6);
        Some(Self { from: from - room, to: to + room })
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + ((at - self.from) / (self.to - self.from)).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn lane(&self, lane: &Lane, y: f64, out: &mut String) {
        let _ = write!(out, "<text class=\"label\" x=\"6\" y=\"{:.1}\">{}</text>", y + 25.0, escape(&lane.name));
        for (number, stay) in lane.stays.iter().enumerate() {
            let until = lane.stays.get(number + 1).map_or(self.to, |next| next.from);
            let (from, to) = (self.x(stay.from), self.x(until));
            let (class, word) = match stay.inside {
                Some(true) => ("must", "MUST get it"),
                Some(false) => ("mustnot", "MUST NOT get it"),
                None => ("may", "MAY get it"),
            };
            if to > from {
                let _ = write!(
                    out,
                    "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\"><title>{word}</title></rect>",
                    y + 2.0,
                    to - from,
                    ROW - 6.0
                );
            }
        }
        let line = y + ROW - 4.0;
        let _ =
            write!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{line}\" y2=\"{line}\"/>", WIDTH - RIGHT);
        // Names that would lie over one another are left to the tooltip.
        let mut free = [f64::NEG_INFINITY; 2];
        for act in lane.acts.iter().take(MOST_ACTS) {
            self.act(act, y, &mut free, out);
        }
    }

    fn act(&self, act: &LaneAct, y: f64, free: &mut [f64; 2], out: &mut String) {
        let class = if act.wrong { "act wrong" } else { "act" };
        let (from, to) = (self.x(act.from), self.x(act.to.unwrap_or(self.to)));
        let way = if act.arrived { "arrived" } else { "sent" };
        let answered = match act.to {
            Some(to) if !act.arrived => format!(", answered at {}", seconds(to)),
            None => ", never answered".to_owned(),
            Some(_) => String::new(),
        };
        let title = escape(&format!("{} {way} at {}{answered}", act.says, seconds(act.from)));
        let row = usize::from(act.arrived);
        let middle = y + if act.arrived { 30.0 } else { 12.0 };
        let (top, bottom) = (middle - 6.0, middle + 6.0);
        if act.arrived {
            // A wedge that points at its moment.
            let (left, right) = (from - 5.0, from + 5.0);
            let _ = write!(
                out,
                "<polygon class=\"{class}\" points=\"{left:.1},{top:.1} {right:.1},{top:.1} {from:.1},{bottom:.1}\"><title>{title}</title></polygon>"
            );
        } else {
            let width = (to - from).max(2.0);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"><title>{title}</title></rect>"
            );
        }
        let label = if act.wrong { format!("✘ {}", act.says) } else { act.says.clone() };
        let end = from + 8.0 + LETTER * label.chars().count() as f64;
        if act.wrong || free[row] < from {
            let anchor = if end > WIDTH { ("end", from - 8.0) } else { ("start", from + 8.0) };
            let _ = write!(
                out,
                "<text class=\"say\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\">{}</text>",
                anchor.1,
                middle + 4.0,
                anchor.0,
                escape(&label)
            );
            free[row] = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LaneStay;

    #[test]
    fn lanes_show_who_had_to_get_what_and_escape_names() {
        let act = |from: f64, to: Option<f64>, arrived, wrong| LaneAct {
            from,
            to,
            says: "message 7".to_owned(),
            arrived,
            wrong,
        };
        let lanes = [
            Lane {
                name: "user <1>".to_owned(),
                stays: vec![
                    LaneStay { from: 0.0, inside: Some(false) },
                    LaneStay { from: 1.0, inside: None },
                    LaneStay { from: 1.5, inside: Some(true) },
                ],
                acts: vec![act(2.0, Some(2.0), true, true)],
            },
            Lane {
                name: "user 2".to_owned(),
                stays: Vec::new(),
                acts: vec![act(0.5, Some(1.2), false, true), act(1.9, None, false, false)],
            },
        ];
        let svg = render("user 1 got it again", &lanes);
        for part in
            ["user &lt;1&gt;", "class=\"must\"", "class=\"may\"", "class=\"mustnot\"", "✘ message 7", "never answered"]
        {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("<1>"), "{svg}");
        assert_eq!(render("x", &[]), "");
    }
}
