//! `[[chaos]]` of what joins nodes: the broker, the balancer, and all nodes one after the other.

use std::time::Duration;

use super::chaos::kills;
use crate::scenario::model::{Away, Disruption};
use crate::scenario::node::Node;
use crate::scenario::table::{self, Context, Table};

/// What can be done to a broker.
const AWAY: [&str; 5] = ["pause", "kill", "restart", "partition", "delay"];

/// `broker`, `balancer` or `roll`, and what goes with it.
pub(super) fn upset(verbs: [Option<&Node>; 3], table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Disruption> {
    let length = timed("for", table, cx)?;
    let (by, apart) = (timed("by", table, cx)?, timed("apart", table, cx)?);
    let node = match table.get("node") {
        Some(node) => Some(table::count(node, 0, cx)?.min(u64::from(u32::MAX)) as u32),
        None => None,
    };
    let upset = match verbs {
        [Some(verb), None, None] => {
            Disruption::Broker { how: away(verb, by, node, cx)?, length: lasting(verb, length, cx)? }
        }
        [None, Some(verb), None] => balancer(verb, cx)?,
        [None, None, Some(verb)] => Disruption::Roll {
            kill: kills(verb, cx)?,
            down: length.unwrap_or_default(),
            apart: apart.unwrap_or_default(),
        },
        _ => {
            cx.diagnostics.error(table.span(), "expected one of: broker balancer roll");
            return None;
        }
    };
    fits(&upset, [length.is_some(), by.is_some(), node.is_some(), apart.is_some()], table, cx).then_some(upset)
}

/// A time that may be missing.
#[expect(clippy::option_option, reason = "what is wrong is not what is missing")]
fn timed(name: &'static str, table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Option<Duration>> {
    match table.get(name) {
        Some(node) => table::duration(node, cx).map(Some),
        None => Some(None),
    }
}

fn away(verb: &Node, by: Option<Duration>, node: Option<u32>, cx: &mut Context<'_>) -> Option<Away> {
    match table::string(verb, cx)?.as_str() {
        "pause" => Some(Away::Paused),
        "kill" => Some(Away::Killed),
        "restart" => Some(Away::Ended),
        "partition" => Some(Away::Parted { node }),
        "delay" => {
            if by.is_none() {
                cx.diagnostics.error(verb.span.clone(), "a delay needs `by`, how long each byte takes");
            }
            Some(Away::Far { by: by?, node })
        }
        other => {
            cx.diagnostics.unknown(verb.span.clone(), "thing to do to a broker", other, &AWAY);
            None
        }
    }
}

/// A delay may stay to the end, and a restart takes no longer than it takes; everything else needs `for`.
fn lasting(verb: &Node, length: Option<Duration>, cx: &mut Context<'_>) -> Option<Duration> {
    match (length, verb.as_str()) {
        (Some(length), _) => Some(length),
        (None, Some("delay")) => Some(Duration::MAX),
        (None, Some("restart")) => Some(Duration::ZERO),
        (None, _) => {
            cx.diagnostics.error(verb.span.clone(), "for how long? add `for`, such as for = \"3s\"");
            None
        }
    }
}

fn balancer(verb: &Node, cx: &mut Context<'_>) -> Option<Disruption> {
    match table::string(verb, cx)?.as_str() {
        "drop" => Some(Disruption::Unbalance),
        other => {
            cx.diagnostics.unknown(verb.span.clone(), "thing to do to a balancer", other, &["drop"]);
            None
        }
    }
}

/// Whether nothing was said that does not go with it.
fn fits(upset: &Disruption, said: [bool; 4], table: &Table<'_>, cx: &mut Context<'_>) -> bool {
    let takes = match upset {
        Disruption::Broker { how: Away::Far { .. }, .. } => [true, true, true, false],
        Disruption::Broker { how: Away::Parted { .. }, .. } => [true, false, true, false],
        Disruption::Broker { .. } => [true, false, false, false],
        Disruption::Roll { .. } => [true, false, false, true],
        _ => [false; 4],
    };
    let names = ["for", "by", "node", "apart"];
    let extra = names.iter().zip(said).zip(takes).find(|((_, said), takes)| *said && !takes);
    if let Some(((name, _), _)) = extra {
        cx.diagnostics.error(table.span(), format_args!("`{name}` does not go with this"));
    }
    extra.is_none()
}
