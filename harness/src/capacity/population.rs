//! Whether a load had its population when it was judged: a trial that did not get there says nothing of the load that it was
//! to be.
//!
//! - Judged users: all are in before the first phase, or the trial did not get there.
//! - A flow of `count` users: each has got in before the first measured phase, which [`make_room`] moves far enough.
//! - A flow that users arrive at: how many are under way is what it is. While nothing is overloaded it is a Poisson number
//!   whose mean is arrivals a second times the time an iteration takes. So it grows only until the first iterations end,
//!   and between two moments differs by less than four standard deviations, `4 √(before + after)`.
//! - Every flow: by Little's law the mean time of an iteration is those under way divided by those that end each second. If
//!   fewer have ended in the measured phases than are under way at their end, an iteration takes longer than these phases
//!   are long: most could not have ended by then, and what is known is known of the fast ones alone.

use std::time::Duration;

use crate::record::{EndedBy, FlowPhase, FlowResult, LoadResult};
use crate::scenario::Scenario;
use crate::scenario::model::{ArrivalModel, Phase};
use crate::vocab::text::{count, plural};

/// The last of those who come one after another need some time to get in.
const ARRIVAL: Duration = Duration::from_secs(3);
/// Standard deviations by which the number under way may grow.
const SIGMAS: f64 = 4.0;
/// What a phase is called that is put ahead of the others.
const REACH: &str = "reach";

/// Puts so much time ahead of the first measured phase that the users of every flow can come: until the last of a fixed
/// number has got in, and, where they arrive all the time, as long as the measured phase takes.
pub fn make_room(scenario: &mut Scenario) {
    let Some(first) = scenario.phases.iter().position(|phase| phase.measured) else { return };
    let ahead: Duration = scenario.phases[..first].iter().map(|phase| phase.length).sum();
    let hold_for = scenario.phases[first].length;
    let needed = |coming: &ArrivalModel| match coming {
        ArrivalModel::Closed { count, connect } => {
            Duration::from_secs_f64(f64::from(*count) / connect.per_second) + ARRIVAL
        }
        // Whoever wrote a phase ahead of it knows how long it takes.
        ArrivalModel::Open { .. } if first > 0 => Duration::ZERO,
        ArrivalModel::Open { .. } => hold_for,
    };
    let needed = scenario.journeys.values().map(|journey| needed(&journey.coming)).max().unwrap_or_default();
    let missing = needed.saturating_sub(ahead);
    if missing.is_zero() {
        return;
    }
    match scenario.phases[..first].last_mut() {
        Some(phase) => phase.length += missing,
        None => {
            let load = scenario.phases[first].load;
            let phase = Phase { name: REACH.to_owned(), length: missing, load: (load.0, load.0), measured: false };
            scenario.phases.insert(0, phase);
        }
    }
}

/// Why a load did not have its population, if it had not.
pub fn shortfall(load: &LoadResult) -> Option<String> {
    if let (Some(why), EndedBy::Refusal) = (&load.aborted, load.ended_by) {
        return Some(why.clone());
    }
    let (open, asked) = (load.users.connected, load.users.requested);
    if open < asked {
        let worst = load.problems.iter().max_by_key(|(_, times)| **times);
        let worst = worst.map_or_else(String::new, |(why, times)| format!("; {} x {why}", count(*times)));
        return Some(format!("{} of {} got in{worst}", count(open), plural(asked, "user")));
    }
    load.flows.iter().find_map(|(name, flow)| of_flow(name, flow))
}

fn of_flow(name: &str, flow: &FlowResult) -> Option<String> {
    if flow.in_time < flow.users {
        let users = plural(flow.users, "user");
        return Some(format!("{} of {users} of {name} got in before they were judged", count(flow.in_time)));
    }
    let (before, ended, after) = under_way(flow);
    let begun: u64 = flow.phases.iter().map(|phase| phase.begun).sum();
    if begun == 0 {
        return Some(format!("nobody came to {name}"));
    }
    if ended < after {
        return Some(format!(
            "{} of {} of {name} never ended, and {} did in the measured phases: an iteration takes longer than these, or is stuck",
            count(after),
            plural(begun, "iteration"),
            count(ended)
        ));
    }
    let grown = after as f64 - before as f64 > SIGMAS * ((before + after) as f64).sqrt();
    (flow.users == 0 && flow.level && grown).then(|| {
        format!(
            "iterations of {name} under way went from {} to {} in the measured phases: there were not yet as many as there will be, or the \
             target falls behind",
            count(before),
            count(after)
        )
    })
}

/// Iterations that were under way when the first measured phase began, those that ended in the measured phases, and those
/// that were under way when the last one ended.
pub fn under_way(flow: &FlowResult) -> (u64, u64, u64) {
    let of = |phases: &[FlowPhase]| {
        let sum = phases.iter().fold((0, 0), |sum, phase| (sum.0 + phase.begun, sum.1 + phase.ended));
        sum.0.saturating_sub(sum.1)
    };
    let first = flow.phases.iter().position(|phase| phase.measured).unwrap_or(0);
    let last = flow.phases.iter().rposition(|phase| phase.measured).map_or(flow.phases.len(), |last| last + 1);
    let measured = flow.phases.iter().filter(|phase| phase.measured);
    (of(&flow.phases[..first]), measured.map(|phase| phase.ended).sum(), of(&flow.phases[..last]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Users;
    use crate::scenario::{self, source::Source};

    fn phases(of: &[(bool, u64, u64)]) -> Vec<FlowPhase> {
        let phase = |(measured, begun, ended): &(bool, u64, u64)| FlowPhase {
            measured: *measured,
            begun: *begun,
            ended: *ended,
            ..FlowPhase::default()
        };
        of.iter().map(phase).collect()
    }

    fn said(flow: FlowResult) -> String {
        let load = LoadResult { flows: [("f".to_owned(), flow)].into(), ..LoadResult::default() };
        shortfall(&load).unwrap_or_default()
    }

    #[test]
    fn a_run_whose_iterations_never_end_is_no_success() {
        let open =
            |of: &[(bool, u64, u64)]| said(FlowResult { level: true, phases: phases(of), ..FlowResult::default() });
        assert!(open(&[(true, 426, 25)]).contains("401 of 426 iterations of f never ended"));
        assert_eq!(open(&[(false, 40, 20), (true, 400, 398)]), "", "it had settled");
        let grown = open(&[(false, 100, 80), (true, 1_000, 850)]);
        assert!(grown.contains("under way went from 20 to 170"), "{grown}");
        assert_eq!(open(&[(false, 100, 80), (true, 1_000, 985)]), "", "chance");
        assert!(open(&[]).contains("nobody came"));
        let ramp = FlowResult { phases: phases(&[(false, 100, 80), (true, 1_000, 850)]), ..FlowResult::default() };
        assert_eq!(said(ramp), "", "more arrive all the time");
    }

    #[test]
    fn a_fixed_number_is_to_be_there_and_to_come_round() {
        let closed = |users, in_time, of: &[(bool, u64, u64)]| {
            said(FlowResult { users, in_time, level: true, phases: phases(of) })
        };
        assert!(closed(50, 12, &[(true, 90, 80)]).contains("12 of 50 users of f got in"));
        assert!(closed(401, 401, &[(false, 401, 0), (true, 25, 25)]).contains("401 of 426 iterations"));
        assert_eq!(closed(50, 50, &[(false, 50, 0), (true, 70, 70)]), "");
    }

    #[test]
    fn judged_users_are_all_in_or_it_was_another_load() {
        let mut load =
            LoadResult { users: Users { requested: 64, connected: 64, ..Users::default() }, ..LoadResult::default() };
        assert_eq!(shortfall(&load), None);
        load.users.connected = 40;
        load.problems.insert("a user failed to open: refused: full".to_owned(), 24);
        assert_eq!(shortfall(&load).unwrap(), "40 of 64 users got in; 24 x a user failed to open: refused: full");
    }

    #[test]
    fn there_is_time_to_come() {
        let lengths = |users: &str, ahead: &str| {
            let text = format!(
                "name = \"x\"\n[users.f]\n{users}\nflow = [{{ connect = \"/\" }}]\n{ahead}[[phase]]\nname = \"p\"\nfor = \"5s\"\n"
            );
            let mut loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
            make_room(&mut loaded.scenario);
            let phases = loaded.scenario.phases.iter();
            phases.map(|phase| (phase.length.as_secs(), phase.measured)).collect::<Vec<_>>()
        };
        let warm_up = "[[phase]]\nname = \"w\"\nfor = \"4s\"\nmeasured = false\n";
        assert_eq!(lengths("count = 100\nconnect = \"10/s\"", ""), [(13, false), (5, true)]);
        assert_eq!(lengths("count = 100\nconnect = \"10/s\"", warm_up), [(13, false), (5, true)]);
        assert_eq!(lengths("count = 5\nconnect = \"10/s\"", warm_up), [(4, false), (5, true)]);
        assert_eq!(lengths("arrive = \"10/s\"", ""), [(5, false), (5, true)]);
        assert_eq!(lengths("arrive = \"10/s\"", warm_up), [(4, false), (5, true)]);
    }
}
