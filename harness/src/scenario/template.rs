//! Values with `${…}` in them: rendered when something is sent, matched when something arrived.
//!
//! A string that is wholly one `${…}` has that value's own type; inside longer strings it is text; `$${` is a
//! literal `${`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sio_protocol::Value;

use super::diagnostic::Diagnostics;
use super::node::{Kind, Node, Span};
use super::quantity;

/// A value of the file before `${…}` is filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Vec<Piece>),
    Array(Vec<Self>),
    /// The fields, and whether others are allowed (`".." = "${any}"`).
    Table(Vec<(String, Self)>, bool),
    /// `{ "..any order" = […] }`: an array of these, in any order.
    AnyOrder(Vec<Self>),
    /// `{ "..contains" = […] }`: an array in which these are, among others.
    Contains(Vec<Self>),
}

/// A stretch of a string.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Literal(String),
    Expr(Expr),
}

/// What stands inside `${…}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Null,
    Any(AnyOf),
    Save(String),
    /// Something else than the variable's value.
    Not(String),
    /// A text, so many times.
    Times(usize, String),
    /// The n-th argument of the last emit, counted from 1.
    Sent(usize),
    Bytes(Vec<Piece>),
    Filler(Vec<Piece>),
    /// A whole number between two bounds, both included.
    Int(i64, i64),
    /// One item of a list.
    Pick(String),
    Uuid,
    Payload,
    Seq,
    Env(String),
    Var(String),
}

/// What `${any …}` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyOf {
    Anything,
    Int,
    Number,
    String,
    Array,
    Object,
    /// Any JSON text; for raw packets.
    Json,
}

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
    // The opening quote; escapes ahead of a problem move its column, which is bearable.
    let base = span.start + 1;
    match split(text) {
        Ok(parts) => parts
            .into_iter()
            .filter_map(|part| match part {
                Part::Literal(text) => Some(Piece::Literal(text)),
                Part::Expr(inner, offset) => match expression(inner) {
                    Ok(expr) => Some(Piece::Expr(expr)),
                    Err(problem) => {
                        let start = (base + offset).min(span.end);
                        diagnostics.error(start..(start + inner.len() + 3).min(span.end), problem);
                        None
                    }
                },
            })
            .collect(),
        Err(offset) => {
            diagnostics.error((base + offset).min(span.end)..span.end, "`${` without its `}`");
            Vec::new()
        }
    }
}

enum Part<'a> {
    Literal(String),
    /// The text inside the braces, and where `${` stands.
    Expr(&'a str, usize),
}

/// Cuts a string at its `${…}`, which may nest. The error is the place of an unclosed one.
fn split(text: &str) -> Result<Vec<Part<'_>>, usize> {
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
        let length = closing_brace(&text[start + 2..]).ok_or(start)?;
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

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn expression(text: &str) -> Result<Expr, String> {
    let text = text.trim();
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
        ("seq", "") => Expr::Seq,
        ("bytes", size) if !size.is_empty() => Expr::Bytes(size_pieces(size)?),
        ("text", size) if !size.is_empty() => Expr::Filler(size_pieces(size)?),
        ("times", what) => match what.split_once(' ').map(|(count, text)| (count.parse(), text)) {
            Some((Ok(count), text)) if count <= 10_000_000 => Expr::Times(count, text.to_owned()),
            _ => return Err(format!("`times {what}`; expected a count and a text, such as times 100 ab")),
        },
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
            let words = "any null save not sent.n bytes text times int pick uuid payload seq env.NAME, or a variable";
            return Err(format!("`{text}` is not understood; expected {words}"));
        }
    })
}

fn size_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let parts = split(text).map_err(|_| "`${` without its `}`".to_owned())?;
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

impl Template {
    /// A template that is this text and nothing else.
    pub fn literal(text: &str) -> Self {
        Self::Text(vec![Piece::Literal(text.to_owned())])
    }

    /// Calls `visit` for each expression, nested ones included.
    pub fn visit(&self, visit: &mut dyn FnMut(&Expr)) {
        match self {
            Self::Text(pieces) => visit_pieces(pieces, visit),
            Self::Array(items) | Self::AnyOrder(items) | Self::Contains(items) => {
                items.iter().for_each(|item| item.visit(visit));
            }
            Self::Table(fields, _) => fields.iter().for_each(|(_, value)| value.visit(visit)),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => {}
        }
    }
}

fn visit_pieces(pieces: &[Piece], visit: &mut dyn FnMut(&Expr)) {
    for piece in pieces {
        if let Piece::Expr(expr) = piece {
            visit(expr);
            if let Expr::Bytes(inner) | Expr::Filler(inner) = expr {
                visit_pieces(inner, visit);
            }
        }
    }
}

/// What names stand for while a case or flow runs.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub vars: BTreeMap<String, Value>,
    /// The arguments of the last emit, without the event's name.
    pub sent: Vec<Value>,
    /// What `${pick …}` picks from, besides variables.
    pub lists: Arc<BTreeMap<String, Vec<Value>>>,
    /// State of the generator behind `${int …}`, `${pick …}` and `${uuid}`.
    pub random: u64,
}

impl Scope {
    fn next_random(&mut self) -> u64 {
        // splitmix64: enough for test data, and a pure function of the seed.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The value of a template.
    pub fn render(&mut self, template: &Template) -> Result<Value, String> {
        Ok(match template {
            Template::Bool(value) => Value::Bool(*value),
            Template::Int(value) => Value::Number((*value).into()),
            Template::Float(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Template::Text(pieces) => match pieces.as_slice() {
                [Piece::Expr(expr)] => self.eval(expr)?,
                pieces => Value::String(self.render_text(pieces)?),
            },
            Template::Array(items) => {
                Value::Array(items.iter().map(|item| self.render(item)).collect::<Result<_, _>>()?)
            }
            Template::AnyOrder(_) | Template::Contains(_) => {
                return Err("`..any order` and `..contains` match, they cannot be sent".to_owned());
            }
            Template::Table(fields, _) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((self.key(key)?, self.render(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
        })
    }

    fn render_text(&mut self, pieces: &[Piece]) -> Result<String, String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expr(expr) => match self.eval(expr)? {
                    Value::String(value) => text.push_str(&value),
                    other => text.push_str(&other.to_string()),
                },
            }
        }
        Ok(text)
    }

    /// The value of a variable, of an item of a list (`${pair.0}`), or of a field of a table (`${account.email}`).
    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.vars.get(name) {
            return Some(value.clone());
        }
        let (whole, part) = name.rsplit_once('.')?;
        match self.vars.get(whole)? {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?).cloned(),
            table @ Value::Object(_) => table.get(part).cloned(),
            _ => None,
        }
    }

    /// A field's name with its `${…}` filled in.
    fn key(&mut self, key: &str) -> Result<String, String> {
        if !key.contains("${") {
            return Ok(key.to_owned());
        }
        let parts = split(key).map_err(|_| format!("`{key}`: `${{` without its `}}`"))?;
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(&literal),
                Part::Expr(inner, _) => text.push_str(&self.render_text(&[Piece::Expr(expression(inner)?)])?),
            }
        }
        Ok(text)
    }

    fn size_of(&mut self, pieces: &[Piece]) -> Result<usize, String> {
        quantity::size(&self.render_text(pieces)?)
    }

    fn eval(&mut self, expr: &Expr) -> Result<Value, String> {
        Ok(match expr {
            Expr::Null => Value::Null,
            Expr::Bytes(size) => {
                let size = self.size_of(size)?;
                // Every byte value occurs, so that a transport that mangles one is found out.
                Value::Binary((0..size).map(|index| index as u8).collect::<Vec<u8>>().into())
            }
            Expr::Filler(size) => Value::String("x".repeat(self.size_of(size)?)),
            Expr::Times(count, text) => Value::String(text.repeat(*count)),
            Expr::Int(from, to) => {
                let width = to.abs_diff(*from).saturating_add(1);
                Value::Number((from + (self.next_random() % width) as i64).into())
            }
            Expr::Uuid => {
                let (a, b) = (self.next_random(), self.next_random());
                let (d, e) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
                Value::String(format!("{:08x}-{:04x}-4{:03x}-{d:04x}-{e:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff))
            }
            Expr::Sent(index) => {
                let missing = || format!("sent.{index}: the last emit had {} arguments", self.sent.len());
                self.sent.get(index - 1).cloned().ok_or_else(missing)?
            }
            Expr::Env(name) => match std::env::var(name) {
                Ok(value) => Value::String(value),
                Err(_) => return Err(format!("the environment variable {name} is not set")),
            },
            Expr::Var(name) => self.lookup(name).ok_or_else(|| format!("`{name}` has no value here"))?,
            Expr::Pick(name) => {
                let random = self.next_random() as usize;
                let items = match self.vars.get(name) {
                    Some(Value::Array(items)) => Some(items),
                    _ => self.lists.get(name),
                };
                match items {
                    Some(items) if !items.is_empty() => items[random % items.len()].clone(),
                    _ => return Err(format!("`pick {name}`: {name} is not a list with anything in it")),
                }
            }
            Expr::Any(_) | Expr::Save(_) | Expr::Not(_) => {
                return Err("`any`, `not` and `save` match, they cannot be sent".to_owned());
            }
            Expr::Payload | Expr::Seq => return Err("`payload` and `seq` belong to [traffic]".to_owned()),
        })
    }

    /// Whether `value` is what the pattern asks for; `save` takes effect on the way. The error says where they
    /// differ, what was expected and what was found.
    pub fn matches(&mut self, pattern: &Template, value: &Value) -> Result<(), String> {
        self.match_at(pattern, value, &mut String::new())
    }

    /// As [`matches`](Self::matches), for the arguments of an event or acknowledgement.
    pub fn match_all(&mut self, patterns: &[Template], values: &[Value]) -> Result<(), String> {
        if patterns.len() != values.len() {
            return Err(format!("expected {} arguments, found {}", patterns.len(), values.len()));
        }
        for (index, (pattern, value)) in patterns.iter().zip(values).enumerate() {
            self.match_at(pattern, value, &mut format!("argument {}", index + 1))?;
        }
        Ok(())
    }

    fn match_at(&mut self, pattern: &Template, value: &Value, path: &mut String) -> Result<(), String> {
        match (pattern, value) {
            (Template::Text(pieces), _)
                if matches!(pieces.as_slice(), [Piece::Expr(Expr::Any(_) | Expr::Save(_) | Expr::Not(_))]) =>
            {
                self.match_expr(&pieces[0], value, path)
            }
            (Template::Array(patterns), Value::Array(values)) => {
                if patterns.len() != values.len() {
                    return Err(differs(path, &format!("{} items", patterns.len()), &format!("{}", values.len())));
                }
                for (index, (pattern, value)) in patterns.iter().zip(values).enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    self.match_at(pattern, value, path)?;
                    path.truncate(length);
                }
                Ok(())
            }
            (Template::AnyOrder(patterns), Value::Array(values)) if patterns.len() != values.len() => {
                Err(differs(path, &format!("{} items", patterns.len()), &value.to_string()))
            }
            (Template::AnyOrder(patterns) | Template::Contains(patterns), Value::Array(values)) => {
                self.match_loose(patterns, values).map_err(|wanted| differs(path, &wanted, &value.to_string()))
            }
            (Template::Table(fields, open), Value::Object(found)) => {
                let mut names = Vec::with_capacity(fields.len());
                for (key, pattern) in fields {
                    let key = self.key(key)?;
                    names.push(key.clone());
                    let Some(value) = value.get(&key) else {
                        return Err(differs(path, &format!("a field `{key}`"), "none"));
                    };
                    let length = path.len();
                    path.push_str(&format!(".{key}"));
                    self.match_at(pattern, value, path)?;
                    path.truncate(length);
                }
                let extra = found.iter().find(|(key, _)| !names.contains(key));
                match extra {
                    Some((key, value)) if !open => Err(differs(path, "no other field", &format!("`{key}`: {value}"))),
                    _ => Ok(()),
                }
            }
            (Template::AnyOrder(_) | Template::Contains(_), _) => Err(differs(path, "an array", &value.to_string())),
            _ => {
                let expected = self.render(pattern)?;
                if same(&expected, value) {
                    Ok(())
                } else {
                    Err(differs(path, &expected.to_string(), &value.to_string()))
                }
            }
        }
    }

    /// Each pattern takes one item for itself. The error is the first that found none.
    fn match_loose(&mut self, patterns: &[Template], values: &[Value]) -> Result<(), String> {
        let mut left: Vec<&Value> = values.iter().collect();
        for (index, pattern) in patterns.iter().enumerate() {
            let found = left.iter().position(|value| self.match_at(pattern, value, &mut String::new()).is_ok());
            match found {
                Some(found) => left.remove(found),
                None => return Err(format!("an item like the {}. of the pattern", index + 1)),
            };
        }
        Ok(())
    }

    fn match_expr(&mut self, piece: &Piece, value: &Value, path: &str) -> Result<(), String> {
        let (good, expected) = match piece {
            Piece::Expr(Expr::Save(name)) => {
                self.vars.insert(name.clone(), value.clone());
                (true, "")
            }
            Piece::Expr(Expr::Not(name)) => {
                let other = self.vars.get(name).ok_or_else(|| format!("`{name}` has no value here"))?;
                (!same(other, value), "another value")
            }
            Piece::Expr(Expr::Any(AnyOf::Number)) => (matches!(value, Value::Number(_)), "a number"),
            Piece::Expr(Expr::Any(AnyOf::Array)) => (matches!(value, Value::Array(_)), "an array"),
            Piece::Expr(Expr::Any(AnyOf::Object)) => (matches!(value, Value::Object(_)), "an object"),
            Piece::Expr(Expr::Any(AnyOf::Int)) => {
                (matches!(value, Value::Number(number) if number.is_i64() || number.is_u64()), "an integer")
            }
            Piece::Expr(Expr::Any(AnyOf::String)) => (matches!(value, Value::String(_)), "a string"),
            _ => (true, ""),
        };
        if good { Ok(()) } else { Err(differs(path, expected, &value.to_string())) }
    }

    /// Whether a raw packet reads as the pattern says. `${any json}` stands for one JSON text, other
    /// expressions for their text.
    pub fn matches_raw(&mut self, pieces: &[Piece], text: &str) -> Result<(), String> {
        let mut rest = text;
        let mut pieces = pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Expr(expr @ (Expr::Any(_) | Expr::Save(_))) => {
                    let mut after = 0;
                    // What follows, if it is literal, ends the wildcard: at its first occurrence, or at the end if
                    // nothing follows that.
                    let end = match pieces.next_if(|piece| matches!(piece, Piece::Literal(_))) {
                        Some(Piece::Literal(next)) => {
                            let found = match pieces.peek() {
                                None => rest.strip_suffix(next.as_str()).map(str::len),
                                Some(_) => rest.find(next.as_str()),
                            };
                            after = next.len();
                            found.ok_or_else(|| differs("", &format!("… {next}"), text))?
                        }
                        _ if pieces.peek().is_none() => rest.len(),
                        _ => return Err("two expressions in a row cannot be told apart".to_owned()),
                    };
                    if let Expr::Save(name) = expr {
                        self.vars.insert(name.clone(), Value::from(&rest[..end]));
                    }
                    if *expr == Expr::Any(AnyOf::Json)
                        && serde_json::from_str::<serde::de::IgnoredAny>(&rest[..end]).is_err()
                    {
                        return Err(differs("", "JSON", &rest[..end]));
                    }
                    rest = &rest[end + after..];
                }
                Piece::Literal(literal) => {
                    rest = rest.strip_prefix(literal.as_str()).ok_or_else(|| differs("", literal, rest))?;
                }
                Piece::Expr(_) => {
                    let expected = self.render_text(std::slice::from_ref(piece))?;
                    rest = rest.strip_prefix(expected.as_str()).ok_or_else(|| differs("", &expected, rest))?;
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(differs("", "the end", rest)) }
    }

    /// The text of a string template.
    pub fn render_string(&mut self, pieces: &[Piece]) -> Result<String, String> {
        self.render_text(pieces)
    }
}

fn differs(path: &str, expected: &str, found: &str) -> String {
    let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{place}expected {expected}, found {found}")
}

/// Equal, with numbers compared by value: 1 and 1.0 are the same.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(fields), Value::Object(others)) => {
            fields.len() == others.len()
                && fields.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let node = Node { kind: Kind::Str(text.to_owned()), span: 0..text.len() + 2 };
        let mut diagnostics = Diagnostics::default();
        let template = parse(&node, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render("t", &format!("\"{text}\"")));
        template
    }

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.vars.insert("n".to_owned(), Value::Number(7.into()));
        scope.vars.insert("size".to_owned(), Value::from("3B"));
        scope
    }

    #[test]
    fn a_lone_expression_keeps_its_type_and_others_become_text() {
        let mut scope = scope();
        assert_eq!(scope.render(&template("${n}")), Ok(Value::Number(7.into())));
        assert_eq!(scope.render(&template("a${n}b")), Ok(Value::from("a7b")));
        assert_eq!(scope.render(&template("$${n}")), Ok(Value::from("${n}")));
        assert_eq!(scope.render(&template("${bytes ${size}}")), Ok(Value::Binary(vec![0, 1, 2].into())));
        assert!(scope.render(&template("${nothing}")).is_err());
    }

    #[test]
    fn objects_are_closed_unless_they_say_otherwise() {
        let value = Value::Object(vec![("a".to_owned(), Value::from("x")), ("b".to_owned(), Value::Null)]);
        let field = vec![("a".to_owned(), template("x"))];
        let mut scope = scope();
        assert!(scope.matches(&Template::Table(field.clone(), true), &value).is_ok());
        let problem = scope.matches(&Template::Table(field, false), &value).unwrap_err();
        assert_eq!(problem, "expected no other field, found `b`: null");
    }

    #[test]
    fn raw_packets_match_around_wildcards() {
        let mut scope = scope();
        let mut check = |pattern: &str, text: &str| match template(pattern) {
            Template::Text(pieces) => scope.matches_raw(&pieces, text),
            _ => unreachable!(),
        };
        assert!(check("0${any json}", r#"0{"sid":"x"}"#).is_ok());
        assert!(check("0${any json}", "0{").is_err());
        assert!(check("44/nope,", "44/nope,").is_ok());
        assert!(check("4${n}", "47").is_ok());
        assert!(check("40", "401").is_err());
        assert!(check("${any}:0{\"sid\":\"${save sid}\",${any}", "9:0{\"sid\":\"x\",\"y\":\"z\"}").is_ok());
        assert!(check("${any}b", "abab").is_ok() && check("${any}b", "aba").is_err());
    }

    #[test]
    fn saved_values_can_be_used() {
        let mut scope = scope();
        scope.matches(&template("${save token}"), &Value::from("abc")).unwrap();
        assert_eq!(scope.render(&template("${token}!")), Ok(Value::from("abc!")));
    }

    #[test]
    fn numbers_match_by_value() {
        let float = Value::Number(serde_json::Number::from_f64(7.0).unwrap());
        assert!(scope().matches(&Template::Int(7), &float).is_ok());
    }
}
