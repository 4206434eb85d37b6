//! `[search]`: which variable is varied, how far, and until when.

use super::slo;
use crate::scenario::model::{Limit, Scenario, Search, Threshold};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};
use crate::vocab::quantity;

/// A rule about one run: a search has no earlier one.
fn bound(node: &Node, scenario: &Scenario, cx: &mut Context<'_>) -> Option<Threshold> {
    let rule = slo::rule(node, scenario, cx)?;
    if matches!(rule.limit, Limit::Baseline(_)) {
        cx.diagnostics.error(node.span.clone(), "a search ends at a bound such as `p99 >= 100ms`; it has no baseline");
        return None;
    }
    Some(rule)
}

pub(super) fn lower(node: &Node, scenario: &Scenario, cx: &mut Context<'_>) -> Option<Search> {
    let mut table = Table::new(node, "[search]", cx)?;
    let vary = table.require("vary", cx).and_then(|node| table::string(node, cx));
    let range = table.require("range", cx).and_then(|node| {
        let text = table::string(node, cx)?;
        quantity::range(&text).map_err(|problem| cx.diagnostics.error(node.span.clone(), problem)).ok()
    });
    let until =
        table.get("until").and_then(|node| table::array(node, "an array of thresholds", cx)).unwrap_or_default();
    let until = until.iter().filter_map(|node| bound(node, scenario, cx)).map(Threshold::negated).collect();
    let hold_for = table.get("hold_for").map_or(Some(None), |node| table::duration(node, cx).map(Some));
    let resolution = table.get("resolution").map_or(Some(Search::RESOLUTION), |node| {
        let text = table::string(node, cx)?;
        quantity::resolution(&text).map_err(|problem| cx.diagnostics.error(node.span.clone(), problem)).ok()
    });
    let repeat = table.get("repeat").map_or(Some(u64::from(Search::REPEAT)), |node| table::count(node, 1, cx));
    table.finish(cx);
    let (low, high, unit) = range?;
    Some(Search {
        vary: vary?,
        range: (low, high),
        unit,
        until,
        hold_for: hold_for?,
        resolution: resolution?,
        repeat: repeat?.min(100) as u32,
    })
}
