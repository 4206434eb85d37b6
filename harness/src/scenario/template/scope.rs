//! Rendering: what names stand for, and the values that come of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use sio_protocol::Value;

use super::parse::{Part, expression, split};
use super::{Expr, Piece, Template};
use crate::secrets;
use crate::vocab::quantity;

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
    /// Bytes of a text that is put together, if they are fewer than usual.
    pub most: Option<usize>,
}

/// Nothing longer can be sent.
const MOST_TEXT: usize = 1 << 30;

impl Scope {
    /// The next number that is drawn.
    pub(crate) fn draw(&mut self) -> u64 {
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

    pub(super) fn render_text(&mut self, pieces: &[Piece]) -> Result<String, String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expr(expr) => match self.eval(expr)? {
                    Value::String(value) => text.push_str(&value),
                    other => text.push_str(&other.to_string()),
                },
            }
            // Each time: texts made of texts grow by leaps.
            self.fits(text.len())?;
        }
        Ok(text)
    }

    /// Whether a text of so many bytes may be.
    fn fits(&self, bytes: usize) -> Result<(), String> {
        let most = self.most.unwrap_or(MOST_TEXT);
        if bytes > most { Err(format!("a text of more than {most} bytes comes of it")) } else { Ok(()) }
    }

    /// The value of a variable, of an item of a list (`${pair.0}`), or of a field of a table (`${account.email}`).
    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.vars.get(name) {
            return Some(value.clone());
        }
        let (whole, name_of_part) = name.rsplit_once('.')?;
        self.vars.get(whole).map_or_else(|| self.row(name), |value| part(value, name_of_part))
    }

    /// A row of a feed by its number, or a part of it: `${accounts.3}`, `${accounts.3.email}`.
    fn row(&self, name: &str) -> Option<Value> {
        let (list, rest) = name.split_once('.')?;
        let (index, column) = rest.split_once('.').map_or((rest, None), |(index, column)| (index, Some(column)));
        let row = self.lists.get(list)?.get(index.parse::<usize>().ok()?)?;
        column.map_or_else(|| Some(row.clone()), |column| part(row, column))
    }

    /// A field's name with its `${…}` filled in.
    pub(super) fn key(&mut self, key: &str) -> Result<String, String> {
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

    pub(crate) fn eval(&mut self, expr: &Expr) -> Result<Value, String> {
        Ok(match expr {
            Expr::Null => Value::Null,
            Expr::Bytes(size) => {
                let size = self.size_of(size)?;
                // Every byte value occurs, so that a transport that mangles one is found out.
                Value::Binary((0..size).map(|index| index as u8).collect::<Vec<u8>>().into())
            }
            Expr::Filler(size) => Value::String("x".repeat(self.size_of(size)?)),
            Expr::Times(count, text) => {
                self.fits(text.len().saturating_mul(*count))?;
                Value::String(text.repeat(*count))
            }
            Expr::List(count, number) => Value::Array(vec![Value::Number((*number).into()); *count]),
            Expr::Int(from, to) => {
                let width = to.abs_diff(*from).saturating_add(1);
                Value::Number((from + (self.draw() % width) as i64).into())
            }
            Expr::Uuid => {
                let (a, b) = (self.draw(), self.draw());
                let (d, e) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
                Value::String(format!("{:08x}-{:04x}-4{:03x}-{d:04x}-{e:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff))
            }
            Expr::Sent(index) => {
                let missing = || format!("sent.{index}: the last emit had {} arguments", self.sent.len());
                self.sent.get(index - 1).cloned().ok_or_else(missing)?
            }
            Expr::Env(name) => match std::env::var(name) {
                Ok(value) => {
                    secrets::learn_if_named(name, &value);
                    Value::String(value)
                }
                Err(_) => return Err(format!("the environment variable {name} is not set")),
            },
            Expr::Var(name) => self.lookup(name).ok_or_else(|| format!("`{name}` has no value here"))?,
            Expr::Pick(name) => {
                let random = self.draw() as usize;
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
            Expr::Number(number) => Value::Number(number.clone()),
            Expr::Calc(op, both) => {
                let (left, right) = (self.eval(&both.0)?, self.eval(&both.1)?);
                op.apply(&left, &right)?
            }
            Expr::Payload | Expr::TokenInt | Expr::Seq => {
                return Err("`payload`, `token int` and `seq` belong to [traffic]".to_owned());
            }
        })
    }

    /// The text of a string template.
    pub fn render_string(&mut self, pieces: &[Piece]) -> Result<String, String> {
        self.render_text(pieces)
    }
}

/// An item of a list, or a field of a table.
fn part(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?).cloned(),
        table @ Value::Object(_) => table.get(name).cloned(),
        _ => None,
    }
}
