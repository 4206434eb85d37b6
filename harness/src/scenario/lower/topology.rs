//! `topology`, `node_label` and `settle_within` of `[target]`: what is known of several servers.

use std::time::Duration;

use crate::scenario::model::{NodeLabel, Target, Topology};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};

/// Reads what the table of a target says of its servers, which are known by now.
pub(super) fn lower(table: &mut Table<'_>, target: &mut Target, cx: &mut Context<'_>) {
    let said = table.get("topology");
    target.topology = said.and_then(|node| topology(node, cx));
    if let (Some(node), Some(topology)) = (said, target.topology) {
        contradictions(node, topology, target, cx);
    }
    let is_cluster = target.topology == Some(Topology::Cluster) || target.cluster.is_some();
    if let Some(node) = table.get("node_label") {
        target.node_label = node_label(node, cx);
        only_in_a_cluster(node, "node_label", is_cluster, cx);
    }
    if let Some(node) = table.get("settle_within") {
        target.settle_within = table::duration(node, cx).and_then(|time| some_time(node, time, cx));
        only_in_a_cluster(node, "settle_within", is_cluster, cx);
    }
}

fn topology(node: &Node, cx: &mut Context<'_>) -> Option<Topology> {
    let name = table::string(node, cx)?;
    let found = Topology::ALL.into_iter().find(|topology| topology.name() == name);
    if found.is_none() {
        let names = Topology::ALL.map(Topology::name);
        cx.diagnostics.unknown(node.span.clone(), "topology", &name, &names);
    }
    found
}

/// What cannot be true of the servers that are named.
fn contradictions(node: &Node, topology: Topology, target: &Target, cx: &mut Context<'_>) {
    let servers = target.nodes.map_or(target.urls.len(), |nodes| nodes as usize).max(1);
    let (problem, remedy) = match topology {
        Topology::Single if servers > 1 => (
            format!("`single` is one server, and [target] names {servers}"),
            "say `islands` if they do not know of one another, and `cluster` if they pass messages on",
        ),
        Topology::Islands if servers == 1 => (
            "`islands` are several servers, and [target] names one".to_owned(),
            "name them in `urls`; servers behind one address that pass messages on are a `cluster`",
        ),
        Topology::Islands if target.cluster.is_some() => (
            "`islands` do not know of one another, and a `broker` joins them".to_owned(),
            "leave `topology` out: servers with a `broker` are a cluster",
        ),
        _ => return,
    };
    cx.diagnostics.error(node.span.clone(), problem);
    cx.diagnostics.note(remedy);
}

fn only_in_a_cluster(node: &Node, key: &str, is_cluster: bool, cx: &mut Context<'_>) {
    if !is_cluster {
        cx.diagnostics.error(node.span.clone(), format_args!("`{key}` is for servers that pass messages on"));
        cx.diagnostics.note("say `topology = \"cluster\"`, or leave it out");
    }
}

fn some_time(node: &Node, time: Duration, cx: &mut Context<'_>) -> Option<Duration> {
    if time.is_zero() {
        cx.diagnostics.error(node.span.clone(), "nothing comes from another server within no time; 2s is usual");
        return None;
    }
    Some(time)
}

/// `{ header = "x-node" }` or `{ cookie = "SERVERID" }`.
fn node_label(node: &Node, cx: &mut Context<'_>) -> Option<NodeLabel> {
    let mut table = Table::new(node, "`node_label`", cx)?;
    let header = table.get("header").and_then(|node| table::string(node, cx));
    let cookie = table.get("cookie").and_then(|node| table::string(node, cx));
    table.finish(cx);
    match (header, cookie) {
        (Some(header), None) => Some(NodeLabel::Header(header.to_ascii_lowercase())),
        (None, Some(cookie)) => Some(NodeLabel::Cookie(cookie)),
        _ => {
            cx.diagnostics.error(node.span.clone(), "`node_label` has a `header` or a `cookie`, and one of them");
            None
        }
    }
}
