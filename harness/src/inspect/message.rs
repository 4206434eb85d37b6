//! The events that an inspection is told to send: given as JSON, with the payload's place marked.

use sio_protocol::Value;

use crate::vocab::stamp::{self, Stamp};

pub(super) const PAYLOAD: &str = "${payload}";
pub(super) const SEQ: &str = "${seq}";
pub(super) const TOKEN: &str = "${token}";
pub(super) const TOKEN_INT: &str = "${token int}";
/// Everything that has a value in the event, as a scenario writes it.
pub(super) const MARKS: [&str; 4] = [PAYLOAD, TOKEN, TOKEN_INT, SEQ];

/// An event that is sent as it is, such as the one by which a room is joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain(Vec<Value>);

/// An event with a payload by which it can be recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    values: Vec<Value>,
    size: usize,
    binary: bool,
}

/// `["open", "a"]`: a name and arguments.
fn event(json: &str) -> Result<Vec<Value>, String> {
    let example = "such as '[\"open\", \"a\"]'";
    let values: Vec<Value> = serde_json::from_str(json)
        .map_err(|error| format!("expected a JSON array with the event's name first, {example}: {error}"))?;
    match values.first() {
        Some(Value::String(name)) if !name.is_empty() => Ok(values),
        _ => Err(format!("the event's name comes first, as a text, {example}")),
    }
}

impl Plain {
    /// Reads an event that has no `${…}`.
    pub fn parse(json: &str) -> Result<Self, String> {
        let values = event(json)?;
        match placeholders(&values).first() {
            Some(found) => Err(format!("`{found}` has no value here; what one joins by is sent as it is")),
            None => Ok(Self(values)),
        }
    }

    pub(super) fn values(&self) -> &[Value] {
        &self.0
    }

    pub(super) fn name(&self) -> &str {
        name(&self.0)
    }
}

impl Stamped {
    /// Reads an event in which something stands by which it can be recognised: `${payload}`, `${token}` or `${token int}`.
    pub fn parse(json: &str, size: usize, binary: bool) -> Result<Self, String> {
        let values = event(json)?;
        if size < stamp::LENGTH {
            return Err(format!("a payload carries a stamp of {} bytes, so it cannot be {size}", stamp::LENGTH));
        }
        let found = placeholders(&values);
        if let Some(other) = found.iter().find(|found| !MARKS.contains(&found.as_str())) {
            return Err(format!("`{other}` has no value here; there are {}", MARKS.join(", ")));
        }
        if !found.iter().any(|found| found != SEQ) {
            let remedy = "an application that changes its texts may keep a `${token}` in a field of its own";
            return Err(format!("no `${{payload}}` stands in the event, so it could not be recognised; {remedy}"));
        }
        Ok(Self { values, size, binary })
    }

    /// The event with a stamp, and its number.
    pub(super) fn render(&self, stamp: Stamp, seq: u32) -> Vec<Value> {
        self.values.iter().map(|value| self.fill(value, stamp, seq)).collect()
    }

    fn fill(&self, value: &Value, stamp: Stamp, seq: u32) -> Value {
        match value {
            Value::String(text) if text == PAYLOAD && self.binary => {
                Value::Binary(stamp.payload(self.size).into_bytes().into())
            }
            Value::String(text) if text == SEQ => Value::Number(seq.into()),
            Value::String(text) if text == TOKEN_INT => Value::Number(stamp.number().into()),
            Value::String(text) => Value::String(
                text.replace(PAYLOAD, &stamp.payload(self.size))
                    .replace(TOKEN, &stamp.token())
                    .replace(TOKEN_INT, &stamp.number().to_string())
                    .replace(SEQ, &seq.to_string()),
            ),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill(item, stamp, seq)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), self.fill(value, stamp, seq))).collect())
            }
            other => other.clone(),
        }
    }

    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(super) fn name(&self) -> &str {
        name(&self.values)
    }

    /// Bytes of a payload, if it has one.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Bytes of the payload, and whether they are sent as such; `None` where the event has none.
    pub(super) fn payload(&self) -> Option<(usize, bool)> {
        texts(&self.values).iter().any(|text| text.contains(PAYLOAD)).then_some((self.size, self.binary))
    }
}

fn name(values: &[Value]) -> &str {
    values.first().and_then(Value::as_str).unwrap_or_default()
}

/// Every text in some values.
pub(super) fn texts(values: &[Value]) -> Vec<&str> {
    let mut found = Vec::new();
    values.iter().for_each(|value| collect(value, &mut found));
    found
}

/// Every whole number.
pub(super) fn numbers(values: &[Value]) -> Vec<i64> {
    let each = |value: &Value| match value {
        Value::Number(number) => number.as_i64().into_iter().collect(),
        Value::Array(items) => numbers(items),
        Value::Object(fields) => fields.iter().flat_map(|(_, value)| numbers(std::slice::from_ref(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Binary(_) => Vec::new(),
    };
    values.iter().flat_map(each).collect()
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(_, value)| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Binary(_) => {}
    }
}

/// Every `${…}`.
fn placeholders(values: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts(values) {
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
            found.push(rest[start..end].to_owned());
            rest = &rest[end..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stands_where_it_is_marked() {
        let event = Stamped::parse(r#"["edit","a",{"text":"${payload}","n":"${seq}"}]"#, 24, false).unwrap();
        let stamp = Stamp { run: 1, emission: 2 };
        let shown: Vec<String> = event.render(stamp, 7).iter().map(ToString::to_string).collect();
        let expected = format!(r#"{{"text":"{}","n":7}}"#, stamp.payload(24));
        assert_eq!(shown, ["\"edit\"", "\"a\"", &expected]);
        let binary = Stamped::parse(r#"["up","${payload}"]"#, 20, true).unwrap();
        assert!(
            matches!(&binary.render(Stamp { run: 1, emission: 2 }, 0)[1], Value::Binary(bytes) if bytes.len() == 20)
        );
    }

    #[test]
    fn a_token_stands_in_a_field_of_its_own() {
        let event = Stamped::parse(r#"["edit",{"id":"${token int}","key":"${token}","text":"x ${token}"}]"#, 24, false);
        let (event, stamp) = (event.unwrap(), Stamp { run: 1, emission: 2 });
        let (token, number) = (stamp.token(), stamp.number());
        let expected = format!(r#"{{"id":{number},"key":"{token}","text":"x {token}"}}"#);
        assert_eq!(event.render(stamp, 0)[1].to_string(), expected);
        assert_eq!(event.payload(), None);
    }

    #[test]
    fn what_is_no_event_is_refused_with_what_would_be_one() {
        for (json, expected) in [
            ("edit", "JSON array"),
            ("[]", "name comes first"),
            ("[1]", "name comes first"),
            (r#"["a"]"#, "no `${payload}`"),
            (r#"["a","${payload}","${room}"]"#, "`${room}` has no value"),
        ] {
            let said = Stamped::parse(json, 100, false).unwrap_err();
            assert!(said.contains(expected), "{json}: {said}");
        }
        assert!(Stamped::parse(r#"["a","${payload}"]"#, 5, false).unwrap_err().contains("20 bytes"));
        assert!(Plain::parse(r#"["a","${payload}"]"#).unwrap_err().contains("as it is"));
    }
}
