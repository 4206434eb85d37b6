//! The names within the `${…}` of a value.

use toml::Value;

/// Words of the language that are no names.
const KNOWN: [&str; 15] = [
    "any", "null", "uuid", "save", "not", "pick", "int", "text", "times", "bytes", "number", "string", "array",
    "object", "json",
];

/// Whether a word is none that somebody has to give a value: of the language, a number, a range or an operator.
pub(super) fn is_known(word: &str) -> bool {
    KNOWN.contains(&word) || word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
}

/// The value with other names. The error is one that has no other.
pub(super) fn renamed(value: &Value, name: &mut dyn FnMut(&str) -> Option<String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(in_text(text, name)?),
        Value::Array(items) => Value::Array(items.iter().map(|item| renamed(item, name)).collect::<Result<_, _>>()?),
        Value::Table(fields) => {
            let field = |(key, value): (&String, &Value)| Ok((in_text(key, name)?, renamed(value, name)?));
            Value::Table(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.clone(),
    })
}

fn in_text(text: &str, name: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push_str("${");
        rest = after;
        if !before.ends_with('$') {
            let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(&in_expression(inner, name)?);
            out.push('}');
            rest = behind;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn in_expression(inner: &str, name: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
    let is_of_a_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out = String::new();
    let mut rest = inner;
    while let Some(start) = rest.find(is_of_a_word) {
        let length = rest[start..].find(|c| !is_of_a_word(c)).unwrap_or(rest.len() - start);
        let (before, word) = (&rest[..start], &rest[start..start + length]);
        out.push_str(before);
        out.push_str(&name(word).ok_or_else(|| word.to_owned())?);
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let mut name = |word: &str| match word {
            "token" | "who" => Some(format!("{word}-7")),
            "strange" => None,
            other => Some(other.to_owned()),
        };
        let mut text =
            |text: &str| renamed(&Value::from(text), &mut name).map(|value| value.as_str().unwrap().to_owned());
        assert_eq!(
            text("Bearer ${token}, ${save who} $${token}").unwrap(),
            "Bearer ${token-7}, ${save who-7} $${token}"
        );
        assert_eq!(text("${int 1..9} ${token + 1}").unwrap(), "${int 1..9} ${token-7 + 1}");
        assert_eq!(text("a ${strange}").unwrap_err(), "strange");
        assert!(is_known("1..9") && is_known("-") && is_known("uuid") && !is_known("token"));
    }
}
