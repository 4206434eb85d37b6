//! Values as a case writes them.

use serde_json::Value as Json;

use crate::load::credentials::{CLOSES, OPENS};

/// A text between quotes. What stands between the marks of an expression becomes one; whatever else looks like one does not.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace("${", "$${").replace(OPENS, "${").replace(CLOSES, "}");
    toml::Value::from(text).to_string()
}

/// JSON as TOML. Placeholders of attachments become `bytes`.
pub(super) fn to_toml(json: &Json, bytes: &str) -> String {
    match json {
        Json::Null => "\"${null}\"".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            format!("[{}]", items.iter().map(|item| to_toml(item, bytes)).collect::<Vec<_>>().join(", "))
        }
        Json::Object(_) if placeholder(json).is_some() => bytes.to_owned(),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{} = {}", quoted(key), to_toml(value, bytes)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The attachment that a value stands for, if it does.
pub(super) fn placeholder(json: &Json) -> Option<usize> {
    let fields = json.as_object().filter(|fields| fields.len() == 2)?;
    fields.get("_placeholder")?.as_bool().filter(|stands| *stands)?;
    usize::try_from(fields.get("num")?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::credentials::mark;

    #[test]
    fn values_survive_the_change_of_languages() {
        let json = serde_json::json!(["emit", {"to": ["a-1"], "x": null, "n": 1.5}, "a ${b} \"c\"", true,
            {"_placeholder": true, "num": 0}, mark("token-7")]);
        let text = format!("x = {}", to_toml(&json, "\"${bytes 9B}\""));
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["x"][1]["to"][0].as_str(), Some("a-1"));
        assert_eq!(table["x"][2].as_str(), Some("a $${b} \"c\""));
        assert_eq!((table["x"][4].as_str(), table["x"][5].as_str()), (Some("${bytes 9B}"), Some("${token-7}")));
    }
}
