//! SARIF 2.1.0: a rule per row, a result per failed case. Fingerprints hold target and case, so an alert closes
//! itself when the case passes.

use serde_json::{Value, json};

use super::problem;
use crate::record::{CaseResult, CaseVerdict, Entry, RuleInfo, header};
use crate::report::coverage;
use crate::scenario::model::Class;

pub(super) fn render(entries: &[Entry]) -> String {
    let name = header(entries).map_or("", |header| header.target.name.as_str());
    let rules = coverage::suite(entries).map(|suite| &suite.rules);
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
            "tool": { "driver": {
                "name": "sio-bench",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            } },
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn descriptor(id: &str, rule: &RuleInfo) -> Value {
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
        "ruleId": case.rule.as_deref().unwrap_or("none"),
        "level": case.class.map_or("error", level),
        "message": { "text": format!("{} {}: {}", case.verdict.word(), case.id, problem(case)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": file },
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
