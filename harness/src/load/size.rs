//! How large a load may be: known ahead of its plan, which is in memory as a whole.

use std::time::Duration;

use crate::scenario::Scenario;

/// Users, rooms, and places of users and of messages in rooms: what a plan has in memory.
const MOST_USERS: u64 = 20_000_000;
const MOST_ROOMS: u64 = 10_000_000;
const MOST_PLACES: u64 = 200_000_000;
/// What goes wrong in one load, one by one.
const MOST_FAULTS: u128 = 1_000_000;
/// Times of a run are nanoseconds in eight bytes.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Whether a plan of it fits into this machine, ahead of making one.
pub(super) fn check(scenario: &Scenario) -> Result<(), String> {
    let sum = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0_u64, u64::saturating_add);
    let users = sum(&mut scenario.populations.values().map(|users| users.count.into()));
    let rooms = sum(&mut scenario.rooms.values().map(|group| group.count.into()));
    let of_users = scenario
        .populations
        .values()
        .flat_map(|users| users.rooms.iter().map(|(_, each)| u64::from(users.count) * u64::from(*each)));
    let of_traffic = scenario.traffic.values().map(|traffic| {
        let drawn = traffic.room_group.as_ref().map_or(1, |group| scenario.rooms[group].count);
        let reached = traffic.delivers_to.as_ref().map_or(0, |reach| reach.rooms.len() + reach.except.len());
        u64::from(drawn) * (1 + reached as u64)
    });
    let places = sum(&mut of_users.chain(of_traffic));
    for (what, found, most) in
        [("users", users, MOST_USERS), ("rooms", rooms, MOST_ROOMS), ("places in rooms", places, MOST_PLACES)]
    {
        if found > most {
            return Err(format!("there are {found} {what} in all; at most {most} can be run"));
        }
    }
    let length = scenario.phases.iter().fold(Duration::ZERO, |length, phase| length.saturating_add(phase.length));
    if length > LONGEST {
        let hours = |time: Duration| time.as_secs() / 3_600;
        return Err(format!("the phases add up to {} hours; at most {} can be run", hours(length), hours(LONGEST)));
    }
    let faults: u128 = scenario
        .chaos
        .iter()
        .filter_map(|chaos| {
            let during = chaos.phase.map_or(length, |phase| scenario.phases[phase].length);
            Some(during.as_nanos() / chaos.every?.as_nanos().max(1))
        })
        .sum();
    if faults > MOST_FAULTS {
        return Err(format!("[[chaos]] strikes {faults} times; at most {MOST_FAULTS} times can be run"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn problem(count: u64, rooms: u64, each: u64, phase: &str, every: &str) -> String {
        let text = format!(
            "name = \"x\"\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"], ack = true }}\n\
             [rooms.a]\ncount = {rooms}\njoin = [\"join\", \"${{room}}\"]\n\
             [users.u]\ncount = {count}\nin = {{ a = {each} }}\n[users.v]\ncount = {count}\nin = {{ a = 1 }}\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/h\"\nemit = [\"say\", \"${{payload}}\"]\n\
             delivers_to = {{ event = \"say\", rooms = [\"${{room}}\"] }}\n{}\
             [[chaos]]\nevery = \"{every}\"\ndrop = \"1%\"\n",
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
                .map(|name| format!("[[phase]]\nname = \"{name}\"\nfor = \"{phase}\"\n"))
                .concat()
        );
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        check(&loaded.scenario).err().unwrap_or_default()
    }

    #[test]
    fn what_fits_into_no_machine_is_refused_ahead_of_planning_it() {
        assert_eq!(problem(100_000, 1_000, 100, "10h", "1s"), "");
        assert!(problem(10_000_000, 1_000, 1_000, "1s", "1s").contains("10010002000 places in rooms in all"));
        assert!(problem(1, 10_000_000, 10_000_000, "8760h", "1h").contains("at most 87600 can be run"));
        assert!(problem(1, 1, 1, "700h", "10ms").contains("strikes 3024000000 times"));
    }
}
