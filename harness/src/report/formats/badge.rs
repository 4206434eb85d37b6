//! Endpoint JSON for badges: how many judged cases pass. The colour is that of the failures, never of a percentage.

use serde_json::json;

use super::is_complete;
use crate::record::{CaseVerdict, Entry, header};
use crate::report::conformance::tally;
use crate::report::coverage;

pub(super) fn render(entries: &[Entry]) -> String {
    let tally = tally(coverage::cases(entries));
    let passed = tally[&CaseVerdict::Pass];
    let known = tally[&CaseVerdict::Xfail];
    let red: usize = tally.iter().filter(|(verdict, _)| verdict.is_red()).map(|(_, number)| number).sum();
    let judged = passed + known + red;
    let colour = match (is_complete(entries), red, known) {
        (false, ..) => "lightgrey",
        (true, 0, 0) => "brightgreen",
        (true, 0, _) => "yellowgreen",
        (true, ..) => "red",
    };
    let name = header(entries).map_or("conformance", |header| header.target.name.as_str());
    let message = if is_complete(entries) { format!("{passed}/{judged}") } else { "incomplete".to_owned() };
    let badge =
        json!({ "schemaVersion": 1, "label": format!("{name} conformance"), "message": message, "color": colour });
    format!("{badge}\n")
}
