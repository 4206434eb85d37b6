//! SARIF 2.1.0: a rule per row, a result per failed case. Fingerprints hold target and case, so an alert closes
//! itself when the case passes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::end::{End, end};
use super::escape::seen_json;
use super::problem;
use crate::exit::Exit;
use crate::record::{CaseResult, CaseVerdict, Entry, RequirementInfo, header};
use crate::report::coverage;
use crate::scenario::model::Class;

pub(super) fn render(entries: &[Entry]) -> String {
    let name = header(entries).map_or("", |header| header.target.name.as_str());
    let rules = coverage::suite(entries).map(|suite| &suite.requirements);
    let results: Vec<_> = coverage::cases(entries)
        .into_iter()
        .filter(|case| case.verdict.is_red() || case.verdict == CaseVerdict::Xfail)
        .map(|case| result(case, name))
        .collect();
    let descriptors: Vec<_> = rules.into_iter().flatten().map(|(id, rule)| descriptor(id, rule)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation(entries)],
            "tool": { "driver": {
                "name": "sio-bench",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            } },
            "results": results,
        }],
    });
    seen_json(&serde_json::to_string_pretty(&log).unwrap_or_default()) + "\n"
}

/// Whether what was found is all there is to find: a run that is not valid or was cut short has no results to show, and is
/// not clean.
fn invocation(entries: &[Entry]) -> Value {
    let end = end(entries);
    let done = matches!(end, End::Judged(exit, _) if exit == Exit::Passed as u8 || exit == Exit::Failed as u8);
    let mut invocation = json!({ "executionSuccessful": done, "exitCodeDescription": end.says() });
    if let End::Judged(exit, _) = end {
        invocation["exitCode"] = exit.into();
    }
    if !done {
        let notification = json!({ "level": "error", "message": { "text": end.says() } });
        invocation["toolExecutionNotifications"] = json!([notification]);
    }
    invocation
}

/// A path as a URI: what a URI cannot hold is written as bytes in percent. An absolute one has a scheme.
fn uri(file: &str) -> String {
    let path = utf8_percent_encode(file, NOT_IN_PATH);
    if file.starts_with('/') { format!("file://{path}") } else { path.to_string() }
}

/// Everything but what RFC 3986 leaves alone, and the slash. A colon in the first part would be that of a scheme.
const NOT_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn descriptor(id: &str, rule: &RequirementInfo) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": rule.says },
        "help": { "text": format!("{} ({})", rule.says, rule.cites) },
        "helpUri": rule.link,
        "defaultConfiguration": { "level": level(rule.class) },
    })
}

fn level(class: Class) -> &'static str {
    match class {
        Class::Must => "error",
        Class::Should => "warning",
        Class::Info => "note",
    }
}

fn result(case: &CaseResult, target: &str) -> Value {
    let place = case.failure.as_ref().map_or(&case.place, |failure| &failure.place);
    let (file, line) = coverage::place(place);
    let mut result = json!({
        "ruleId": case.requirement.as_deref().unwrap_or("none"),
        "level": case.class.map_or("error", level),
        "message": { "text": format!("{} {}: {}", case.verdict.word(), case.id, problem(case)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line },
        } }],
        "partialFingerprints": { "targetAndCase/v1": format!("{target}/{}", case.id) },
    });
    if case.verdict == CaseVerdict::Xfail {
        let reason = case.reason.clone().unwrap_or_default();
        result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    result
}
