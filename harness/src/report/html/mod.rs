//! One file that a browser opens without a network: verdict first, then what it rests on. Everything can be read without
//! scripts; each picture is SVG with a text that says the same, and a table beside it. What comes from the wire or from
//! a file is escaped.

mod cases;
mod chart;
mod load;
mod page;
mod source;

use crate::record::{Entry, Header, header};
use crate::report::judge;

pub use self::source::Run;

use self::page::{element, escape};

/// The report of one run, or of several beside each other.
pub fn render(runs: &[Run]) -> String {
    let mut body = String::new();
    for run in runs {
        body.push_str(&banner(run));
    }
    body.push_str(&load::render(runs));
    for run in runs {
        body.push_str(&cases::render(run));
    }
    let names: Vec<_> = runs.iter().map(|run| run.label.as_str()).collect();
    page::page(&format!("sio-bench: {}", names.join(", ")), &body)
}

/// The verdict, and what ran where.
fn banner(run: &Run) -> String {
    let (class, word, sentence) = verdict(&run.entries);
    let mut out = format!("<section class=\"verdict {class}\"><h1>{}</h1>", escape(&run.label));
    out.push_str(&format!("<p class=\"word\"><strong>{word}</strong> {}</p>", escape(&sentence)));
    if let Some(header) = header(&run.entries) {
        out.push_str(&about(header));
    }
    out.push_str("</section>\n");
    out
}

fn about(header: &Header) -> String {
    let target = &header.target;
    let version = target.version.as_deref().unwrap_or("version unknown");
    let host = &header.host;
    let rows = [
        ("Target", format!("{} ({version}) at {}", target.name, target.url)),
        ("Machine", format!("{} {}, {} cores", host.os, host.arch, host.cores)),
        ("Begun", header.started.clone()),
        ("Command", header.command.join(" ")),
        ("By", format!("sio-bench {}", header.version)),
    ];
    let rows: Vec<_> = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value))).collect();
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
        130 => ("incomplete", "INTERRUPTED"),
        _ => ("failed", "TARGET LOST"),
    };
    let rest = if word.is_empty() { footer.verdict.clone() } else { rest.to_owned() };
    (class, known, rest)
}
