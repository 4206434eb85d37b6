//! What was around a violation as lanes, one for each client: whether it was in the target, what it did from request to answer,
//! and what reached it. What is wrong stands out by its form as well as by its colour.

use std::fmt::Write as _;

use super::chart::{Axis, Unit};
use super::page::escape;
use crate::record::{Lane, LaneAct};

/// How it is laid out: for desks, and for phones.
struct Frame {
    class: &'static str,
    width: f64,
    left: f64,
}

const FRAMES: [Frame; 2] =
    [Frame { class: "wide", width: 1_040.0, left: 130.0 }, Frame { class: "narrow", width: 400.0, left: 66.0 }];
const RIGHT: f64 = 20.0;
const ROW: f64 = 46.0;
const TOP: f64 = 30.0;
/// More cannot be told apart; those nearest to what is wrong are shown.
const MOST_ACTS: usize = 400;
/// Width of a letter, about.
const LETTER: f64 = 6.6;

/// The picture; nothing when there is nothing to show.
pub(super) fn render(title: &str, lanes: &[Lane]) -> String {
    let Some((from, to)) = shown(lanes) else { return String::new() };
    let says = escape(&format!(
        "{title}; {} to {}. A bar is a message from its sending to the answer that shows it took effect, a mark one that arrived; \
         the band behind a lane says whether the client had to get it, could, or had to go without",
        seconds(from),
        seconds(to)
    ));
    let mut out = format!("<figure><div role=\"img\" aria-label=\"{says}\">");
    for frame in &FRAMES {
        Span { from, to, frame }.picture(lanes, &mut out);
    }
    let _ = writeln!(out, "</div><figcaption>{says}</figcaption></figure>");
    out
}

/// From a little before the first act to a little behind the last.
fn shown(lanes: &[Lane]) -> Option<(f64, f64)> {
    let acts = || lanes.iter().flat_map(|lane| &lane.acts);
    let from = acts().map(|act| act.from).reduce(f64::min)?;
    let to = acts().map(|act| act.to.unwrap_or(act.from)).fold(from, f64::max);
    let room = ((to - from) * 0.06).max(1e-6);
    Some((from - room, to + room))
}

fn seconds(value: f64) -> String {
    format!("{value:.6} s")
}

/// What the bands mean.
const BANDS: [(&str, &str); 3] = [("must", "MUST get it"), ("may", "MAY"), ("mustnot", "MUST NOT")];

/// The part of time that is shown.
struct Span<'a> {
    from: f64,
    to: f64,
    frame: &'a Frame,
}

impl Span<'_> {
    fn x(&self, at: f64) -> f64 {
        let room = self.frame.width - self.frame.left - RIGHT;
        self.frame.left + ((at - self.from) / (self.to - self.from)).clamp(0.0, 1.0) * room
    }

    fn picture(&self, lanes: &[Lane], out: &mut String) {
        let Frame { class, width, left } = *self.frame;
        let height = TOP + ROW * lanes.len() as f64 + 24.0;
        let _ = write!(out, "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\">");
        // What is wrong can be followed from lane to lane.
        for act in lanes.iter().flat_map(|lane| &lane.acts).filter(|act| act.wrong) {
            let (x, bottom) = (self.x(act.from), height - 24.0);
            let _ =
                write!(out, "<line class=\"wronged\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>");
        }
        for (number, lane) in lanes.iter().enumerate() {
            self.lane(lane, TOP + ROW * number as f64, out);
        }
        let axis = Axis { from: self.from * 1e9, to: self.to * 1e9, log: false, unit: Unit::Time };
        for (tick, label) in axis.labels(if width > 500.0 { 6 } else { 3 }) {
            let (x, y) = (self.x(tick / 1e9), height - 8.0);
            let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escape(&label));
        }
        let mut x = left;
        for (class, word) in BANDS {
            let text = x + 30.0;
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"6\" width=\"26\" height=\"12\"/><text x=\"{text:.1}\" y=\"16\">{word}</text>"
            );
            x = text + LETTER * 1.15 * word.chars().count() as f64 + 14.0;
        }
        out.push_str("</svg>");
    }

    fn lane(&self, lane: &Lane, y: f64, out: &mut String) {
        let room = ((self.frame.left - 8.0) / LETTER) as usize;
        let name: String = lane.name.chars().take(room).collect();
        let _ = write!(out, "<text class=\"label\" x=\"6\" y=\"{:.1}\">{}</text>", y + 25.0, escape(&name));
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
        let (line, left, right) = (y + ROW - 4.0, self.frame.left, self.frame.width - RIGHT);
        let _ = write!(out, "<line class=\"grid\" x1=\"{left}\" x2=\"{right:.1}\" y1=\"{line}\" y2=\"{line}\"/>");
        let acts = || lane.acts.iter().take(MOST_ACTS);
        acts().for_each(|act| self.act(act, y, out));
        // Names that would lie over one another are left to the tooltip; what is wrong has its name first.
        let mut taken: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
        let (wrong, others): (Vec<_>, Vec<_>) = acts().partition(|act| act.wrong);
        wrong.into_iter().chain(others).for_each(|act| self.name(act, y, &mut taken[usize::from(act.arrived)], out));
    }

    fn act(&self, act: &LaneAct, y: f64, out: &mut String) {
        let class = if act.wrong { "act wrong" } else { "act" };
        let (from, to) = (self.x(act.from), self.x(act.to.unwrap_or(self.to)));
        let way = if act.arrived { "arrived" } else { "sent" };
        let answered = match act.to {
            Some(to) if !act.arrived => format!(", answered at {}", seconds(to)),
            None => ", never answered".to_owned(),
            Some(_) => String::new(),
        };
        let title = escape(&format!("{} {way} at {}{answered}", act.says, seconds(act.from)));
        let middle = middle(act, y);
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
    }

    /// What an act is, beside it: on a bar it could not be read.
    fn name(&self, act: &LaneAct, y: f64, taken: &mut Vec<(f64, f64)>, out: &mut String) {
        let (from, to) = (self.x(act.from), self.x(act.to.unwrap_or(self.to)));
        let right = if act.arrived { from + 8.0 } else { from + (to - from).max(2.0) + 5.0 };
        let label = if act.wrong { format!("✘ {}", act.says) } else { act.says.clone() };
        let length = LETTER * label.chars().count() as f64;
        let places = [("start", right, right), ("end", from - 8.0, from - 8.0 - length)];
        // On the left stand the names of the lanes.
        let is_free = |begin: f64| {
            begin >= self.frame.left
                && begin + length <= self.frame.width
                && taken.iter().all(|(from, to)| begin > *to || begin + length < *from)
        };
        if let Some((anchor, x, begin)) = places.into_iter().find(|(_, _, begin)| is_free(*begin)) {
            let y = middle(act, y) + 4.0;
            let label = escape(&label);
            let _ =
                write!(out, "<text class=\"say\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>");
            taken.push((begin, begin + length));
        }
    }
}

/// How far down an act is drawn: what is done above, what arrives below.
fn middle(act: &LaneAct, y: f64) -> f64 {
    y + if act.arrived { 30.0 } else { 12.0 }
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

    /// Where two messages came at nearly one time at the left end, the second's words lay over the name of the lane.
    #[test]
    fn no_words_lie_over_the_name_of_a_lane() {
        let act = |from: f64| LaneAct { from, to: None, says: "message 1".to_owned(), arrived: true, wrong: false };
        let lanes = [Lane { name: "user 9".to_owned(), stays: Vec::new(), acts: [0.0, 0.01, 1.0].map(act).to_vec() }];
        let svg = render("x", &lanes);
        let begins = svg.split("<text class=\"say\" x=\"").skip(1).map(|text| {
            let x: f64 = text.split('"').next().unwrap().parse().unwrap();
            if text.contains("text-anchor=\"end\">message") { x - LETTER * 9.0 } else { x }
        });
        let begins: Vec<_> = begins.collect();
        assert!(begins.len() > 3 && begins.iter().all(|begin| *begin >= FRAMES[1].left), "{begins:?}");
    }
}
