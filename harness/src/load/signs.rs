//! Signs of a cluster or a balancer, in a run that says nothing of one.
//!
//! What holds on one server does not hold across several that pass messages on: there, order is each sender's own, and a
//! loss is not shown by what the receiver's own server answers. So nobody is accused of either where more than one server
//! may be behind the address; what is wrong on any number of servers stays a fact.

use std::net::SocketAddr;

use super::plan::Plan;
use crate::client::Endpoint;
use crate::record::LoadResult;
use crate::vocab::text::{count, plural};

/// What there is to say of whoever is behind `door`. Of servers that sio-bench has started itself (`is_own`) it is known that they are
/// on their own, and of a cluster that it is one.
pub(super) fn of(is_own: bool, door: &Endpoint, plan: &Plan, load: &LoadResult) -> Vec<String> {
    if is_own || plan.is_cluster() {
        return Vec::new();
    }
    if plan.nodes > 1 {
        return crossed(load).into_iter().collect();
    }
    let mut signs = door.manner.signs.in_words();
    signs.extend(several(door.addresses()));
    signs
}

/// The scenario says that there are several servers and that they are on their own; or so it seems.
fn crossed(load: &LoadResult) -> Option<String> {
    let crossed: u64 = load.traffic.iter().map(|traffic| traffic.counts.misdelivered_across).sum();
    let deliveries = plural(crossed, "delivery");
    (crossed > 0).then(|| format!("{deliveries} came from a user of another of the `urls`: they are one cluster"))
}

/// Addresses of one kind are of several servers; a server has one of each kind itself.
fn several(addresses: &[SocketAddr]) -> Option<String> {
    let first = addresses.first()?;
    let alike = addresses.iter().filter(|address| address.is_ipv6() == first.is_ipv6()).count();
    (alike > 1).then(|| format!("the name has {} addresses", count(alike as u64)))
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
    use std::sync::Arc;

    use super::*;
    use crate::record::{Counts, LoadViolation, TrafficResult};
    use crate::scenario::{self, source::Source};

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

    /// A server may have an address of either kind; two of one kind are two servers, or may be.
    #[test]
    fn two_addresses_of_one_kind_are_a_sign() {
        let told = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            several(&addresses)
        };
        let two = Some("the name has 2 addresses".to_owned());
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["10.0.0.1:80"]), None);
        assert_eq!(told(&["10.0.0.1:80", "[::1]:80"]), None);
        assert_eq!(told(&["10.0.0.1:80", "[::1]:80", "10.0.0.2:80"]), two);
        assert_eq!(told(&["[::1]:80", "10.0.0.1:80", "[::2]:80"]), two);
    }

    /// What comes from a user of another server shows that they pass messages on.
    #[test]
    fn what_has_crossed_shows_a_cluster() {
        let told = |crossed: &[u64]| {
            let counts =
                |misdelivered_across: &u64| Counts { misdelivered_across: *misdelivered_across, ..Counts::default() };
            let of = |many| TrafficResult { counts: counts(many), ..TrafficResult::default() };
            crossed_in(crossed.iter().map(of).collect())
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[0, 0]), None);
        let says = "came from a user of another of the `urls`: they are one cluster";
        assert_eq!(told(&[0, 1]), Some(format!("1 delivery {says}")));
        assert_eq!(told(&[2, 3]), Some(format!("5 deliveries {says}")));
    }

    fn crossed_in(traffic: Vec<TrafficResult>) -> Option<String> {
        crossed(&LoadResult { traffic, ..LoadResult::default() })
    }

    fn plan(nodes: u32, target: &str) -> Plan {
        let text = format!(
            "name = \"x\"\n{target}[users.u]\ncount = 2\n[traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
             delivers_to = {{ event = \"say\", rooms = [] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        Plan::new(&loaded.scenario, nodes).unwrap()
    }

    /// The address is looked at where there is one, what has crossed where there are several; of servers that sio-bench has started, and
    /// of a cluster, everything is known.
    #[tokio::test]
    async fn what_is_known_needs_no_sign() {
        let door = Endpoint::resolve("http://127.0.0.1:1", None, Arc::default()).await.unwrap();
        let counts = Counts { misdelivered_across: 1, ..Counts::default() };
        let load =
            LoadResult { traffic: vec![TrafficResult { counts, ..TrafficResult::default() }], ..LoadResult::default() };
        assert_eq!(of(false, &door, &plan(1, ""), &load).len(), 0, "one address, and no sign");
        assert_eq!(of(false, &door, &plan(2, ""), &load).len(), 1, "they should be on their own");
        assert_eq!(of(true, &door, &plan(2, ""), &load).len(), 0, "sio-bench has started them itself");
        let cluster = plan(2, "[target]\nurls = [\"http://a\", \"http://b\"]\ntopology = \"cluster\"\n");
        assert!(cluster.is_cluster());
        assert_eq!(of(false, &door, &cluster, &load).len(), 0);
        door.manner.signs.unknown_session();
        assert_eq!(of(false, &door, &plan(1, ""), &load).len(), 1);
        assert_eq!(of(true, &door, &plan(1, ""), &load).len(), 0);
    }
}
