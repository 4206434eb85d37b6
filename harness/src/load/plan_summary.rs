//! What a load comes to, worked out before anything is sent.

use std::fmt::Write as _;
use std::sync::Arc;

use sio_oracle::Tri;

use super::chaos::{broker, lasting, timeline};
use super::flow::expected;
use super::plan::Plan;
use super::schedule::Schedule;
use crate::scenario::Loaded;
use crate::scenario::model::{ArrivalModel, Disruption, Transport};
use crate::vocab::id::IdVec;
use crate::vocab::text::{count, plural};

/// Messages that are counted one by one; of more, the rest is taken to be like them.
const COUNTED: usize = 2_000_000;
/// So much of what goes wrong is shown.
const SHOWN: usize = 6;
/// Bytes of a message besides its payload, about: the packet's type, the event, brackets, the frame.
const AROUND: f64 = 20.0;

/// The arithmetic of a load, as text for a terminal.
pub fn describe(loaded: &Loaded, plan: Plan) -> String {
    let plan = Arc::new(plan);
    let mut out = String::new();
    people(&mut out, loaded, &plan);
    journeys(&mut out, loaded);
    messages(&mut out, loaded, &plan);
    let happenings = timeline(&loaded.scenario, &plan);
    for happening in happenings.iter().take(SHOWN) {
        let _ = writeln!(out, "  chaos       at {:.1} s: {}", happening.at as f64 / 1e9, upset(&happening.upset));
    }
    if happenings.len() > SHOWN {
        let _ = writeln!(out, "              and {} more times", happenings.len() - SHOWN);
    }
    let ports = local_ports();
    let open = loaded.scenario.journeys.values().any(|journey| matches!(journey.coming, ArrivalModel::Open { .. }));
    let more = if open { ", and those of whoever is there at a time" } else { "" };
    let _ = write!(out, "  needs       {}{more}", plural(plan.sockets(), "socket"));
    match ports {
        Some(ports) => {
            let sources = loaded.scenario.target.sources.len().max(1) as u64;
            let from = if sources == 1 { "one address".to_owned() } else { format!("{} addresses", count(sources)) };
            _ = writeln!(out, "; {from} with {} ports", count(ports * sources));
        }
        None => out.push('\n'),
    }
    out
}

fn people(out: &mut String, loaded: &Loaded, plan: &Plan) {
    for (crowd, (name, spec)) in plan.populations.iter().zip(&loaded.scenario.populations) {
        let users = &plan.users[crowd.first as usize..(crowd.first + crowd.count) as usize];
        let over = |transport| users.iter().filter(|user| user.transport == transport).count() as u64;
        let transports = [
            (over(Transport::WebSocket), "websocket"),
            (over(Transport::Polling), "polling"),
            (over(Transport::Upgrade), "upgrade"),
        ];
        let transports: Vec<_> = transports
            .iter()
            .filter(|(users, _)| *users > 0)
            .map(|(users, name)| format!("{} {name}", count(*users)))
            .collect();
        let seconds = f64::from(spec.count) / spec.connect.per_second;
        let _ = writeln!(
            out,
            "  {name:<11} {} in {seconds:.1} s: {}",
            plural(u64::from(spec.count), "user"),
            transports.join(", ")
        );
        for (group, each) in &spec.rooms {
            let rooms = loaded.scenario.rooms[group].count;
            let mut members = vec![0u64; rooms as usize];
            let first = plan.rooms.iter().position(|room| room.name == format!("{group}-0")).unwrap_or_default() as u32;
            for room in users.iter().flat_map(|user| &user.rooms) {
                if let Some(place) = room.checked_sub(first).and_then(|place| members.get_mut(place as usize)) {
                    *place += 1;
                }
            }
            let (least, most) = (members.iter().min().unwrap_or(&0), members.iter().max().unwrap_or(&0));
            let mean = f64::from(spec.count) * f64::from(*each) / f64::from(rooms);
            let _ = writeln!(
                out,
                "              in {each} of {} {group} each: {mean:.1} in a room ({least} to {most})",
                count(u64::from(rooms))
            );
        }
    }
}

fn journeys(out: &mut String, loaded: &Loaded) {
    for (name, journey) in &loaded.scenario.journeys {
        let mut measured = 0;
        journey.visit(&mut |step| measured += u64::from(step.deed.is_measured()));
        let come = match journey.coming {
            ArrivalModel::Closed { count: users, .. } => {
                format!("{} at a time, again and again", count(u64::from(users)))
            }
            ArrivalModel::Open { rate: each, .. } => {
                let all = expected(journey, &loaded.scenario.phases);
                format!("{} come, about {} in all", rate(each.per_second), count(all as u64))
            }
        };
        let _ = writeln!(out, "  {name:<11} {come}; {} of the flow are measured", plural(measured, "step"));
    }
}

/// What one traffic comes to in one phase.
#[derive(Clone, Copy, Default)]
struct Sum {
    messages: u64,
    deliveries: u64,
}

fn messages(out: &mut String, loaded: &Loaded, plan: &Arc<Plan>) {
    let members = recipients(plan);
    let mut sums = vec![IdVec::from(vec![Sum::default(); plan.phases.len()]); plan.traffic.len()];
    let mut schedule = Schedule::new(&loaded.scenario, plan.clone());
    for emission in schedule.by_ref().take(COUNTED) {
        let sum = &mut sums[usize::from(emission.traffic)][emission.phase];
        let traffic = &plan.traffic[usize::from(emission.traffic)];
        let is_own = traffic.spares_sender && plan.is_addressed(&plan.users[emission.sender as usize], emission.stream);
        sum.messages += 1;
        sum.deliveries += members[emission.stream as usize] - u64::from(is_own);
    }
    let is_whole = schedule.next().is_none();
    for (traffic, spec) in loaded.scenario.traffic.iter().enumerate() {
        let (name, spec) = spec;
        let _ = writeln!(out, "  {name:<11} {} by {}", rate(spec.rate.per_second), spec.from);
        for (phase, sum) in plan.phases.iter().zip(&sums[traffic]) {
            let seconds = (phase.end - phase.start) as f64 / 1e9;
            let bytes = sum.deliveries as f64 * (spec.payload_size as f64 + AROUND) / seconds;
            let _ = writeln!(
                out,
                "              {:<12} {:>6.0} s   {} messages   {} deliveries ({}, {:.1} MB/s)",
                phase.name,
                seconds,
                count(sum.messages),
                count(sum.deliveries),
                rate(sum.deliveries as f64 / seconds),
                bytes / 1e6
            );
        }
    }
    if !is_whole {
        let _ =
            writeln!(out, "              the first {} messages were counted; there are more", count(COUNTED as u64));
    }
}

/// How many users each stream reaches when all are there.
fn recipients(plan: &Plan) -> Vec<u64> {
    let mut members = vec![0; plan.streams() as usize];
    for user in &plan.users {
        for namespace in &plan.populations[user.population].namespaces {
            for (stream, value) in plan.streams_of(user, namespace) {
                members[stream as usize] += u64::from(value == Tri::T);
            }
        }
    }
    members
}

fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}/s") } else { format!("{}/s", count(per_second as u64)) }
}

fn upset(upset: &Disruption) -> String {
    let share =
        |share: f64, of: &Option<String>| format!("{:.0} % of {}", share * 100.0, of.as_deref().unwrap_or("the users"));
    match upset {
        Disruption::Drop { share: part, of, how } => {
            format!("{} lose their connection ({})", share(*part, of), how.name())
        }
        Disruption::Stall { share: part, of, length } => format!("{} stand still for {length:?}", share(*part, of)),
        Disruption::Freeze { length, node } => format!("node {node} is stopped for {length:?}"),
        Disruption::Restart { kill, down, node } => {
            format!("node {node} is {} and down for {down:?}", if *kill { "killed" } else { "ended" })
        }
        Disruption::Roll { kill, down, apart } => {
            let ended = if *kill { "killed" } else { "ended" };
            format!("every node is {ended} and down for {down:?}, one after the other, {apart:?} apart")
        }
        Disruption::Broker { how, length } => format!("{}{}", broker(how), lasting(*length)),
        Disruption::Unbalance => "the balancer drops everybody".to_owned(),
    }
}

/// Ports that this machine gives to outgoing connections.
/// Ports that the kernel gives out for one local address.
pub fn local_ports() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some((last + 1).saturating_sub(first))
}
