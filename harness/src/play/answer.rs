//! Whether an HTTP answer is what was asked for.

use serde_json_path::JsonPath;
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
                matches_header(scope, name, wanted, found).map_err(|why| format!("header {name}: {why}"))?;
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

/// Whether one of several readings fits; the error is that of the last.
pub(super) fn one_fits<T>(
    readings: impl IntoIterator<Item = T>,
    mut fits: impl FnMut(T) -> Result<(), String>,
) -> Result<(), String> {
    let mut outcome = Ok(());
    for reading in readings {
        outcome = fits(reading);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Compares a header with a pattern. Media types are equal however they are spelled (RFC 9110, 8.3.1): case does not matter in
/// them, nor white space around their parameters, nor quotes.
fn matches_header(scope: &mut Scope, name: &str, wanted: &[Piece], found: &str) -> Result<(), String> {
    let exact = scope.matches_raw(wanted, found);
    if exact.is_ok() || !name.eq_ignore_ascii_case("content-type") {
        return exact;
    }
    let wanted: Vec<Piece> = wanted.iter().map(spelled).collect();
    scope.matches_raw(&wanted, &media_type(found)).or(exact)
}

fn spelled(piece: &Piece) -> Piece {
    match piece {
        Piece::Literal(text) => Piece::Literal(media_type(text)),
        other @ Piece::Expr(_) => other.clone(),
    }
}

/// A media type, or a part of one, in its plainest spelling.
fn media_type(text: &str) -> String {
    let parts: Vec<_> = text.split(';').map(str::trim).collect();
    parts.join(";").replace('"', "").to_ascii_lowercase()
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

/// What is to be kept of a body: variables and their values.
pub(crate) fn saved(save: &[(String, JsonPath)], body: &[u8]) -> Result<Vec<(String, Value)>, String> {
    if save.is_empty() {
        return Ok(Vec::new());
    }
    let body: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not JSON, so nothing can be saved: {error}"))?;
    let value = |(name, path): &(String, JsonPath)| {
        let found = path.query(&body).first().ok_or_else(|| format!("the body has nothing at {path}"))?;
        let value = serde_json::from_value(found.clone()).map_err(|error| error.to_string())?;
        Ok((name.clone(), value))
    };
    save.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::template::{AnyOf, Expr};

    #[test]
    fn media_types_are_compared_as_such() {
        let mut scope = Scope::default();
        let literal = |text: &str| vec![Piece::Literal(text.to_owned())];
        let wanted = literal("text/plain; charset=UTF-8");
        let mut is = |name: &str, wanted: &[Piece], found: &str| matches_header(&mut scope, name, wanted, found);
        for found in ["text/plain; charset=UTF-8", "text/plain;charset=utf-8", "Text/Plain ; Charset=\"utf-8\""] {
            assert_eq!(is("Content-Type", &wanted, found), Ok(()), "{found}");
        }
        for found in ["text/html; charset=UTF-8", "text/plain", "text/plain; charset=latin1"] {
            let why = is("content-type", &wanted, found).unwrap_err();
            assert!(why.contains(found), "{why}");
        }
        let any = vec![Piece::Literal("application/json".to_owned()), Piece::Expr(Expr::Any(AnyOf::Anything))];
        assert_eq!(is("content-type", &any, "Application/JSON;charset=utf-8"), Ok(()));
        assert!(is("cache-control", &literal("no-store"), "No-Store").is_err());
    }
}
