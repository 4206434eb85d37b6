//! Keys that scenario files had before 0.1.0, and what they are called now: the only place that knows them; those of measures are
//! in `vocab::legacy`. A file with an old name gets one error for each, with the new one; the file inside of an old record is
//! read with them.

use super::diagnostic::Diagnostics;
use super::node::{Key, Kind, Node, Span};
use crate::vocab::legacy;

/// Keys: the tables they are in (`*` is any name, `#` any element), the old name and the new one.
const KEYS: [(&[&str], &str, &str); 10] = [
    (&["case", "#"], "rule", "requirement"),
    (&["case", "#"], SETTLE, "allow_unexpected"),
    (&["case", "#", "steps", "#"], "harmless", "closed_or_ignored"),
    (&["users", "*"], "reads", "read_rate"),
    (&["traffic", "*"], "by", "from"),
    (&["traffic", "*"], "reaches", "delivers_to"),
    (&["slo"], "rules", THRESHOLDS),
    (&["slo", THRESHOLDS, "#"], "rule", THRESHOLD),
    (&["search"], "raise", "vary"),
    (&["search"], "hold", "hold_for"),
];
/// This one says the opposite of its new name.
const SETTLE: &str = "settle";
const THRESHOLDS: &str = "thresholds";
const THRESHOLD: &str = "threshold";

/// The number of the iteration, in `${…}`.
const ITERATION: (&str, &str) = ("visitor", "iteration");

/// Something that has another name now.
struct Renamed {
    span: Span,
    old: String,
    new: String,
}

/// Gives everything in the file its new name, so that it is read on, and says of each that had an old one.
pub(super) fn refuse(root: &mut Node, diagnostics: &mut Diagnostics) {
    for Renamed { span, old, new } in rename(root) {
        diagnostics.error_at(span, format_args!("`{old}` has another name now"), format_args!("write `{new}`"));
    }
}

/// As [`refuse`], but nothing is said: the file is part of an old record.
pub(super) fn accept(root: &mut Node) {
    rename(root);
}

fn rename(root: &mut Node) -> Vec<Renamed> {
    // Whoever has given that name to something of their own means that.
    let own = gives(root, ITERATION.0, true);
    let mut found = Vec::new();
    visit(root, &mut Vec::new(), own, &mut found);
    found
}

/// Whether the file gives a name itself: in `[vars]` or `[feeds]`, with `as`, or with `save`.
fn gives(node: &Node, name: &str, is_root: bool) -> bool {
    let has = |node: &Node| node.field(name).is_some();
    match &node.kind {
        Kind::Table(entries) => entries.iter().any(|(key, value)| match key.name.as_str() {
            "vars" | "feeds" if is_root => has(value),
            "save" => has(value),
            "as" => value.as_str() == Some(name),
            _ => gives(value, name, false),
        }),
        Kind::Array(nodes) => nodes.iter().any(|node| gives(node, name, false)),
        Kind::Str(text) => text.contains(&format!("${{save {name}")),
        Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => false,
    }
}

fn visit(node: &mut Node, path: &mut Vec<String>, own: bool, found: &mut Vec<Renamed>) {
    let Node { kind, span } = node;
    match kind {
        Kind::Table(entries) => {
            for (key, value) in entries {
                rename_key(key, value, path, found);
                path.push(key.name.clone());
                visit(value, path, own, found);
                path.pop();
            }
        }
        Kind::Array(nodes) => {
            path.push("#".to_owned());
            nodes.iter_mut().for_each(|node| visit(node, path, own, found));
            path.pop();
        }
        Kind::Str(text) => {
            let (old, new) = (text.clone(), renamed_text(text, path, own));
            if let Some((old_word, new_word)) = new.as_ref().map(|new| differs(&old, new)) {
                found.push(Renamed { span: span.clone(), old: old_word, new: new_word });
            }
            *text = new.unwrap_or(old);
        }
        Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {}
    }
}

fn rename_key(key: &mut Key, value: &mut Node, path: &[String], found: &mut Vec<Renamed>) {
    let path = without_nesting(path);
    let fits = |pattern: &[&str]| {
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(wanted, name)| *wanted == "*" || *wanted == *name)
    };
    let Some((_, old, new)) = KEYS.iter().find(|(table, old, _)| *old == key.name && fits(table)) else {
        return;
    };
    let mut name = (*new).to_owned();
    if let (&SETTLE, Kind::Bool(settles)) = (old, &mut value.kind) {
        *settles = !*settles;
        name = format!("{new} = {settles}");
    }
    found.push(Renamed { span: key.span.clone(), old: key.name.clone(), new: name });
    key.name = (*new).to_owned();
}

/// A path in which steps inside of steps (`repeat`, `together`) are steps of their case.
fn without_nesting(path: &[String]) -> Vec<&str> {
    let mut flat: Vec<&str> = path.iter().map(String::as_str).collect();
    while let ["case", "#", "steps", "#", "steps" | "together", "#", ..] = flat[..] {
        flat.drain(4..6);
    }
    flat
}

/// The text with new names; `None` if it has no old one. `own` says that the file has given the iteration's old name to
/// something else.
fn renamed_text(text: &str, path: &[String], own: bool) -> Option<String> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names[..] {
        ["slo", THRESHOLDS, "#"] | ["slo", THRESHOLDS, "#", THRESHOLD] | ["search", "until", "#"] => {
            legacy::threshold(text)
        }
        ["users", _, "flow", ..] | ["target", "headers" | "query", ..] if !own => renamed_expressions(text),
        _ => None,
    }
}

/// The text with the iteration's new name wherever an `${…}` has the old one as a word.
fn renamed_expressions(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let is_text = rest[..start].ends_with('$');
        let end = rest[start..].find('}').map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        let inside = &rest[start..end];
        out.push_str(&if is_text { inside.to_owned() } else { with_new_word(inside) });
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

fn with_new_word(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    let (old, new) = ITERATION;
    let mut out = String::new();
    for part in text.split_inclusive(|c| !is_word(c)) {
        let word = part.trim_end_matches(|c| !is_word(c));
        out.push_str(if word == old { new } else { word });
        out.push_str(&part[word.len()..]);
    }
    out
}

/// The first words in which two texts differ.
fn differs(old: &str, new: &str) -> (String, String) {
    let pair = old.split_whitespace().zip(new.split_whitespace()).find(|(old, new)| old != new);
    pair.map_or((old.to_owned(), new.to_owned()), |(old, new)| (old.to_owned(), new.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::scenario::source::Source;
    use crate::scenario::{load, load_recorded};

    /// A load, a case and a search with every old name.
    const OLD: &str = r#"
name = "x"
[vars]
rate = "1/s"
[users.a]
count = 2
reads = "64KiB/s"
[users.v]
count = 1
flow = [{ connect = "/" }, { emit = ["hello", "${visitor}", "${visitor + 1}", "$${visitor}"] }]
[traffic.t]
by = "a"
rate = "${rate}"
emit = ["say", "${payload}"]
reaches = { event = "said", rooms = [] }
[[phase]]
name = "p"
for = "1s"
[slo]
rules = ["t.stray = 0", { rule = "t.disorder = 0", abort = true }, "t.missed = 0", "oracle.strength >= 50%",
         "ruler.late p99 < 1s", "ruler.read p99 < 1s", "ruler.busy < 90%", "ruler.wait < 9%"]
[search]
raise = "rate"
range = "1..100/s"
until = ["ruler.late p99 > 10ms"]
hold = "5s"
[[case]]
name = "c"
rule = "RM-01"
settle = false
steps = [{ at = "a", harmless = true }, { repeat = 2, steps = [{ at = "a", harmless = true }] }]
[clients.a]
"#;

    fn named(text: &str) -> Source {
        Source { name: "t.toml".to_owned(), text: text.to_owned() }
    }

    /// The new names in the order of the file.
    const NEW: [&str; 22] = [
        "`reads` has another name now",
        "write `read_rate`",
        "write `${iteration}`",
        "write `${iteration`",
        "write `from`",
        "write `delivers_to`",
        "write `thresholds`",
        "write `t.misdelivered`",
        "write `threshold`",
        "write `t.out_of_order`",
        "write `t.missed_offline`",
        "write `oracle.certainty`",
        "write `generator.late`",
        "write `generator.read_delay`",
        "write `generator.cpu`",
        "write `generator.cpu_wait`",
        "write `vary`",
        "write `hold_for`",
        "write `requirement`",
        "write `allow_unexpected = true`",
        "write `closed_or_ignored`",
        "write `closed_or_ignored`",
    ];

    #[test]
    fn an_old_name_is_one_error_with_the_new_one() {
        let text = load(named(OLD), &[], None).unwrap_err();
        let mut rest = text.as_str();
        for wanted in NEW {
            let at = rest.find(wanted).unwrap_or_else(|| panic!("{wanted} is not in the rest of\n{text}"));
            rest = &rest[at + wanted.len()..];
        }
        assert!(text.contains("22 errors in t.toml"), "nothing follows from an old name: {text}");
    }

    #[test]
    fn a_recorded_file_is_read_as_it_was_meant() {
        let loaded = load_recorded(named(OLD), &[], None).unwrap();
        assert_eq!((loaded.scenario.slo.len(), loaded.scenario.traffic["t"].from.as_str()), (8, "a"));
        assert!(loaded.scenario.cases[0].allow_unexpected);
        assert_eq!(loaded.scenario.search.unwrap().vary, "rate");
    }

    #[test]
    fn names_that_somebody_has_given_are_left_alone() {
        let text = "name = \"rules\"\n[vars]\nby = 1\nruler = \"ruler.late\"\n[users.reads]\ncount = \"${by}\"\n\
             [traffic.stray]\nfrom = \"reads\"\nrate = \"1/s\"\nemit = [\"by\", { reaches = 1, by = \"${payload}\" }]\nack = true\n\
             [[phase]]\nname = \"p\"\nfor = \"1s\"\n[slo]\nthresholds = [\"stray.missing = 0\"]\n";
        load(named(text), &[], None).unwrap();
        let flow = |vars: &str, step: &str, threshold: &str| {
            let text = format!(
                "name = \"x\"\n{vars}\n[users.v]\ncount = 1\nflow = [{{ connect = \"/\" }}, {step}]\n\
                 [[phase]]\nname = \"p\"\nfor = \"1s\"\n[slo]\nthresholds = [\"{threshold}\"]\n"
            );
            load(named(&text), &[], None).unwrap()
        };
        flow("[vars]\nvisitor = \"ann\"", "{ emit = [\"hello\", \"${visitor}\"] }", "errors = 0%");
        flow("[feeds.visitor]\nvalues = [1]", "{ emit = [\"hello\", \"${visitor}\"] }", "errors = 0%");
        let call = "{ emit = [\"ask\"], ack = true, name = \"order.missed\" }";
        assert_eq!(flow("", call, "order.missed p99 < 1s").scenario.slo[0].text, "order.missed p99 < 1s");
    }
}
