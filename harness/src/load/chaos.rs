//! What goes wrong, when: worked out ahead, so that it is the same for every target.

use std::time::Duration;

use sio_oracle::board::Nanos;

use super::happened::Span;
use super::plan::Plan;
use super::random::{Purpose, Stream};
use crate::record::DisruptionMark;
use crate::scenario::Scenario;
use crate::scenario::model::{Away, Disruption};
use crate::vocab::id::{Id, PhaseId};

/// Something that happens once.
#[derive(Clone, Debug)]
pub(super) struct FaultEvent {
    /// Nanoseconds on the run's clock.
    pub(super) at: u64,
    /// Tells it from the others.
    pub(super) number: usize,
    /// The population it is about; all of them, if there is none.
    of: Option<usize>,
    pub(super) upset: Disruption,
}

impl FaultEvent {
    /// Whether it is about users; otherwise it is about a process.
    pub(super) fn is_about_users(&self) -> bool {
        matches!(self.upset, Disruption::Drop { .. } | Disruption::Stall { .. })
    }

    /// As it is recorded.
    pub(super) fn mark(&self, plan: &Plan, span: Span) -> DisruptionMark {
        let of = self.of.map_or_else(String::new, |of| format!(" of {}", plan.populations[of].name));
        let percent = |share: f64| format!("{:.0}%{of}", share * 100.0);
        let says = match &self.upset {
            Disruption::Drop { share, .. } => format!("drop {}", percent(*share)),
            Disruption::Stall { share, length, .. } => format!("stall {} for {length:?}", percent(*share)),
            Disruption::Freeze { length, node } => format!("freeze node {node} for {length:?}"),
            Disruption::Restart { kill: true, node, .. } => format!("kill node {node}"),
            Disruption::Restart { node, .. } => format!("restart node {node}"),
            Disruption::Roll { .. } => "every node is started again, one after the other".to_owned(),
            Disruption::Broker { how, length } => format!("{}{}", broker(how), lasting(*length)),
            Disruption::Unbalance => "the balancer drops everybody".to_owned(),
        };
        let second = |at: Nanos| at as f64 / 1e9;
        let (began, ended) = (span.began.map(second), span.ended.map(second));
        DisruptionMark { second: self.at as f64 / 1e9, says, began, ended, did_not_happen: false, losses: None }
    }

    /// Whether it meets a user: with the chance that the scenario gives, and always the same ones for one seed.
    pub(super) fn meets(&self, plan: &Plan, user: u32) -> bool {
        let (Disruption::Drop { share, .. } | Disruption::Stall { share, .. }) = self.upset else { return false };
        let is_meant = self.of.is_none_or(|of| plan.users[user as usize].population == of);
        is_meant && Stream::new(plan.seed, Purpose::Chaos, self.number, user).unit() <= share
    }
}

/// So long after something was made to happen, connections may still break of it: heartbeats have to time out.
const AFTERMATH: Duration = Duration::from_mins(1);

impl FaultEvent {
    /// Whether it may be why a connection of `user` breaks at `now`, or cannot be made, as it has really happened in this span.
    pub(super) fn explains(&self, plan: &Plan, user: u32, now: Nanos, span: Span) -> bool {
        // Behind one address nobody knows which node is whose.
        let is_its_node = |node: u32| plan.nodes == 1 || plan.users[user as usize].node == node;
        let is_meant = match self.upset {
            Disruption::Unbalance | Disruption::Roll { .. } => true,
            Disruption::Stall { .. } => self.meets(plan, user),
            Disruption::Freeze { node, .. } | Disruption::Restart { node, .. } => is_its_node(node),
            // Who was dropped can come back at once. And a broker that is away breaks no connection.
            Disruption::Drop { .. } | Disruption::Broker { .. } => false,
        };
        let is_over = span.ended.is_some_and(|ended| now > ended.saturating_add(AFTERMATH.as_nanos() as Nanos));
        is_meant && span.began.is_some_and(|began| began <= now) && !is_over
    }
}

/// ` for 3s`, or nothing for what stays so.
pub(super) fn lasting(length: Duration) -> String {
    if length == Duration::MAX { String::new() } else { format!(" for {length:?}") }
}

/// What is the matter with a broker.
pub(super) fn broker(how: &Away) -> String {
    let whose = |node: &Option<u32>| node.map_or_else(|| "every node".to_owned(), |node| format!("node {node}"));
    match how {
        Away::Paused => "the broker is stopped".to_owned(),
        Away::Killed => "the broker is killed and down".to_owned(),
        Away::Ended => "the broker is ended and down".to_owned(),
        Away::Parted { node } => format!("the broker is cut off from {}", whose(node)),
        Away::Far { by, node } => format!("the broker is {by:?} away from {}", whose(node)),
    }
}

/// Everything that happens, in its order.
pub(super) fn timeline(scenario: &Scenario, plan: &Plan) -> Vec<FaultEvent> {
    let mut happenings = Vec::new();
    for chaos in &scenario.chaos {
        let (start, end) = match chaos.phase {
            Some(phase) => {
                let phase = &plan.phases[PhaseId::new(phase)];
                (phase.start, phase.end)
            }
            None => (0, plan.length()),
        };
        let of = match &chaos.upset {
            Disruption::Drop { of, .. } | Disruption::Stall { of, .. } => of.as_ref(),
            _ => None,
        };
        let of = of.and_then(|name| plan.populations.iter().position(|crowd| crowd.name == *name));
        let mut at = start + chaos.after.as_nanos() as u64;
        while at < end {
            let number = happenings.len();
            happenings.push(FaultEvent { at, number, of, upset: chaos.upset.clone() });
            match chaos.every {
                Some(every) => at += every.as_nanos() as u64,
                None => break,
            }
        }
    }
    happenings.sort_by_key(|happening| happening.at);
    happenings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    #[test]
    fn chaos_comes_when_the_file_says_and_to_whom_it_says() {
        let text = "name = \"x\"\n[actions]\n\"join(r)\" = { emit = [\"join\", \"${r}\"], ack = true }\n\
             [rooms.a]\ncount = 1\njoin = [\"join\", \"${room}\"]\n[users.u]\ncount = 1000\nin = { a = 1 }\n\
             [users.v]\ncount = 1000\nin = { a = 1 }\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${payload}\"]\n\
             delivers_to = { event = \"say\", rooms = [\"${room}\"] }\n\
             [[phase]]\nname = \"p\"\nfor = \"5s\"\n\
             [[phase]]\nname = \"q\"\nfor = \"5s\"\nat_start = { drop = \"100%\", of = \"v\" }\n\
             [[chaos]]\nin = \"q\"\nafter = \"1s\"\nevery = \"2s\"\nstall = \"25%\"\nfor = \"100ms\"\n\
             [[chaos]]\nafter = \"1s\"\nfreeze = \"1s\"\n";
        let loaded = scenario::load(Source { name: "t".to_owned(), text: text.to_owned() }, &[], None).unwrap();
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        let timeline = timeline(&loaded.scenario, &plan);
        let seconds: Vec<_> = timeline.iter().map(|happening| happening.at / 1_000_000_000).collect();
        assert_eq!(seconds, [1, 5, 6, 8]);
        assert!(!timeline[0].is_about_users());
        let met = |happening: &FaultEvent| (0..2000).filter(|user| happening.meets(&plan, *user)).collect::<Vec<_>>();
        assert_eq!(met(&timeline[1]), (1000..2000).collect::<Vec<_>>());
        let (first, second) = (met(&timeline[2]), met(&timeline[3]));
        // Each began a second later than planned, and lasted for one.
        let explains = |happening: &FaultEvent, user: u32, second: i64| {
            let began = happening.at as Nanos + 1_000_000_000;
            let span = Span { began: Some(began), ended: Some(began + 1_000_000_000) };
            happening.explains(&plan, user, second * 1_000_000_000, span)
        };
        assert!(explains(&timeline[0], 7, 2) && !explains(&timeline[0], 7, 1), "not ahead of its beginning");
        assert!(explains(&timeline[0], 7, 63) && !explains(&timeline[0], 7, 64));
        assert!(!timeline[0].explains(&plan, 7, 2_000_000_000, Span::default()), "it has not come to that");
        assert!(!explains(&timeline[1], 1000, 5), "who was dropped can come back");
        assert!(explains(&timeline[2], first[0], 7) && !(0..2000).all(|user| explains(&timeline[2], user, 7)));
        assert!((400..600).contains(&first.len()) && first != second, "{} users", first.len());
    }
}
