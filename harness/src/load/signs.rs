//! Signs of a cluster or a balancer, in a run that says nothing of one.
//!
//! What holds on one server does not hold across several that pass messages on: there, order is each sender's own, and a
//! loss is not shown by what the receiver's own server answers. So nobody is accused of either where more than one server
//! may be behind the address; what is wrong on any number of servers stays a fact.

use super::plan::Plan;
use crate::record::LoadResult;
use crate::target::Fleet;
use crate::vocab::text::{count, plural};

/// What there is to say. Of servers that sio-bench has started itself it is known that they are on their own, and of a
/// cluster that it is one.
pub(super) fn of(fleet: &Fleet, plan: &Plan, load: &LoadResult) -> Vec<String> {
    if !fleet.pids().is_empty() || plan.is_cluster() {
        return Vec::new();
    }
    if plan.nodes > 1 {
        // The scenario says that there are several and that they are on their own; or so it seems.
        let crossed: u64 = load.traffic.iter().map(|traffic| traffic.counts.misdelivered_across).sum();
        let deliveries = plural(crossed, "delivery");
        let sign = (crossed > 0)
            .then(|| format!("{deliveries} came from a user of another of the `urls`: they are one cluster"));
        return sign.into_iter().collect();
    }
    let endpoint = &fleet.doors()[0];
    let mut signs = endpoint.manner.signs.in_words();
    let addresses = endpoint.addresses();
    let alike = addresses.iter().filter(|address| address.is_ipv6() == addresses[0].is_ipv6()).count();
    if alike > 1 {
        signs.push(format!("the name has {} addresses", count(alike as u64)));
    }
    signs
}

/// Says of violations that they are none for certain.
pub(super) fn mark(load: &mut LoadResult) {
    if load.signs.is_empty() {
        return;
    }
    let sum = |field: fn(&crate::record::Counts) -> u64| {
        load.traffic.iter().map(|traffic| field(&traffic.counts)).sum::<u64>()
    };
    let out_of_order = sum(|counts| counts.out_of_order) == sum(|counts| counts.out_of_order_across);
    let misdelivered = sum(|counts| counts.misdelivered) == sum(|counts| counts.misdelivered_across);
    for violation in &mut load.violations {
        let undecided = match violation.measure.as_str() {
            "missing" => true,
            "out_of_order" => out_of_order,
            "misdelivered" => misdelivered,
            _ => false,
        };
        if undecided {
            violation.summary = format!("not decided: {}", violation.summary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Counts, LoadViolation, TrafficResult};

    /// The summaries of a load in which so much was wrong on one server, and so much more may be another's.
    fn marked(signs: &[&str], counts: &[Counts]) -> Vec<String> {
        let violation = |measure: &str| LoadViolation {
            measure: measure.to_owned(),
            summary: measure.to_owned(),
            ..LoadViolation::default()
        };
        let mut load = LoadResult {
            signs: signs.iter().map(|sign| (*sign).to_owned()).collect(),
            traffic: counts
                .iter()
                .map(|counts| TrafficResult { counts: *counts, ..TrafficResult::default() })
                .collect(),
            violations: ["missing", "duplicate", "out_of_order", "misdelivered"].map(violation).to_vec(),
            ..LoadResult::default()
        };
        mark(&mut load);
        load.violations.into_iter().map(|violation| violation.summary).collect()
    }

    #[test]
    fn only_what_several_servers_may_explain_is_not_decided() {
        let across = Counts {
            out_of_order: 2,
            out_of_order_across: 2,
            misdelivered: 3,
            misdelivered_across: 3,
            ..Counts::default()
        };
        let own = Counts { out_of_order: 1, ..Counts::default() };
        let foreign = Counts { misdelivered: 1, ..Counts::default() };
        let none = ["missing", "duplicate", "out_of_order", "misdelivered"];
        assert_eq!(marked(&[], &[across]), none);
        let says = |undecided: [bool; 4]| {
            none.iter()
                .zip(undecided)
                .map(|(name, open)| format!("{}{name}", if open { "not decided: " } else { "" }))
                .collect::<Vec<_>>()
        };
        assert_eq!(marked(&["two names"], &[across]), says([true, false, true, true]));
        assert_eq!(marked(&["two names"], &[across, own]), says([true, false, false, true]));
        assert_eq!(marked(&["two names"], &[across, foreign]), says([true, false, true, false]));
    }
}
