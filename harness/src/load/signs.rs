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
