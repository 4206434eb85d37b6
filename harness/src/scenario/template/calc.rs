//! Arithmetic in templates: `${people * 2}`, `${(editors + readers) / 4}`.

use serde_json::Number;
use sio_protocol::Value;

use super::Expr;

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Op {
    fn of(c: u8) -> Option<Self> {
        Some(match c {
            b'+' => Self::Add,
            b'-' => Self::Subtract,
            b'*' => Self::Multiply,
            b'/' => Self::Divide,
            _ => return None,
        })
    }

    fn binds_tightly(self) -> bool {
        matches!(self, Self::Multiply | Self::Divide)
    }

    /// Whole numbers stay whole where the result is; a division that does not come out even is a float.
    pub(super) fn apply(self, left: &Value, right: &Value) -> Result<Value, String> {
        let (Value::Number(a), Value::Number(b)) = (left, right) else {
            let other = if matches!(left, Value::Number(_)) { right } else { left };
            return Err(format!("{other} is no number to calculate with"));
        };
        if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64())
            && let Some(whole) = self.whole(a, b)
        {
            return Ok(Value::Number(whole.into()));
        }
        let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
        let result = match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
        };
        Number::from_f64(result).map(Value::Number).ok_or_else(|| format!("{a} and {b}: the result is no number"))
    }

    fn whole(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => (a.checked_rem(b)? == 0).then(|| a / b),
        }
    }
}

/// Parentheses in parentheses.
const DEEPEST: usize = 32;

/// Reads a calculation with at least one operator; `None` if it has none, and is something else.
pub(super) fn parse(text: &str) -> Option<Result<Expr, String>> {
    if !text.bytes().any(|c| matches!(c, b'+' | b'*' | b'/' | b'(')) && !text.contains(" - ") {
        return None;
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let whole = reader.sum().and_then(|expr| match reader.peek() {
        None => Ok(expr),
        Some(_) => Err(reader.problem("an operator")),
    });
    Some(whole)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    fn problem(&self, expected: &str) -> String {
        let rest = &self.text[self.at..];
        let found = if rest.is_empty() { "its end".to_owned() } else { format!("`{rest}`") };
        format!(
            "`{}`: expected {expected}, found {found}; a calculation has numbers, variables, + - * / with spaces \
             around, and parentheses",
            self.text
        )
    }

    /// Operators of one strength, from the left.
    fn chain(&mut self, tight: bool) -> Result<Expr, String> {
        let next = |reader: &mut Self| if tight { reader.factor() } else { reader.chain(true) };
        let mut left = next(self)?;
        while let Some(op) = self.peek().and_then(Op::of).filter(|op| op.binds_tightly() == tight) {
            self.at += 1;
            let right = next(self)?;
            left = Expr::Calc(op, Box::new((left, right)));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        self.chain(false)
    }

    fn factor(&mut self) -> Result<Expr, String> {
        match self.peek() {
            Some(b'(') if self.depth < DEEPEST => {
                (self.at, self.depth) = (self.at + 1, self.depth + 1);
                let inner = self.sum()?;
                if self.peek() != Some(b')') {
                    return Err(self.problem("`)`"));
                }
                (self.at, self.depth) = (self.at + 1, self.depth - 1);
                Ok(inner)
            }
            Some(c) if c.is_ascii_digit() => self.number(),
            _ => self.name(),
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word.to_owned()
    }

    fn number(&mut self) -> Result<Expr, String> {
        let start = self.at;
        let digits = self.take(|c| c.is_ascii_digit() || matches!(c, '.' | '_')).replace('_', "");
        let whole = digits.parse::<i64>().ok().map(Number::from);
        let number = whole.or_else(|| digits.parse().ok().and_then(Number::from_f64));
        number.map(Expr::Number).ok_or_else(|| {
            self.at = start;
            self.problem("a number")
        })
    }

    fn name(&mut self) -> Result<Expr, String> {
        let start = self.at;
        let name = self.take(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return Ok(Expr::Var(name));
        }
        self.at = start;
        Err(self.problem("a number, a variable or `(`"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    fn value(text: &str) -> Result<String, String> {
        let mut scope = Scope::default();
        for (name, number) in [("people", 40_i64), ("a-b", 5), ("zero", 0)] {
            scope.vars.insert(name.to_owned(), Value::Number(number.into()));
        }
        scope.vars.insert("name".to_owned(), Value::from("ann"));
        Ok(scope.eval(&parse(text).unwrap()?)?.to_string())
    }

    #[test]
    fn numbers_are_calculated_with() {
        for (text, expected) in [
            ("people * 2", "80"),
            ("people*2", "80"),
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("10 - 2 - 3", "5"),
            ("people / 80", "0.5"),
            ("people / 8", "5"),
            ("a-b + 1", "6"),
            ("1_000 * 1.5", "1500.0"),
            ("9_000_000_000_000_000_000 + 9_000_000_000_000_000_000", "1.8e+19"),
        ] {
            assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("people *", "found its end"),
            ("people * * 2", "expected a number, a variable or `(`"),
            ("(people", "expected `)`"),
            ("people + 2 people", "expected an operator"),
            ("name * 2", "is no number"),
            ("1 / zero", "no number"),
            ("1.2.3 + 1", "expected a number"),
        ] {
            let problem = value(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        assert!(parse(&"(".repeat(100)).unwrap().is_err());
        assert!(parse("people").is_none() && parse("a-b").is_none());
    }
}
