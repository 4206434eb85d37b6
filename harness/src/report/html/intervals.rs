//! How much targets differ from the first one: for each figure a row with a ratio, and its interval drawn on one axis for all.

use std::fmt::Write as _;

use super::page::{element, escape};
use crate::difference::{Difference, Finding};
use crate::report::versus::{Cell, Contender, figures};

/// Ratios beyond these are drawn at the end of the axis: what is so far off needs no measuring.
const FARTHEST: f64 = 100.0;

/// The plot; nothing where nothing could be compared.
pub(super) fn render(contenders: &[Contender]) -> String {
    let Some(first) = contenders.first() else { return String::new() };
    let figures = figures(contenders);
    let all = || figures.iter().flat_map(|figure| &figure.cells).filter_map(|cell| cell.difference);
    let most = all().flat_map(|one| [one.low, one.high]).map(|share| beyond(share + 1.0)).fold(1.25, f64::max);
    if all().next().is_none() {
        return String::new();
    }
    let mut out = format!(
        "<h2>How they differ from {}</h2>\n<p class=\"soft\">So many times the figure of {}, and where that is with 95 % confidence. \
         The dashed line is x1; the axis goes from x{:.2} to x{most:.1}, and grey is not decided.</p>\n<div class=\"ratios\">",
        escape(&first.name),
        escape(&first.name),
        1.0 / most
    );
    for figure in &figures {
        let rows: Vec<_> =
            contenders.iter().zip(&figure.cells).skip(1).map(|(one, cell)| row(&one.name, cell, most)).collect();
        let _ = write!(out, "<h3>{}</h3>{}", escape(&figure.name), rows.concat());
    }
    out.push_str("</div>\n");
    out
}

/// How far a ratio is from 1, either way.
fn beyond(ratio: f64) -> f64 {
    let ratio = ratio.clamp(1.0 / FARTHEST, FARTHEST);
    ratio.max(1.0 / ratio)
}

fn row(name: &str, cell: &Cell, most: f64) -> String {
    let says = element("span", "", &escape(cell.says.as_deref().unwrap_or_default()));
    let drawn = cell.difference.map_or_else(|| "<span></span>".to_owned(), |difference| bar(name, &difference, most));
    let class = match cell.difference.map(|difference| difference.finding()) {
        Some(Finding::Inconclusive(_)) | None => "ratio open",
        Some(_) => "ratio",
    };
    element("div", class, &format!("<span>{}</span>{drawn}{says}", escape(name)))
}

/// The interval as a line, the estimate as a point, and x1 in the middle.
fn bar(name: &str, difference: &Difference, most: f64) -> String {
    let x = |share: f64| 50.0 + 48.0 * ((share + 1.0).clamp(1.0 / most, most).ln() / most.ln());
    let (low, at, high) = (x(difference.low), x(difference.estimate), x(difference.high));
    let says = escape(&format!("{name}: {}", difference.ratio()));
    format!(
        "<svg viewBox=\"0 0 100 18\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{says}\"><line class=\"one\" x1=\"50\" \
         x2=\"50\" y1=\"0\" y2=\"18\"/><line class=\"span\" x1=\"{low:.2}\" x2=\"{high:.2}\" y1=\"9\" y2=\"9\"/><line class=\"point\" \
         x1=\"{at:.2}\" x2=\"{at:.2}\" y1=\"9\" y2=\"9\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_is_in_the_middle_and_what_is_vast_at_the_end() {
        let of = |estimate, low, high| bar("a<b", &Difference { estimate, low, high, blocks: 4 }, 4.0);
        let same = of(0.0, -0.5, 1.0);
        assert!(same.contains("class=\"point\" x1=\"50.00\"") && same.contains("x1=\"26.00\" x2=\"74.00\""), "{same}");
        assert!(same.contains("aria-label=\"a&lt;b: x1.00 (0.50–2.0)\""), "{same}");
        let vast = of(9e9, 3.0, 9e12);
        assert!(vast.contains("x1=\"98.00\" x2=\"98.00\""), "{vast}");
        assert!((beyond(0.25) - 4.0).abs() < 1e-9 && (beyond(1e9) - FARTHEST).abs() < 1e-9);
    }
}
