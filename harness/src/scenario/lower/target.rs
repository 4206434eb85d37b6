//! `[target]`: where to, unless the command line says otherwise.

use std::net::IpAddr;
use std::time::Duration;

use sio_protocol::Parser;

use super::cluster;
use crate::scenario::model::{Reconnect, Target};
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template;
use crate::vocab::Trust;

pub(super) fn lower(node: &Node, cx: &mut Context<'_>) -> Target {
    let Some(mut table) = Table::new(node, "[target]", cx) else { return Target::default() };
    let mut target = Target::default();
    match (table.get("url"), table.get("urls")) {
        (Some(node), None) => target.urls.extend(url(node, &mut target.unset, cx)),
        (None, Some(node)) => {
            let urls = table::array(node, "an array of URLs", cx).unwrap_or_default();
            target.urls.extend(urls.iter().filter_map(|node| url(node, &mut target.unset, cx)));
        }
        (Some(_), Some(node)) => {
            cx.diagnostics.error(node.span.clone(), "`url` and `urls` exclude each other");
        }
        (None, None) => {}
    }
    let (nodes, broker, adapter) = (table.get("nodes"), table.get("broker"), table.get("adapter"));
    if let Some(node) = nodes {
        cluster::nodes(node, &mut target, cx);
    }
    cluster::joined(broker, adapter, &mut target, cx);
    if let Some(node) = table.get("balancer") {
        target.balancer = cluster::balancer(node, target.cluster.is_some(), cx).unwrap_or_default();
    }
    super::topology::lower(&mut table, &mut target, cx);
    if let Some(node) = table.get("options") {
        target.options = super::cases::options_of(&[node], &[], cx);
    }
    target.path = table.get("path").and_then(|node| table::string(node, cx));
    target.reconnect = table.get("reconnect").and_then(|node| reconnect(node, cx));
    target.connect_timeout = table.get("connect_timeout").and_then(|node| patience(node, cx));
    target.headers = table.get("headers").map_or_else(Vec::new, |node| super::cases::headers(node, cx));
    target.query = table.get("query").map(|node| template::parse(node, cx.diagnostics));
    if let Some(node) = table.get("tls") {
        target.trust = trust(node, cx).unwrap_or_default();
    }
    if let Some(node) = table.get("source_ips") {
        let texts = table::strings(node, cx).unwrap_or_default();
        for text in texts {
            match addresses(&text) {
                Ok(found) => target.sources.extend(found),
                Err(problem) => cx.diagnostics.error(node.span.clone(), problem),
            }
        }
    }
    if let Some(node) = table.get("parser") {
        match table::string(node, cx).as_deref() {
            Some("json") | None => {}
            Some("msgpack") => target.parser = Parser::MessagePack,
            Some(other) => cx.diagnostics.unknown(node.span.clone(), "parser", other, &["json", "msgpack"]),
        }
    }
    table.not_yet("compress", cx);
    table.finish(cx);
    target
}

/// How long somebody waits: for some time at least.
fn patience(node: &Node, cx: &mut Context<'_>) -> Option<Duration> {
    let time = table::duration(node, cx)?;
    if time.is_zero() {
        cx.diagnostics.error(node.span.clone(), "nobody is in within no time; 30s is usual");
        return None;
    }
    Some(time)
}

/// `tls = { ca = "ca.pem" }` or `{ insecure = true }`.
fn trust(node: &Node, cx: &mut Context<'_>) -> Option<Trust> {
    let mut table = Table::new(node, "`tls`", cx)?;
    let ca = table.get("ca").and_then(|node| table::string(node, cx));
    let insecure = table.get("insecure").map_or(Some(false), |node| table::boolean(node, cx))?;
    table.finish(cx);
    match (ca, insecure) {
        (Some(_), true) => {
            cx.diagnostics.error(node.span.clone(), "`ca` and `insecure` exclude each other");
            None
        }
        (Some(file), false) => match cx.brought {
            None => Some(Trust::File(file.into())),
            Some(brought) => match brought.text(&file) {
                Ok(text) => Some(Trust::Pem(text)),
                Err(problem) => {
                    cx.diagnostics.error(node.span.clone(), problem);
                    None
                }
            },
        },
        (None, true) => Some(Trust::Anybody),
        (None, false) => Some(Trust::System),
    }
}

/// Addresses of one range at most.
const MOST_ADDRESSES: usize = 4096;

/// `127.0.0.2`, or `127.0.0.2..127.0.0.9`.
fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let problem = || format!("expected an address, or two with `..` in between, found `{text}`");
    let parse = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| problem());
    let Some((from, to)) = text.split_once("..") else { return Ok(vec![parse(text)?]) };
    let (IpAddr::V4(from), IpAddr::V4(to)) = (parse(from)?, parse(to)?) else {
        return Err(format!("a range is of IPv4 addresses; found `{text}`"));
    };
    let all = u32::from(from)..=u32::from(to);
    match all.clone().count() {
        0 => Err(format!("`{text}` ends before it begins")),
        1..=MOST_ADDRESSES => Ok(all.map(|address| IpAddr::V4(address.into())).collect()),
        many => Err(format!("`{text}` has {many} addresses; at most {MOST_ADDRESSES}")),
    }
}

/// `true`, `false`, or `{ delay = "1s..5s", factor = 2, jitter = 0.5 }`.
fn reconnect(node: &Node, cx: &mut Context<'_>) -> Option<Reconnect> {
    if let Kind::Bool(wanted) = node.kind {
        return wanted.then(Reconnect::default);
    }
    let usual = Reconnect::default();
    let mut table = Table::new(node, "`reconnect`", cx)?;
    let delay = table.get("delay").map_or(Some(usual.delay), |node| table::durations(node, cx));
    let factor = table.get("factor").map_or(Some(usual.factor), |node| within(node, 1.0, 100.0, cx));
    let jitter = table.get("jitter").map_or(Some(usual.jitter), |node| within(node, 0.0, 1.0, cx));
    table.finish(cx);
    Some(Reconnect { delay: delay?, factor: factor?, jitter: jitter? })
}

fn within(node: &Node, least: f64, most: f64, cx: &mut Context<'_>) -> Option<f64> {
    let number = table::number(node, cx)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    cx.diagnostics.error(node.span.clone(), format_args!("expected {least} to {most}, found {number}"));
    None
}

/// A URL may come from the environment; a missing variable is an error when it is needed, not before.
fn url(node: &Node, unset: &mut Option<String>, cx: &mut Context<'_>) -> Option<String> {
    let text = node.as_str()?;
    match text.strip_prefix("${env.").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => match std::env::var(variable) {
            Ok(url) => {
                crate::secrets::learn_urls(&url);
                Some(url)
            }
            Err(_) => {
                *unset = Some(variable.to_owned());
                None
            }
        },
        None => {
            let url = table::string(node, cx)?;
            crate::vocab::target_url::check(&url)
                .map_err(|problem| cx.diagnostics.error(node.span.clone(), problem))
                .ok()?;
            Some(url)
        }
    }
}
