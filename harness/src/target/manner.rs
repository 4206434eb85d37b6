//! What a scenario says of how its target is to be talked to.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sio_protocol::Value;

use crate::client::{Door, Manner, Tls};
use crate::scenario::Loaded;
use crate::scenario::model::Deed;
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
    let tls = Tls::new(target.trust.clone());
    let manner = Manner::new(headers, query, tls, target.sources.clone(), target.parser);
    let mut manner = Manner::clone(&manner);
    manner.doors = doors(loaded);
    Ok(Arc::new(manner))
}

/// What the users of a scenario will ask for, each once; of a flow, its first connection. What is not known yet, such as a
/// token of a login, is left out: then a refusal is what is to be expected.
fn doors(loaded: &Loaded) -> Vec<Door> {
    let scenario = &loaded.scenario;
    let mut scope = loaded.scope();
    let mut doors: Vec<Door> = Vec::new();
    let mut knock = |door: Door| {
        if !doors.contains(&door) {
            doors.push(door);
        }
    };
    for users in scenario.populations.values() {
        let auth = auth_of(&mut scope, users.auth.as_ref());
        users.namespaces.iter().for_each(|name| knock(Door { namespace: name.clone(), auth: auth.clone() }));
    }
    if scenario.populations.is_empty() {
        for journey in scenario.journeys.values() {
            let mut first = None;
            journey.visit(&mut |step| {
                if let (None, Deed::Connect { nsp, auth }) = (&first, &step.deed) {
                    first = Some((nsp.clone(), auth.clone()));
                }
            });
            let Some((nsp, auth)) = first else { continue };
            let Ok(namespace) = text(&mut scope, &nsp) else { continue };
            knock(Door { namespace, auth: auth_of(&mut scope, auth.as_ref()) });
        }
    }
    doors
}

fn auth_of(scope: &mut Scope, auth: Option<&Template>) -> String {
    auth.and_then(|auth| scope.render(auth).ok()).map(|value| value.to_string()).unwrap_or_default()
}

fn text(scope: &mut Scope, template: &Template) -> Result<String, String> {
    match scope.render(template)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("expected a text, found {other:?}")),
    }
}
