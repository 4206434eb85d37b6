//! `--path`, `--header`, `--auth`, `--query`: how to get into a target, the same for every command that goes to one.

use std::sync::Arc;

use clap::Args;
use http::{HeaderName, HeaderValue};
use url::form_urlencoded;

use crate::client::ConnectOptions;
use crate::remote::bundle::Way;

/// How to get in
#[derive(Args, Clone, Debug, Default)]
pub(super) struct GettingIn {
    /// Path of the engine on the target, with or without a slash at its end as the server has it (default: /socket.io/)
    #[arg(long, value_name = "PATH", help_heading = "Getting in")]
    path: Option<String>,

    /// Sent with every HTTP request, the WebSocket's included; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", help_heading = "Getting in", value_parser = parse_header)]
    headers: Vec<(String, String)>,

    /// Shown at each namespace by users and clients that have no auth of their own, such as '{"token":"x"}'
    #[arg(long, value_name = "JSON", help_heading = "Getting in", value_parser = parse_auth)]
    auth: Option<String>,

    /// In the query of every request to the engine; may be repeated
    #[arg(long = "query", value_name = "NAME=VALUE", help_heading = "Getting in", value_parser = parse_query)]
    queries: Vec<(String, String)>,
}

impl GettingIn {
    /// As it is sent to a worker.
    pub(super) fn way(&self) -> Way {
        Way {
            path: self.path.clone(),
            headers: self.headers.clone(),
            auth: self.auth.clone(),
            queries: self.queries.clone(),
        }
    }

    /// The other way round, as far as it could have been typed.
    pub(super) fn from_way(way: &Way) -> Result<Self, String> {
        let headers = way.headers.iter().map(|(name, value)| parse_header(&format!("{name}: {value}")));
        let queries = way.queries.iter().map(|(name, value)| parse_query(&format!("{name}={value}")));
        Ok(Self {
            path: way.path.clone(),
            headers: headers.collect::<Result<_, _>>()?,
            auth: way.auth.as_deref().map(parse_auth).transpose()?,
            queries: queries.collect::<Result<_, _>>()?,
        })
    }

    /// What a scenario says of it, and what the command line says instead and besides.
    pub(super) fn over(&self, manner: &ConnectOptions) -> Arc<ConnectOptions> {
        let mut manner = manner.clone();
        manner.path = self.path.clone().or(manner.path);
        for (name, value) in &self.headers {
            manner.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            manner.headers.push((name.clone(), value.clone()));
        }
        for (name, value) in &self.queries {
            let pair: String = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
            let written = pair.split('=').next().unwrap_or_default();
            let others = manner.query.split('&').filter(|other| !other.is_empty());
            let mut kept: Vec<_> = others.filter(|other| other.split('=').next() != Some(written)).collect();
            kept.push(&pair);
            manner.query = kept.join("&");
        }
        manner.auth = self.auth.clone().unwrap_or(manner.auth);
        Arc::new(manner)
    }

    /// For commands that have no scenario to say it.
    pub(super) fn alone(&self) -> Arc<ConnectOptions> {
        self.over(&ConnectOptions::default())
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE, such as \"Authorization: Bearer x\"")?;
    let (name, value) = (name.trim(), value.trim());
    name.parse::<HeaderName>().map_err(|_| format!("`{name}` is not the name of a header"))?;
    HeaderValue::from_str(value)
        .map_err(|_| format!("the value of `{name}` has characters that no header may have"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_auth(text: &str) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| format!("not JSON: {error}; expected an object such as {{\"token\":\"x\"}}"))?;
    if !value.is_object() {
        return Err("expected an object, such as {\"token\":\"x\"}".to_owned());
    }
    Ok(value.to_string())
}

fn parse_query(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as token=abc; it is encoded as it has to be".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_and_adds() {
        let headers = vec![("X-Tenant".to_owned(), "a".to_owned()), ("Origin".to_owned(), "b".to_owned())];
        let scenario = ConnectOptions { headers, query: "token=old&v=1".to_owned(), ..ConnectOptions::default() };
        let said = GettingIn {
            path: Some("/live".to_owned()),
            headers: vec![parse_header("x-tenant: c:d").unwrap()],
            auth: Some(parse_auth(" { \"token\": 1 } ").unwrap()),
            queries: vec![parse_query("token=a b&c").unwrap()],
        };
        let manner = said.over(&scenario);
        let pairs = |list: &[(&str, &str)]| -> Vec<_> {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(manner.headers, pairs(&[("Origin", "b"), ("x-tenant", "c:d")]));
        assert_eq!(manner.query, "v=1&token=a+b%26c");
        assert_eq!((manner.path.as_deref(), manner.auth.as_str()), (Some("/live"), "{\"token\":1}"));
        assert_eq!(GettingIn::default().over(&scenario).query, "token=old&v=1");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(parse_header("no colon").is_err());
        assert!(parse_header("bad name: x").is_err());
        assert!(parse_auth("token").unwrap_err().contains("not JSON"));
        assert!(parse_auth("[1]").is_err());
        assert!(parse_query("token").is_err());
    }
}
