//! Whether an HTTP answer is what was asked for.

use sio_protocol::Value;

use crate::scenario::model::AnswerPattern;
use crate::scenario::template::{Piece, Scope, Template};
use crate::wire::Response;

/// Compares an answer, or the lack of one, with a pattern; the error says in what they differ.
pub(crate) fn compare(
    scope: &mut Scope,
    pattern: &AnswerPattern,
    answer: Result<&Response, &String>,
) -> Result<(), String> {
    let response = match answer {
        Ok(response) => response,
        Err(_) if pattern.status.contains(&0) => return Ok(()),
        Err(_) => return Err("expected an answer".to_owned()),
    };
    if !pattern.status.is_empty() && !pattern.status.contains(&response.status) {
        let wanted: Vec<_> = pattern.status.iter().map(ToString::to_string).collect();
        return Err(format!("expected status {}, found {}", wanted.join(" or "), response.status));
    }
    for (name, wanted) in &pattern.headers {
        match (wanted, response.header(name)) {
            (None, None) => {}
            (None, Some(found)) => return Err(format!("expected no header {name}, found {found:?}")),
            (Some(_), None) => return Err(format!("expected a header {name}")),
            (Some(wanted), Some(found)) => {
                scope.matches_raw(wanted, found).map_err(|why| format!("header {name}: {why}"))?;
            }
        }
    }
    if pattern.body.is_none() && pattern.json.is_none() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&response.body);
    let text = pattern.body.as_deref().unwrap_or_default();
    matches_text(scope, text, pattern.json.as_ref(), &body).map_err(|why| format!("the body differs: {why}"))
}

/// Compares a text with a pattern; with `json`, what follows the pattern is JSON that matches that.
pub(super) fn matches_text(
    scope: &mut Scope,
    pieces: &[Piece],
    json: Option<&Template>,
    text: &str,
) -> Result<(), String> {
    let Some(json) = json else { return scope.matches_raw(pieces, text) };
    let prefix = scope.render_string(pieces)?;
    let Some(rest) = text.strip_prefix(&prefix) else { return Err(format!("expected {prefix} and then JSON")) };
    let value: Value =
        serde_json::from_str(rest).map_err(|error| format!("what follows {prefix:?} is not JSON ({error})"))?;
    scope.matches(json, &value)
}
