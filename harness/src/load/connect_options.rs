//! What a scenario says of how its target is to be talked to: by everybody, or by each user in its own way.

use std::sync::Arc;

use super::credentials::scope_of_first;
use crate::client::{ConnectOptions, Door, Tls};
use crate::play::shown::{headers, replace, text};
use crate::scenario::Loaded;
use crate::scenario::model::{Case, FlowAction, Population, Verb};
use crate::scenario::template::{Expr, Piece, Scope, Template};
use crate::secrets;

/// The settings of `[target]`, rendered once: for cases, for what asks ahead of a load, and for users, unless they differ.
/// The error says which of them cannot be.
pub fn manner(loaded: &Loaded) -> Result<Arc<ConnectOptions>, String> {
    let target = &loaded.scenario.target;
    let shared = Shared::new(loaded);
    let (headers, query) = shared.render(&mut once(loaded))?;
    let tls = Tls::new(target.trust.clone());
    let manner = ConnectOptions::new(headers, query, tls, target.sources.clone(), target.parser);
    let mut manner = ConnectOptions::clone(&manner);
    manner.doors = doors(loaded);
    manner.logs_in = logs_in(loaded);
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
    for (population, users) in scenario.populations.values().enumerate() {
        // What the first of them will show: nothing is drawn for the probe, and it takes no row.
        let auth = auth_of(&mut scope_of_first(loaded, population), users.auth.as_ref());
        users.namespaces.iter().for_each(|name| knock(Door { namespace: name.clone(), auth: auth.clone() }));
    }
    if scenario.populations.is_empty() {
        for journey in scenario.journeys.values() {
            let mut first = None;
            journey.visit(&mut |step| {
                if let (None, FlowAction::Connect { nsp, auth, .. }) = (&first, &step.deed) {
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

/// Whether somebody asks for something over HTTP, or has headers or a query of its own.
fn logs_in(loaded: &Loaded) -> bool {
    let scenario = &loaded.scenario;
    let own = |users: &Population| !(users.enter.is_empty() && users.headers.is_empty() && users.query.is_empty());
    let mut found = scenario.populations.values().any(own) || scenario.cases.iter().any(enters);
    for journey in scenario.journeys.values() {
        journey.visit(&mut |step| {
            found |= match &step.deed {
                FlowAction::Http { .. } => true,
                FlowAction::Connect { query, headers, .. } => !(query.is_empty() && headers.is_empty()),
                _ => false,
            };
        });
    }
    found
}

/// Whether a client of a case asks for a page ahead of its connection, as one does to log in, or has headers or a query of
/// its own.
fn enters(case: &Case) -> bool {
    let plain = |name: &String| case.clients.get(name).filter(|client| client.raw.is_none());
    let own = case.clients.values().any(|client| client.raw.is_none() && !client.headers.is_empty());
    own || case.steps.iter().any(|step| {
        let waits = step.at.iter().filter_map(plain).any(|client| client.closed);
        let is_page = |path: &[Piece]| !matches!(path, [Piece::Literal(path), ..] if path.starts_with('?'));
        waits
            && match &step.verb {
                Verb::Http { request, .. } => is_page(&request.path),
                Verb::Connect { query, headers, .. } => !(query.is_empty() && headers.is_empty()),
                _ => false,
            }
    })
}

fn auth_of(scope: &mut Scope, auth: Option<&Template>) -> String {
    let auth = auth.and_then(|auth| scope.render(auth).ok()).map(|value| value.to_string()).unwrap_or_default();
    secrets::learn_auth(&auth);
    auth
}

/// What is known when `[target]` is rendered once: what the first user knows, when it has rendered what it shows at its
/// namespaces.
fn once(loaded: &Loaded) -> Scope {
    let mut scope = scope_of_first(loaded, 0);
    if let Some((_, users)) = loaded.scenario.populations.first() {
        auth_of(&mut scope, users.auth.as_ref());
    }
    scope
}

/// `headers` and `query` of `[target]`, which everybody shows.
#[derive(Clone, Debug)]
pub struct Shared {
    headers: Vec<(String, Template)>,
    query: Option<Template>,
    /// The query as it is rendered once.
    usual: String,
    varies: bool,
}

impl Shared {
    pub fn new(loaded: &Loaded) -> Self {
        let target = &loaded.scenario.target;
        let known = loaded.scope();
        let mut all = target.headers.iter().map(|(_, value)| value).chain(&target.query);
        let varies = all.any(|template| varies(template, &known));
        let mut shared =
            Self { headers: target.headers.clone(), query: target.query.clone(), usual: String::new(), varies };
        shared.usual = shared.render(&mut once(loaded)).map(|(_, query)| query).unwrap_or_default();
        shared
    }

    /// Whether each user shows something else.
    pub fn varies(&self) -> bool {
        self.varies
    }

    fn render(&self, scope: &mut Scope) -> Result<(Vec<(String, String)>, String), String> {
        let headers = headers(&self.headers, scope).map_err(|problem| format!("[target]: {problem}"))?;
        let query = match &self.query {
            Some(query) => text(scope, query).map_err(|problem| format!("`query` of [target]: {problem}"))?,
            None => String::new(),
        };
        let query = query.trim_start_matches(['?', '&']).to_owned();
        secrets::learn_query(&query);
        format!("/?{query}").parse::<http::Uri>().map_err(|error| format!("`query` of [target]: {error}"))?;
        Ok((headers, query))
    }

    /// How one user talks to the target: as `usual` says, with what `[target]` says for this user. `None` if that is as
    /// usual.
    pub fn for_user(&self, usual: &ConnectOptions, scope: &mut Scope) -> Result<Option<Arc<ConnectOptions>>, String> {
        if !self.varies {
            return Ok(None);
        }
        let (own, rendered) = self.render(scope)?;
        let mut all = usual.headers.clone();
        replace(&mut all, own);
        let query = match &*self.usual {
            "" => usual.query.clone(),
            text => usual.query.replacen(text, &rendered, 1),
        };
        Ok(Some(usual.showing(all, query)))
    }
}

/// Whether a template may have another value for another user: it draws, or names what is not one of `[vars]`.
pub fn varies(template: &Template, known: &Scope) -> bool {
    let mut varies = false;
    template.visit(&mut |expr| {
        varies |= expr.is_drawn() || matches!(expr, Expr::Var(name) if !known.vars.contains_key(name));
    });
    varies
}

#[cfg(test)]
mod tests {
    use sio_protocol::Value;

    use super::*;
    use crate::play::shown::adding;
    use crate::scenario::{self, source::Source};

    fn loaded(target: &str) -> Loaded {
        let text = format!(
            "name = \"x\"\n[vars]\nn = 3\n[target]\n{target}\n[[case]]\nname = \"c\"\nclients = {{ a = {{}} }}\nsteps = []\n"
        );
        scenario::load(Source { name: "t.toml".to_owned(), text }, &[], None).unwrap()
    }

    fn user(number: u64, loaded: &Loaded) -> Scope {
        let mut scope = Scope { random: number, ..loaded.scope() };
        scope.vars.insert("user".to_owned(), Value::Number(number.into()));
        scope
    }

    #[test]
    fn users_differ_only_where_something_differs() {
        let loaded = loaded("query = \"n=${n}\"\nheaders = { X-N = \"${n}\" }");
        let usual = manner(&loaded).unwrap();
        let shared = Shared::new(&loaded);
        assert!(!shared.varies());
        assert!(shared.for_user(&usual, &mut user(1, &loaded)).unwrap().is_none(), "everybody shares one");
    }

    #[test]
    fn users_have_tokens_of_their_own() {
        let loaded = loaded(
            "query = \"a=1&token=${uuid}\"\nheaders = { Authorization = \"Bearer ${uuid}\", X-User = \"${user}\" }",
        );
        // What the command line adds stays.
        let usual = manner(&loaded).unwrap();
        let usual = usual.showing(usual.headers.clone(), format!("{}&more=1", usual.query));
        let shared = Shared::new(&loaded);
        let own = |number| shared.for_user(&usual, &mut user(number, &loaded)).unwrap().unwrap();
        let (one, other) = (own(1), own(2));
        assert!(one.query.starts_with("a=1&token=") && one.query.ends_with("&more=1"), "{}", one.query);
        assert_ne!(one.query, other.query);
        assert_eq!((one.headers.len(), &*one.headers[1].1, &*other.headers[1].1), (2, "1", "2"));
        assert_ne!(one.headers[0], other.headers[0]);
        assert_eq!(own(1).query, one.query, "and keep them");
    }

    #[test]
    fn own_values_are_encoded_and_come_first() {
        let loaded = loaded("query = \"a=1\"\nheaders = { x-key = \"all\" }");
        let usual = manner(&loaded).unwrap();
        let pair = |name: &str, value: &str| vec![(name.to_owned(), Template::literal(value))];
        let mut scope = user(1, &loaded);
        let own = adding(&usual, &pair("X-Key", "mine"), &pair("to ken", "a&b=ü+/"), &mut scope).unwrap();
        assert_eq!(own.query, "a=1&to+ken=a%26b%3D%C3%BC%2B%2F");
        assert_eq!(own.headers, [("X-Key".to_owned(), "mine".to_owned())]);
        let problem = adding(&usual, &pair("X-Key", "a\nb"), &[], &mut scope).unwrap_err();
        assert!(problem.contains("the header `X-Key`"), "{problem}");
    }
}
