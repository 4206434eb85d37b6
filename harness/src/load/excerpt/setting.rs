//! Where a case is played: what a run says of its target and of how its users get in, as far as a file may say it.
//!
//! Taken from the text of the scenario and not from what it came to: what stands in the environment, in a feed or in an answer
//! of the application is not written into another file.

use toml::{Table, Value};

use crate::scenario::Loaded;

/// Keys of `[target]` that a case needs as well.
const KEYS: [&str; 6] = ["path", "headers", "query", "parser", "tls", "source_ips"];

/// What stands ahead of a case, and in its clients.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Setting {
    /// `[target]` and `[vars]`; empty if nothing has to be said.
    pub(super) tables: String,
    /// What a client shows, as TOML.
    pub(super) auth: Option<String>,
    /// What only the run knew, and whoever plays the case has to add.
    pub(super) left_out: Vec<String>,
}

/// For users of `population`; `server` is the URL and the path of the target, if it runs already.
pub(super) fn of(loaded: &Loaded, population: &str, server: Option<(&str, &str)>) -> Setting {
    let file: Table = loaded.source.text.parse().unwrap_or_default();
    let mut setting = Setting::default();
    let mut vars = Vec::new();
    let mut target = Table::new();
    match server {
        Some((url, _)) if url.contains(['@', '?']) => setting.left_out.push("the address (--target)".to_owned()),
        Some((url, _)) => _ = target.insert("url".to_owned(), Value::from(url)),
        None => {}
    }
    let own = file.get("target").and_then(Value::as_table);
    for key in KEYS {
        let Some(value) = own.and_then(|own| own.get(key)) else { continue };
        setting.add(loaded, value, &format!("`{key}` of [target]"), &mut vars, |value| {
            _ = target.insert(key.to_owned(), value);
        });
    }
    if let Some((_, path)) = server {
        // The command line may have said another one than the file.
        target.insert("path".to_owned(), Value::from(path));
    }
    let users = file.get("users").and_then(|users| users.get(population));
    for key in ["auth", "query", "headers"] {
        let Some(value) = users.and_then(|users| users.get(key)) else { continue };
        let what = format!("`{key}` of [users.{population}]");
        if key == "auth" {
            let mut auth = None;
            setting.add(loaded, value, &what, &mut vars, |value| auth = Some(value.to_string()));
            setting.auth = auth;
        } else {
            setting.add(loaded, value, &what, &mut vars, |value| _ = target.insert(key.to_owned(), value));
        }
    }
    if users.is_some_and(|users| users.get("enter").is_some()) {
        setting.left_out.push(format!("what `enter` of [users.{population}] does"));
    }
    let tables = [("vars", known(loaded, &file, &vars)), ("target", target)].into_iter();
    let tables =
        tables.filter(|(_, table)| !table.is_empty()).map(|(name, table)| (name.to_owned(), Value::Table(table)));
    // As one, so that tables within them have their whole names.
    setting.tables = tables.collect::<Table>().to_string();
    setting
}

impl Setting {
    /// Hands a value on, unless it is made of what only the run knew.
    fn add(&mut self, loaded: &Loaded, value: &Value, what: &str, vars: &mut Vec<String>, add: impl FnOnce(Value)) {
        let mut names = Vec::new();
        expressions(value, &mut names);
        let is_known = |name: &&String| loaded.vars.iter().any(|(var, _)| var == *name);
        if names.iter().all(|name| name.starts_with("env.") || is_known(&name)) {
            vars.extend(names.into_iter().filter(|name| !name.starts_with("env.")));
            add(value.clone());
        } else {
            self.left_out.push(what.to_owned());
        }
    }
}

/// The variables of these names, with the values of the run.
fn known(loaded: &Loaded, file: &Table, names: &[String]) -> Table {
    let own = file.get("vars").and_then(Value::as_table);
    let used = loaded.vars.iter().filter(|(name, _)| names.contains(name));
    used.map(|(name, text)| {
        let is_text = own.and_then(|own| own.get(name)).is_some_and(Value::is_str);
        let typed = (!is_text).then(|| format!("x = {text}").parse::<Table>().ok()?.remove("x")).flatten();
        (name.clone(), typed.unwrap_or_else(|| Value::from(text.as_str())))
    })
    .collect()
}

/// What stands within `${…}` anywhere in a value.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("${") {
                let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
                if !before.ends_with('$') {
                    found.push(inner.trim().to_owned());
                }
                rest = behind;
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Table(fields) => fields.values().for_each(|field| expressions(field, found)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn setting(more: &str, url: Option<&str>) -> Setting {
        let text = format!(
            "name = \"x\"\n[vars]\ntenant = 7\n[target]\npath = \"/rt/\"\nheaders = {{ x-tenant = \"${{tenant}}\" }}\n\
             [actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"] }}\n\
             [rooms.a]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = 1\nin = {{ a = 1 }}\n{more}\n\
             [traffic.t]\nby = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
             reaches = {{ event = \"say\", rooms = [\"${{room}}\"] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        of(&loaded, "u", url.map(|url| (url, "/rt/")))
    }

    #[test]
    fn a_case_has_the_target_of_its_run() {
        let plain = setting("", Some("http://app:80"));
        let tables: Table = plain.tables.parse().unwrap();
        assert_eq!(tables["target"]["url"].as_str(), Some("http://app:80"));
        assert_eq!(tables["target"]["path"].as_str(), Some("/rt/"));
        assert_eq!(tables["target"]["headers"]["x-tenant"].as_str(), Some("${tenant}"));
        assert_eq!(tables["vars"]["tenant"].as_integer(), Some(7));
        assert!(plain.left_out.is_empty());
    }

    #[test]
    fn secrets_are_named_and_not_written() {
        let env = setting("auth = { token = \"${env.SIO_TOKEN_OF_NOBODY}\" }", Some("http://me:pass@app"));
        assert!(env.auth.unwrap().contains("${env.SIO_TOKEN_OF_NOBODY}"));
        assert!(!env.tables.contains("pass"), "{}", env.tables);
        assert_eq!(env.left_out, ["the address (--target)"]);
    }
}
