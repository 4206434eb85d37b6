//! What a user does before it connects, as a file says it: `enter = [ steps ]`, and what is shown then.

use std::path::Path;

use sio_protocol::{Args, Value};
use toml_edit::{DocumentMut, Item, Table};

use crate::client::{Endpoint, Http, Jar};
use crate::input;
use crate::load::{self, Asker};
use crate::play::shown::adding;
use crate::scenario::model::{FlowAction, FlowStep, Population, Think};
use crate::scenario::source::Source;
use crate::scenario::template::Scope;
use crate::scenario::{self, LoadError, Loaded};
use crate::secrets;

/// Steps that repeat are done so often at most: an inspection is one user.
const MOST_ROUNDS: u64 = 100;
/// What is put ahead of a file that has the steps alone; its lines count in messages.
const AHEAD: &str = "name = \"enter\"\n[users.people]\ncount = 1\n";
const BEHIND: &str = "\n[[phase]]\nname = \"enter\"\nfor = \"1s\"\n";

/// How one gets in.
pub struct Entrance {
    loaded: Loaded,
    /// The file's own text, for the scenario that is written.
    pub(super) written: Written,
}

/// Parts of the file that a scenario needs.
#[derive(Clone, Default)]
pub(super) struct Written {
    /// `enter`, `auth`, `query`, `headers`
    pub(super) users: Vec<(String, toml_edit::Value)>,
    pub(super) vars: Vec<(String, toml_edit::Value)>,
    /// `[feeds.X]`
    pub(super) feeds: Vec<(String, toml_edit::Value)>,
}

/// What somebody shows who has entered.
pub(super) struct Pass {
    pub(super) endpoint: Endpoint,
    /// At each CONNECT, as JSON; `None` if the file does not say.
    pub(super) auth: Option<String>,
    pub(super) secrets: Vec<String>,
}

impl Entrance {
    /// Reads a scenario with `enter` in `[users.X]`, or a file that has `enter` alone. The error says what is wrong, and where.
    pub fn read(file: &Path) -> Result<Self, LoadError> {
        let name = file.display().to_string();
        let text = input::text(file).map_err(|error| format!("cannot read {name}: {error}"))?;
        let document: DocumentMut = text.parse().map_err(|error| format!("{name}: {error}"))?;
        let alone = document.contains_key("enter");
        let source = if alone { format!("{AHEAD}{text}{BEHIND}") } else { text };
        let document: DocumentMut = source.parse().map_err(|error| format!("{name}: {error}"))?;
        let users = document.get("users").and_then(Item::as_table_like);
        let mut tables = users.into_iter().flat_map(|users| users.iter()).map(|(_, table)| table);
        let table = tables.find(|table| table.get("enter").is_some()).ok_or_else(|| expected(&name))?;
        let written = Written::of(table, document.as_table());
        let loaded = scenario::load(Source { name: name.clone(), text: source }, &[], None).map_err(|problem| {
            let note = if alone { "\n  (lines are counted from 3 ahead of the file's first)" } else { "" };
            LoadError::Diagnostics(problem).and(note)
        })?;
        load::check(&loaded)?;
        let entrance = Self { loaded, written };
        if entrance.users().enter.is_empty() { Err(expected(&name).into()) } else { Ok(entrance) }
    }

    fn users(&self) -> &Population {
        let all = &self.loaded.scenario.populations;
        all.values().find(|users| !users.enter.is_empty()).unwrap_or(&all[0])
    }

    /// Does the steps, as user `number`, whose endpoint keeps cookies in `jar`. The error says which step failed, and why.
    pub(super) async fn enter(
        &self,
        number: u64,
        mut endpoint: Endpoint,
        http: &Http,
        jar: &Jar,
    ) -> Result<Pass, String> {
        let users = self.users();
        let mut scope = self.loaded.scope();
        scope.vars.insert("user".to_owned(), Value::Number(number.into()));
        for feed in &users.feeds {
            let rows = scope.lists.get(feed).filter(|rows| !rows.is_empty());
            let row = rows.map(|rows| rows[number as usize % rows.len()].clone());
            scope.vars.insert(feed.clone(), row.ok_or_else(|| format!("[feeds.{feed}] has no row"))?);
        }
        let known: Vec<String> = scope.vars.keys().cloned().collect();
        follow(&users.enter, &endpoint, http, jar, &mut scope).await.map_err(|why| format!("enter: {why}"))?;
        endpoint.manner = adding(&endpoint.manner, &users.headers, &users.query, &mut scope)?;
        let auth = match &users.auth {
            Some(auth) => Some(json(&scope.render(auth).map_err(|problem| format!("auth: {problem}"))?)),
            None => None,
        };
        auth.as_deref().iter().for_each(|auth| secrets::learn_auth(auth));
        let saved = scope.vars.iter().filter(|(name, _)| !known.contains(name));
        let mut secrets: Vec<String> = saved.filter_map(|(_, value)| value.as_str().map(ToOwned::to_owned)).collect();
        secrets.extend(endpoint.manner.headers.iter().map(|(_, value)| value.clone()));
        secrets.extend(jar.shown(&endpoint.engine_url("")).into_iter().map(|(_, value)| value));
        Ok(Pass { endpoint, auth, secrets })
    }
}

fn expected(file: &str) -> String {
    format!(
        "{file}: expected `enter = [ steps ]`, alone or in [users.X], such as\n  \
         enter = [{{ http = {{ post = \"/login\", json = {{ user = \"x\" }} }}, status = 200, save = {{ token = \"$.token\" }} }}]\n  \
         auth  = {{ token = \"${{token}}\" }}"
    )
}

/// Steps one after the other.
async fn follow(
    steps: &[FlowStep],
    endpoint: &Endpoint,
    http: &Http,
    jar: &Jar,
    scope: &mut Scope,
) -> Result<(), String> {
    for step in steps {
        match &step.deed {
            FlowAction::Http { request, answer, save } => {
                let mut asker = Asker { endpoint, http, scope, jar };
                let asked = asker.request(request, answer, save, step.within).await;
                asked.map_err(|trouble| format!("{}: {}", step.name, trouble.words()))?;
            }
            FlowAction::Think(Think::Between(length, _) | Think::Exponential(length)) => {
                tokio::time::sleep((*length).min(super::LIMIT)).await;
            }
            FlowAction::Repeat { times: (from, _), name, steps } => {
                for round in 1..=(*from).min(MOST_ROUNDS) {
                    if let Some(name) = name {
                        scope.vars.insert(name.clone(), Value::Number(round.into()));
                    }
                    Box::pin(follow(steps, endpoint, http, jar, scope)).await?;
                }
            }
            // There is no connection yet.
            FlowAction::Connect { .. }
            | FlowAction::Emit { .. }
            | FlowAction::Expect { .. }
            | FlowAction::Disconnect
            | FlowAction::Drop(_) => {
                return Err(format!("{}: nobody is connected yet", step.name));
            }
        }
    }
    Ok(())
}

fn json(value: &Value) -> String {
    let array = Args::from_values(std::slice::from_ref(value));
    let value = array.json().strip_prefix('[').and_then(|json| json.strip_suffix(']'));
    value.unwrap_or_default().to_owned()
}

impl Written {
    fn of(users: &Item, document: &Table) -> Self {
        let values = |item: Option<&Item>| -> Vec<(String, toml_edit::Value)> {
            let table = item.and_then(Item::as_table_like);
            let entries = table.into_iter().flat_map(|table| table.iter());
            entries.filter_map(|(name, item)| Some((name.to_owned(), item.clone().into_value().ok()?))).collect()
        };
        let mut users = values(Some(users));
        users.retain(|(name, _)| ["enter", "auth", "query", "headers", "enter_again"].contains(&name.as_str()));
        Self { users, vars: values(document.get("vars")), feeds: values(document.get("feeds")) }
    }

    /// Puts environment variables in the place of what looks like a secret; returns those.
    pub(super) fn hide(&mut self) -> Vec<String> {
        let mut secrets = Vec::new();
        for (name, value) in self.users.iter_mut().chain(&mut self.vars).chain(&mut self.feeds) {
            hide(value, name, &mut secrets);
        }
        secrets
    }
}

fn hide(value: &mut toml_edit::Value, name: &str, secrets: &mut Vec<String>) {
    const SECRET: [&str; 8] = ["pass", "secret", "token", "pin", "key", "credential", "authorization", "cookie"];
    match value {
        toml_edit::Value::String(text) => {
            let (lower, text) = (name.to_ascii_lowercase(), text.value().clone());
            // `${token}` is a name, and `$.token` the place of one.
            if SECRET.iter().any(|word| lower.contains(word)) && !text.starts_with('$') && !text.contains("${") {
                secrets.push(text);
                *value = format!("${{env.{}}}", super::secrets::under("SIO_ENTER", name)).into();
            }
        }
        toml_edit::Value::Array(items) => items.iter_mut().for_each(|item| hide(item, name, secrets)),
        toml_edit::Value::InlineTable(table) => {
            table.iter_mut().for_each(|(name, item)| hide(item, &name.to_string(), secrets));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = r#"
enter = [{ http = { post = "/login", json = { user = "ada", password = "hunter2" } }, status = 200, save = { token = "$.token" } }]
auth  = { token = "${token}" }
"#;

    fn read(text: &str) -> Result<Entrance, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Entrance::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn steps_stand_alone_or_in_a_scenario_and_their_secrets_are_not_written() {
        let whole = format!("{AHEAD}{LOGIN}{BEHIND}");
        for text in [LOGIN, &whole] {
            let mut entrance = read(text).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(entrance.users().enter.len(), 1);
            assert_eq!(entrance.written.hide(), ["hunter2"]);
            let written: Vec<String> = entrance.written.users.iter().map(|(_, value)| value.to_string()).collect();
            assert!(written[0].contains("${env.SIO_ENTER_PASSWORD}") && written[0].contains("$.token"), "{written:?}");
            assert!(written[1].contains("${token}"), "{written:?}");
        }
    }

    #[test]
    fn what_is_no_entrance_is_refused_with_what_would_be_one() {
        assert!(read("x = 1").err().unwrap().contains("expected `enter = [ steps ]`"));
        assert!(read("enter = [{ htp = 1 }]").err().unwrap().contains("htp"));
        assert!(read("enter = [").is_err());
    }
}
