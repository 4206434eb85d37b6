//! Whether what is to go wrong can be made to: for servers, brokers and balancers that sio-bench has started.

use crate::scenario::model::{Away, Disruption};
use crate::scenario::{Loaded, Scenario};
use crate::target::{Choice, Formation};
use crate::vocab::{Balancer, Broker, Medium};

/// Whether each node needs a way to the broker that can be disturbed.
pub(super) fn needs_links(scenario: &Scenario) -> bool {
    let is_about_a_link =
        |upset: &Disruption| matches!(upset, Disruption::Broker { how: Away::Parted { .. } | Away::Far { .. }, .. });
    scenario.chaos.iter().any(|chaos| is_about_a_link(&chaos.upset))
}

/// Refuses chaos that cannot be, with the reason.
pub(super) fn check(loaded: &Loaded, formation: &Formation) -> Result<(), String> {
    for chaos in &loaded.scenario.chaos {
        if let Some(why) = cannot(&chaos.upset, formation) {
            return Err(format!("{}: the chaos {why}; nothing was sent", loaded.source.name));
        }
    }
    Ok(())
}

fn cannot(upset: &Disruption, formation: &Formation) -> Option<String> {
    match *upset {
        Disruption::Freeze { .. } if is_one_program(formation) => Some(
            "that freezes a node cannot be: it is a worker of Node's cluster module, which can only be started again"
                .to_owned(),
        ),
        Disruption::Freeze { node, .. } | Disruption::Restart { node, .. } => no_process(node, formation),
        Disruption::Roll { .. } => (0..formation.choices.len() as u32).find_map(|node| no_process(node, formation)),
        Disruption::Broker { how, .. } => no_broker(how, formation),
        Disruption::Unbalance if formation.balancer == Balancer::None => {
            Some("of the balancer cannot be: there is none; add `balancer` to [target]".to_owned())
        }
        Disruption::Drop { .. } | Disruption::Stall { .. } | Disruption::Unbalance => None,
    }
}

/// Whether the nodes are workers of one program.
fn is_one_program(formation: &Formation) -> bool {
    formation.cluster.as_ref().is_some_and(|cluster| cluster.adapter.medium() == Medium::Primary)
}

/// What freezes and restarts needs processes that sio-bench has started.
fn no_process(node: u32, formation: &Formation) -> Option<String> {
    let why = match formation.choices.get(node as usize) {
        None => format!("there are {} nodes, counted from 0", formation.choices.len()),
        Some(Choice::Url(url)) => format!("{url} was not started by sio-bench"),
        Some(_) => return None,
    };
    Some(format!("at node {node} cannot be: {why}"))
}

fn no_broker(how: Away, formation: &Formation) -> Option<String> {
    let Some(cluster) = &formation.cluster else {
        return Some("of the broker cannot be: there is none; add `broker` to [target], or take a fleet".to_owned());
    };
    if is_one_program(formation) {
        return Some(
            "of the broker cannot be: the nodes are workers of Node's cluster module, and have none".to_owned(),
        );
    }
    match how {
        Away::Parted { node: Some(node) } | Away::Far { node: Some(node), .. } => no_process(node, formation),
        Away::Parted { node: None } | Away::Far { node: None, .. } => None,
        Away::Paused | Away::Killed | Away::Ended => match &cluster.broker {
            Broker::Started => None,
            Broker::At(place) => {
                let (_, address) = Broker::parts(place);
                Some(format!("of the broker cannot be: {address} was not started by sio-bench"))
            }
        },
    }
}
