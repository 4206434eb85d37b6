//! `JUnit` XML as Jenkins' and GitLab's readers take it, which is less than others write: no `skipped` for all suites together,
//! no properties of a case. A suite per area. Known deviations and what was skipped are `skipped` with the reason; an
//! unexpected pass is a failure.

use std::io;

use indexmap::IndexMap;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::end::account;
use super::escape::{one_line, xml};
use super::{problem, target};
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;

type Xml = Writer<Vec<u8>>;

pub(super) fn render(entries: &[Entry]) -> String {
    of_cases(&target(entries), &coverage::cases(entries))
}

/// Cases, for a target or several of this name.
pub(super) fn of_cases(name: &str, cases: &[&CaseResult]) -> String {
    // Writing to memory does not fail.
    let text = write(name, cases).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_default() + "\n"
}

fn write(name: &str, cases: &[&CaseResult]) -> io::Result<Vec<u8>> {
    let mut areas: IndexMap<&str, Vec<&CaseResult>> = IndexMap::new();
    for case in cases {
        areas.entry(&case.scenario).or_default().push(case);
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let total = Totals::of(cases);
    let suites = writer
        .create_element("testsuites")
        .with_attribute(("name", attribute(&format!("sio-bench {name}")).as_str()))
        .with_attributes(total.red());
    suites.write_inner_content(|writer| areas.iter().try_for_each(|(area, cases)| suite(writer, area, cases)))?;
    Ok(writer.into_inner())
}

/// Attributes are one line, and hold what XML can hold.
fn attribute(text: &str) -> String {
    one_line(text).into_owned()
}

/// What a suite holds, as numbers in words.
struct Totals([(&'static str, String); 4]);

impl Totals {
    fn of(cases: &[&CaseResult]) -> Self {
        let number = |tag: &str| cases.iter().filter(|case| element(case.verdict) == Some(tag)).count().to_string();
        Self([
            ("tests", cases.len().to_string()),
            ("failures", number("failure")),
            ("errors", number("error")),
            ("skipped", number("skipped")),
        ])
    }

    /// Without those that were skipped, of which the root knows nothing.
    fn red(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().take(3)
    }

    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn suite(writer: &mut Xml, area: &str, cases: &[&CaseResult]) -> io::Result<()> {
    let suite = writer
        .create_element("testsuite")
        .with_attribute(("name", attribute(area).as_str()))
        .with_attributes(Totals::of(cases).all());
    suite.write_inner_content(|writer| cases.iter().try_for_each(|case| test_case(writer, case)))?;
    Ok(())
}

fn test_case(writer: &mut Xml, case: &CaseResult) -> io::Result<()> {
    let class = format!("{}.{}", case.scenario, case.requirement.as_deref().unwrap_or("none"));
    let test = writer
        .create_element("testcase")
        .with_attribute(("name", attribute(&case.id).as_str()))
        .with_attribute(("classname", attribute(&class).as_str()))
        .with_attribute(("time", format!("{:.3}", case.millis / 1e3).as_str()));
    let Some(tag) = element(case.verdict) else {
        test.write_empty()?;
        return Ok(());
    };
    test.write_inner_content(|writer| {
        outcome(writer, tag, case)?;
        if case.verdict.is_red() {
            text(writer, "system-out", &case.transcript.join("\n"))?;
            text(writer, "system-err", case.stderr.as_deref().unwrap_or_default())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// How a verdict is told; nothing is told of what passed.
fn element(verdict: CaseVerdict) -> Option<&'static str> {
    match verdict {
        CaseVerdict::Pass => None,
        CaseVerdict::Skip | CaseVerdict::Xfail | CaseVerdict::Info => Some("skipped"),
        CaseVerdict::Fail | CaseVerdict::Xpass => Some("failure"),
        CaseVerdict::Crash | CaseVerdict::Error | CaseVerdict::Inconclusive => Some("error"),
    }
}

/// Jenkins shows the attributes, and GitLab the text alone: the message is in both.
fn outcome(writer: &mut Xml, tag: &str, case: &CaseResult) -> io::Result<()> {
    let reason = case.reason.clone().filter(|_| case.verdict == CaseVerdict::Xfail);
    let message = format!("{}: {}", case.verdict.word(), reason.unwrap_or_else(|| problem(case)));
    let mut body = account(case);
    for (name, value) in facts(case) {
        body.push_str(&format!("\n{name}: {value}"));
    }
    writer
        .create_element(tag)
        .with_attribute(("type", case.verdict.word()))
        .with_attribute(("message", attribute(&message).as_str()))
        .write_text_content(BytesText::new(&xml(&body)))?;
    Ok(())
}

/// What else there is to know of a case.
fn facts(case: &CaseResult) -> impl Iterator<Item = (&'static str, String)> {
    let all = [
        ("class", case.class.map_or("", |class| class.word()).to_owned()),
        ("origin", case.origin.map_or("", |origin| origin.word()).to_owned()),
        ("options", case.options.clone()),
        ("case", case.place.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty())
}

fn text(writer: &mut Xml, tag: &str, text: &str) -> io::Result<()> {
    if !text.is_empty() {
        writer.create_element(tag).write_text_content(BytesText::new(&xml(text)))?;
    }
    Ok(())
}
