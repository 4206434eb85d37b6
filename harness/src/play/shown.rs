//! What a scenario says that somebody shows to the target: headers, a query, the body of a form.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sio_protocol::Value;

use crate::client::ConnectOptions;
use crate::scenario::template::{Scope, Template};
use crate::secrets;

/// The same, and headers and a query of somebody's own, ahead of headers of the same name.
pub fn adding(
    manner: &ConnectOptions,
    own_headers: &[(String, Template)],
    own_query: &[(String, Template)],
    scope: &mut Scope,
) -> Result<Arc<ConnectOptions>, String> {
    let mut all = manner.headers.clone();
    replace(&mut all, headers(own_headers, scope)?);
    let own = encoded(own_query, scope).map_err(|problem| format!("`query`: {problem}"))?;
    secrets::learn_query(&own);
    let and = if manner.query.is_empty() || own.is_empty() { "" } else { "&" };
    Ok(manner.showing(all, format!("{}{and}{own}", manner.query)))
}

/// What announces a body that is [`encoded`].
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Names and values as they stand in a query or in the body of a form.
pub fn encoded(pairs: &[(String, Template)], scope: &mut Scope) -> Result<String, String> {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        let value = text(scope, value).map_err(|problem| format!("`{name}`: {problem}"))?;
        secrets::learn_if_named(name, &value);
        encoded.append_pair(name, &value);
    }
    Ok(encoded.finish())
}

/// Puts headers among others, in the place of those of the same name.
pub fn replace(all: &mut Vec<(String, String)>, own: Vec<(String, String)>) {
    all.retain(|(name, _)| !own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    all.extend(own);
}

/// Headers, checked. The error names the one that cannot be sent.
pub fn headers(templates: &[(String, Template)], scope: &mut Scope) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::with_capacity(templates.len());
    for (name, value) in templates {
        let problem = |problem: String| format!("the header `{name}`: {problem}");
        let value = text(scope, value).map_err(problem)?;
        name.parse::<HeaderName>().map_err(|error| problem(error.to_string()))?;
        HeaderValue::from_str(&value).map_err(|error| problem(error.to_string()))?;
        secrets::learn_header(name, &value);
        headers.push((name.clone(), value));
    }
    Ok(headers)
}

/// A template as a text; the error says what it is instead.
pub fn text(scope: &mut Scope, template: &Template) -> Result<String, String> {
    match scope.render(template)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        other => Err(format!("expected a text, found {other}")),
    }
}
