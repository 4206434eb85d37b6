//! Plots as SVG: lines over an axis that is linear or logarithmic, and heat maps. Each has a text for those who do not see it,
//! and lines differ by their dashes and labels, not by colour alone.

use std::fmt::Write as _;

use super::page::escape;
use crate::vocab::text;

const WIDTH: f64 = 1_040.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 164.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;
/// More marks lie over one another.
const MOMENTS: usize = 400;
/// Lines that can be told apart.
pub(super) const STYLES: usize = 10;
/// Columns of a heat map; a longer run has wider ones.
const COLUMNS: usize = 300;

/// What the values of an axis are, and so how they are written; the script of the page knows the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds.
    Time,
    /// Seconds of the run.
    Second,
    Count,
    Bytes,
    Cores,
    /// One in so many: 1,000 is p99.9.
    OneIn,
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Second => "second",
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Cores => "cores",
            Self::OneIn => "one-in",
        }
    }

    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Time if value <= 0.0 => "0".to_owned(),
            Self::Time => text::time(value),
            Self::Second if value.abs() < 1e4 => format!("{value:.0} s"),
            Self::Second => format!("{} s", text::count(value as u64)),
            Self::Count => text::count(value as u64),
            Self::Bytes => text::bytes(value),
            Self::Cores => format!("{value:.1}"),
            Self::OneIn => percentile(value),
        }
    }
}

/// `p99.9` for 1,000.
fn percentile(one_in: f64) -> String {
    if one_in <= 1.0 {
        return "p0".to_owned();
    }
    let nines = one_in.log10().round() as usize;
    match nines {
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        nines => format!("p99.{}", "9".repeat(nines - 2)),
    }
}

/// An axis: what it spans, and what its values are.
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) log: bool,
    pub(super) unit: Unit,
}

impl Axis {
    /// Linear from zero to a little more than `most`.
    pub(super) fn up_to(most: f64, unit: Unit) -> Self {
        let to = if most > 0.0 { most * 1.05 } else { 1.0 };
        Self { from: 0.0, to, log: false, unit }
    }

    /// Logarithmic, over whole decades.
    pub(super) fn decades(least: f64, most: f64, unit: Unit) -> Self {
        let least = least.max(1e-12);
        let from = 10f64.powf(least.log10().floor());
        let to = 10f64.powf(most.max(least * 1.01).log10().ceil());
        Self { from, to, log: true, unit }
    }

    /// For the script: it begins, ends, is logarithmic, and has values of this kind.
    fn data(&self) -> String {
        format!("{} {} {} {}", self.from, self.to, u8::from(self.log), self.unit.word())
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let decades = (self.to / self.from).log10().round() as i32;
            return (0..=decades).map(|power| self.from * 10f64.powi(power)).collect();
        }
        let rough = (self.to - self.from) / 5.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// A line.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// One point with a meaning.
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) shape: Shape,
    pub(super) says: String,
}

/// What a point looks like, so that colour alone never tells.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Well.
    Disc,
    /// Not well.
    Cross,
    /// Not known.
    Ring,
}

impl Shape {
    fn word(self) -> &'static str {
        match self {
            Self::Disc => "disc",
            Self::Cross => "cross",
            Self::Ring => "ring",
        }
    }
}

/// A stretch of the horizontal axis with a name: a phase.
pub(super) struct Stretch {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) measured: bool,
}

/// A moment on the horizontal axis at which something happened, or a time for which it lasted.
pub(super) struct Moment {
    pub(super) at: f64,
    /// Not, if it was over at once.
    pub(super) to: Option<f64>,
    pub(super) says: String,
}

/// A picture: what it is called, and what it says in words.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) says: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) stretches: &'a [Stretch],
    pub(super) moments: &'a [Moment],
    pub(super) height: f64,
}

impl Plot<'_> {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.place(value) * (self.height - TOP - BOTTOM)
    }

    /// Lines over the axes.
    pub(super) fn lines(&self, series: &[Series]) -> String {
        self.lines_and_dots(series, &[])
    }

    /// Lines over the axes, and dots that differ by their shapes.
    pub(super) fn lines_and_dots(&self, series: &[Series], dots: &[Dot]) -> String {
        let mut inside: String = dots.iter().map(|dot| self.dot(dot)).collect();
        let mut labels: Vec<(f64, usize)> = Vec::new();
        for (index, one) in series.iter().enumerate() {
            let points: Vec<_> =
                one.points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y))).collect();
            let _ = write!(
                inside,
                "<polyline class=\"line s{}\" points=\"{}\"><title>{}</title></polyline>",
                index % STYLES,
                points.join(" "),
                escape(&one.name)
            );
            labels.extend(one.points.last().map(|(_, y)| (self.y(*y), index)));
        }
        // Names at the ends of their lines, moved apart where they would meet.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut names = String::new();
        for (y, index) in apart(labels, TOP, self.height - BOTTOM) {
            let (x, name, style) = (WIDTH - RIGHT + 6.0, escape(&series[index].name), index % STYLES);
            // With a piece of its line: many lines have no more to be known by.
            let _ = write!(
                names,
                "<line class=\"line s{style}\" x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                x + 22.0,
                x + 26.0,
                y + 4.0
            );
        }
        self.frame(&inside, &names)
    }

    fn dot(&self, dot: &Dot) -> String {
        let (x, y) = (self.x(dot.x), self.y(dot.y));
        let shape = match dot.shape {
            Shape::Disc => format!("M {:.1} {y:.1} a 4 4 0 1 0 8 0 a 4 4 0 1 0 -8 0 Z", x - 4.0),
            Shape::Cross => {
                let (left, right, top, bottom) = (x - 4.0, x + 4.0, y - 4.0, y + 4.0);
                format!("M {left:.1} {top:.1} L {right:.1} {bottom:.1} M {left:.1} {bottom:.1} L {right:.1} {top:.1}")
            }
            Shape::Ring => format!("M {:.1} {y:.1} a 4 4 0 1 0 8 0 a 4 4 0 1 0 -8 0", x - 4.0),
        };
        format!("<path class=\"dot {}\" d=\"{shape}\"><title>{}</title></path>", dot.shape.word(), escape(&dot.says))
    }

    /// Counts by column and row: the darker, the more. `cells` are `(x, y from, y to, share of the column's largest)`.
    pub(super) fn heat(&self, cells: &[(f64, f64, f64, f64)], column: f64) -> String {
        let mut inside = String::new();
        for (x, from, to, share) in cells {
            let (left, right) = (self.x(*x), self.x(*x + column));
            let (top, bottom) = (self.y(*to), self.y(*from));
            let _ = write!(
                inside,
                "<rect class=\"heat\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{:.2}\"/>",
                (right - left).max(0.5),
                (bottom - top).max(0.5),
                0.08 + 0.92 * share.sqrt()
            );
        }
        self.frame(&inside, "")
    }

    /// Axes and stretches around `inside`, which the script can stretch; `beside` stays where it is.
    fn frame(&self, inside: &str, beside: &str) -> String {
        let (width, height) = (WIDTH - LEFT - RIGHT, self.height - TOP - BOTTOM);
        let mut out = format!(
            "<figure><svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\" data-x=\"{}\" data-y=\"{}\" \
             data-area=\"{LEFT} {TOP} {width} {height}\">",
            self.height,
            escape(&format!("{}: {}", self.title, self.says)),
            self.x.data(),
            self.y.data()
        );
        for tick in self.y.ticks() {
            let y = self.y(tick);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            );
            let label = escape(&self.y.unit.show(tick));
            let _ =
                write!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, y + 4.0);
        }
        out.push_str("<g class=\"ticks\">");
        for tick in self.x.ticks() {
            let label = escape(&self.x.unit.show(tick));
            let (x, y) = (self.x(tick), self.height - BOTTOM + 16.0);
            let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let _ = write!(
            out,
            "</g><svg class=\"area\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{LEFT} {TOP} {width} {height}\" preserveAspectRatio=\"none\">"
        );
        let mut names = String::new();
        for stretch in self.stretches {
            self.stretch(stretch, &mut out, &mut names);
        }
        let mut marks = String::new();
        for moment in self.moments.iter().take(MOMENTS) {
            let (x, says) = (self.x(moment.at), escape(&moment.says));
            let (left, right, tip) = (x - 4.0, x + 4.0, TOP + 8.0);
            if let Some(to) = moment.to {
                let (width, height) = ((self.x(to) - x).max(1.0), self.height - TOP - BOTTOM);
                let _ = write!(
                    out,
                    "<rect class=\"outage\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{says}</title></rect>"
                );
            }
            let _ = write!(
                marks,
                "<polygon class=\"moment\" points=\"{left:.1},{TOP} {right:.1},{TOP} {x:.1},{tip}\"><title>{says}</title></polygon>"
            );
        }
        let _ = writeln!(
            out,
            "{inside}{marks}</svg><g class=\"names\">{names}</g>{beside}</svg><figcaption><strong>{}.</strong> {}</figcaption></figure>",
            escape(self.title),
            escape(&self.says)
        );
        out
    }

    fn stretch(&self, stretch: &Stretch, out: &mut String, names: &mut String) {
        let (from, to) = (self.x(stretch.from), self.x(stretch.to));
        let (bottom, height) = (self.height - BOTTOM, self.height - TOP - BOTTOM);
        let width = to - from;
        if !stretch.measured {
            let _ = write!(
                out,
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
            );
        }
        let _ =
            write!(out, "<line class=\"phase\" x1=\"{from:.1}\" x2=\"{from:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>");
        // A name that has no room would lie over the next one.
        if width > 7.0 * stretch.name.chars().count() as f64 {
            let (x, y) = (from + 4.0, TOP + 10.0);
            let _ = write!(names, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(&stretch.name));
        }
    }
}

/// Moves what would lie over one another apart, and keeps it between `top` and `bottom` as far as there is room. What is
/// given is in its order from top to bottom.
fn apart(mut labels: Vec<(f64, usize)>, top: f64, bottom: f64) -> Vec<(f64, usize)> {
    const LETTER: f64 = 13.0;
    let mut above = top;
    for (y, _) in &mut labels {
        *y = y.max(above);
        above = *y + LETTER;
    }
    let mut below = bottom;
    for (y, _) in labels.iter_mut().rev() {
        *y = y.min(below);
        below = *y - LETTER;
    }
    labels
}

/// How many seconds one column of a heat map spans.
pub(super) fn column_of(seconds: f64) -> f64 {
    (seconds / COLUMNS as f64).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ticks() {
        assert_eq!(Axis::up_to(100.0, Unit::Count).ticks(), [0.0, 50.0, 100.0]);
        assert_eq!(Axis::decades(0.2, 30.0, Unit::Count).ticks().len(), 4);
        let log = Axis::decades(1.0, 100.0, Unit::Count);
        assert!((log.place(10.0) - 0.5).abs() < 1e-9);
        assert!(log.place(0.0).abs() < 1e-9, "what is less than the axis begins with is at its beginning");
    }

    #[test]
    fn labels_do_not_meet() {
        let all = apart(vec![(5.0, 0), (6.0, 1), (99.0, 2), (99.5, 3), (100.0, 4)], 10.0, 100.0);
        assert!(all.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 13.0), "{all:?}");
        assert!(all.iter().all(|(y, _)| (10.0..=100.0).contains(y)), "{all:?}");
    }

    #[test]
    fn percentiles_have_their_names() {
        assert_eq!([1.0, 10.0, 100.0, 1_000.0, 10_000.0].map(percentile), ["p0", "p90", "p99", "p99.9", "p99.99"]);
    }

    #[test]
    fn a_plot_says_what_it_shows_and_escapes_it() {
        let plot = Plot {
            title: "Latency",
            says: "p99 < 1 ms".to_owned(),
            x: Axis::up_to(10.0, Unit::Count),
            y: Axis::up_to(10.0, Unit::Count),
            stretches: &[Stretch { name: "a<b".to_owned(), from: 0.0, to: 5.0, measured: false }],
            moments: &[
                Moment { at: 3.0, to: None, says: "drop <all>".to_owned() },
                Moment { at: 5.0, to: Some(7.0), says: "the broker is killed".to_owned() },
            ],
            height: 200.0,
        };
        let svg = plot.lines(&[Series { name: "x<y".to_owned(), points: vec![(0.0, 1.0), (10.0, 9.0)] }]);
        assert!(svg.contains("aria-label=\"Latency: p99 &lt; 1 ms\""), "{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains("x&lt;y") && !svg.contains("x<y"), "{svg}");
        assert!(svg.contains("<title>drop &lt;all&gt;</title>"), "{svg}");
        assert_eq!(svg.matches("class=\"outage\"").count(), 1, "what lasts is a band: {svg}");
        assert!(svg.contains("class=\"band\""), "what is not measured is marked");
    }
}
