//! What foreign readers take, as rules: the strictest of each format, on records that hold everything a name can hold.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use super::tests::{case, record};
use super::*;

/// Names and words that mean something to one of the formats.
const HOSTILE: &str = "a|b `c` \\ # <d> & \"e\" 'f' %g ::error::h\u{2028}i\u{2029}j\u{85}k\u{1b}[31m\nok 1 - l\r@m\u{202e}]]>n, =o [p](q)";

/// A record of which every foreign text is hostile.
fn hostile() -> Vec<Entry> {
    let mut entries = record();
    for entry in &mut entries {
        match entry {
            Entry::Header(header) => {
                header.target.name = HOSTILE.to_owned();
                header.target.version = Some(HOSTILE.to_owned());
            }
            Entry::Case(case) => {
                for text in [&mut case.id, &mut case.scenario, &mut case.title] {
                    *text = format!("{text}{HOSTILE}");
                }
                case.requirement = Some(HOSTILE.to_owned());
                case.options = HOSTILE.to_owned();
                case.place = format!("my tests/größe & co {HOSTILE}.toml:7");
                case.reason = case.reason.as_ref().map(|_| HOSTILE.to_owned());
                case.transcript = vec![HOSTILE.to_owned()];
                case.stderr = Some(HOSTILE.to_owned());
                if let Some(failure) = &mut case.failure {
                    failure.message = HOSTILE.to_owned();
                    failure.place = case.place.clone();
                    failure.step = HOSTILE.to_owned();
                }
            }
            Entry::Footer(footer) => footer.verdict = format!("FAILED: {HOSTILE}"),
            _ => {}
        }
    }
    entries
}

/// Attributes and children that an element may have, as Jenkins' xUnit plugin has them for `JUnit` 10; those with a star are
/// required.
fn allowed(element: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match element {
        "testsuites" => (&["name", "time", "tests", "failures", "errors"], &["testsuite"]),
        "testsuite" => (
            &["*name", "*tests", "*failures", "*errors", "skipped", "time", "timestamp", "hostname", "id", "package"],
            &["testsuite", "properties", "testcase", "system-out", "system-err"],
        ),
        "testcase" => {
            (&["*name", "time", "classname", "group"], &["skipped", "error", "failure", "system-out", "system-err"])
        }
        "failure" | "error" | "skipped" => (&["type", "message"], &[]),
        "system-out" | "system-err" => (&[], &[]),
        other => panic!("unknown element {other}"),
    }
}

/// Checks one element, and returns its name.
fn check(start: &BytesStart<'_>, parent: Option<&String>) -> String {
    let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
    match parent {
        None => assert_eq!(name, "testsuites"),
        Some(parent) => assert!(allowed(parent).1.contains(&name.as_str()), "{name} in {parent}"),
    }
    let may = allowed(&name).0;
    let has: Vec<_> = start.attributes().map(|attribute| attribute.unwrap()).collect();
    for attribute in &has {
        let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
        assert!(may.iter().any(|name| name.trim_start_matches('*') == key), "{key} of {name}");
    }
    for required in may.iter().filter_map(|name| name.strip_prefix('*')) {
        assert!(has.iter().any(|attribute| attribute.key.as_ref() == required.as_bytes()), "{required} of {name}");
    }
    name
}

/// Reads a `JUnit` file and returns its elements.
fn junit(text: &str) -> Vec<String> {
    let is_legal =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(is_legal), "{text:?}");
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let name = check(&start, open.last());
                seen.push(name.clone());
                open.push(name);
            }
            Event::Empty(start) => seen.push(check(&start, open.last())),
            Event::End(_) => _ = open.pop(),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    seen
}

#[test]
fn junit_is_what_the_strictest_reader_takes() {
    for entries in [record(), hostile(), cut(), vec![], load_record(4, "NOT VALID: late")] {
        let seen = junit(&format(Format::Junit, &entries, None));
        let cases = coverage::cases(&entries).len();
        assert!(seen.iter().filter(|name| *name == "testcase").count() >= cases, "{seen:?}");
    }
}

fn cut() -> Vec<Entry> {
    let mut entries = record();
    entries.pop();
    entries
}

/// One line at a time, as a parser of TAP 14 reads it. Returns whether the whole file is good.
fn tap(text: &str) -> bool {
    let ends = ['\u{2028}', '\u{2029}', '\u{85}', '\r', '\u{b}', '\u{c}'];
    assert!(!text.contains(ends), "a line ends where none should: {text:?}");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let (mut good, mut plans, mut inner) = (true, Vec::new(), 0);
    let mut in_yaml = false;
    for line in lines {
        let depth = (line.len() - line.trim_start().len()) / 4;
        let line = line.trim_start();
        if in_yaml {
            in_yaml = line != "...";
        } else if line == "---" {
            in_yaml = true;
        } else if let Some(plan) = line.strip_prefix("1..") {
            plans.push((depth, plan.parse::<usize>().unwrap()));
        } else if let Some(point) = line.strip_prefix("ok ").or_else(|| line.strip_prefix("not ok ")) {
            let (number, _) = point.split_once(" - ").unwrap();
            number.parse::<usize>().unwrap();
            let escaped = point.replace("\\\\", "").replace("\\#", "");
            let directive = escaped.split_once(" # ").map(|(_, directive)| directive);
            assert!(directive.is_none_or(|it| it.starts_with("SKIP ") || it.starts_with("TODO ")), "{line}");
            good &= depth > 0 || line.starts_with("ok");
            inner += usize::from(depth > 0);
        } else {
            assert!(line.starts_with("# ") || line.starts_with("Bail out!"), "{line}");
            good &= !line.starts_with("Bail out!");
        }
    }
    let planned: usize = plans.iter().filter(|(depth, _)| *depth > 0).map(|(_, number)| number).sum();
    assert_eq!(planned, inner);
    good
}

#[test]
fn tap_is_what_the_strictest_reader_takes() {
    for entries in [record(), hostile(), cut(), load_record(4, "NOT VALID: late")] {
        assert!(!tap(&format(Format::Tap, &entries, None)));
    }
    assert!(tap(&format(Format::Tap, &load_record(0, "PASSED: 3 of 3"), None)));
    let text = format(Format::Tap, &hostile(), None);
    assert!(text.contains("\\\\u{2028}") && text.contains(" \\# <d>") && text.contains("\\\\ \\#"), "{text}");
}

/// What RFC 3986 allows in a reference that is a path, and nothing else.
fn assert_uri_reference(uri: &str) {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.is_some_and(|it| it.is_ascii_hexdigit()));
                assert_eq!(digits, [true, true], "{uri}");
            }
            byte => assert!(byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte), "{uri}"),
        }
    }
}

#[test]
fn sarif_is_what_its_schema_says() {
    for entries in [record(), hostile(), cut(), vec![], load_record(4, "NOT VALID: late")] {
        let text = format(Format::Sarif, &entries, None);
        let log: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_keys(run, &["columnKind", "invocations", "tool", "results"]);
        let ids: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
        let unique: BTreeSet<_> = ids.iter().map(|id| id.to_string()).collect();
        assert_eq!(ids.len(), unique.len(), "rules are unique");
        for result in run["results"].as_array().unwrap() {
            assert_keys(result, &["ruleId", "level", "message", "locations", "partialFingerprints", "suppressions"]);
            assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            for location in result["locations"].as_array().unwrap() {
                let place = &location["physicalLocation"];
                assert_uri_reference(place["artifactLocation"]["uri"].as_str().unwrap());
                assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
            }
        }
    }
    let of = |place: &str| {
        let mut failed = case("FAIL", CaseVerdict::Fail);
        failed.failure.as_mut().unwrap().place = place.to_owned();
        let log: Value = serde_json::from_str(&format(Format::Sarif, &[Entry::Case(failed)], None)).unwrap();
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        (place["artifactLocation"]["uri"].as_str().unwrap().to_owned(), place["region"]["startLine"].as_u64().unwrap())
    };
    assert_eq!(of("my tests/größe & co.toml:12"), ("my%20tests/gr%C3%B6%C3%9Fe%20%26%20co.toml".to_owned(), 12));
    assert_eq!(of("a:b.toml:3"), ("a%3Ab.toml".to_owned(), 3));
    assert_eq!(of("/tmp/x.toml:1"), ("file:///tmp/x.toml".to_owned(), 1));
    assert_eq!(of("./x.toml:0").1, 1, "lines are counted from 1");
}

fn assert_keys(value: &Value, known: &[&str]) {
    for key in value.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
}

/// Each line is one command, whatever the words in it.
#[test]
fn an_annotation_is_one_line() {
    let text = format(Format::Github, &hostile(), None);
    for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let (head, data) = line.split_once(' ').unwrap();
        assert!(["::error", "::warning"].contains(&head), "{line}");
        let (head, data) = data.split_once("::").unwrap();
        assert!(head.split(',').all(|property| property.matches('=').count() >= 1), "{line}");
        assert!(!data.contains('\u{2028}'), "{line}");
    }
}

/// A row has as many cells as its head, whatever the words in it.
#[test]
fn a_row_of_markdown_stays_a_row() {
    let text = format(Format::Markdown, &hostile(), None);
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 4, "{text}");
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
    }
    for line in text.lines() {
        let outside: String =
            line.split("<code>").map(|part| part.split_once("</code>").map_or(part, |it| it.1)).collect();
        let outside: String = outside.split('`').step_by(2).collect();
        assert!(!outside.contains(['<', '@', '[']), "{line}");
    }
}

/// A load that ended so.
fn load_record(exit: u8, verdict: &str) -> Vec<Entry> {
    let counts = crate::record::Counts { sent: 3, owed: 5_200, delivered: 5_000, ..Default::default() };
    let traffic = crate::record::TrafficResult { name: "tell".to_owned(), counts, ..Default::default() };
    let load =
        crate::record::LoadResult { scenario: "fanout".to_owned(), traffic: vec![traffic], ..Default::default() };
    let mut entries = record();
    entries.retain(|entry| matches!(entry, Entry::Header(_) | Entry::Footer(_)));
    let mut footer = entries.pop();
    if let Some(Entry::Footer(footer)) = &mut footer {
        (footer.exit, footer.verdict, footer.complete) = (exit, verdict.to_owned(), exit != 130);
    }
    entries.push(Entry::Load(Box::new(load)));
    entries.extend(footer);
    entries
}

fn badge(entries: &[Entry]) -> [String; 3] {
    let badge: Value = serde_json::from_str(&format(Format::Badge, entries, None)).unwrap();
    ["label", "message", "color"].map(|key| badge[key].as_str().unwrap().to_owned())
}

/// A suite of which every case came to the same.
fn suite_of(verdict: CaseVerdict, exit: u8) -> Vec<Entry> {
    let mut entries = record();
    for entry in &mut entries {
        match entry {
            Entry::Case(of) => *of = case(&of.title, verdict),
            Entry::Footer(footer) => (footer.exit, footer.verdict) = (exit, "SAID: so".to_owned()),
            _ => {}
        }
    }
    entries
}

#[test]
fn a_badge_is_green_for_what_has_passed_and_says_what_was_measured() {
    assert_eq!(badge(&load_record(0, "PASSED")), ["fanout", "5,000 of 5,200", "brightgreen"]);
    assert_eq!(badge(&load_record(1, "FAILED")), ["fanout", "5,000 of 5,200", "red"]);
    for (exit, message, colour) in
        [(3, "target lost", "red"), (4, "not valid", "lightgrey"), (5, "nothing was measured", "lightgrey")]
    {
        assert_eq!(badge(&load_record(exit, "so")), ["fanout", message, colour]);
    }
    assert_eq!(badge(&load_record(130, "so")), ["fanout", "interrupted", "lightgrey"]);
    assert_eq!(badge(&suite_of(CaseVerdict::Pass, 0)), ["conform node", "9 of 9", "brightgreen"]);
    assert_eq!(badge(&suite_of(CaseVerdict::Xfail, 0))[1..], ["0 of 9", "yellowgreen"]);
    assert_eq!(badge(&suite_of(CaseVerdict::Fail, 1))[1..], ["0 of 9", "red"]);
    assert_eq!(badge(&suite_of(CaseVerdict::Skip, 0))[1..], ["nothing was measured", "lightgrey"]);
    assert_eq!(badge(&suite_of(CaseVerdict::Inconclusive, 4))[1..], ["not valid", "lightgrey"]);
    let mut cut = suite_of(CaseVerdict::Pass, 0);
    cut.pop();
    assert_eq!(badge(&cut)[1..], ["incomplete", "lightgrey"]);
    assert_eq!(badge(&[])[2], "lightgrey");
}

/// Whoever looks for red in a report finds it when the run did not pass, whatever its cases came to.
#[test]
fn no_format_is_green_for_a_run_that_is_not() {
    for exit in [1, 3, 4, 5, 130] {
        for entries in
            [load_record(exit, "WHY: it is so"), suite_of(CaseVerdict::Pass, exit), suite_of(CaseVerdict::Skip, exit)]
        {
            let seen = junit(&format(Format::Junit, &entries, None));
            assert!(seen.iter().any(|name| name == "failure" || name == "error"), "{exit}: {seen:?}");
            assert!(!tap(&format(Format::Tap, &entries, None)), "{exit}");
            assert!(format(Format::Github, &entries, None).starts_with("::error "), "{exit}");
            assert!(!badge(&entries)[2].contains("green"), "{exit}");
            let log: Value = serde_json::from_str(&format(Format::Sarif, &entries, None)).unwrap();
            let invocation = &log["runs"][0]["invocations"][0];
            assert_eq!(invocation["executionSuccessful"], exit == 1, "{invocation}");
            assert_eq!(invocation["exitCode"], exit);
            let markdown = format(Format::Markdown, &entries, None);
            assert!(markdown.contains("**WHY**: `it is so`") || markdown.contains("**SAID**: `so`"), "{markdown}");
        }
    }
}
