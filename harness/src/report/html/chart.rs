//! Plots as SVG: lines over an axis that is linear or logarithmic, and heat maps. Each has a text for those who do not see it,
//! and lines differ by their dashes and labels, not by colour alone.

use std::fmt::Write as _;

use super::page::escape;
use crate::vocab::text;

const TOP: f64 = 24.0;
const BOTTOM: f64 = 30.0;
/// More marks lie over one another.
const MOMENTS: usize = 400;
/// Colours of lines, and dashes: each line has one of both, and no two of 64 have the same two.
const COLOURS: usize = 8;
/// Columns of a heat map; a longer run has wider ones.
const COLUMNS: usize = 300;
/// Width of a letter, about.
const LETTER: f64 = 6.6;
/// Shades of a heat map.
const SHADES: usize = 16;
/// Stands for the number of a picture in its page, which knows how many there are. No text that is escaped has it.
pub(super) const NUMBER: char = '\u{1}';

/// How a picture is laid out; it has one layout for desks and one for phones.
struct Frame {
    class: &'static str,
    width: f64,
    left: f64,
    right: f64,
    /// Room for so many labels below it.
    labels: usize,
}

/// The names of lines stand beside their ends.
const WIDE: Frame = Frame { class: "wide", width: 1_040.0, left: 74.0, right: 164.0, labels: 6 };
/// The names of lines stand below it.
const NARROW: Frame = Frame { class: "narrow", width: 400.0, left: 62.0, right: 14.0, labels: 4 };

impl Frame {
    fn inner(&self) -> f64 {
        self.width - self.left - self.right
    }
}

/// The classes of a line.
fn style(index: usize) -> String {
    format!("c{} d{}", index % COLOURS, (index + index / COLOURS) % COLOURS)
}

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
    /// How many there were on average: there may be half a one.
    Average,
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
            Self::Cores | Self::Average => "cores",
            Self::OneIn => "one-in",
        }
    }

    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Time if value <= 0.0 => "0".to_owned(),
            Self::Time => text::time(value),
            Self::Second if value.abs() < 1e4 => format!("{value:.0} s"),
            Self::Second => format!("{} s", text::count(value as u64)),
            Self::Count if value < 10.0 && value.fract() > 0.05 => format!("{value:.1}"),
            Self::Count => text::count(value as u64),
            Self::Bytes => text::bytes(value),
            Self::Average if value >= 100.0 => text::count(value as u64),
            Self::Cores | Self::Average => format!("{value:.1}"),
            Self::OneIn => percentile(value),
        }
    }

    /// Sizes in which values of this unit are written, the largest first.
    fn sizes(self) -> &'static [(f64, &'static str)] {
        match self {
            Self::Time => &[(1e9, " s"), (1e6, " ms"), (1e3, " us"), (1.0, " ns")],
            Self::Second => &[(1.0, " s")],
            Self::Bytes => &[(1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " B")],
            Self::Count | Self::Cores | Self::Average | Self::OneIn => &[(1.0, "")],
        }
    }

    /// The size for values up to this.
    fn size(self, most: f64) -> (f64, &'static str) {
        let sizes = self.sizes();
        sizes.iter().find(|(size, _)| most >= *size).or(sizes.last()).copied().unwrap_or((1.0, ""))
    }
}

/// A number with so many digits behind its point, and commas.
fn number(value: f64, decimals: usize) -> String {
    if decimals == 0 && value >= 1_000.0 { text::count(value.round() as u64) } else { format!("{value:.decimals$}") }
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
        // One whole thing is the least that is counted.
        let least = if unit == Unit::Count { 1.0 } else { 0.0 };
        let to = if most > 0.0 { most.max(least) * 1.05 } else { 1.0 };
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

    /// Round values, about so many.
    fn ticks(&self, about: usize) -> Vec<f64> {
        if self.log {
            return self.log_ticks();
        }
        let rough = (self.to - self.from) / about as f64;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        // There is no half of a message.
        let step = if self.unit == Unit::Count { step.max(1.0) } else { step };
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }

    /// Decades; where there are few, what is between them.
    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.to / self.from).log10().round() as i32;
        let factors: &[f64] = if decades <= 2 && self.unit != Unit::OneIn { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = (0..=decades).flat_map(|power| factors.iter().map(move |factor| (power, factor)));
        let all = all.map(|(power, factor)| self.from * factor * 10f64.powi(power));
        all.filter(|tick| *tick <= self.to * 1.001).collect()
    }

    /// Round values and what stands at them; no two have the same text.
    pub(super) fn labels(&self, about: usize) -> Vec<(f64, String)> {
        let ticks = self.ticks(about);
        let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let label = |tick: f64| {
            if self.unit == Unit::OneIn {
                return percentile(tick);
            }
            let (size, unit) = self.unit.size(if self.log { tick } else { self.to.abs() });
            let step = if self.log { tick } else { step };
            let decimals = (-(step / size * 1.000_001).log10().floor()).clamp(0.0, 6.0) as usize;
            if tick == 0.0 { format!("0{unit}") } else { format!("{}{unit}", number(tick / size, decimals)) }
        };
        let mut all: Vec<_> = ticks.into_iter().map(|tick| (tick, label(tick))).collect();
        all.dedup_by(|a, b| a.1 == b.1);
        all
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

/// What a picture shows inside of its axes, beside them, and which lines have which name.
#[derive(Default)]
struct Content<'a> {
    inside: String,
    beside: String,
    dots: &'a [Dot],
    names: Vec<&'a str>,
}

impl Plot<'_> {
    fn x(&self, frame: &Frame, value: f64) -> f64 {
        frame.left + self.x.place(value) * frame.inner()
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.place(value) * self.inner()
    }

    /// The height between the axes.
    fn inner(&self) -> f64 {
        self.height - TOP - BOTTOM
    }

    /// Lines over the axes.
    pub(super) fn lines(&self, series: &[Series]) -> String {
        self.lines_and_dots(series, &[])
    }

    /// Lines over the axes, and dots that differ by their shapes.
    pub(super) fn lines_and_dots(&self, series: &[Series], dots: &[Dot]) -> String {
        let mut inside = String::new();
        let mut labels: Vec<(f64, usize)> = Vec::new();
        for (index, one) in series.iter().enumerate() {
            let points: Vec<_> =
                one.points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(&WIDE, *x), self.y(*y))).collect();
            let _ = write!(
                inside,
                "<polyline class=\"line {}\" points=\"{}\"><title>{}</title></polyline>",
                style(index),
                points.join(" "),
                escape(&one.name)
            );
            labels.extend(one.points.last().map(|(_, y)| (self.y(*y), index)));
        }
        // Names at the ends of their lines, moved apart where they would meet.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut beside = String::new();
        for (y, index) in apart(labels, TOP, self.height - BOTTOM) {
            let (x, name) = (WIDE.width - WIDE.right + 6.0, &series[index].name);
            // With a piece of its line: many lines have no more to be known by.
            let _ = write!(
                beside,
                "<line class=\"line {}\" x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                style(index),
                x + 22.0,
                x + 26.0,
                y + 4.0,
                escape(&shortened(name))
            );
        }
        let names = series.iter().map(|one| one.name.as_str()).collect();
        self.figure(&Content { inside, beside, dots, names })
    }

    /// Counts by column and row: the darker, the more. `cells` are `(x, y from, y to, share of the column's largest)`.
    pub(super) fn heat(&self, cells: &[(f64, f64, f64, f64)], column: f64) -> String {
        let mut shades = vec![String::new(); SHADES];
        for (x, from, to, share) in cells {
            let (left, right) = (self.x(&WIDE, *x), self.x(&WIDE, *x + column));
            let (top, bottom) = (self.y(*to), self.y(*from));
            let (width, height) = ((right - left).max(0.5), (bottom - top).max(0.5));
            let shade = ((share.sqrt() * SHADES as f64).ceil() as usize).clamp(1, SHADES) - 1;
            let _ = write!(shades[shade], "M{left:.1} {top:.1}h{width:.1}v{height:.1}h-{width:.1}z");
        }
        let mut inside = String::new();
        for (number, path) in shades.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let opacity = 0.08 + 0.92 * (number + 1) as f64 / SHADES as f64;
            let _ = write!(inside, "<path class=\"heat\" fill-opacity=\"{opacity:.2}\" d=\"{path}\"/>");
        }
        self.figure(&Content { inside, ..Content::default() })
    }

    /// The picture in both layouts, and below it its text and the names of its lines.
    fn figure(&self, content: &Content<'_>) -> String {
        let says = escape(&format!("{}: {}", self.title, self.says));
        let mut out = format!("<figure><div role=\"img\" aria-label=\"{says}\">");
        self.frame(&WIDE, content, &mut out);
        self.frame(&NARROW, content, &mut out);
        out.push_str("</div>");
        if !content.names.is_empty() {
            let keys: Vec<_> = content.names.iter().enumerate().map(|(index, name)| key(index, name)).collect();
            let _ = write!(out, "<div class=\"keys\">{}</div>", keys.concat());
        }
        let _ = writeln!(
            out,
            "<figcaption><strong>{}.</strong> {}</figcaption></figure>",
            escape(self.title),
            escape(&self.says)
        );
        out
    }

    /// One layout. The narrow one shows what is inside of the axes of the wide one, squeezed.
    fn frame(&self, frame: &Frame, content: &Content<'_>, out: &mut String) {
        let is_wide = frame.class == WIDE.class;
        let (class, width, left) = (frame.class, frame.width, frame.left);
        let (inner, height) = (frame.inner(), self.inner());
        let _ = write!(out, "<svg class=\"{class}\" viewBox=\"0 0 {width} {}\"", self.height);
        if is_wide {
            let (x, y) = (self.x.data(), self.y.data());
            let _ = write!(out, " data-x=\"{x}\" data-y=\"{y}\" data-area=\"{left} {TOP} {inner} {height}\"");
        }
        out.push('>');
        self.axes(frame, out);
        let (wide, wide_left) = (WIDE.inner(), WIDE.left);
        let _ = write!(
            out,
            "<svg class=\"area\" x=\"{left}\" y=\"{TOP}\" width=\"{inner}\" height=\"{height}\" \
             viewBox=\"{wide_left} {TOP} {wide} {height}\" preserveAspectRatio=\"none\">"
        );
        let dots: String = content.dots.iter().map(|dot| self.dot(frame, dot)).collect();
        let mut names = String::new();
        self.stretches.iter().for_each(|stretch| self.name(frame, stretch, &mut names));
        if is_wide {
            let (behind, marks) = (self.behind(), self.marks());
            let _ = write!(out, "<g id=\"area{NUMBER}\">{behind}{}{marks}</g>{dots}</svg>", content.inside);
            let _ = write!(out, "<g class=\"names\">{names}</g>{}</svg>", content.beside);
        } else {
            let _ = write!(out, "<use href=\"#area{NUMBER}\"/></svg>{dots}{names}</svg>");
        }
    }

    /// Round values along both axes.
    fn axes(&self, frame: &Frame, out: &mut String) {
        let (left, right) = (frame.left, frame.width - frame.right);
        let about = if self.inner() < 90.0 { 3 } else { 5 };
        for (tick, label) in self.y.labels(about) {
            let (y, label) = (self.y(tick), escape(&label));
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 8.0,
                y + 4.0
            );
        }
        out.push_str("<g class=\"ticks\">");
        let labels = self.x.labels(frame.labels);
        // Every second one, or rarer, where there are more than have room.
        let each = labels.len().div_ceil(frame.labels + 2).max(1);
        for (tick, label) in labels.into_iter().step_by(each) {
            let (x, y) = (self.x(frame, tick), self.height - BOTTOM + 16.0);
            // What would be cut off ends where the picture does.
            let half = label.chars().count() as f64 * LETTER / 2.0;
            let (x, anchor) = if x + half > frame.width { (frame.width - 1.0, "end") } else { (x, "middle") };
            let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(&label));
        }
        out.push_str("</g>");
    }

    fn dot(&self, frame: &Frame, dot: &Dot) -> String {
        let (x, y) = (self.x(frame, dot.x), self.y(dot.y));
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

    /// Phases, behind the lines.
    fn behind(&self) -> String {
        let mut out = String::new();
        for stretch in self.stretches {
            let (from, to) = (self.x(&WIDE, stretch.from), self.x(&WIDE, stretch.to));
            let (bottom, height, width) = (self.height - BOTTOM, self.inner(), to - from);
            if !stretch.measured {
                let _ = write!(
                    out,
                    "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
                );
            }
            let _ = write!(
                out,
                "<line class=\"phase\" x1=\"{from:.1}\" x2=\"{from:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>"
            );
        }
        out
    }

    /// The name of a phase, above it. One that has no room would lie over the next one.
    fn name(&self, frame: &Frame, stretch: &Stretch, out: &mut String) {
        let (from, to) = (self.x(frame, stretch.from), self.x(frame, stretch.to));
        if to - from > 7.0 * stretch.name.chars().count() as f64 {
            let (x, y) = (from + 2.0, TOP - 7.0);
            let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(&stretch.name));
        }
    }

    /// What happened, in front of the lines.
    fn marks(&self) -> String {
        let mut out = String::new();
        for moment in self.moments.iter().take(MOMENTS) {
            let (x, says) = (self.x(&WIDE, moment.at), escape(&moment.says));
            let (left, right, tip) = (x - 4.0, x + 4.0, TOP + 8.0);
            if let Some(to) = moment.to {
                let (width, height) = ((self.x(&WIDE, to) - x).max(1.0), self.inner());
                let _ = write!(
                    out,
                    "<rect class=\"outage\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{says}</title></rect>"
                );
            }
            let _ = write!(
                out,
                "<polygon class=\"moment\" points=\"{left:.1},{TOP} {right:.1},{TOP} {x:.1},{tip}\"><title>{says}</title></polygon>"
            );
        }
        out
    }
}

/// A name with a piece of its line, for below the picture.
fn key(index: usize, name: &str) -> String {
    format!(
        "<span class=\"key\"><svg viewBox=\"0 0 26 8\" aria-hidden=\"true\"><line class=\"line {}\" x1=\"0\" x2=\"26\" y1=\"4\" \
         y2=\"4\"/></svg>{}</span>",
        style(index),
        escape(name)
    )
}

/// A name that has room beside a line.
fn shortened(name: &str) -> String {
    const LETTERS: usize = 20;
    if name.chars().count() <= LETTERS {
        name.to_owned()
    } else {
        name.chars().take(LETTERS - 1).chain(['…']).collect()
    }
}

/// The height that so many names beside their lines need.
pub(super) fn height_for(names: usize, least: f64) -> f64 {
    least.max(names as f64 * 14.0 + TOP + BOTTOM)
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
        assert_eq!(Axis::up_to(100.0, Unit::Count).ticks(5), [0.0, 50.0, 100.0]);
        assert_eq!(Axis::decades(0.2, 30.0, Unit::Count).ticks(5).len(), 4);
        let log = Axis::decades(1.0, 100.0, Unit::Count);
        assert!((log.place(10.0) - 0.5).abs() < 1e-9);
        assert!(log.place(0.0).abs() < 1e-9, "what is less than the axis begins with is at its beginning");
    }

    /// `0 s 0 s 1 s` and `0.0 0.0 0.1` were on axes of short runs.
    #[test]
    fn what_stands_at_an_axis_differs() {
        let units = [Unit::Time, Unit::Second, Unit::Count, Unit::Bytes, Unit::Cores, Unit::Average];
        for unit in units {
            for most in [0.04, 0.3, 1.0, 1.9, 7.3, 52.0, 999.0, 1_001.0, 65_536.0, 3.3e6, 2.5e9] {
                for axis in [Axis::up_to(most, unit), Axis::decades(most / 30.0, most, unit)] {
                    let labels: Vec<_> = axis.labels(5).into_iter().map(|(_, label)| label).collect();
                    let mut once = labels.clone();
                    once.sort_unstable();
                    once.dedup();
                    assert_eq!(once.len(), labels.len(), "{unit:?} up to {most}: {labels:?}");
                    assert!(labels.len() > 1, "nothing can be read off one value: {unit:?} up to {most}: {labels:?}");
                }
            }
        }
        let labels = |axis: Axis| axis.labels(5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(Axis::up_to(1.9, Unit::Second)), ["0 s", "0.5 s", "1.0 s", "1.5 s"]);
        assert_eq!(labels(Axis::up_to(0.2, Unit::Cores)), ["0", "0.05", "0.10", "0.15", "0.20"]);
        assert_eq!(labels(Axis::up_to(30e6, Unit::Time)), ["0 ms", "10 ms", "20 ms", "30 ms"]);
        assert_eq!(labels(Axis::decades(0.2e6, 30e6, Unit::Time)), ["100 us", "1 ms", "10 ms", "100 ms"]);
        assert_eq!(labels(Axis::decades(11e6, 30e6, Unit::Time)), ["10 ms", "20 ms", "50 ms", "100 ms"]);
    }

    #[test]
    fn sixty_four_lines_can_be_told_apart() {
        let mut styles: Vec<_> = (0..64).map(style).collect();
        assert!((0..8).all(|index| styles[index] == format!("c{index} d{index}")));
        styles.sort_unstable();
        styles.dedup();
        assert_eq!(styles.len(), 64);
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
