//! `[[chaos]]`, and `at_start` of a phase: what goes wrong, when, for whom.

use std::time::Duration;

use indexmap::IndexMap;

use super::{cluster, population_name};
use crate::scenario::model::{Chaos, Disruption, Leaving, Phase, Population};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};

/// What can happen; one of these in each entry.
const VERBS: [&str; 4] = ["drop", "stall", "freeze", "restart"];
/// What happens to a whole cluster.
const OF_CLUSTERS: [&str; 3] = ["broker", "balancer", "roll"];

/// `[[chaos]]`
pub(in crate::scenario::lower) fn lower(
    node: &Node,
    phases: &[Phase],
    populations: &IndexMap<String, Population>,
    cx: &mut Context<'_>,
) -> Option<Chaos> {
    let mut table = Table::new(node, "[[chaos]]", cx)?;
    let phase = match table.get("in") {
        Some(node) => Some(phase(node, phases, cx)?),
        None => None,
    };
    let after = table.get("after").map_or(Some(Duration::ZERO), |node| table::duration(node, cx));
    let every = match table.get("every") {
        Some(node) => {
            let every = table::duration(node, cx)?;
            if every < Duration::from_millis(10) {
                cx.diagnostics.error(node.span.clone(), "more often than every 10 ms is not chaos but noise");
                return None;
            }
            Some(every)
        }
        None => None,
    };
    let upset = upset(&mut table, populations, cx);
    table.finish(cx);
    Some(Chaos { phase, after: after?, every, upset: upset? })
}

/// `at_start = { drop = "50%", of = "watchers", how = "reset" }`
pub(super) fn at_start(
    node: &Node,
    phase: usize,
    populations: &IndexMap<String, Population>,
    cx: &mut Context<'_>,
) -> Option<Chaos> {
    let mut table = Table::new(node, "`at_start`", cx)?;
    let upset = upset(&mut table, populations, cx);
    table.finish(cx);
    Some(Chaos { phase: Some(phase), after: Duration::ZERO, every: None, upset: upset? })
}

fn phase(node: &Node, phases: &[Phase], cx: &mut Context<'_>) -> Option<usize> {
    let name = table::string(node, cx)?;
    let found = phases.iter().position(|phase| phase.name == name);
    if found.is_none() {
        let known: Vec<_> = phases.iter().map(|phase| phase.name.as_str()).collect();
        cx.diagnostics.unknown(node.span.clone(), "phase", &name, &known);
    }
    found
}

fn upset(
    table: &mut Table<'_>,
    populations: &IndexMap<String, Population>,
    cx: &mut Context<'_>,
) -> Option<Disruption> {
    let [drop, stall, freeze, restart] = VERBS.map(|verb| table.get(verb));
    let of_cluster = OF_CLUSTERS.map(|verb| table.get(verb));
    if of_cluster.iter().any(Option::is_some) {
        if [drop, stall, freeze, restart].iter().any(Option::is_some) {
            cx.diagnostics.error(table.span(), "one thing goes wrong in an entry; make it two");
            return None;
        }
        return cluster::upset(of_cluster, table, cx);
    }
    let of = match table.get("of") {
        Some(node) => Some(population_name(node, populations, cx)?),
        None => None,
    };
    let how = table.get("how");
    let length = match table.get("for") {
        Some(node) => Some(table::duration(node, cx)?),
        None => None,
    };
    let node_number = match table.get("node") {
        Some(node) => Some(table::count(node, 0, cx)?),
        None => None,
    };
    let target = node_number.unwrap_or(0).min(u64::from(u32::MAX)) as u32;
    let is_about_users = drop.is_some() || stall.is_some();
    if is_about_users && node_number.is_some() || !is_about_users && of.is_some() {
        cx.diagnostics.error(table.span(), "`of` goes with drop and stall, `node` with freeze and restart");
        return None;
    }
    match (drop, stall, freeze, restart) {
        (Some(share), None, None, None) if length.is_none() => {
            let how = how.map_or(Some(Leaving::Dropped(crate::scenario::model::Drop::Reset)), |node| leaving(node, cx));
            Some(Disruption::Drop { share: self::share(share, cx)?, of, how: how? })
        }
        (None, Some(share), None, None) if how.is_none() => {
            let Some(length) = length else {
                cx.diagnostics.error(table.span(), "`stall` needs `for`, the time for which nothing moves");
                return None;
            };
            Some(Disruption::Stall { share: self::share(share, cx)?, of, length })
        }
        (None, None, Some(length), None) if how.is_none() => {
            Some(Disruption::Freeze { length: table::duration(length, cx)?, node: target })
        }
        (None, None, None, Some(how)) => {
            let kill = kills(how, cx)?;
            Some(Disruption::Restart { kill, down: length.unwrap_or(Duration::ZERO), node: target })
        }
        _ => {
            cx.diagnostics
                .error(table.span(), format_args!("expected one of: {} {}", VERBS.join(" "), OF_CLUSTERS.join(" ")));
            cx.diagnostics.note(
                "drop = \"10%\" with `of` and `how`; stall = \"10%\" with `of` and `for`; freeze = \"2s\" or \
                 restart = \"kill\" with `node`",
            );
            None
        }
    }
}

/// `"kill"` or `"term"`
pub(super) fn kills(node: &Node, cx: &mut Context<'_>) -> Option<bool> {
    match table::string(node, cx)?.as_str() {
        "kill" => Some(true),
        "term" => Some(false),
        other => {
            cx.diagnostics.unknown(node.span.clone(), "way to end a process", other, &["kill", "term"]);
            None
        }
    }
}

/// `"50%"`
fn share(node: &Node, cx: &mut Context<'_>) -> Option<f64> {
    let (from, to) = table::load(node, cx)?;
    if from.to_bits() == to.to_bits() && (0.0..=1.0).contains(&from) {
        return Some(from);
    }
    cx.diagnostics.error(node.span.clone(), "expected a share from \"0%\" to \"100%\"");
    None
}

/// One of [`Leaving::NAMES`].
pub(super) fn leaving(node: &Node, cx: &mut Context<'_>) -> Option<Leaving> {
    let name = table::string(node, cx)?;
    let found = Leaving::from_name(&name);
    if found.is_none() {
        cx.diagnostics.unknown(node.span.clone(), "way to leave", &name, &Leaving::NAMES);
    }
    found
}
