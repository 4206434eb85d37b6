//! `nodes`, `broker` and `adapter` of `[target]`: which servers are started, and what joins them.

use crate::guess::did_you_mean;
use crate::scenario::model::Target;
use crate::scenario::node::{Kind, Node};
use crate::scenario::table::{self, Context};
use crate::vocab::{Adapter, Balancer, Broker, Cluster, Medium};

/// Servers of one run.
const MOST_NODES: u64 = 64;
/// Of a cluster, when nobody says how many.
const USUAL_NODES: u32 = 2;

/// `nodes = 3`, or `nodes = ["node", "reference"]`.
pub(super) fn nodes(node: &Node, target: &mut Target, cx: &mut Context<'_>) {
    let count = if let Kind::Array(_) = &node.kind {
        target.servers = table::strings(node, cx).unwrap_or_default();
        if target.servers.is_empty() {
            cx.diagnostics.error(node.span.clone(), "`nodes` are empty; there is one server at least");
        }
        Some(target.servers.len() as u64)
    } else {
        table::count(node, 1, cx)
    };
    match count {
        Some(count) if count > MOST_NODES => {
            cx.diagnostics.error(node.span.clone(), format_args!("at most {MOST_NODES} nodes, found {count}"));
        }
        Some(_) if !target.urls.is_empty() => {
            cx.diagnostics.error(node.span.clone(), "`nodes` are started; with `url` or `urls` they run already");
        }
        Some(count) => target.nodes = Some(count as u32),
        None => {}
    }
}

/// `broker = "redis"`, `"redis://host:port"`, `"postgres"` or `"cluster"`, and `adapter`.
pub(super) fn joined(broker: Option<&Node>, adapter: Option<&Node>, target: &mut Target, cx: &mut Context<'_>) {
    let Some(place) = broker else {
        if let Some(adapter) = adapter {
            cx.diagnostics.error(adapter.span.clone(), "an `adapter` needs a `broker`, such as broker = \"redis\"");
        }
        return;
    };
    if !target.urls.is_empty() {
        let problem =
            "a `broker` is for servers that are started; with `url` or `urls` they run already and have theirs";
        cx.diagnostics.error(place.span.clone(), problem);
        return;
    }
    if target.nodes == Some(1) {
        cx.diagnostics.error(place.span.clone(), "a `broker` joins two `nodes` at least");
        return;
    }
    let Some((medium, broker)) = self::broker(place, cx) else { return };
    let adapter = match adapter {
        Some(node) => self::adapter(node, medium, cx),
        None => Some(medium.usual_adapter()),
    };
    if let Some(adapter) = adapter {
        target.nodes = target.nodes.or(Some(USUAL_NODES));
        target.cluster = Some(Cluster { adapter, broker });
    }
}

/// `balancer = "cookie"`
pub(super) fn balancer(node: &Node, is_cluster: bool, cx: &mut Context<'_>) -> Option<Balancer> {
    let name = table::string(node, cx)?;
    let found = Balancer::from_name(&name);
    match found {
        None => cx.diagnostics.unknown(node.span.clone(), "balancer", &name, &Balancer::NAMES),
        Some(Balancer::None) => {}
        Some(_) if !is_cluster => {
            let problem =
                "behind a `balancer` nobody knows who is on which node, so the nodes need a `broker` that joins them";
            cx.diagnostics.error(node.span.clone(), problem);
        }
        Some(_) => {}
    }
    found
}

fn adapter(node: &Node, medium: Medium, cx: &mut Context<'_>) -> Option<Adapter> {
    let name = table::string(node, cx)?;
    let found = Adapter::from_name(&name);
    match found {
        None => cx.diagnostics.unknown(node.span.clone(), "adapter", &name, &Adapter::NAMES),
        Some(adapter) if adapter.medium() != medium => {
            let (broker, needs) = (medium.name(), adapter.medium().name());
            let problem = format!("the adapter `{name}` does not go over {broker}; it needs broker = \"{needs}\"");
            cx.diagnostics.error(node.span.clone(), problem);
            return None;
        }
        Some(_) => {}
    }
    found
}

fn broker(node: &Node, cx: &mut Context<'_>) -> Option<(Medium, Broker)> {
    let text = table::string(node, cx)?;
    if let Some(medium) = Medium::from_name(&text) {
        return Some((medium, Broker::Started));
    }
    let address = text.strip_prefix("redis://").map(|address| address.trim_end_matches('/'));
    let has_port = |address: &&str| {
        let (credentials, place) = Broker::parts(address);
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#' | '\\');
        let parted = place.rsplit_once(':');
        parted.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            && !place.contains(is_bad)
            && !credentials.contains(char::is_control)
    };
    let found = address.filter(has_port).map(|address| (Medium::Redis, Broker::At(address.to_owned())));
    if found.is_none() {
        let guess = did_you_mean(&text, Medium::NAMES);
        let problem = format!(
            "expected \"redis\" or \"postgres\" (one is started), \"redis://host:port\" (one that runs), or \"cluster\" \
             (workers of Node's cluster module), found `{text}`{guess}"
        );
        cx.diagnostics.error(node.span.clone(), problem);
    }
    found
}
