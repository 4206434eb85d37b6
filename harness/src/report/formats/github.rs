//! Workflow commands of GitHub Actions: an annotation on the line of each case that failed, and one for a run that is not
//! green although its cases are.

use super::end::is_run;
use super::escape::one_line;
use super::{problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;
use crate::scenario::model::Class;

pub(super) fn render(entries: &[Entry]) -> String {
    let name = target(entries);
    coverage::cases(entries).into_iter().filter_map(|case| annotation(case, &name)).collect()
}

fn annotation(case: &CaseResult, target: &str) -> Option<String> {
    let command = match (case.verdict, case.class) {
        (CaseVerdict::Fail, Some(Class::Should)) => "warning",
        (verdict, _) if verdict.is_red() => "error",
        (CaseVerdict::Inconclusive, _) if is_run(case) => "error",
        (CaseVerdict::Inconclusive, _) => "warning",
        _ => return None,
    };
    if is_run(case) {
        return Some(format!("::{command} title={}::{}\n", property(target), data(&problem(case))));
    }
    let place = case.failure.as_ref().map_or(&case.place, |failure| &failure.place);
    let (file, line) = coverage::place(place);
    let title = format!("{} {}", case.verdict.word(), case.requirement.as_deref().unwrap_or(""));
    let message = format!("{target}: {}\n{}", case.id, problem(case));
    let (file, title) = (property(file), property(title.trim_end()));
    Some(format!("::{command} file={file},line={line},title={title}::{}\n", data(&message)))
}

/// What ends a command's data is escaped; lines stay lines.
fn data(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| one_line(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// And in a property what ends that.
fn property(text: &str) -> String {
    one_line(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}
