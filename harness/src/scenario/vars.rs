//! `[vars]` and what `--set` makes of them.

use sio_protocol::Value;

use super::diagnostic::Diagnostics;
use super::node::{Kind, Node, Span, parse_override};
use super::template::{self, Expr, Scope};

/// Variables of a file, and bytes of all their texts: they are made of each other, and may grow by leaps.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 1 << 20;

/// Names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Vars(Vec<(String, Kind)>);

/// One `--set key=value`.
pub type Override = (String, String);

impl Vars {
    /// Reads the table `[vars]`; overrides of names it does not have are refused by name.
    pub fn read(node: Option<&Node>, overrides: &[Override], diagnostics: &mut Diagnostics) -> Self {
        let mut vars = Self::default();
        if let Some(node) = node {
            match &node.kind {
                Kind::Table(entries) => {
                    if entries.len() > MOST {
                        let problem = format!("at most {MOST} variables, found {}", entries.len());
                        diagnostics.error(node.span.clone(), problem);
                        return vars;
                    }
                    for (key, value) in entries {
                        if matches!(value.kind, Kind::Array(_) | Kind::Table(_)) {
                            let message =
                                format!("a variable is a string, number or boolean, not {}", value.describe());
                            diagnostics.error(value.span.clone(), message);
                        }
                        vars.0.push((key.name.clone(), value.kind.clone()));
                    }
                }
                _ => diagnostics.error(node.span.clone(), format_args!("[vars] is a table, not {}", node.describe())),
            }
        }
        for (name, text) in overrides {
            let Some((_, value)) = vars.0.iter_mut().find(|(known, _)| known == name) else { continue };
            match parse_override(text, value) {
                Ok(set) => *value = set,
                Err(problem) => {
                    let place = place_of(node, name).unwrap_or(0..0);
                    diagnostics.error(place, format_args!("--set {name}={text}: {problem}"));
                }
            }
        }
        if let Some(Node { kind: Kind::Table(entries), .. }) = node {
            entries.iter().for_each(|(key, value)| vars.resolve(&key.name, &value.span, diagnostics));
        }
        vars
    }

    /// A variable may be made of others, of those above it: `rate = "${editors}/s"`.
    fn resolve(&mut self, name: &str, span: &Span, diagnostics: &mut Diagnostics) {
        let Some(index) = self.0.iter().position(|(known, _)| known == name) else { return };
        let Kind::Str(text) = &self.0[index].1 else { return };
        if !text.contains("${") {
            return;
        }
        let node = Node { kind: self.0[index].1.clone(), span: span.clone() };
        let bytes: usize = self.0.iter().map(|(_, kind)| if let Kind::Str(text) = kind { text.len() } else { 0 }).sum();
        let above = Self(self.0[..index].to_vec());
        if let Some(node) = above.fill_within(&node, MOST_BYTES.saturating_sub(bytes), diagnostics) {
            self.0[index].1 = node.kind;
        }
    }

    /// A value with its variables filled in, and what `${…}` calculates: a wholly-`${…}` string has the value's own type,
    /// as everywhere. Nothing else can stand where a file is read, before anything runs.
    pub fn fill(&self, node: &Node, diagnostics: &mut Diagnostics) -> Option<Node> {
        self.fill_within(node, MOST_BYTES, diagnostics)
    }

    /// The same, with a text of so many bytes at most.
    fn fill_within(&self, node: &Node, most: usize, diagnostics: &mut Diagnostics) -> Option<Node> {
        let before = diagnostics.len();
        let template = template::parse(node, diagnostics);
        if diagnostics.len() > before {
            return None;
        }
        let mut fixed = true;
        template.visit(&mut |expr| match expr {
            Expr::Var(name) if self.get(name).is_none() => {
                diagnostics.unknown(node.span.clone(), "variable", name, &self.names());
            }
            Expr::Var(_) | Expr::Number(_) | Expr::Calc(..) => {}
            _ => fixed = false,
        });
        if !fixed {
            diagnostics.error(node.span.clone(), "only [vars] and calculations with them can stand here");
            diagnostics.note("this is read before anything runs: nothing is drawn, saved or handed out yet");
        }
        if diagnostics.len() > before {
            return None;
        }
        let mut scope = Scope { most: Some(most), ..self.scope() };
        let value = scope.render(&template).map_err(|problem| diagnostics.error(node.span.clone(), problem));
        Some(Node { kind: kind_of(value.ok()?), span: node.span.clone() })
    }

    /// A scope in which these are known, each with its own type, and nothing else is.
    pub fn scope(&self) -> Scope {
        let vars = self.0.iter().map(|(name, kind)| (name.clone(), value_of(kind))).collect();
        Scope { vars, ..Scope::default() }
    }

    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Where a variable gets its value in the file.
fn place_of(node: Option<&Node>, name: &str) -> Option<Span> {
    let Kind::Table(entries) = &node?.kind else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value.span.clone())
}

/// What a variable is when it is sent.
fn value_of(kind: &Kind) -> Value {
    match kind {
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Int(value) => Value::Number((*value).into()),
        Kind::Float(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Kind::Str(value) => Value::String(value.clone()),
        // Refused when the table is read.
        Kind::Array(_) | Kind::Table(_) => Value::Null,
    }
}

fn kind_of(value: Value) -> Kind {
    match value {
        Value::Bool(value) => Kind::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Kind::Int(whole),
            None => Kind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Kind::Str(text),
        // Nothing else is a variable.
        other => Kind::Str(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::node;

    fn problems(text: &str) -> String {
        let mut diagnostics = Diagnostics::of(text);
        let root = node::parse(text, &mut diagnostics).unwrap();
        Vars::read(root.field("vars"), &[], &mut diagnostics);
        diagnostics.render("x.toml")
    }

    /// A few hundred bytes of a stranger are not gigabytes.
    #[test]
    fn variables_that_are_made_of_each_other_do_not_explode() {
        let ten = |n: u32| vec![format!("${{v{n}}}"); 10].concat();
        let lines: Vec<_> = (1..30).map(|n| format!("v{n} = '{}'\n", ten(n - 1))).collect();
        let problems = problems(&format!("[vars]\nv0 = 'lol lol lol'\n{}", lines.concat()));
        assert!(problems.contains("a text of more than"), "{problems}");
    }

    #[test]
    fn variables_have_a_number() {
        let many: Vec<_> = (0..=MOST).map(|n| format!("v{n} = 1\n")).collect();
        assert!(problems(&format!("[vars]\n{}", many.concat())).contains("at most 1000 variables, found 1001"));
    }

    #[test]
    fn expressions_in_expressions_have_a_depth() {
        let deep = format!("[vars]\nx = '{}1B{}'\n", "${bytes ".repeat(100_000), "}".repeat(100_000));
        assert!(problems(&deep).contains("too many others inside"));
    }
}
