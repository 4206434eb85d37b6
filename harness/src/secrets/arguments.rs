//! Secrets on the command line: learned, and left out of the command that a record has.

use super::rule::{is_quantity, is_secret, sounds_secret};
use super::{HIDDEN, hide, learn, learn_certain, learn_header, learn_json, learn_query, learn_said, learn_urls};

/// Options whose values are secrets.
#[derive(Clone, Copy)]
enum Kind {
    Header,
    Auth,
    Query,
    Set,
    /// Something that is sent, in which a secret has a name.
    Said,
}

fn kind(option: &str) -> Option<Kind> {
    Some(match option {
        "--header" => Kind::Header,
        "--auth" => Kind::Auth,
        "--query" => Kind::Query,
        "--set" => Kind::Set,
        "--event" | "--join" => Kind::Said,
        _ => return None,
    })
}

/// Each argument, with what it is the value of; `--set=a=b` is one argument with a value of its own.
fn values(args: &[String]) -> impl Iterator<Item = (&str, Option<(Kind, &str)>)> {
    let mut before = None;
    args.iter().map(move |arg| {
        let own = arg.split_once('=').and_then(|(option, value)| Some((kind(option)?, value)));
        let found = own.or_else(|| before.map(|kind| (kind, arg.as_str())));
        before = if found.is_some() { None } else { kind(arg) };
        (arg.as_str(), found)
    })
}

/// Learns the secrets of a command line.
pub fn learn_arguments(args: &[String]) {
    for (arg, value) in values(args) {
        match value {
            Some((Kind::Header, text)) => {
                let (name, value) = text.split_once(':').unwrap_or(("", text));
                learn_header(name.trim(), value.trim());
            }
            Some((Kind::Auth, text)) => match serde_json::from_str(text) {
                Ok(value) => learn_json("auth", &value),
                Err(_) => learn_certain(text),
            },
            Some((Kind::Query, text)) => learn_query(text),
            Some((Kind::Set, text)) => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                learn(name, value);
            }
            Some((Kind::Said, text)) => {
                // What is no JSON is refused elsewhere.
                serde_json::from_str(text).iter().for_each(|value| learn_said("", value));
            }
            // `--target=ws://…` as well
            None => learn_urls(arg),
        }
    }
}

/// The command line as a record may have it.
pub fn command() -> Vec<String> {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    shown(&args)
}

fn shown(args: &[String]) -> Vec<String> {
    let show = |(arg, value): (&str, Option<(Kind, &str)>)| match value {
        Some((kind, text)) => format!("{}{}", &arg[..arg.len() - text.len()], value_shown(kind, text)),
        None => url_shown(arg),
    };
    values(args).map(show).map(|arg| hide(&arg).into_owned()).collect()
}

/// A value without what is a secret, however short.
fn value_shown(kind: Kind, text: &str) -> String {
    let without = |separator: char| {
        let name = text.split_once(separator).map(|(name, _)| name);
        name.map_or_else(|| HIDDEN.to_owned(), |name| format!("{name}{separator}{HIDDEN}"))
    };
    match kind {
        Kind::Auth => HIDDEN.to_owned(),
        Kind::Header => match text.split_once(':') {
            Some((name, _)) if !super::is_harmless_header(name.trim()) => format!("{name}: {HIDDEN}"),
            Some(_) => url_shown(text),
            None => HIDDEN.to_owned(),
        },
        // A secret in it is hidden as everywhere.
        Kind::Said => text.to_owned(),
        Kind::Query => without('='),
        Kind::Set => match text.split_once('=') {
            Some((name, value)) if is_secret(name, value) || sounds_secret(name) && !is_quantity(value) => without('='),
            _ => url_shown(text),
        },
    }
}

/// A URL without its password, which may be shorter than what is hidden everywhere.
fn url_shown(arg: &str) -> String {
    let Some((before, rest)) = arg.split_once("://") else { return arg.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(HIDDEN.to_owned(), |(user, _)| format!("{user}:{HIDDEN}"));
            format!("{before}://{user}@{host}{path}")
        }
        None => arg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_secrets() {
        let args = [
            "run",
            "x.toml",
            "--target",
            "http://me:pw@h:1/a",
            "--set",
            "people=5_000",
            "--set",
            "token=abc",
            "--set=x=Q1-w2",
            "--header",
            "Cookie: a=b",
            "--header=Origin: http://a",
            "--auth",
            "{\"pin\":1}",
            "--query",
            "k=1",
            "-q",
        ];
        let args: Vec<String> = args.map(str::to_owned).to_vec();
        assert_eq!(
            shown(&args).join(" "),
            "run x.toml --target http://me:[hidden]@h:1/a --set people=5_000 --set token=[hidden] --set=x=Q1-w2 \
             --header Cookie: [hidden] --header=Origin: http://a --auth [hidden] --query k=[hidden] -q"
        );
    }
}
