//! Workflow commands of GitHub Actions: an annotation on the line of each case that failed.

use super::{is_complete, problem, target};
use crate::record::{CaseVerdict, Entry};
use crate::report::coverage;
use crate::scenario::model::Class;

pub(super) fn render(entries: &[Entry]) -> String {
    let name = target(entries);
    let mut out = String::new();
    for case in coverage::cases(entries) {
        let command = match (case.verdict, case.class) {
            (CaseVerdict::Fail, Some(Class::Should)) => "warning",
            (verdict, _) if verdict.is_red() => "error",
            (CaseVerdict::Inconclusive, _) => "warning",
            _ => continue,
        };
        let place = case.failure.as_ref().map_or(&case.place, |failure| &failure.place);
        let (file, line) = coverage::place(place);
        let title = format!("{} {}", case.verdict.word(), case.rule.as_deref().unwrap_or(""));
        let message = format!("{name}: {}\n{}", case.id, problem(case));
        out.push_str(&format!(
            "::{command} file={},line={line},title={}::{}\n",
            property(file),
            property(title.trim_end()),
            data(&message)
        ));
    }
    if !is_complete(entries) {
        out.push_str("::error::the record has no footer: the run was cut short\n");
    }
    out
}

/// What ends a command's data is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// And in a property what ends that.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
