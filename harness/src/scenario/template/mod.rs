//! Values with `${…}` in them: rendered when something is sent, matched when something arrived.
//!
//! A string that is wholly one `${…}` has that value's own type; inside longer strings it is text; `$${` is a
//! literal `${`.

mod calc;
mod matching;
mod parse;
mod scope;

pub use self::calc::Op;
pub use self::matching::same;
pub use self::parse::parse;
pub use self::scope::Scope;

/// What a variable of this name is in a traffic with `identify`: a short text that identifies a message by itself.
pub const TOKEN: &str = "token";

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
    /// A list of a number, so many times.
    List(usize, i64),
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
    /// A whole number that identifies a message by itself.
    TokenInt,
    Seq,
    Env(String),
    Var(String),
    /// A literal number of a calculation.
    Number(serde_json::Number),
    Calc(Op, Box<(Self, Self)>),
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

impl Expr {
    /// Calls `visit` for this expression and those inside.
    pub fn visit(&self, visit: &mut dyn FnMut(&Self)) {
        visit_expr(self, visit);
    }

    /// Whether its value is drawn, and another one each time.
    pub fn is_drawn(&self) -> bool {
        let mut drawn = false;
        visit_expr(self, &mut |expr| drawn |= matches!(expr, Self::Uuid | Self::Int(..) | Self::Pick(_)));
        drawn
    }
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

/// The expressions within the name of a field, as far as they can be read.
pub fn expressions_of_key(key: &str) -> Vec<Expr> {
    let expression = |part| match part {
        parse::Part::Expr(inner, _) => parse::expression(inner).ok(),
        parse::Part::Literal(_) => None,
    };
    parse::split(key).unwrap_or_default().into_iter().filter_map(expression).collect()
}

fn visit_pieces(pieces: &[Piece], visit: &mut dyn FnMut(&Expr)) {
    for piece in pieces {
        if let Piece::Expr(expr) = piece {
            visit_expr(expr, visit);
        }
    }
}

fn visit_expr(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    match expr {
        Expr::Bytes(inner) | Expr::Filler(inner) => visit_pieces(inner, visit),
        Expr::Calc(_, both) => {
            visit_expr(&both.0, visit);
            visit_expr(&both.1, visit);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use sio_protocol::Value;

    use super::*;
    use crate::scenario::diagnostic::Diagnostics;
    use crate::scenario::node::{Kind, Node};

    fn template(text: &str) -> Template {
        let node = Node { kind: Kind::Str(text.to_owned()), span: 0..text.len() + 2 };
        let mut diagnostics = Diagnostics::of(format!("\"{text}\""));
        let template = parse(&node, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render("t"));
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
    fn another_kind_of_thing_is_told_of_though_the_pattern_is_no_value() {
        let mut scope = scope();
        let table = |inside| Template::Table(vec![("a".to_owned(), template(inside))], false);
        let said = |scope: &mut Scope, pattern: &Template| scope.matches(pattern, &Value::from("no")).unwrap_err();
        let problem = said(&mut scope, &table("${any string}"));
        assert!(problem.contains("an object") && problem.contains("\"no\""), "{problem}");
        assert!(said(&mut scope, &table("${n}")).contains("{\"a\":7}"), "what is a value is shown");
        let list = Template::Array(vec![template("${any}")]);
        assert!(said(&mut scope, &list).contains("an array"), "{}", said(&mut scope, &list));
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
