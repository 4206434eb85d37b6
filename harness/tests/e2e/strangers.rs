//! Verdicts on applications that are not our fixture: none of them is accused of what it does right.

use crate::apps::App;
use crate::common::Place;

const CHAT: &str = r#"
name = "chat"
seed = 2
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.room]
count = 10
join  = ["join", "${room}"]
[users.people]
count = 40
in    = { room = 1 }
[traffic.say]
by      = "people"
rate    = "40/s"
emit    = ["say", "${room}", "${payload}"]
ack     = true
reaches = { event = "message", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["say.missing = 0", "say.duplicate = 0", "say.stray = 0", "say.disorder = 0", "ruler.late p99 < 1m"]
"#;

#[test]
fn a_plain_chat_passes() {
    let Some(app) = App::start("chat", &[]) else { return };
    let place = Place::new();
    let (exit, said) = place.attempt(CHAT, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(place.entry("load")["traffic"][0]["counts"]["missing"], 0);
    assert!(app.stats()["clients"].is_u64());
}
