//! Who users are: what templates are rendered for whom, and how users get into an application that knows them
//! (`tests/apps/gate.js`).

use serde_json::{Value, json};

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout};

/// A run of a scenario against the application with these variables.
struct Ran {
    exit: i32,
    said: String,
    /// What the application has counted.
    stats: Value,
}

impl Ran {
    fn list(&self, name: &str) -> &[Value] {
        self.stats[name].as_array().unwrap()
    }
}

fn run(scenario: &str, env: &[(&str, &str)], more: &[&str]) -> Option<Ran> {
    let app = App::start("gate", env)?;
    let place = Place::new();
    std::fs::write(place.path().join("scenario.toml"), scenario).unwrap();
    let url = app.url();
    let args = [&["run", "scenario.toml", "--target", &url, "--out", "out", "-q"], more].concat();
    let output = place.run(&args);
    Some(Ran { exit: code(&output), said: stdout(&output) + &stderr(&output), stats: app.stats() })
}

/// What is common to crowds: they talk in rooms, and the oracle judges.
fn crowd(top: &str, users: &str, emit: &str) -> String {
    format!(
        r#"
name = "crowd"
seed = 1
{top}
[actions]
"join(room)" = {{ emit = ["join", "${{room}}"], ack = true }}
[rooms.lobby]
count = 5
join  = ["join", "${{room}}"]
[users.people]
count = 50
in    = {{ lobby = 1 }}
{users}
[traffic.say]
by      = "people"
rate    = "40/s"
emit    = {emit}
ack     = true
reaches = {{ event = "message", rooms = ["${{room}}"], except = "sender" }}
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["say.missing = 0", "say.duplicate = 0", "say.stray = 0", "ruler.late p99 < 1m", "errors = 0%"]
"#
    )
}

#[test]
fn variables_keep_their_types_wherever_they_are_sent() {
    let flow = r#"
name = "typed"
[vars]
level = 3
ratio = 0.5
vip   = true
name  = "ann"
more  = "${level + 1}"
[feeds.accounts]
file     = "accounts.csv"
hand_out = "in turn"
[feeds.numbers]
values = [1, 2, 3]
[actions]
"types(a)" = { emit = ["types", "${a}", "n${a}", "${level}"], ack = [["number", "string", "number"], [7, "n7", 3]] }
[users.visitors]
arrive = "5/s"
flow = [
  { connect = "/", auth = { level = "${level}", vip = "${vip}", who = "${visitor}" } },
  { emit = ["types", "${level}", "${ratio}", "${vip}", "${name}"], ack = [["number", "number", "boolean", "string"], [3, 0.5, true, "ann"]] },
  { emit = ["types", "${numbers}", "${int 1..9}", "${visitor}", "${accounts.id}"], ack = [["number", "number", "number", "string"], "${any}"] },
  { emit = ["types", "${level * 2 - 1}", "${(level + 1) / 8}", "${more}"], ack = [["number", "number", "number"], [5, 0.5, 4]] },
  { do = ["types", 7] },
]
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["errors = 0%"]
[[case]]
name    = "in cases"
each    = { value = [3, true, 0.5] }
clients = { c = {} }
needs   = ["wire"]
settle  = false
steps   = [
  { emit = ["types", "${level}", "${value}", "${level + 1}"], ack = ["${any}", ["${level}", "${value}", 4]], at = "c" },
]
"#;
    let app_and_place = || Some((App::start("gate", &[])?, Place::new()));
    let Some((app, place)) = app_and_place() else { return };
    std::fs::write(place.path().join("typed.toml"), flow).unwrap();
    std::fs::write(place.path().join("accounts.csv"), "id,email\n1001,a@example.org\n1002,b@example.org\n").unwrap();
    let output = place.run(&["run", "typed.toml", "--target", &app.url(), "-q"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let stats = app.stats();
    let typed = |auth: &&Value| auth["level"] == 3 && auth["vip"] == true && auth["who"].is_u64();
    assert!(stats["auths"].as_array().unwrap().iter().filter(typed).count() > 2, "{stats}");
    // What is set has the type of what it replaces.
    let output = place.run(&["run", "typed.toml", "--target", &app.url(), "-q", "--set", "level=often"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("typed.toml:4:9") && stderr(&output).contains("expected a number"));
}

#[test]
fn messages_joins_and_auth_have_types_and_messages_draw_anew() {
    let top = "[vars]\nfloor = 7\nvip = true";
    let emit = r#"["say", "${room}", "${payload}", "${floor}", "${vip}", "${seq}", "${uuid}", "${int 1..1000000}", "id-${uuid}"]"#;
    let scenario = crowd(top, "auth = { floor = \"${floor}\", vip = \"${vip}\" }", emit);
    let scenario = scenario.replace(r#"["join", "${room}"], ack"#, r#"["join", "${room}", "${floor}", 7], ack"#);
    let Some(first) = run(&scenario, &[], &[]) else { return };
    assert_eq!(first.exit, 0, "{}", first.said);
    assert!(first.list("auths").iter().any(|auth| *auth == json!({ "floor": 7, "vip": true })));
    assert!(first.list("joins").iter().all(|join| join[1] == 7 && join[2] == 7));
    let said = first.list("said");
    assert!(said.iter().all(|said| said[1] == 7 && said[2] == true && said[3].is_u64() && said[5].is_u64()));
    let ids = |ran: &Ran| {
        let mut ids: Vec<_> = ran.list("said").iter().map(|said| said[4].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let mut different = ids(&first);
    different.dedup();
    assert_eq!(different.len(), said.len(), "each message has its own");
    // The seed decides, whoever sends.
    let again = run(&scenario, &[], &["--workers", "2"]).unwrap();
    assert_eq!(ids(&first), ids(&again));
}
