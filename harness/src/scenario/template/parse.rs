//! Reading templates: what stands between `${` and `}`.

use super::{AnyOf, Expr, Piece, Template, calc};
use crate::scenario::diagnostic::Diagnostics;
use crate::scenario::node::{Kind, Node, Span, part_of_string};
use crate::vocab::quantity;

/// Reads a template; problems point into the string.
pub fn parse(node: &Node, diagnostics: &mut Diagnostics) -> Template {
    match &node.kind {
        Kind::Bool(value) => Template::Bool(*value),
        Kind::Int(value) => Template::Int(*value),
        Kind::Float(value) => Template::Float(*value),
        Kind::Str(text) => Template::Text(pieces(text, &node.span, diagnostics)),
        Kind::Array(items) => Template::Array(items.iter().map(|item| parse(item, diagnostics)).collect()),
        Kind::Table(entries) => {
            if let [(key, Node { kind: Kind::Array(items), .. })] = entries.as_slice()
                && let Some(kind) = key.name.strip_prefix("..")
            {
                let items = items.iter().map(|item| parse(item, diagnostics)).collect();
                return match kind {
                    "any order" => Template::AnyOrder(items),
                    "contains" => Template::Contains(items),
                    _ => {
                        diagnostics.unknown(key.span.clone(), "key", &key.name, &["..any order", "..contains"]);
                        Template::Array(items)
                    }
                };
            }
            let open = entries.iter().any(|(key, _)| key.name == "..");
            let fields = entries.iter().filter(|(key, _)| key.name != "..");
            let fields = fields.map(|(key, value)| (key.name.clone(), parse(value, diagnostics))).collect();
            Template::Table(fields, open)
        }
    }
}

fn pieces(text: &str, span: &Span, diagnostics: &mut Diagnostics) -> Vec<Piece> {
    match split(text) {
        Ok(parts) => parts
            .into_iter()
            .filter_map(|part| match part {
                Part::Literal(text) => Some(Piece::Literal(text)),
                Part::Expr(inner, offset) => match expression(inner) {
                    Ok(expr) => Some(Piece::Expr(expr)),
                    Err(problem) => {
                        let part = offset..offset + inner.len() + "${}".len();
                        diagnostics.error(part_of_string(span, text, part), problem);
                        None
                    }
                },
            })
            .collect(),
        Err((offset, problem)) => {
            diagnostics.error(part_of_string(span, text, offset..text.len()), problem);
            Vec::new()
        }
    }
}

pub(super) enum Part<'a> {
    Literal(String),
    /// The text inside the braces, and where `${` stands.
    Expr(&'a str, usize),
}

/// Cuts a string at its `${…}`, which may nest. The error is the place of one that does not end, and why it does not.
pub(super) fn split(text: &str) -> Result<Vec<Part<'_>>, (usize, &'static str)> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            literal.push_str(&text[at..start - 1]);
            literal.push_str("${");
            at = start + 2;
            continue;
        }
        literal.push_str(&text[at..start]);
        let length = closing_brace(&text[start + 2..]).map_err(|problem| (start, problem))?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Expr(&text[start + 2..start + 2 + length], start));
        at = start + 2 + length + 1;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// Expressions in expressions; nobody writes more than two.
const DEEPEST: usize = 32;

fn closing_brace(text: &str) -> Result<usize, &'static str> {
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '{' if depth == DEEPEST => return Err("`${` with too many others inside"),
            '{' => depth += 1,
            '}' if depth == 0 => return Ok(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err("`${` without its `}`")
}

pub(super) fn expression(text: &str) -> Result<Expr, String> {
    let text = text.trim();
    if let (false, Some(calculation)) = (begins_with_a_word(text), calc::parse(text)) {
        return calculation;
    }
    let (word, rest) = text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim()));
    Ok(match (word, rest) {
        ("any", "") => Expr::Any(AnyOf::Anything),
        ("any", "int") => Expr::Any(AnyOf::Int),
        ("any", "number") => Expr::Any(AnyOf::Number),
        ("any", "string") => Expr::Any(AnyOf::String),
        ("any", "array") => Expr::Any(AnyOf::Array),
        ("any", "object") => Expr::Any(AnyOf::Object),
        ("any", "json") => Expr::Any(AnyOf::Json),
        ("any", other) => {
            return Err(format!(
                "`any {other}`; expected any, or any followed by int, number, string, array, object or json"
            ));
        }
        ("null", "") => Expr::Null,
        ("uuid", "") => Expr::Uuid,
        ("payload", "") => Expr::Payload,
        ("token", "int") => Expr::TokenInt,
        ("seq", "") => Expr::Seq,
        ("bytes", size) if !size.is_empty() => Expr::Bytes(size_pieces(size)?),
        ("text", size) if !size.is_empty() => Expr::Filler(size_pieces(size)?),
        ("times", what) => match what.split_once(' ').map(|(count, text)| (count.parse(), text)) {
            Some((Ok(count), text)) if count <= 10_000_000 => Expr::Times(count, text.to_owned()),
            _ => return Err(format!("`times {what}`; expected a count and a text, such as times 100 ab")),
        },
        ("list", what) if !what.is_empty() => {
            match what.split_once(' ').map(|(count, number)| (count.parse(), number.parse())) {
                Some((Ok(count), Ok(number))) if count <= 1_000_000 => Expr::List(count, number),
                _ => return Err(format!("`list {what}`; expected a count and a whole number, such as list 100 1")),
            }
        }
        ("not", name) if is_name(name) => Expr::Not(name.to_owned()),
        ("save", name) if is_name(name) => Expr::Save(name.to_owned()),
        ("pick", name) if is_name(name) => Expr::Pick(name.to_owned()),
        ("int", range) => {
            let bounds = range.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            let (from, to) = bounds.ok_or_else(|| format!("`int {range}`; expected a range such as int 1..9"))?;
            if from > to {
                return Err(format!("`int {range}`: the range is empty"));
            }
            Expr::Int(from, to)
        }
        (name, "") => match (name.strip_prefix("sent."), name.strip_prefix("env.")) {
            (Some(index), _) => match index.parse() {
                Ok(index @ 1..) => Expr::Sent(index),
                _ => return Err(format!("`{name}`; arguments are counted from 1, as in sent.1")),
            },
            (_, Some(variable)) if is_name(variable) => Expr::Env(variable.to_owned()),
            _ if is_name(name) => Expr::Var(name.to_owned()),
            _ => return Err(format!("`{name}` is not a name")),
        },
        _ => {
            let words = "any null save not sent.n bytes text times list int pick uuid payload seq env.NAME, a variable, or a calculation";
            return Err(format!("`{text}` is not understood; expected {words}"));
        }
    })
}

/// Whether it is one of the words that take something behind them, which may look like a calculation.
fn begins_with_a_word(text: &str) -> bool {
    let word = text.split(' ').next().unwrap_or(text);
    matches!(word, "any" | "bytes" | "text" | "times" | "list" | "not" | "save" | "pick" | "int") && word != text
}

fn size_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let parts = split(text).map_err(|(_, problem)| problem.to_owned())?;
    let pieces: Vec<Piece> = parts
        .into_iter()
        .map(|part| match part {
            Part::Literal(text) => Ok(Piece::Literal(text)),
            Part::Expr(inner, _) => expression(inner).map(Piece::Expr),
        })
        .collect::<Result<_, String>>()?;
    if let [Piece::Literal(text)] = pieces.as_slice() {
        quantity::size(text)?;
    }
    Ok(pieces)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}
