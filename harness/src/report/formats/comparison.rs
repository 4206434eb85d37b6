//! Comparisons for programs: JSON, and `JUnit` XML with a suite for each target.

use serde_json::{Value, json};

use super::end::case;
use super::escape::seen_json;
use super::{CaseResult, CaseVerdict, junit};
use crate::difference::{Difference, Finding};
use crate::report::compare::{Column, Comparison};
use crate::report::versus::{Cell, Contender, Figure, Load, figures};

/// Servers by the suite: what passed of each area, and the verdict of each case on each server (`null` where it was not played).
pub fn suite_json(comparison: &Comparison<'_>, only_differences: bool) -> String {
    let areas = comparison.areas();
    let tally = |column: &Column<'_>, ids: &[&str]| {
        let (passed, judged) = Comparison::passed(column, ids);
        json!({ "passed": passed, "judged": judged })
    };
    let target = |column: &Column<'_>| {
        let areas: serde_json::Map<_, _> =
            areas.iter().map(|(area, ids)| ((*area).to_owned(), tally(column, ids))).collect();
        json!({
            "name": column.name,
            "version": column.version,
            "started": column.started,
            "all": tally(column, &comparison.ids),
            "areas": areas,
        })
    };
    let row = |id: &str| {
        let played = comparison.columns.iter().map(|column| column.cases.get(id));
        let requirement = played.clone().flatten().find_map(|case| case.requirement.as_deref());
        let verdicts: Vec<_> = played.map(|case| case.map(|case| case.verdict)).collect();
        json!({ "id": id, "requirement": requirement, "verdicts": verdicts })
    };
    document(&json!({
        "targets": comparison.columns.iter().map(target).collect::<Vec<_>>(),
        "only_differences": only_differences,
        "cases": comparison.listed(only_differences).into_iter().map(row).collect::<Vec<_>>(),
    }))
}

/// Servers by the suite: a test suite for each area of each server.
pub fn suite_junit(comparison: &Comparison<'_>, only_differences: bool) -> String {
    let listed = comparison.listed(only_differences);
    let names = distinct(comparison.columns.iter().map(|column| column.name));
    let of_target = |(column, name): (&Column<'_>, &String)| {
        let cases = listed.iter().filter_map(|id| column.cases.get(id).copied());
        let named = |case: &CaseResult| CaseResult { scenario: format!("{name}: {}", case.scenario), ..case.clone() };
        cases.map(named).collect::<Vec<_>>()
    };
    let cases: Vec<_> = comparison.columns.iter().zip(&names).flat_map(of_target).collect();
    of_cases(&names, &cases)
}

/// Servers under a load: what each block came to, and each figure with its ratio to the first target.
pub fn load_json(load: &Load<'_>) -> String {
    document(&json!({
        "scenario": load.scenario,
        "seed": load.seed,
        "blocks": load.blocks,
        "records": load.folder.display().to_string(),
        "targets": load.contenders.iter().map(target).collect::<Vec<_>>(),
        "figures": figures(load.contenders).iter().map(figure).collect::<Vec<_>>(),
    }))
}

fn target(contender: &Contender) -> Value {
    let fault = |fault: &crate::report::versus::Fault| json!({ "block": fault.block, "verdict": fault.verdict, "says": fault.says });
    json!({
        "name": contender.name,
        "version": contender.version,
        "settings": contender.settings,
        "counts": contender.counts(),
        "faults": contender.faults.iter().map(fault).collect::<Vec<_>>(),
        "records": contender.records.iter().map(|record| record.display().to_string()).collect::<Vec<_>>(),
    })
}

fn figure(figure: &Figure) -> Value {
    let of = |cell: &Cell| json!({ "median": cell.median, "against_first": cell.difference.as_ref().map(against) });
    json!({ "name": figure.name, "unit": figure.unit.word(), "targets": figure.cells.iter().map(of).collect::<Vec<_>>() })
}

/// A ratio to the first, with its interval of 95 %.
fn against(difference: &Difference) -> Value {
    let (finding, more) = match difference.finding() {
        Finding::Less => ("less", None),
        Finding::More => ("more", None),
        Finding::Same => ("same", None),
        Finding::Inconclusive(blocks) => ("inconclusive", Some(blocks)),
    };
    json!({
        "ratio": difference.estimate + 1.0,
        "low": difference.low + 1.0,
        "high": difference.high + 1.0,
        "pairs": difference.blocks,
        "finding": finding,
        "more_blocks": more,
    })
}

/// Servers under a load: a test suite for each server, and a case for each of its blocks.
pub fn load_junit(load: &Load<'_>) -> String {
    let names = distinct(load.contenders.iter().map(|contender| contender.name.as_str()));
    let of_target = |(contender, name): (&Contender, &String)| {
        (1..=contender.blocks.len()).map(|number| block(load.scenario, contender, name, number)).collect::<Vec<_>>()
    };
    let cases: Vec<_> = load.contenders.iter().zip(&names).flat_map(of_target).collect();
    of_cases(&names, &cases)
}

/// A block as a case: what is proven against it outweighs what is not decided.
fn block(scenario: &str, contender: &Contender, target: &str, number: usize) -> CaseResult {
    let faults: Vec<_> = contender.faults.iter().filter(|fault| fault.block == number).collect();
    let is_proven = faults.iter().any(|fault| fault.verdict == CaseVerdict::Fail);
    let verdict = match (is_proven, faults.as_slice()) {
        (true, _) => CaseVerdict::Fail,
        (false, []) => CaseVerdict::Pass,
        (false, _) => CaseVerdict::Inconclusive,
    };
    let says: Vec<_> = faults.iter().map(|fault| fault.says.as_str()).collect();
    case(target, format!("{scenario}/block {number}"), verdict, &says.join("; "))
}

/// Two of the same name are two all the same: a target against itself.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<_> = names.collect();
    let is_alone = |name: &str| names.iter().filter(|other| **other == name).count() == 1;
    let with_number = |(index, name): (usize, &&str)| {
        if is_alone(name) { (*name).to_owned() } else { format!("{name} [{}]", index + 1) }
    };
    names.iter().enumerate().map(with_number).collect()
}

fn of_cases(names: &[String], cases: &[CaseResult]) -> String {
    let cases: Vec<_> = cases.iter().collect();
    junit::of_cases(&format!("compare {}", names.join(", ")), &cases)
}

fn document(value: &Value) -> String {
    // A tree of values is always written.
    seen_json(&serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::report::versus::{Block, Fault};

    fn contender(cpu: f64, faults: Vec<Fault>) -> Contender {
        let block = Block { cpu: Some(cpu), ..Block::default() };
        Contender { name: "a\u{2028}b".to_owned(), blocks: vec![block; 4], faults, ..Contender::default() }
    }

    fn fault(block: usize, verdict: CaseVerdict, says: &str) -> Fault {
        Fault { block, verdict, says: says.to_owned() }
    }

    #[test]
    fn figures_keep_their_numbers_and_units() {
        let contenders = [contender(10.0, Vec::new()), contender(20.0, vec![fault(2, CaseVerdict::Fail, "3 lost")])];
        let load = Load { scenario: "x", seed: 7, blocks: 4, folder: Path::new("runs/x"), contenders: &contenders };
        let text = load_json(&load);
        assert!(!text.contains('\u{2028}'), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["figures"][0]["name"], "CPU for each delivery");
        assert_eq!(value["figures"][0]["unit"], "us");
        assert_eq!(value["figures"][0]["targets"][0], json!({ "median": 10.0, "against_first": null }));
        let second = &value["figures"][0]["targets"][1];
        assert_eq!((&second["median"], &second["against_first"]["finding"]), (&json!(20.0), &json!("more")));
        assert!((second["against_first"]["ratio"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{second}");
        assert_eq!(value["targets"][1]["faults"], json!([{ "block": 2, "verdict": "fail", "says": "3 lost" }]));
    }

    #[test]
    fn a_block_is_a_case_and_what_is_proven_outweighs_what_is_not() {
        let late = || fault(3, CaseVerdict::Inconclusive, "NOT VALID: late");
        let contenders = [
            contender(1.0, vec![late()]),
            contender(1.0, vec![late(), fault(3, CaseVerdict::Fail, "FAILED: 3 <lost>")]),
        ];
        let load = Load { scenario: "x", seed: 7, blocks: 4, folder: Path::new("runs/x"), contenders: &contenders };
        let xml = load_junit(&load);
        assert!(xml.contains(r#"tests="8" failures="1" errors="1""#), "{xml}");
        assert!(xml.contains(r"b [1]") && xml.contains(r"b [2]"), "one target against itself is two suites: {xml}");
        assert!(xml.contains("NOT VALID: late; FAILED: 3 &lt;lost&gt;"), "{xml}");
    }
}
