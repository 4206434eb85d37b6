use super::*;
use crate::record::{CaseVerdict, Failure, Footer, Header, Host, RuleInfo, SuiteInfo, TargetInfo};
use crate::scenario::model::{Class, Origin};

fn case(id: &str, verdict: CaseVerdict) -> CaseResult {
    let failed = !matches!(verdict, CaseVerdict::Pass | CaseVerdict::Skip | CaseVerdict::Xpass);
    let failure = Failure {
        message: "b got <nothing> & \"more\", 100 % # of it".to_owned(),
        place: "scenarios/rooms.toml:12".to_owned(),
        step: "{ at = \"b\" }".to_owned(),
        late: false,
    };
    CaseResult {
        id: format!("rooms/{id}"),
        scenario: "rooms".to_owned(),
        title: id.to_owned(),
        place: "scenarios/rooms.toml:10".to_owned(),
        rule: Some("RM-01".to_owned()),
        class: Some(Class::Must),
        origin: Some(Origin::Docs),
        verdict,
        millis: 12.5,
        options: String::new(),
        reason: matches!(verdict, CaseVerdict::Skip | CaseVerdict::Xfail | CaseVerdict::Xpass)
            .then(|| "known".to_owned()),
        failure: failed.then_some(failure),
        transcript: vec!["1.000 b ▶ \u{7}".to_owned()],
        stderr: None,
    }
}

/// A record with one case of each verdict.
fn record() -> Vec<Entry> {
    let target = TargetInfo {
        settings: None,
        name: "node".to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        version: Some("socket.io 4".to_owned()),
        pid: None,
        fence: true,
    };
    let host = Host { os: "linux".to_owned(), arch: "x86_64".to_owned(), cores: 2, open_files: 1024 };
    let header = Header {
        parts: Vec::new(),
        schema: 1,
        version: "0.1.0".to_owned(),
        command: vec![],
        started: "2026-11-21T00:00:00Z".to_owned(),
        host,
        target,
    };
    let rule = RuleInfo {
        area: "rooms".to_owned(),
        says: "A member gets it.".to_owned(),
        class: Class::Must,
        origin: Origin::Docs,
        cites: "docs".to_owned(),
        link: "https://example.com".to_owned(),
        uncovered: None,
    };
    let rules = [("RM-01".to_owned(), rule)].into_iter().collect();
    let suite = SuiteInfo { hash: "abc".to_owned(), cases: 9, of: 9, whole: true, rules };
    let mut entries = vec![Entry::Header(header), Entry::Suite(suite)];
    entries.extend(CaseVerdict::ALL.iter().map(|verdict| Entry::Case(case(verdict.word(), *verdict))));
    entries.push(Entry::Footer(Footer {
        complete: true,
        ended: "2026-11-21T00:00:01Z".to_owned(),
        exit: 1,
        verdict: "FAILED".to_owned(),
    }));
    entries
}

#[test]
fn every_format_shows_every_verdict_as_it_should() {
    for (name, format) in ALL {
        if format != Format::Jsonl {
            insta::assert_snapshot!(name, super::format(format, &record(), None));
        }
    }
}

#[test]
fn a_record_that_was_cut_short_says_so_in_every_format() {
    let mut cut = record();
    cut.pop();
    for (name, format) in ALL {
        let text = super::format(format, &cut, None).to_lowercase();
        let says = ["no footer", "incomplete"].iter().any(|word| text.contains(word));
        // The record itself says so by what it lacks; SARIF and tables of figures have no word for it.
        let wordless = matches!(format, Format::Jsonl | Format::Sarif | Format::Csv | Format::OpenMetrics);
        assert!(says || wordless, "{name}: {text}");
    }
}

#[test]
fn markdown_shows_what_changed_against_a_baseline() {
    let mut before = record();
    for entry in &mut before {
        if let Entry::Case(case) = entry
            && case.verdict == CaseVerdict::Fail
        {
            case.verdict = CaseVerdict::Pass;
        }
    }
    let text = format(Format::Markdown, &record(), Some(&before));
    assert!(text.contains("PASS → FAIL") && text.matches("→").count() == 1, "{text}");
    let same = format(Format::Markdown, &record(), Some(&record()));
    assert!(same.contains("Nothing has changed"), "{same}");
}

/// What a rule of a load comes to is seen by whatever reads cases.
#[test]
fn rules_are_red_and_green_as_cases_are() {
    let rule = |text: &str, verdict, about| {
        Entry::Rule(RuleResult {
            scenario: "load".to_owned(),
            rule: text.to_owned(),
            place: "load.toml:7:3".to_owned(),
            observed: "3".to_owned(),
            verdict,
            about,
        })
    };
    let mut entries = record();
    let footer = entries.pop();
    entries.push(rule("tell.missing = 0", RuleVerdict::Broken, RuleAbout::Facts));
    entries.push(rule("tell.delivery p99 < 1s", RuleVerdict::Holds, RuleAbout::Figures));
    entries.push(rule("ruler.late p99 < 1ms", RuleVerdict::Broken, RuleAbout::Ruler));
    entries.extend(footer);
    let junit = format(Format::Junit, &entries, None);
    assert!(junit.contains("name=\"load/tell.missing = 0\""), "{junit}");
    assert!(junit.contains("observed 3"), "{junit}");
    let tap = format(Format::Tap, &entries, None);
    assert!(
        tap.lines().any(|line| line.trim_start().starts_with("not ok") && line.contains("tell.missing = 0")),
        "{tap}"
    );
    assert!(tap.lines().any(|line| line.trim_start().starts_with("ok") && line.contains("tell.delivery p99")), "{tap}");
    let github = format(Format::Github, &entries, None);
    assert!(github.contains("file=load.toml,line=7"), "{github}");
}
