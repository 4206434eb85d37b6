//! `JUnit` XML: a suite per area. Known deviations and what was skipped are `skipped` with the reason; an unexpected
//! pass is a failure.

use std::time::Duration;

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{is_complete, problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;

pub(super) fn render(entries: &[Entry]) -> String {
    let mut report = Report::new(format!("sio-bench conform {}", target(entries)));
    let mut areas: IndexMap<&str, TestSuite> = IndexMap::new();
    for case in coverage::cases(entries) {
        let suite = areas.entry(&case.scenario).or_insert_with(|| TestSuite::new(case.scenario.clone()));
        suite.add_test_case(test_case(case));
    }
    report.add_test_suites(areas.into_values());
    if !is_complete(entries) {
        let mut cut = TestSuite::new("record");
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message("the record has no footer: the run was cut short");
        cut.add_test_case(TestCase::new("the run reached its end", status));
        report.add_test_suite(cut);
    }
    report.to_string().unwrap_or_default()
}

fn test_case(case: &CaseResult) -> TestCase {
    let mut test = TestCase::new(case.id.clone(), status(case));
    test.set_classname(format!("{}.{}", case.scenario, case.rule.as_deref().unwrap_or("none")));
    test.set_time(Duration::from_secs_f64(case.millis / 1e3));
    let mut property = |name: &str, value: String| {
        if !value.is_empty() {
            test.properties.push(Property::new(name, value));
        }
    };
    property("rule", case.rule.clone().unwrap_or_default());
    property("class", case.class.map(|class| format!("{class:?}").to_lowercase()).unwrap_or_default());
    property("origin", case.origin.map(|origin| format!("{origin:?}").to_lowercase()).unwrap_or_default());
    property("options", case.options.clone());
    property("place", case.place.clone());
    if case.verdict.is_red() {
        test.set_system_out(case.transcript.join("\n"));
        if let Some(stderr) = &case.stderr {
            test.set_system_err(stderr.clone());
        }
    }
    test
}

fn status(case: &CaseResult) -> TestCaseStatus {
    let mut status = match case.verdict {
        CaseVerdict::Pass => return TestCaseStatus::success(),
        CaseVerdict::Skip | CaseVerdict::Xfail | CaseVerdict::Info => TestCaseStatus::skipped(),
        CaseVerdict::Fail | CaseVerdict::Xpass => TestCaseStatus::non_success(NonSuccessKind::Failure),
        CaseVerdict::Crash | CaseVerdict::Error | CaseVerdict::Inconclusive => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    let reason = case.reason.clone().filter(|_| case.verdict == CaseVerdict::Xfail);
    status.set_message(format!("{}: {}", case.verdict.word(), reason.unwrap_or_else(|| problem(case))));
    if let Some(failure) = &case.failure {
        status.set_description(format!("at {}: {}", failure.place, failure.step));
    }
    status
}
