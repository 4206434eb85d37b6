//! `[clients]`, `[defaults]` and `[[case]]`.

use std::time::Duration;

use indexmap::IndexMap;

use super::{actions, steps};
use crate::scenario::model::{Action, Case, Choice, Class, Client, Feed, Options, Origin, Transport};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Piece, Template};

/// Combinations of one `each`; more is a mistake.
const MAX_VARIANTS: usize = 1_000;
/// What carries the packets of a raw client.
const RAW: [&str; 3] = ["websocket", "polling", "http"];

pub(super) fn clients(node: &Node, cx: &mut Context<'_>) -> IndexMap<String, Client> {
    super::named(Some(node), "[clients]", cx, |node, _, cx| client(node, cx))
}

fn client(node: &Node, cx: &mut Context<'_>) -> Option<Client> {
    let mut table = Table::new(node, "a client", cx)?;
    let mut template = |name, cx: &mut Context<'_>| table.get(name).map(|node| template::parse(node, cx.diagnostics));
    let (namespace, transport, auth) = (template("namespace", cx), template("transport", cx), template("auth", cx));
    let (parser, raw, query) = (template("parser", cx), template("raw", cx), template("query", cx));
    one_of(transport.as_ref(), "transport", &Transport::NAMES, node, cx);
    one_of(raw.as_ref(), "kind of raw client", &RAW, node, cx);
    one_of(parser.as_ref(), "parser", &["json", "msgpack"], node, cx);
    let headers = table.get("headers").map(|node| headers(node, cx)).unwrap_or_default();
    let mut flag =
        |name, usual, cx: &mut Context<'_>| table.get(name).and_then(|node| table::boolean(node, cx)).unwrap_or(usual);
    let (open, link, plain) = (flag("open", true, cx), flag("link", false, cx), flag("plain", false, cx));
    let pings = table.get("pings").and_then(|node| table::string(node, cx));
    if let Some(pings) = pings.as_ref().filter(|pings| !matches!(pings.as_str(), "answered" | "shown")) {
        cx.diagnostics.unknown(node.span.clone(), "way with pings", pings, &["answered", "shown"]);
    }
    let pings_shown = pings.is_some_and(|pings| pings == "shown");
    let noops = table.get("noops").and_then(|node| table::string(node, cx));
    if let Some(noops) = noops.as_ref().filter(|noops| !matches!(noops.as_str(), "dropped" | "shown")) {
        cx.diagnostics.unknown(node.span.clone(), "way with noops", noops, &["dropped", "shown"]);
    }
    let noops_shown = noops.is_some_and(|noops| noops == "shown");
    let server = table.get("node");
    table.finish(cx);
    let namespace = namespace.or_else(|| raw.is_none().then(|| Template::literal("/")));
    Some(Client {
        namespace,
        transport,
        auth,
        parser,
        raw,
        query,
        headers,
        closed: !open,
        pings_shown,
        noops_shown,
        link,
        plain,
        takes: server.map_or(1, |node| servers(node, cx)),
        node: server.map(|node| template::parse(node, cx.diagnostics)),
    })
}

/// How many servers there must be for somebody to be on this one; of a variable only that it is another one than the first.
fn servers(node: &Node, cx: &mut Context<'_>) -> usize {
    match node.kind {
        Kind::Str(_) => 2,
        _ => table::count(node, 0, cx).unwrap_or(0) as usize + 1,
    }
}

/// A table of texts: names of headers, and their values.
pub(super) fn headers(node: &Node, cx: &mut Context<'_>) -> Vec<(String, Template)> {
    texts(node, "headers", cx)
}

/// A table of texts.
pub(super) fn texts(node: &Node, what: &str, cx: &mut Context<'_>) -> Vec<(String, Template)> {
    match &node.kind {
        Kind::Table(entries) => {
            entries.iter().map(|(key, value)| (key.name.clone(), template::parse(value, cx.diagnostics))).collect()
        }
        _ => {
            cx.diagnostics.error(node.span.clone(), format_args!("`{what}` is a table, not {}", node.describe()));
            cx.diagnostics.note(format_args!("write it as {what} = {{ NAME = \"value\" }}"));
            Vec::new()
        }
    }
}

/// Reports a literal that is none of these.
pub(super) fn one_of(template: Option<&Template>, what: &str, known: &[&str], node: &Node, cx: &mut Context<'_>) {
    if let Some(Template::Text(pieces)) = template
        && let [Piece::Literal(name)] = pieces.as_slice()
        && !known.contains(&name.as_str())
    {
        cx.diagnostics.unknown(node.span.clone(), what, name, known);
    }
}

/// `[defaults]`: what every case of the file has, unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults<'n> {
    options: Option<&'n Node>,
    needs: Vec<String>,
    exclusive: bool,
    hostile: bool,
    tags: Vec<String>,
}

impl<'n> Defaults<'n> {
    pub(super) fn read(node: &'n Node, tags: &[String], cx: &mut Context<'_>) -> Self {
        let mut defaults = Self { tags: tags.to_vec(), ..Self::default() };
        let Some(mut table) = Table::new(node, "[defaults]", cx) else { return defaults };
        defaults.options = table.get("options");
        defaults.needs = table.get("needs").and_then(|node| table::strings(node, cx)).unwrap_or_default();
        defaults.exclusive = table.get("exclusive").and_then(|node| table::boolean(node, cx)).unwrap_or(false);
        defaults.hostile = table.get("hostile").and_then(|node| table::boolean(node, cx)).unwrap_or(false);
        table.finish(cx);
        defaults
    }
}

/// What every case of a file shares.
pub(super) struct File<'a> {
    pub(super) area: &'a str,
    pub(super) clients: &'a IndexMap<String, Client>,
    pub(super) actions: &'a IndexMap<String, Action>,
    pub(super) defaults: &'a Defaults<'a>,
    pub(super) feeds: &'a IndexMap<String, Feed>,
}

/// A case for each combination of its matrix.
pub(super) fn lower(node: &Node, file: &File<'_>, cx: &mut Context<'_>) -> Vec<Case> {
    let Some(mut table) = Table::new(node, "a case", cx) else { return Vec::new() };
    let name = table.require("name", cx).and_then(|node| title(node, cx)).unwrap_or_default();
    let rule = table.get("requirement").and_then(|node| table::string(node, cx));
    let class = table.get("class").and_then(|node| class(node, cx));
    let origin = table.get("origin").and_then(|node| origin(node, cx));
    let own = table.get("clients").map(|node| clients(node, cx));
    let allow_unexpected = table.get("allow_unexpected").and_then(|node| table::boolean(node, cx)).unwrap_or(false);
    let every = table.get("every").and_then(|node| every(node, cx));
    let skip = table.get("skip").and_then(|node| table::string(node, cx));
    let defaults = file.defaults;
    let mut needs = defaults.needs.clone();
    needs.extend(table.get("needs").and_then(|node| table::strings(node, cx)).unwrap_or_default());
    let mut tags = defaults.tags.clone();
    tags.extend(table.get("tags").and_then(|node| table::strings(node, cx)).unwrap_or_default());
    let mut flag =
        |name, usual, cx: &mut Context<'_>| table.get(name).and_then(|node| table::boolean(node, cx)).unwrap_or(usual);
    let (exclusive, hostile) = (flag("exclusive", defaults.exclusive, cx), flag("hostile", defaults.hostile, cx));
    let option_nodes: Vec<_> = defaults.options.into_iter().chain(table.get("options")).collect();
    let variants = table.get("each").map_or_else(|| vec![Vec::new()], |node| variants(node, cx));
    let clients = own.unwrap_or_else(|| file.clients.clone());
    let nodes = table.require("steps", cx).and_then(|node| table::array(node, "an array of steps", cx));
    let mut names = steps::Names::new(&clients, file.actions, variants.first(), file.feeds);
    let steps = steps::lower(nodes.unwrap_or_default(), &mut names, cx);
    let span = table.span();
    table.finish(cx);
    let id = format!("{}/{}", file.area, slug(&name));
    let options = Options::default();
    let case = Case {
        id,
        name,
        rule,
        class,
        origin,
        variant: vec![],
        clients,
        steps,
        allow_unexpected,
        every,
        needs,
        options,
        exclusive,
        hostile,
        tags,
        skip,
        span,
    };
    let mut cases = Vec::with_capacity(variants.len());
    for variant in variants {
        let options = options_of(&option_nodes, &variant, cx);
        cases.push(Case { variant, options, ..case.clone() });
    }
    cases
}

/// The name of a case is a sentence: no path is made of it before it is a [`slug`].
fn title(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    const LONGEST: usize = 200;
    let title = table::string(node, cx)?;
    if title.chars().count() <= LONGEST && !title.contains(char::is_control) {
        return Some(title);
    }
    let problem = format!("the name of a case has at most {LONGEST} characters, all of them visible");
    cx.diagnostics.error(node.span.clone(), problem);
    None
}

/// A name as one word of a path.
fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() && c != '\'' {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn class(node: &Node, cx: &mut Context<'_>) -> Option<Class> {
    let name = table::string(node, cx)?;
    Some(match name.as_str() {
        "must" => Class::Must,
        "should" => Class::Should,
        "info" => Class::Info,
        other => {
            cx.diagnostics.unknown(node.span.clone(), "class", other, &["must", "should", "info"]);
            return None;
        }
    })
}

fn origin(node: &Node, cx: &mut Context<'_>) -> Option<Origin> {
    let name = table::string(node, cx)?;
    Some(match name.as_str() {
        "protocol" => Origin::Protocol,
        "safety" => Origin::Safety,
        "docs" => Origin::Docs,
        "reference" => Origin::Reference,
        other => {
            cx.diagnostics.unknown(node.span.clone(), "origin", other, &["protocol", "safety", "docs", "reference"]);
            return None;
        }
    })
}

/// How an option is written, and the environment variable it becomes.
pub(in crate::scenario) enum OptionKind {
    Millis,
    Bytes,
    Flag,
    Text,
}

pub(in crate::scenario) const OPTIONS: [(&str, &str, OptionKind); 22] = [
    ("ping_interval", "SIO_PING_INTERVAL", OptionKind::Millis),
    ("ping_timeout", "SIO_PING_TIMEOUT", OptionKind::Millis),
    ("connect_timeout", "SIO_CONNECT_TIMEOUT", OptionKind::Millis),
    ("upgrade_timeout", "SIO_UPGRADE_TIMEOUT", OptionKind::Millis),
    ("max_payload", "SIO_MAX_PAYLOAD", OptionKind::Bytes),
    ("eio3", "SIO_EIO3", OptionKind::Flag),
    ("cleanup", "SIO_CLEANUP", OptionKind::Flag),
    ("cors", "SIO_CORS", OptionKind::Text),
    ("cors_credentials", "SIO_CORS_CREDENTIALS", OptionKind::Flag),
    ("cors_methods", "SIO_CORS_METHODS", OptionKind::Text),
    ("cors_allowed_headers", "SIO_CORS_ALLOWED_HEADERS", OptionKind::Text),
    ("cors_exposed_headers", "SIO_CORS_EXPOSED_HEADERS", OptionKind::Text),
    ("cors_max_age", "SIO_CORS_MAX_AGE", OptionKind::Text),
    ("cookie", "SIO_COOKIE", OptionKind::Text),
    ("deny", "SIO_DENY", OptionKind::Text),
    ("recovery", "SIO_RECOVERY", OptionKind::Millis),
    ("skip_middlewares", "SIO_SKIP_MIDDLEWARES", OptionKind::Flag),
    ("parser", "SIO_PARSER", OptionKind::Text),
    ("transports", "SIO_TRANSPORTS", OptionKind::Text),
    ("allow_upgrades", "SIO_ALLOW_UPGRADES", OptionKind::Flag),
    ("trailing_slash", "SIO_TRAILING_SLASH", OptionKind::Flag),
    ("tls", "SIO_TLS", OptionKind::Flag),
];

/// How often a case is played while a load runs.
fn every(node: &Node, cx: &mut Context<'_>) -> Option<Duration> {
    let every = table::duration(node, cx)?;
    if every < Duration::from_millis(100) {
        cx.diagnostics.error(node.span.clone(), "a case is played every 100 ms at most");
        return None;
    }
    Some(every)
}

/// Options as a scenario says them.
pub fn options_text(options: &Options) -> String {
    let said = options.0.iter().filter_map(|(variable, value)| {
        let (name, _, kind) = OPTIONS.iter().find(|(_, known, _)| known == variable)?;
        let value = match kind {
            OptionKind::Millis => format!("\"{value}ms\""),
            OptionKind::Bytes => format!("\"{value}B\""),
            OptionKind::Flag => (value == "1").to_string(),
            OptionKind::Text => toml::Value::from(value.as_str()).to_string(),
        };
        Some(format!("{name} = {value}"))
    });
    said.collect::<Vec<_>>().join(", ")
}

pub(super) fn options_of(nodes: &[&Node], variant: &[Choice], cx: &mut Context<'_>) -> Options {
    let mut options = Options::default();
    for node in nodes {
        let Kind::Table(entries) = &node.kind else {
            cx.diagnostics.error(node.span.clone(), format_args!("options are a table, not {}", node.describe()));
            continue;
        };
        for (key, node) in entries {
            let Some((_, variable, kind)) = OPTIONS.iter().find(|(name, ..)| *name == key.name) else {
                let known: Vec<_> = OPTIONS.iter().map(|(name, ..)| *name).collect();
                cx.diagnostics.unknown(key.span.clone(), "option", &key.name, &known);
                continue;
            };
            if let Some(value) = option(&resolved(node, variant), kind, cx) {
                options.0.insert(variable, value);
            }
        }
    }
    // The default parser is no option, so that cases of both parsers can be written as one.
    options.0.retain(|variable, value| (*variable, value.as_str()) != ("SIO_PARSER", "json"));
    options
}

/// A value that may be one of the matrix.
fn resolved(node: &Node, variant: &[Choice]) -> Node {
    let name = node.as_str().and_then(|text| text.strip_prefix("${")).and_then(|rest| rest.strip_suffix('}'));
    let value = name.and_then(|name| variant.iter().find(|choice| choice.name == name)).map(|choice| &choice.value);
    let kind = match value {
        Some(Template::Bool(value)) => Kind::Bool(*value),
        Some(Template::Int(value)) => Kind::Int(*value),
        Some(Template::Text(pieces)) => match pieces.as_slice() {
            [Piece::Literal(text)] => Kind::Str(text.clone()),
            _ => return node.clone(),
        },
        _ => return node.clone(),
    };
    Node { kind, span: node.span.clone() }
}

fn option(node: &Node, kind: &OptionKind, cx: &mut Context<'_>) -> Option<String> {
    Some(match kind {
        OptionKind::Millis => table::duration(node, cx)?.as_millis().to_string(),
        OptionKind::Bytes => table::size(node, cx)?.to_string(),
        OptionKind::Flag => u8::from(table::boolean(node, cx)?).to_string(),
        OptionKind::Text => plain(table::string(node, cx)?, node, cx)?,
    })
}

/// What a variable of the environment can hold.
fn plain(text: String, node: &Node, cx: &mut Context<'_>) -> Option<String> {
    if text.contains(char::is_control) {
        cx.diagnostics.error(
            node.span.clone(),
            "no option has control characters in it: a server is given it in its environment",
        );
        return None;
    }
    Some(text)
}

/// Every combination of the lists in `each`.
fn variants(node: &Node, cx: &mut Context<'_>) -> Vec<Vec<Choice>> {
    let mut all = vec![Vec::new()];
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), "`each` is a table of lists");
        return all;
    };
    for (key, list) in entries {
        let values = choices(&key.name, list, cx);
        if values.is_empty() {
            cx.diagnostics.error(list.span.clone(), format_args!("`each.{}` has no values", key.name));
            return all;
        }
        if all.len() * values.len() > MAX_VARIANTS {
            cx.diagnostics.error(node.span.clone(), format_args!("more than {MAX_VARIANTS} combinations"));
            return all;
        }
        all = all
            .iter()
            .flat_map(|row| values.iter().map(move |value| [row.as_slice(), std::slice::from_ref(value)].concat()))
            .collect();
    }
    all
}

/// The values of one list, with labels that tell them apart.
fn choices(name: &str, list: &Node, cx: &mut Context<'_>) -> Vec<Choice> {
    let nodes = match &list.kind {
        Kind::Array(items) => items.as_slice(),
        _ => &[],
    };
    let mut choices: Vec<Choice> = Vec::with_capacity(nodes.len());
    for (value, node) in actions::list(list, cx).into_iter().zip(nodes) {
        let mut label = label(node);
        if choices.iter().any(|other| other.label == label) {
            label.push_str(&format!("#{}", choices.len() + 1));
        }
        choices.push(Choice { name: name.to_owned(), value, label });
    }
    choices
}

/// A value as it stands in titles and ids: short, and in one line.
fn label(node: &Node) -> String {
    const LONGEST: usize = 32;
    let text = match &node.kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Str(text) if text.is_empty() => "empty".to_owned(),
        Kind::Str(text) => text.clone(),
        Kind::Array(items) => format!("({})", items.iter().map(label).collect::<Vec<_>>().join(" ")),
        Kind::Table(entries) => {
            let fields: Vec<_> = entries.iter().map(|(key, value)| format!("{}={}", key.name, label(value))).collect();
            format!("{{{}}}", fields.join(" "))
        }
    };
    let mut label = String::new();
    for c in text.chars().take(LONGEST) {
        if c.is_control() { label.extend(c.escape_unicode()) } else { label.push(c) }
    }
    if text.chars().count() > LONGEST {
        label.push('…');
    }
    label
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn names_become_one_word() {
        assert_eq!(slug("socket.to(room) leaves the sender's echo out!"), "socket-to-room-leaves-the-senders-echo-out");
    }
}
