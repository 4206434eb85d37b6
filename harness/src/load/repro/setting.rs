//! Where a case is played: what a run says of its target and of how its users get in, as far as a file may say it.
//!
//! Taken from the text of the scenario and not from what it came to: what stands in the environment, in a file of a feed, on
//! the command line or in an answer of the application is not written into another file.

use std::borrow::Cow;
use std::path::{Path, absolute};

use toml::{Table, Value};

use super::words;
use crate::client::ConnectOptions;
use crate::load::credentials::Own;
use crate::scenario::Loaded;
use crate::secrets::hide;

/// Keys of `[target]` that a case needs as well.
const KEYS: [&str; 6] = ["path", "headers", "query", "parser", "tls", "source_ips"];

/// What stands ahead of a case.
pub(super) struct Setting<'a> {
    loaded: &'a Loaded,
    file: Table,
    target: Table,
    /// Names of `[vars]` and of `[feeds]` that something has.
    vars: Vec<String>,
    feeds: Vec<String>,
    /// What only the run knew, and whoever plays the case has to add.
    pub(super) left_out: Vec<String>,
}

/// How one user gets in.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) auth: Option<Value>,
    pub(super) headers: Table,
    pub(super) query: Table,
    /// Steps ahead of its connection, without who does them.
    pub(super) steps: Vec<Table>,
    /// It does them again before it comes back.
    pub(super) again: bool,
}

impl<'a> Setting<'a> {
    /// `server` is the URL and the path of the target, if it runs already.
    pub(super) fn new(loaded: &'a Loaded, server: Option<(&str, &str)>) -> Self {
        let file: Table = loaded.source.text.parse().unwrap_or_default();
        let (vars, feeds, left_out) = (Vec::new(), Vec::new(), Vec::new());
        let mut setting = Self { loaded, file, target: Table::new(), vars, feeds, left_out };
        match server {
            Some((url, _)) if url.contains(['@', '?']) => setting.left_out.push("the address (--target)".to_owned()),
            Some((url, _)) => _ = setting.target.insert("url".to_owned(), Value::from(url)),
            None => {}
        }
        let own = setting.file.get("target").and_then(Value::as_table).cloned().unwrap_or_default();
        for (key, value) in own.iter().filter(|(key, _)| KEYS.contains(&key.as_str())) {
            if let Some(value) = setting.taken(value, None, &format!("`{key}` of [target]")) {
                setting.target.insert(key.clone(), value);
            }
        }
        if let Some((_, path)) = server {
            // The command line may have said another one than the file.
            setting.target.insert("path".to_owned(), Value::from(path));
        }
        setting
    }

    /// How a user of `population` gets in. The error says what a case cannot do of it.
    pub(super) fn entry(&mut self, population: &str, own: &Own) -> Result<Entry, String> {
        let users = self.file.get("users").and_then(|users| users.get(population)).and_then(Value::as_table);
        let users = users.cloned().unwrap_or_default();
        let mut entry = Entry::default();
        for (key, value) in &users {
            let what = format!("`{key}` of [users.{population}]");
            match key.as_str() {
                "auth" => entry.auth = self.taken(value, Some(own), &what),
                "headers" => entry.headers = self.taken_table(value, own, &what),
                "query" => entry.query = self.taken_table(value, own, &what),
                "enter_again" => entry.again = value.as_bool().unwrap_or_default(),
                "enter" => {
                    for step in value.as_array().into_iter().flatten() {
                        let done = self.step(step, own).map_err(|why| format!("{what} {why}"))?;
                        entry.steps.extend(done);
                    }
                }
                _ => {}
            }
        }
        Ok(entry)
    }

    /// A step of `enter` as a case has it; nothing for one that only takes its time.
    fn step(&mut self, step: &Value, own: &Own) -> Result<Option<Table>, String> {
        let table = step.as_table().cloned().unwrap_or_default();
        if !table.contains_key("http") {
            let waits = table.contains_key("think") || table.contains_key("wait");
            return if waits { Ok(None) } else { Err("has a step that is no request".to_owned()) };
        }
        let elsewhere = |(_, value): (&String, &Value)| value.as_str().is_some_and(|path| path.contains("://"));
        if table["http"].as_table().is_some_and(|request| request.iter().any(elsewhere)) {
            return Err("asks another host".to_owned());
        }
        let mut done = Table::new();
        for (key, value) in table.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "share" | "save")) {
            let value = words::renamed(value, &mut |word| self.word(word, Some(own)));
            done.insert(key.clone(), value.map_err(|word| format!("names `{word}`"))?);
        }
        if let Some(save) = table.get("save").and_then(Value::as_table) {
            let renamed =
                save.iter().map(|(name, path)| (own.name(name).unwrap_or_else(|| name.clone()), path.clone()));
            done.insert("save".to_owned(), Value::Table(renamed.collect()));
        }
        Ok(Some(done))
    }

    fn taken_table(&mut self, value: &Value, own: &Own, what: &str) -> Table {
        match self.taken(value, Some(own), what) {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        }
    }

    /// A value as a case has it, unless it is made of what only the run knew.
    fn taken(&mut self, value: &Value, own: Option<&Own>, what: &str) -> Option<Value> {
        let has_secrets = matches!(hide(&value.to_string()), Cow::Owned(_));
        let taken = words::renamed(value, &mut |word| self.word(word, own));
        if has_secrets || taken.is_err() {
            self.left_out.push(what.to_owned());
            return None;
        }
        taken.ok()
    }

    /// What a case has for a name; nothing if it cannot have any.
    fn word(&mut self, word: &str, own: Option<&Own>) -> Option<String> {
        if let Some(late) = own.and_then(|own| own.name(word)) {
            let feed = late.split('.').next().unwrap_or_default().to_owned();
            if self.loaded.scenario.feeds.contains_key(&feed) {
                self.needs_feed(feed);
            }
            return Some(late);
        }
        if let (Some(own), "user") = (own, word) {
            return Some(own.number().to_string());
        }
        if self.loaded.vars.iter().any(|(var, _)| var == word) {
            self.vars.push(word.to_owned());
            return Some(word.to_owned());
        }
        (word.starts_with("env.") || words::is_known(word)).then(|| word.to_owned())
    }

    /// A row of it is named.
    pub(super) fn needs_feed(&mut self, feed: String) {
        if !self.feeds.contains(&feed) {
            self.feeds.push(feed);
        }
    }

    /// `[target]`, `[vars]` and `[feeds]`; empty if nothing has to be said.
    pub(super) fn tables(&self) -> Result<String, String> {
        let mut feeds = Table::new();
        for name in &self.feeds {
            feeds.insert(name.clone(), Value::Table(self.feed(name)?));
        }
        let tables = [("vars", self.known()), ("target", self.target.clone()), ("feeds", feeds)].into_iter();
        let tables =
            tables.filter(|(_, table)| !table.is_empty()).map(|(name, table)| (name.to_owned(), Value::Table(table)));
        // As one, so that tables within them have their whole names.
        Ok(tables.collect::<Table>().to_string())
    }

    /// A feed as the scenario has it; its file is where it is.
    fn feed(&self, name: &str) -> Result<Table, String> {
        let own = self.file.get("feeds").and_then(|feeds| feeds.get(name)).and_then(Value::as_table);
        let mut feed = own.cloned().unwrap_or_default();
        if let Some(file) = feed.get("file").and_then(Value::as_str) {
            let path = Path::new(&self.loaded.source.name).with_file_name(file);
            let path = absolute(&path).ok().filter(|path| path.is_file());
            let path = path.ok_or_else(|| format!("[feeds.{name}] is not a file on the disk"))?;
            feed.insert("file".to_owned(), Value::from(path.display().to_string()));
        }
        Ok(feed)
    }

    /// The variables that something names, with the values of the run.
    fn known(&self) -> Table {
        let own = self.file.get("vars").and_then(Value::as_table);
        let used = self.loaded.vars.iter().filter(|(name, _)| self.vars.contains(name));
        used.map(|(name, text)| {
            let is_text = own.and_then(|own| own.get(name)).is_some_and(Value::is_str);
            let typed = (!is_text).then(|| format!("x = {text}").parse::<Table>().ok()?.remove("x")).flatten();
            (name.clone(), typed.unwrap_or_else(|| Value::from(text.as_str())))
        })
        .collect()
    }
}

/// What the command line said of how to get in and the scenario does not: options for another command. Values may be
/// secret, so they are left out.
pub(super) fn options(loaded: &Loaded, shown: &ConnectOptions) -> Vec<String> {
    let Ok(own) = crate::load::manner(loaded) else { return Vec::new() };
    let pairs = |query: &str| query.split('&').map(ToOwned::to_owned).collect::<Vec<_>>();
    let said = pairs(&own.query);
    let headers = shown.headers.iter().filter(|header| !own.headers.contains(header));
    let query = pairs(&shown.query).into_iter().filter(|pair| !pair.is_empty() && !said.contains(pair));
    let mut options: Vec<String> = headers.map(|(name, _)| format!("--header '{name}: …'")).collect();
    options.extend(query.map(|pair| format!("--query '{}=…'", pair.split('=').next().unwrap_or_default())));
    if shown.auth != own.auth {
        options.push("--auth '…'".to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::Plan;
    use crate::scenario::{self, source::Source};

    /// `[target]` and the like, how user 1 gets in, and what is left out.
    fn setting(more: &str, url: Option<&str>) -> (Table, Entry, Vec<String>) {
        let text = format!(
            "name = \"x\"\n[vars]\ntenant = 7\n[target]\npath = \"/rt/\"\nheaders = {{ x-tenant = \"${{tenant}}\" }}\n\
             [feeds.who]\nvalues = [{{ name = \"ann\" }}, {{ name = \"bob\" }}]\nhand_out = \"in turn\"\n\
             [actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"] }}\n\
             [rooms.a]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n[users.u]\ncount = 2\nin = {{ a = 1 }}\n{more}\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
             delivers_to = {{ event = \"say\", rooms = [\"${{room}}\"] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        let mut setting = Setting::new(&loaded, url.map(|url| (url, "/rt/")));
        let entry = setting.entry("u", &Own::new(&loaded, &plan, 1).unwrap()).unwrap();
        (setting.tables().unwrap().parse().unwrap(), entry, setting.left_out)
    }

    #[test]
    fn a_case_has_the_target_of_its_run() {
        let (tables, _, left_out) = setting("", Some("http://app:80"));
        assert_eq!(tables["target"]["url"].as_str(), Some("http://app:80"));
        assert_eq!(tables["target"]["path"].as_str(), Some("/rt/"));
        assert_eq!(tables["target"]["headers"]["x-tenant"].as_str(), Some("${tenant}"));
        assert_eq!(tables["vars"]["tenant"].as_integer(), Some(7));
        assert!(left_out.is_empty() && !tables.contains_key("feeds"));
    }

    #[test]
    fn secrets_are_named_and_not_written() {
        let env = "auth = { token = \"${env.SIO_TOKEN_OF_NOBODY}\" }";
        let text = env.replace("SIO_TOKEN_OF_NOBODY", "PATH");
        let (tables, entry, left_out) = setting(&text, Some("http://me:pass@app"));
        assert_eq!(entry.auth.unwrap()["token"].as_str(), Some("${env.PATH}"));
        assert!(!tables.to_string().contains("pass"), "{tables}");
        assert_eq!(left_out, ["the address (--target)"]);
        let (_, literal, left_out) = setting("auth = { token = \"LITERAL-of-a-file-1\" }", None);
        assert!(literal.auth.is_none() && left_out == ["`auth` of [users.u]"], "{left_out:?}");
    }

    #[test]
    fn a_login_is_done_again_with_the_row_of_the_user() {
        let login = "enter = [{ http = { post = \"/login\", json = { name = \"${who.name}\" } }, save = { token = \"$.t\" } },\n\
                     { think = \"1s\" }]\nauth = { token = \"${token}\", n = \"${user}\" }";
        let (tables, entry, left_out) = setting(login, None);
        assert_eq!(entry.steps.len(), 1, "{:?}", entry.steps);
        assert_eq!(entry.steps[0]["http"]["json"]["name"].as_str(), Some("${who.1.name}"));
        assert_eq!(entry.steps[0]["save"]["token-1"].as_str(), Some("$.t"));
        let auth = entry.auth.unwrap();
        assert_eq!((auth["token"].as_str(), auth["n"].as_str()), (Some("${token-1}"), Some("${1}")));
        assert!(tables["feeds"]["who"]["values"].is_array() && left_out.is_empty());
    }
}
