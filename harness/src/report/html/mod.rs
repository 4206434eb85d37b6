//! One file that a browser opens without a network: verdict first, then what it rests on. Everything can be read without
//! scripts; each picture is SVG with a text that says the same, and a table beside it. What comes from the wire or from
//! a file is escaped.

mod capacity;
mod cases;
mod chart;
mod heat;
mod intervals;
mod kills;
mod lanes;
mod load;
mod matrix;
mod outages;
mod page;
mod percentiles;
mod source;
mod versus;

use crate::record::{Entry, Header, Lane, header};
use crate::report::judge;

pub use self::kills::{Fault, matrix};
pub use self::source::Run;
pub use self::versus::versus;

use self::page::{element, escape, pre};

/// The report of one run, or of several beside each other.
pub fn render(runs: &[Run]) -> String {
    let mut body = String::new();
    let compared = cases::side_by_side(runs);
    if let Some(comparison) = &compared {
        body.push_str(&matrix::head(comparison));
    }
    for (number, run) in (1..).zip(runs) {
        let name = if runs.len() > 1 { format!("{number}: {}", run.label) } else { run.label.clone() };
        let level = if number == 1 && compared.is_none() { "h1" } else { "h2" };
        body.push_str(&banner(run, (level, &name), runs.len() > 2));
    }
    body.push_str(&capacity::render(runs));
    body.push_str(&load::render(runs));
    body.push_str(&match &compared {
        Some(comparison) => matrix::rows(comparison),
        None => cases::render(runs),
    });
    let names: Vec<_> = runs.iter().map(|run| run.label.as_str()).collect();
    page::page(&format!("sio-bench: {}", names.join(", ")), &body)
}

/// A page of one violation: what is claimed, why it is certain, and what was around it.
pub fn violation(title: &str, because: &[String], lanes: &[Lane]) -> String {
    let mut body = format!("<section class=\"verdict failed\"><h1>{}</h1></section>\n", escape(title));
    let because: Vec<_> = because.iter().map(|line| escape(line)).collect();
    body.push_str(&pre(&because.join("\n")));
    body.push_str(&lanes::render(title, lanes));
    page::page(title, &body)
}

/// The verdict, and what ran where.
fn banner(run: &Run, (level, name): (&str, &str), among_many: bool) -> String {
    let (class, word, sentence) = verdict(&run.entries);
    let mut out = format!("<section class=\"verdict {class}\"><{level}>{}</{level}>", escape(name));
    out.push_str(&format!("<p class=\"word\"><strong>{word}</strong> {}</p>", escape(&sentence)));
    if let Some(header) = header(&run.entries) {
        let about = about(header);
        out.push_str(&if among_many {
            let version = header.target.version.as_deref().unwrap_or("version unknown");
            format!("<details><summary>{}</summary>{about}</details>", escape(version))
        } else {
            about
        });
    }
    out.push_str("</section>\n");
    out
}

fn about(header: &Header) -> String {
    let target = &header.target;
    let version = target.version.as_deref().unwrap_or("version unknown");
    let host = &header.host;
    let parts: Vec<_> = header
        .parts
        .iter()
        .map(|part| format!("{} on {} {} with {} cores", part.record, part.host.os, part.host.arch, part.host.cores))
        .collect();
    let rows = [
        ("Target", format!("{} ({version}) at {}", target.name, target.url)),
        ("Machine", format!("{} {}, {} cores", host.os, host.arch, host.cores)),
        ("Settings", target.settings.clone().unwrap_or_default()),
        ("Parts", parts.join("; ")),
        ("Begun", header.started.clone()),
        ("Command", header.command.join(" ")),
        ("By", format!("sio-bench {}", header.version)),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<_> = rows.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value))).collect();
    element("dl", "about", &rows.concat())
}

/// How it ended: a class of its own for each, and never by colour alone.
fn verdict(entries: &[Entry]) -> (&'static str, &'static str, String) {
    let Some(Entry::Footer(footer)) = entries.last() else {
        let sentence = judge(entries).sentence;
        return ("incomplete", "INCOMPLETE", format!("the record has no end; until then: {sentence}"));
    };
    let (word, rest) = footer.verdict.split_once(": ").unwrap_or(("", footer.verdict.as_str()));
    let (class, known) = match footer.exit {
        0 => ("passed", "PASSED"),
        1 => ("failed", "FAILED"),
        4 => ("invalid", "NOT VALID"),
        6 => ("incomplete", "PART OF A RUN"),
        130 => ("incomplete", "INTERRUPTED"),
        _ => ("failed", "TARGET LOST"),
    };
    let rest = if word.is_empty() { footer.verdict.clone() } else { rest.to_owned() };
    (class, known, rest)
}
