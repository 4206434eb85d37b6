use super::*;
use crate::record::{
    CaseVerdict, Failure, Footer, Header, Host, LoadResult, PhaseResult, RequirementInfo, SuiteInfo, TargetInfo,
    TrafficResult, histogram,
};
use crate::scenario::model::{Class, Origin};
use crate::vocab::text::time;

pub(super) fn case(id: &str, verdict: CaseVerdict) -> CaseResult {
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
        requirement: Some("RM-01".to_owned()),
        class: Some(Class::Must),
        origin: Some(Origin::Docs),
        verdict,
        millis: 12.5,
        options: String::new(),
        reason: matches!(verdict, CaseVerdict::Skip | CaseVerdict::Xfail | CaseVerdict::Xpass)
            .then(|| "known".to_owned()),
        failure: failed.then_some(failure),
        transcript: vec!["1.000 b ▶ \u{7}".to_owned()],
        times: 1,
        stderr: None,
    }
}

/// A record with one case of each verdict.
pub(super) fn record() -> Vec<Entry> {
    let target = TargetInfo {
        settings: None,
        addresses: Vec::new(),
        remarks: Vec::new(),
        name: "node".to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        version: Some("socket.io 4".to_owned()),
        pid: None,
        fence: true,
        fixture: None,
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
    let rule = RequirementInfo {
        area: "rooms".to_owned(),
        says: "A member gets it.".to_owned(),
        class: Class::Must,
        origin: Origin::Docs,
        cites: "docs".to_owned(),
        link: "https://example.com".to_owned(),
        uncovered: None,
    };
    let rules = [("RM-01".to_owned(), rule)].into_iter().collect();
    let suite = SuiteInfo { hash: "abc".to_owned(), cases: 9, of: 9, whole: true, requirements: rules };
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
        if !matches!(format, Format::Jsonl | Format::Json) {
            insta::assert_snapshot!(name, super::format(format, &record(), None));
        }
    }
}

#[test]
fn one_document_has_the_entries_of_all_lines() {
    let [lines, document] = [Format::Jsonl, Format::Json].map(|format| super::format(format, &record(), None));
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&document).unwrap(), lines);
    assert_eq!(format(Format::Json, &[], None).trim(), "[\n\n]");
}

#[test]
fn a_record_that_was_cut_short_says_so_in_every_format() {
    let mut cut = record();
    cut.pop();
    for (name, format) in ALL {
        let text = super::format(format, &cut, None).to_lowercase();
        let says = ["no footer", "incomplete"].iter().any(|word| text.contains(word));
        // The record itself says so by what it lacks; tables of figures have no word for it.
        let wordless = matches!(format, Format::Jsonl | Format::Json | Format::Csv | Format::OpenMetrics);
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
    assert!(same.contains("No verdict has changed"), "{same}");
}

/// The same percentiles in every shape, and those of the sorted values.
#[test]
fn percentiles_are_the_same_everywhere() {
    let mut raw: Vec<u64> = (1..=1_000).map(|value| value * 7_919 % 1_000_003 * 1_000).collect();
    let mut histogram = histogram::empty();
    raw.iter().for_each(|value| histogram::record(&mut histogram, *value));
    let summary = histogram::summary(&histogram);
    raw.sort_unstable();
    let rank = |share: f64| raw[(share * raw.len() as f64).ceil() as usize - 1] as f64;
    let [p50, p99, max] = [rank(0.5), rank(0.99), rank(1.0)];
    let near = |found: f64, wanted: f64| (found - wanted).abs() <= wanted / 1_000.0;
    for (found, wanted) in
        [(summary.p50, p50), (summary.p90, rank(0.9)), (summary.p99, p99), (summary.p999, rank(0.999))]
    {
        assert!(near(found as f64, wanted), "{found} {wanted}");
    }
    let latency = |name: &str| [(name.to_owned(), summary)].into_iter().collect();
    let phase = PhaseResult {
        name: "steady".to_owned(),
        measured: true,
        seconds: 1.0,
        latency: latency("delivery"),
        ..PhaseResult::default()
    };
    let traffic = TrafficResult {
        name: "t".to_owned(),
        latency: latency("delivery"),
        phases: vec![phase],
        ..TrafficResult::default()
    };
    let load = LoadResult { scenario: "s".to_owned(), traffic: vec![traffic], ..LoadResult::default() };
    let second = Progress { second: 1.0, latency: latency("t.delivery"), ..Progress::default() };
    let mut entries = record();
    entries.retain(|entry| matches!(entry, Entry::Header(_) | Entry::Footer(_)));
    let end = entries.len() - 1;
    entries.splice(end..end, [Entry::Progress(second), Entry::Load(Box::new(load))]);
    let [shown50, shown99, shown_max] = [summary.p50, summary.p99, summary.max].map(|value| time(value as f64));
    // As people read them: the terminal, a pull request, a browser.
    let markdown = format(Format::Markdown, &entries, None);
    assert!(
        markdown.contains(&format!("| `t.delivery` | {shown50} | {shown99} | {shown_max} | 1,000 |")),
        "{markdown}"
    );
    let place = tempfile::tempdir().unwrap();
    let html = crate::report::html::render(&[crate::report::html::Run::of(entries.clone())]);
    let terminal = format(Format::Terminal, &entries, None);
    for shown in [&shown50, &shown99, &shown_max] {
        assert!(html.contains(shown.as_str()), "{shown}");
        assert!(terminal.contains(shown.as_str()), "{shown}: {terminal}");
    }
    // As programs read them.
    let csv = format(Format::Csv, &entries, None);
    let (head, row) = csv.trim().split_once('\n').unwrap();
    let column = head.split(',').position(|name| name == "t.delivery p50 ms").unwrap();
    let figures: Vec<f64> = row.split(',').skip(column).take(3).map(|figure| figure.parse().unwrap()).collect();
    assert!([p50, p99, max].iter().zip(&figures).all(|(wanted, found)| near(found * 1e6, *wanted)), "{csv}");
    let metrics = format(Format::OpenMetrics, &entries, None);
    for (quantile, wanted) in [("0.5", p50), ("0.99", p99), ("1", max)] {
        let line = format!("measure=\"t.delivery\",quantile=\"{quantile}\"}} ");
        let found =
            metrics.lines().find_map(|text| text.split_once(&line)).unwrap_or_else(|| panic!("{line}: {metrics}")).1;
        assert!(near(found.parse::<f64>().unwrap() * 1e9, wanted), "{quantile}: {found}");
    }
    let file = place.path().join("t.delivery.hgrm");
    histogram::write_hgrm(&file, &histogram).unwrap();
    let hgrm = std::fs::read_to_string(&file).unwrap();
    let of_p50 =
        hgrm.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|share| share.starts_with("0.50")));
    let found: f64 = of_p50.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(near(found * 1e6, p50), "{hgrm}");
}

/// What a rule of a load comes to is seen by whatever reads cases.
#[test]
fn rules_are_red_and_green_as_cases_are() {
    let rule = |text: &str, verdict, about| {
        Entry::Threshold(ThresholdResult {
            scenario: "load".to_owned(),
            threshold: text.to_owned(),
            place: "load.toml:7:3".to_owned(),
            observed: "3".to_owned(),
            verdict,
            about,
        })
    };
    let mut entries = record();
    let footer = entries.pop();
    entries.push(rule("tell.missing = 0", ThresholdVerdict::Broken, ThresholdKind::Facts));
    entries.push(rule("tell.delivery p99 < 1s", ThresholdVerdict::Holds, ThresholdKind::Figures));
    entries.push(rule("generator.late p99 < 1ms", ThresholdVerdict::Broken, ThresholdKind::Generator));
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
