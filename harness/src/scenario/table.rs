//! Reading a table of the file: keys are asked for by name, and what nobody asked for is an error.

use std::time::Duration;

use super::diagnostic::Diagnostics;
use super::node::{Key, Kind, Node, Span};
use super::source::{Brought, Source};
use super::template::{self, Expr};
use super::vars::Vars;
use crate::vocab::quantity::{self, Rate};

/// What lowering needs everywhere.
pub struct Context<'a> {
    pub diagnostics: &'a mut Diagnostics,
    pub source: &'a Source,
    /// What came with it; nothing else is read then.
    pub brought: Option<&'a Brought>,
    pub vars: &'a Vars,
    /// Why the file cannot be run although it is well-formed, with the place.
    pub not_yet: &'a mut Vec<(String, Span)>,
    /// Names of tables such as `[users.people]`, well-formed or not: what is wrong with one is said once, and
    /// not again wherever it is used.
    pub declared: Vec<(&'static str, String)>,
    /// Those of the populations that follow a flow.
    pub travellers: Vec<String>,
}

impl Context<'_> {
    /// Reports a name that is not there, unless it is there and has been reported itself.
    pub fn unknown_name(&mut self, table: &'static str, span: Span, what: &str, found: &str, known: &[&str]) {
        if !self.declared.iter().any(|(kind, name)| *kind == table && name == found) {
            self.diagnostics.unknown(span, what, found, known);
        }
    }
}

/// A table being read.
pub struct Table<'n> {
    entries: &'n [(Key, Node)],
    span: Span,
    /// What it is, for messages.
    what: &'static str,
    asked: Vec<&'static str>,
}

impl<'n> Table<'n> {
    /// Reads `node`, which must be a table.
    pub fn new(node: &'n Node, what: &'static str, cx: &mut Context<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Table(entries) => Some(Self { entries, span: node.span.clone(), what, asked: Vec::new() }),
            _ => {
                cx.diagnostics.error(node.span.clone(), format_args!("{what} is a table, not {}", node.describe()));
                None
            }
        }
    }

    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Key and value of `name`, if it is there.
    pub fn entry(&mut self, name: &'static str) -> Option<(&'n Key, &'n Node)> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
    }

    pub fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// As [`get`](Self::get), but its absence is an error.
    pub fn require(&mut self, name: &'static str, cx: &mut Context<'_>) -> Option<&'n Node> {
        let node = self.get(name);
        if node.is_none() {
            cx.diagnostics.error(self.span(), format_args!("{} needs `{name}`", self.what));
        }
        node
    }

    /// Notes that a key is understood but not run yet.
    pub fn not_yet(&mut self, name: &'static str, cx: &mut Context<'_>) -> Option<&'n Node> {
        let (key, node) = self.entry(name)?;
        cx.not_yet.push((format!("`{name}` cannot be run by this version"), key.span.clone()));
        Some(node)
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, cx: &mut Context<'_>) {
        for (key, _) in self.entries {
            if !self.asked.contains(&key.name.as_str()) {
                cx.diagnostics.unknown(key.span.clone(), "key", &key.name, &self.asked);
            }
        }
    }
}

/// What a value is with its variables filled in, and what `${…}` calculates: a wholly-`${…}` string has the value's own
/// type, as everywhere. What is read here is read before anything runs, so only `[vars]` are known.
pub fn scalar(node: &Node, cx: &mut Context<'_>) -> Option<Node> {
    let Kind::Str(text) = &node.kind else { return Some(node.clone()) };
    if !text.contains("${") {
        return Some(node.clone());
    }
    cx.vars.fill(node, cx.diagnostics)
}

/// As [`scalar`], for texts: they may have other `${…}` in them that somebody else understands.
fn text_of(node: &Node, cx: &mut Context<'_>) -> Option<Node> {
    let is_whole = node.as_str().is_some_and(|text| text.starts_with("${") && text.ends_with('}'));
    let mut known = true;
    template::parse(node, &mut Diagnostics::default()).visit(&mut |expr| {
        known &= match expr {
            Expr::Var(name) => cx.vars.get(name).is_some(),
            Expr::Number(_) | Expr::Calc(..) => true,
            _ => false,
        };
    });
    if known || is_whole { scalar(node, cx) } else { Some(node.clone()) }
}

fn wrong(node: &Node, what: &str, cx: &mut Context<'_>) {
    cx.diagnostics.error(node.span.clone(), format_args!("expected {what}, found {}", node.describe()));
}

pub fn string(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let node = text_of(node, cx)?;
    match node.kind {
        Kind::Str(text) => Some(text),
        _ => {
            wrong(&node, "a string", cx);
            None
        }
    }
}

/// The longest name.
const LONGEST_NAME: usize = 100;

/// A name: files are called after it, and reports quote it.
pub fn name(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let name = string(node, cx)?;
    check_name(&name, &node.span, cx).then_some(name)
}

/// The key of a table such as `[users.people]`, which is a name as well.
pub fn check_name(name: &str, span: &Span, cx: &mut Context<'_>) -> bool {
    let problem = not_a_name(name);
    if let Some(problem) = problem {
        cx.diagnostics.error(span.clone(), problem);
    }
    problem.is_none()
}

/// Why a text is no name, if it is none.
pub fn not_a_name(text: &str) -> Option<&'static str> {
    const { assert!(LONGEST_NAME == 100, "the message says so") };
    match text {
        "" => Some("a name has at least one character"),
        _ if text.chars().count() > LONGEST_NAME => {
            Some("a name has at most 100 characters; files are called after it")
        }
        _ if text.starts_with('.') => Some("a name does not begin with a dot; files are called after it"),
        _ if text.contains(['/', '\\']) => Some("a name has no `/` and no `\\`; files are called after it"),
        _ if text.contains(char::is_control) => Some("a name has no control characters; files are called after it"),
        _ => None,
    }
}

pub fn boolean(node: &Node, cx: &mut Context<'_>) -> Option<bool> {
    match scalar(node, cx)?.kind {
        Kind::Bool(value) => Some(value),
        _ => {
            wrong(node, "true or false", cx);
            None
        }
    }
}

/// A whole number of at least `least`.
pub fn count(node: &Node, least: i64, cx: &mut Context<'_>) -> Option<u64> {
    match scalar(node, cx)?.kind {
        Kind::Int(value) if value >= least => u64::try_from(value).ok(),
        Kind::Int(value) => {
            cx.diagnostics.error(node.span.clone(), format_args!("expected at least {least}, found {value}"));
            None
        }
        _ => {
            wrong(node, "a whole number", cx);
            None
        }
    }
}

pub fn strings(node: &Node, cx: &mut Context<'_>) -> Option<Vec<String>> {
    match &node.kind {
        Kind::Array(items) => items.iter().map(|item| string(item, cx)).collect(),
        _ => {
            wrong(node, "an array of strings", cx);
            None
        }
    }
}

pub fn array<'n>(node: &'n Node, what: &str, cx: &mut Context<'_>) -> Option<&'n [Node]> {
    match &node.kind {
        Kind::Array(items) => Some(items),
        Kind::Table(_) if what.starts_with("[[") => {
            wrong(node, what, cx);
            cx.diagnostics.note("an array of tables has two brackets on each side");
            None
        }
        _ => {
            wrong(node, what, cx);
            None
        }
    }
}

/// A quantity with a unit, written as a string.
fn with_unit<T>(
    node: &Node,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
    cx: &mut Context<'_>,
) -> Option<T> {
    let resolved = scalar(node, cx)?;
    let problem = match &resolved.kind {
        Kind::Str(text) => match parse(text) {
            Ok(value) => return Some(value),
            Err(problem) => problem,
        },
        Kind::Int(number) => format!("`{number}` has no unit"),
        Kind::Float(number) => format!("`{number}` has no unit"),
        _ => format!("found {}", resolved.describe()),
    };
    cx.diagnostics.error(node.span.clone(), format_args!("expected {what}: {problem}"));
    None
}

pub fn duration(node: &Node, cx: &mut Context<'_>) -> Option<Duration> {
    with_unit(node, "a time such as \"30s\" or \"200ms\"", quantity::duration, cx)
}

/// A time, or two of them joined by `..`.
pub fn durations(node: &Node, cx: &mut Context<'_>) -> Option<(Duration, Duration)> {
    with_unit(node, "a time such as \"2s\", or two as in \"1s..5s\"", quantity::durations, cx)
}

/// Bytes in a second.
pub fn throughput(node: &Node, cx: &mut Context<'_>) -> Option<usize> {
    with_unit(node, "a throughput such as \"1KiB/s\"", quantity::throughput, cx)
}

pub fn rate(node: &Node, cx: &mut Context<'_>) -> Option<Rate> {
    with_unit(node, "a rate such as \"500/s\"", quantity::rate, cx)
}

pub fn size(node: &Node, cx: &mut Context<'_>) -> Option<usize> {
    with_unit(node, "a size such as \"128B\" or \"64KiB\"", quantity::size, cx)
}

/// A plain number.
pub fn number(node: &Node, cx: &mut Context<'_>) -> Option<f64> {
    match scalar(node, cx)?.kind {
        Kind::Int(value) => Some(value as f64),
        Kind::Float(value) => Some(value),
        _ => {
            wrong(node, "a number", cx);
            None
        }
    }
}

/// A percentage as a factor, or two of them joined by `..`.
pub fn load(node: &Node, cx: &mut Context<'_>) -> Option<(f64, f64)> {
    with_unit(node, "a load such as \"100%\" or \"20%..300%\"", quantity::load, cx)
}

#[cfg(test)]
mod tests {
    use super::not_a_name;

    #[test]
    fn names_are_words_of_a_path() {
        for name in ["x", "two words", "größe-1", "a..b", &"x".repeat(100)] {
            assert_eq!(not_a_name(name), None, "{name}");
        }
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\0b", "a\nb", ".hidden", &"x".repeat(300)] {
            assert!(not_a_name(name).is_some(), "{name}");
        }
    }
}
