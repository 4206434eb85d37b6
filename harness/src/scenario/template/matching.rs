//! Matching: whether what has arrived is what a template asks for.

use sio_protocol::Value;

use super::{AnyOf, Expr, Piece, Scope, Template};
use crate::secrets;

impl Scope {
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

    /// Whether the arguments match one of several lists; the error says how they differ from the last.
    pub fn match_any(&self, lists: &[Vec<Template>], values: &[Value]) -> Result<(), String> {
        let mut why = String::new();
        for list in lists {
            match self.clone().match_all(list, values) {
                Ok(()) => return Ok(()),
                Err(differs) => why = differs,
            }
        }
        Err(why)
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
            (Template::AnyOrder(_) | Template::Contains(_) | Template::Array(_) | Template::Table(..), _) => {
                // What is inside may match and not be a value; that it is another kind of thing is known all the same.
                let kind = if matches!(pattern, Template::Table(..)) { "an object" } else { "an array" };
                let expected = self.render(pattern).map_or_else(|_| kind.to_owned(), |expected| expected.to_string());
                Err(differs(path, &expected, &value.to_string()))
            }
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
                if let Value::String(text) = value {
                    secrets::learn_if_named(name, text);
                }
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
                        secrets::learn_if_named(name, &rest[..end]);
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
