//! What a scenario reads besides itself, and where it may send things to: what somebody wants to know who got it from a stranger.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Loaded;

/// As it stands in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Environment variables.
    pub variables: BTreeSet<String>,
    pub files: BTreeSet<String>,
    /// Besides the target that the command line may name.
    pub hosts: BTreeSet<String>,
    /// Programs of this machine: targets, by their names, and a broker.
    pub starts: BTreeSet<String>,
}

/// Keys under which a request says where it goes.
const METHODS: [&str; 7] = ["get", "post", "put", "delete", "patch", "head", "options"];
const SCHEMES: [&str; 5] = ["http://", "https://", "ws://", "wss://", "redis://"];

/// Of the whole file, with whatever stands in a string.
pub fn reach(loaded: &Loaded) -> Reach {
    let mut reach = Reach::default();
    of_file(&loaded.source.text.parse().unwrap_or_default(), &mut reach);
    reach
}

fn of_file(file: &Table, reach: &mut Reach) {
    let feeds = file.get("feeds").and_then(Value::as_table);
    let files = feeds.into_iter().flat_map(Table::values).filter_map(|feed| feed.get("file"));
    let target = file.get("target");
    let ca = target.and_then(|target| target.get("tls")?.get("ca"));
    reach.files.extend(files.chain(ca).filter_map(Value::as_str).map(str::to_owned));
    let nodes = target.and_then(|target| target.get("nodes")?.as_array()).into_iter().flatten();
    reach.starts.extend(nodes.filter_map(Value::as_str).filter(|name| !name.contains("://")).map(str::to_owned));
    let broker = target.and_then(|target| target.get("broker")?.as_str());
    reach.starts.extend(broker.filter(|broker| !broker.contains("://")).map(|broker| format!("a broker ({broker})")));
    file.iter().for_each(|(name, value)| walk(name, value, reach));
}

fn walk(key: &str, value: &Value, reach: &mut Reach) {
    match value {
        // Prose may name any address.
        Value::String(text) if key != "about" => of_text(key, text, reach),
        Value::Array(items) => items.iter().for_each(|item| walk(key, item, reach)),
        Value::Table(table) => table.iter().for_each(|(key, value)| walk(key, value, reach)),
        _ => {}
    }
}

fn of_text(key: &str, text: &str, reach: &mut Reach) {
    let inner = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    inner.for_each(|inner| reach.variables.extend(variables(inner)));
    let is_url = SCHEMES.iter().any(|scheme| text.starts_with(scheme));
    if METHODS.contains(&key) && !is_url && !text.starts_with(['/', '?']) {
        // What comes out of it may be a URL.
        reach.hosts.insert(format!("wherever `{text}` leads"));
    }
    if is_url && let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        reach.hosts.insert(format!("{scheme}://{host}"));
    }
}

/// The variables of the environment that an expression names.
fn variables(inner: &str) -> impl Iterator<Item = String> + '_ {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    inner.match_indices("env.").filter_map(move |(at, found)| {
        let begins = !inner[..at].ends_with(|c| is_of_name(c) || c == '.');
        let name: String = inner[at + found.len()..].chars().take_while(|c| is_of_name(*c)).collect();
        (begins && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    #[test]
    fn everything_that_is_read_and_asked_is_listed() {
        let text = r#"name = "x"
about = "like http://example.org/"
[target]
url = "http://me:pw@127.0.0.1:3000/x"
headers = { A = "${env.TOKEN_A} ${env.TOKEN_B}" }
[[case]]
name = "c"
clients = { a = { auth = { t = "${env.TOKEN_C}" } } }
steps = [{ http = { get = "https://elsewhere.example:8443/y" }, at = "a", status = 200 }]
"#;
        let loaded = scenario::load(Source { name: "t.toml".to_owned(), text: text.to_owned() }, &[], None).unwrap();
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let found = reach(&loaded);
        assert_eq!(found.variables, set(&["TOKEN_A", "TOKEN_B", "TOKEN_C"]));
        assert_eq!(found.hosts, set(&["http://127.0.0.1:3000", "https://elsewhere.example:8443"]));
        assert_eq!(found.files, set(&[]));
        assert_eq!(found.starts, set(&[]));
    }

    #[test]
    fn what_is_started_and_what_is_put_together_is_listed() {
        let text = r#"name = "x"
[target]
nodes  = ["node", "reference"]
broker = "redis"
[vars]
where = "${2 * env.FACTOR}"
[users.a]
count = 1
enter = [{ http = { get = "${where}" }, status = 200 }, { http = { post = "ht${where}" }, status = 200 }]
flow  = [{ http = { get = "/there" }, status = 200 }, { http = { get = "?x=1" }, status = 200 }]
"#;
        let mut found = Reach::default();
        of_file(&text.parse().unwrap(), &mut found);
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(found.starts, set(&["node", "reference", "a broker (redis)"]));
        assert_eq!(found.hosts, set(&["wherever `${where}` leads", "wherever `ht${where}` leads"]));
        assert_eq!(found.variables, set(&["FACTOR"]));
    }
}
