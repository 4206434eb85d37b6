//! What a scenario says of how its target is to be talked to.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sio_protocol::Value;

use crate::client::{Manner, Tls};
use crate::scenario::Loaded;
use crate::scenario::template::{Scope, Template};

/// The settings of `[target]`, rendered. The error says which of them cannot be.
pub fn manner(loaded: &Loaded) -> Result<Arc<Manner>, String> {
    let target = &loaded.scenario.target;
    let named = |what: &str, problem: String| format!("{}: {what} of [target]: {problem}", loaded.source.name);
    let mut scope = loaded.scope();
    let mut headers = Vec::with_capacity(target.headers.len());
    for (name, value) in &target.headers {
        let problem = |problem: String| named(&format!("the header `{name}`"), problem);
        let value = text(&mut scope, value).map_err(problem)?;
        name.parse::<HeaderName>().map_err(|error| problem(error.to_string()))?;
        HeaderValue::from_str(&value).map_err(|error| problem(error.to_string()))?;
        headers.push((name.clone(), value));
    }
    let query = match &target.query {
        Some(query) => text(&mut scope, query).map_err(|problem| named("`query`", problem))?,
        None => String::new(),
    };
    let query = query.trim_start_matches(['?', '&']).to_owned();
    format!("/?{query}").parse::<http::Uri>().map_err(|error| named("`query`", error.to_string()))?;
    Ok(Manner::new(headers, query, Tls::new(target.trust.clone()), target.sources.clone(), target.parser))
}

fn text(scope: &mut Scope, template: &Template) -> Result<String, String> {
    match scope.render(template)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("expected a text, found {other:?}")),
    }
}
