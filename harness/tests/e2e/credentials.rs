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
    /// What is recorded of the load, if there was one.
    load: Value,
}

impl Ran {
    /// How many different values were shown at a place.
    fn shown(&self, place: &str) -> usize {
        self.stats["seen"][place].as_object().unwrap().len()
    }

    fn list(&self, name: &str) -> &[Value] {
        self.stats[name].as_array().unwrap()
    }
}

fn run(scenario: &str, env: &[(&str, &str)], more: &[&str]) -> Option<Ran> {
    // Who must show something is asked under /app; `/` is open to everybody.
    let guarded = !env.is_empty();
    let app = App::start("gate", &[env, if guarded { &[("NAMESPACE", "/app")] } else { &[] }].concat())?;
    let scenario = if guarded {
        scenario
            .replace("count = 5\n", "count = 5\nnamespace = \"/app\"\n")
            .replace("connect = \"/\"", "connect = \"/app\"")
    } else {
        scenario.to_owned()
    };
    let place = Place::new();
    let (exit, said) = place.attempt(&scenario, &[&["--target", &app.url()], more].concat());
    let text = std::fs::read_to_string(place.out().join("run.jsonl")).unwrap_or_default();
    let mut entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let load = entries.find(|entry| entry["type"] == "load").unwrap_or_default();
    Some(Ran { exit, said, stats: app.stats(), load })
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
from        = "people"
rate        = "40/s"
emit        = {emit}
ack         = true
delivers_to = {{ event = "message", rooms = ["${{room}}"], except = "sender" }}
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["say.missing = 0", "say.duplicate = 0", "say.misdelivered = 0", "generator.late p99 < 1m", "errors = 0%"]
"#
    )
}

const SAY: &str = r#"["say", "${room}", "${payload}"]"#;

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
  { connect = "/", auth = { level = "${level}", vip = "${vip}", who = "${iteration}" } },
  { emit = ["types", "${level}", "${ratio}", "${vip}", "${name}"], ack = [["number", "number", "boolean", "string"], [3, 0.5, true, "ann"]] },
  { emit = ["types", "${numbers}", "${int 1..9}", "${iteration}", "${accounts.id}"], ack = [["number", "number", "number", "string"], "${any}"] },
  { emit = ["types", "${level * 2 - 1}", "${(level + 1) / 8}", "${more}"], ack = [["number", "number", "number"], [5, 0.5, 4]] },
  { do = ["types", 7] },
]
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["errors = 0%", "generator.late p99 < 1m"]
[[case]]
name             = "in cases"
each             = { value = [3, true, 0.5] }
clients          = { c = {} }
needs            = ["wire"]
allow_unexpected = true
steps            = [
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

#[test]
fn each_user_shows_what_is_its_own_and_keeps_it() {
    let Some(auth) = run(&crowd("", "auth = { token = \"${uuid}\", n = \"${user}\" }", SAY), &[], &[]) else { return };
    assert_eq!((auth.exit, auth.shown("auth")), (0, 50), "{}", auth.said);
    let numbers: std::collections::BTreeSet<_> =
        auth.list("auths").iter().filter_map(|auth| auth["n"].as_u64()).collect();
    assert_eq!(numbers, (0..50).collect());

    // What [target] says is said anew for each user, and what cannot differ is refused where it stands.
    let target =
        "[target]\nquery = \"token=${uuid}\"\nheaders = { Authorization = \"Bearer ${uuid}\" }\nreconnect = true";
    let drops = "[[chaos]]\nafter = \"500ms\"\ndrop = \"30%\"\n";
    let mut scenario = crowd(target, "transport = { websocket = 1, polling = 1, upgrade = 1 }", SAY) + drops;
    scenario = scenario.replace("\"say.missing = 0\", ", "");
    let target = run(&scenario, &[], &[]).unwrap();
    assert_eq!(target.exit, 0, "{}", target.said);
    // The probe of the start shows what the first of them shows.
    assert_eq!((target.shown("query"), target.shown("header")), (50, 50), "{}", target.said);
    assert!(target.stats["in"].as_u64().unwrap() > 60, "some came back: {}", target.stats["in"]);

    let own = "query = { token = \"${uuid}\" }\nheaders = { Authorization = \"Bearer t&${user}\" }";
    let own = run(&crowd("", own, SAY), &[], &[]).unwrap();
    assert_eq!((own.exit, own.shown("query"), own.shown("header")), (0, 50, 50), "{}", own.said);
    assert_eq!(own.stats["seen"]["header"]["t&7"], 1);
}

#[test]
fn rows_are_handed_out_to_users_who_stay() {
    let top = |rows: u32| {
        let rows: Vec<_> = (0..rows).map(|row| format!("{{ name = \"u{row}\", key = \"k {row}&\" }}")).collect();
        format!("[feeds.accounts]\nhand_out = \"once\"\nvalues = [{}]", rows.join(", "))
    };
    let users = "auth = { token = \"${accounts.key}\" }\nquery = { token = \"${accounts.key}\" }";
    let emit = r#"["say", "${room}", "${payload}", "${accounts.name}", "${user}"]"#;
    let scenario = crowd(&top(50), users, emit)
        .replace(r#"join  = ["join", "${room}"]"#, r#"join  = ["join", "${room}", "${accounts.name}", "${uuid}"]"#)
        .replace("join(room)", "join(room, who, id)")
        .replace(r#""${room}"], ack"#, r#""${room}", "${who}", "${id}"], ack"#);
    let Some(ran) = run(&scenario, &[], &[]) else { return };
    assert_eq!(ran.exit, 0, "{}", ran.said);
    let tokens = ran.stats["seen"]["auth"].as_object().unwrap();
    assert_eq!((tokens.len(), &tokens["k 7&"]), (50, &json!(1)));
    assert_eq!(ran.stats["seen"]["query"]["k 7&"], 1, "encoded");
    let mut joins: Vec<_> = ran.list("joins").iter().map(|join| (join[1].to_string(), join[2].to_string())).collect();
    joins.sort_unstable();
    joins.dedup_by(|a, b| a.1 == b.1);
    assert_eq!(joins.len(), 50, "an id for each");
    let named = |said: &&Value| said[1] == format!("u{}", said[2]);
    assert_eq!(ran.list("said").iter().filter(named).count(), ran.list("said").len());

    // One row too few is known before anything is sent.
    let few = run(&crowd(&top(49), users, SAY), &[], &[]).unwrap();
    assert_eq!((few.exit, &few.stats["in"]), (2, &json!(0)), "{}", few.said);
    assert!(few.said.contains("49 rows") && few.said.contains("50 users want one"), "{}", few.said);
    // So is what has no value, and what stands where it cannot be.
    for (users, expected) in [
        ("auth = { token = \"${acounts.key}\" }", "unknown variable `acounts.key`"),
        ("headers = { Authorization = \"a\\nb\" }", "the header `Authorization`"),
        ("enter = [ { connect = \"/\" } ]", "`connect` is not for `enter`"),
        ("enter_again = true", "without `enter`"),
    ] {
        let wrong = run(&crowd(&top(50), users, SAY), &[], &[]).unwrap();
        assert_eq!((wrong.exit, &wrong.stats["in"]), (2, &json!(0)), "{}", wrong.said);
        assert!(wrong.said.contains(expected), "{expected}: {}", wrong.said);
    }
}

#[test]
fn flows_and_cases_connect_with_a_query_and_headers() {
    let scenario = |connect: &str| {
        format!(
            r#"
name = "flow"
[users.visitors]
arrive    = "10/s"
transport = {{ websocket = 1, polling = 1 }}
flow = [
  {{ http = {{ post = "/token", json = {{ name = "v${{iteration}}", password = "pw-v${{iteration}}" }} }}, status = 200, save = {{ token = "$.user.token" }} }},
  {{ connect = "/", {connect} }},
  {{ disconnect = true }},
]
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["errors = 0%", "generator.late p99 < 1m"]
"#
        )
    };
    let query = scenario("query = { token = \"${token}\" }");
    let Some(ran) = run(&query, &[("REQUIRE", "query")], &[]) else { return };
    assert_eq!(ran.exit, 0, "{}", ran.said);
    assert!(
        ran.shown("query") > 5 && ran.stats["seen"]["query"].as_object().unwrap().values().all(|times| *times == 1)
    );
    let header =
        run(&scenario("headers = { Authorization = \"Bearer ${token}\" }"), &[("REQUIRE", "header")], &[]).unwrap();
    assert_eq!(header.exit, 0, "{}", header.said);
    assert!(header.shown("header") > 5);

    let case = r#"
name = "case"
[[case]]
name             = "connects with a query and headers"
needs            = ["wire"]
allow_unexpected = true
clients          = { a = { open = false }, b = { headers = { Authorization = "Bearer b" } } }
steps            = [ { at = "a", connect = "/", query = { token = "q a" }, headers = { Authorization = "Bearer a" } } ]
"#;
    let case = run(case, &[], &[]).unwrap();
    assert_eq!(case.exit, 0, "{}", case.said);
    assert_eq!(case.stats["seen"]["header"], json!({ "a": 1, "b": 1 }));
    assert_eq!(case.stats["seen"]["query"], json!({ "q a": 1 }));
}

const BY_FORM: &str = r#"enter = [
  { http = { get = "/login" }, status = 200, body = '${any}name="csrf" value="${save csrf}"${any}', name = "the form" },
  { think = "1ms..5ms" },
  { http = { post = "/login", form = { csrf = "${csrf}", name = "user ${user}", password = "pw-user ${user}" } }, status = 302 },
]"#;
const BY_JSON: &str = r#"enter = [
  { http = { post = "/token", json = { name = "u${user}", password = "PASSWORD" } }, status = 200, save = { token = "$.user.token" } },
]
auth = { token = "${token}" }"#;

#[test]
fn users_log_in_and_are_judged() {
    // A form with a token that is good once, and a session in a cookie.
    let scenario = crowd("", &format!("{BY_FORM}\ntransport = {{ websocket = 1, polling = 1, upgrade = 1 }}"), SAY);
    let Some(form) = run(&scenario, &[("REQUIRE", "cookie")], &[]) else { return };
    assert_eq!(form.exit, 0, "{}", form.said);
    assert_eq!((form.stats["logins"].as_u64(), form.shown("cookie")), (Some(50), 50));
    let step = |name: &str| {
        let steps = form.load["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        let done: u64 = step["phases"].as_array().unwrap().iter().map(|phase| phase["done"].as_u64().unwrap()).sum();
        assert_eq!(step["latency"]["count"], done, "what took place ahead of the phases counts");
        done
    };
    assert_eq!((step("the form"), step("POST /login")), (50, 50));
    assert_eq!(form.load["traffic"][0]["counts"]["missing"], 0);
    assert!(form.load["traffic"][0]["counts"]["delivered"].as_u64().unwrap() > 0);

    // A token in JSON, shown in auth.
    let right = crowd("", &BY_JSON.replace("PASSWORD", "pw-u${user}"), SAY);
    let right = run(&right, &[("REQUIRE", "auth")], &[]).unwrap();
    assert_eq!((right.exit, right.shown("auth")), (0, 50), "{}", right.said);

    // A wrong password lets nobody in, and that is said in the server's words.
    let wrong = crowd("", &BY_JSON.replace("PASSWORD", "guess"), SAY);
    let wrong = run(&wrong, &[("REQUIRE", "auth")], &[]).unwrap();
    assert_eq!(wrong.stats["wrong"], 50);
    assert!([1, 3, 4].contains(&wrong.exit), "{}", wrong.said);
    assert!(wrong.said.contains("enter: POST /token") && wrong.said.contains("401"), "{}", wrong.said);
}

#[test]
fn users_enter_again_only_if_they_are_told_to() {
    let scenario = |again: &str| {
        let users = format!("{}\n{again}", BY_JSON.replace("PASSWORD", "pw-u${user}"));
        let drops = "[[chaos]]\nafter = \"300ms\"\ndrop = \"100%\"\n";
        crowd("[target]\nreconnect = { delay = \"10ms..50ms\" }", &users, SAY).replace("\"say.missing = 0\", ", "")
            + drops
    };
    let Some(once) = run(&scenario(""), &[("REQUIRE", "auth")], &[]) else { return };
    assert_eq!(once.exit, 0, "{}", once.said);
    assert_eq!((&once.stats["logins"], &once.stats["in"]), (&json!(50), &json!(100)));
    let again = run(&scenario("enter_again = true"), &[("REQUIRE", "auth")], &[]).unwrap();
    assert_eq!(again.exit, 0, "{}", again.said);
    assert_eq!((&again.stats["logins"], &again.stats["in"], again.shown("auth")), (&json!(100), &json!(100), 100));
}

/// A flow that asks for many events, and looks at them later.
fn burst(events: u32, size: u32, expects: &str) -> String {
    format!(
        r#"
name = "burst"
[users.visitors]
count = 1
flow = [
  {{ connect = "/" }},
  {{ emit = ["burst", {events}, {size}] }},
  {{ think = "1s" }},
  {expects}
  {{ disconnect = true }},
]
[[phase]]
name = "steady"
for  = "8s"
[slo]
thresholds = ["errors = 0%", "generator.late p99 < 1m"]
"#
    )
}

#[test]
fn nothing_that_arrives_is_forgotten_by_an_expect() {
    let expects = "{ expect = [\"tick\", 1, \"${any}\"], within = \"4s\" },
  { expect = [\"tick\", \"${any int}\", \"${any}\"], times = 4999, within = \"4s\" },
  { expect = [\"done\", 5000], within = \"4s\" },";
    let Some(many) = run(&burst(5_000, 0, expects), &[], &[]) else { return };
    assert_eq!(many.exit, 0, "{}", many.said);
    // Five megabytes are more than are kept: that is no failure of the server's.
    let huge = run(&burst(50, 100_000, "{ expect = [\"tick\", 1, \"${any}\"], within = \"1s\" },"), &[], &[]).unwrap();
    assert!(huge.said.contains("a limit of sio-bench's own") && huge.exit == 4, "{} {}", huge.exit, huge.said);
}

#[test]
fn half_a_surrogate_is_legal() {
    let scenario = crowd("", "", SAY).replace(
        "[[phase]]",
        "[users.visitors]\narrive = \"5/s\"\nflow = [\n\
        { connect = \"/\" },\n\
        { emit = [\"half\"], ack = [\"${any string}\"] },\n\
        { expect = [\"half\", \"${any string}\", { \"..\" = \"${any}\" }] },\n\
        { disconnect = true },\n]\n[[phase]]",
    );
    let Some(ran) = run(&scenario, &[], &[]) else { return };
    assert_eq!(ran.exit, 0, "{}", ran.said);
}
