//! The ways in which ordinary applications let somebody into a room, and what they call rooms and events.

use serde_json::Value;

use crate::apps::App;
use crate::common::Place;

const ASKS: &str = r#"[actions]
"join(room)" = { emit = ["join", "${room}"]CONFIRMED }
[rooms.room]
count = 6
join  = ["join", "NAME"]
[users.people]
count = 36
in    = { room = 1 }"#;
const SAYS: &str = r#"emit = ["say", "NAME", "${payload}"]
delivers_to = { event = "EVENT", rooms = ["${room}"], except = "sender" }"#;

struct Run {
    exit: i32,
    said: String,
    load: Value,
    faults: u64,
}

impl Run {
    fn count(&self, name: &str) -> u64 {
        self.load["traffic"][0]["counts"][name].as_u64().unwrap()
    }
}

/// A run against the application in one of its modes; with its fault it loses some messages.
fn run(mode: &str, fault: &str, users: &str, traffic: &str) -> Option<Run> {
    let app = App::start("room", &[("MODE", mode), ("FAULT", fault), ("EVERY", "300")])?;
    let place = Place::new();
    let scenario = format!(
        "name = \"rooms\"\nseed = 5\n{users}\n[traffic.say]\nfrom = \"people\"\nrate = \"200/s\"\nack = true\n{traffic}\n\
         [[phase]]\nname = \"steady\"\nfor = \"2s\"\n[slo]\nthresholds = [\"generator.late p99 < 1m\"]\n"
    );
    let (exit, said) = place.attempt(&scenario, &["--target", &app.url()]);
    let load = place.entry("load");
    let faults = app.stats()["faults"].as_u64().unwrap();
    Some(Run { exit, said, load, faults })
}

/// Nothing is wrong with the application, and of what it loses nothing is overlooked.
fn is_judged_right(mode: &str, users: &str, traffic: &str) {
    let Some(right) = run(mode, "", users, traffic) else { return };
    assert_eq!((right.exit, right.count("missing")), (0, 0), "{mode}: {}", right.said);
    assert!(
        right.count("delivered") > 1_000 && right.count("delivered") == right.count("owed"),
        "{mode}: {}",
        right.said
    );
    let Some(wrong) = run(mode, "lost", users, traffic) else { return };
    assert!(wrong.faults > 3, "{mode}");
    assert_eq!((wrong.exit, wrong.count("missing")), (1, wrong.faults), "{mode}: {}", wrong.said);
}

fn asks(confirmed: &str, name: &str) -> String {
    ASKS.replace("CONFIRMED", confirmed).replace("NAME", name)
}

fn says(name: &str, event: &str) -> String {
    SAYS.replace("NAME", name).replace("EVENT", event)
}

/// Whoever is let in has to be looked up first, and nobody is told when that is over.
#[test]
fn a_join_that_nobody_answers_for_takes_its_time() {
    let (users, traffic) = (asks("", "${room}"), says("${room}", "message"));
    is_judged_right("slow", &users, &traffic);
    let Some(run) = run("slow", "", &users, &traffic) else { return };
    assert_eq!(run.load["joins_unanswered"], true);
    assert!(run.said.contains("joins are not acknowledged"), "{}", run.said);
}

#[test]
fn an_event_may_say_that_somebody_is_in_a_room() {
    let confirmed = r#", confirmed_by = ["joined", { room = "${room}", ".." = "${any}" }]"#;
    let (users, traffic) = (asks(confirmed, "${room}"), says("${room}", "message"));
    is_judged_right("slow", &users, &traffic);
    // One that does not say the room stands for one room, and the other is waited for.
    let whatever = asks(r#", confirmed_by = ["joined"]"#, "${room}").replace("{ room = 1 }", "{ room = 2 }");
    is_judged_right("slow", &whatever, &traffic);
    // One that never comes is waited for by its name.
    let never = asks(&confirmed.replace("joined", "entered"), "${room}")
        .replace("[actions]", "[target]\nconnect_timeout = \"2s\"\n[actions]");
    let Some(run) = run("slow", "", &never, &traffic) else { return };
    assert_eq!(run.exit, 4, "{}", run.said);
    assert!(run.said.contains("no answer to join("), "{}", run.said);
}

/// No join at all: the application reads `auth`.
#[test]
fn who_connects_may_be_put_into_its_rooms() {
    for (rooms, count) in [("${room}", 1), ("${rooms}", 2)] {
        let users = format!(
            "[rooms.room]\ncount = 6\n[users.people]\ncount = 36\nin = {{ room = {count} }}\nauth = {{ rooms = \"{rooms}\" }}"
        );
        is_judged_right("auth", &users, &says("${room}", "message"));
    }
}

#[test]
fn rooms_may_be_numbers_and_events_be_called_after_them() {
    is_judged_right("numbers", &asks(", ack = [{ ok = true }]", "${room.number}"), &says("${room.number}", "message"));
    is_judged_right("named", &asks(", ack = true", "${room}"), &says("${room}", "chat:${room}"));
}
