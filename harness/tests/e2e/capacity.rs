//! The search for the largest load.

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, listen, stderr, stdout};

const SCENARIO: &str = r#"
name = "small"
[vars]
rate = "50/s"
[users.u]
count = 4
[traffic.t]
from = "u"
rate = "${rate}"
arrivals = "even"
emit = ["message-with-ack", "${payload}"]
ack = true
[[phase]]
name = "hold"
for = "1s"
[search]
vary = "rate"
range = "RANGE"
until = ["t.ack p90 >= 60ms in hold"]
resolution = "25%"
repeat = 2
[slo]
thresholds = ["errors <= 0%", "capacity >= 60/s", "generator.late p99 < 1m"]
"#;

/// Answers one event each ten milliseconds, in their order: a hundred a second is all it has.
fn slow() -> String {
    listen(|server| {
        let (queue, mut queued) = tokio::sync::mpsc::unbounded_channel::<sio_reference_server::Event>();
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(std::time::Duration::from_millis(10));
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while let Some(event) = queued.recv().await {
                clock.tick().await;
                event.ack(event.args.clone());
            }
        });
        server.of("/").on_connection(move |socket| {
            let queue = queue.clone();
            socket.on("message-with-ack", move |_, event| _ = queue.send(event));
        });
    })
}

fn search(place: &Place, range: &str, url: &str) -> (i32, String) {
    std::fs::write(place.path().join("small.toml"), SCENARIO.replace("RANGE", range)).unwrap();
    let _ = std::fs::remove_dir_all(place.out());
    let output = place.run(&["capacity", "small.toml", "--target", url, "--out", "out", "-q"]);
    (code(&output), stdout(&output) + &stderr(&output))
}

#[test]
fn the_limit_of_a_server_with_a_known_one_is_found() {
    let place = Place::new();
    let url = slow();
    let (code, text) = search(&place, "20/s..1_000/s", &url);
    assert_eq!(code, 0, "{text}");
    let found = place.entry("capacity");
    let found: Vec<f64> = found["found"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(found.len(), 2, "{text}");
    // With six messages too many in the second, the last ones wait for 60 ms.
    assert!(found.iter().all(|found| (70.0..=112.0).contains(found)), "{found:?}: {text}");
    assert!(text.contains("limit"), "{text}");
    // The record is the report.
    let again = place.run(&["report", "out"]);
    assert!(text.contains(stdout(&again).trim()), "{text}");
}

#[test]
fn a_load_that_is_always_too_much_and_one_that_never_is() {
    let place = Place::new();
    let url = slow();
    let (code, text) = search(&place, "400/s..500/s", &url);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("none: rate = 400/s did not meet the thresholds"), "{text}");
    let (code, text) = search(&place, "20/s..30/s", &url);
    assert_eq!(code, 1, "the rule wants more: {text}");
    assert!(text.contains("rate = at least 30/s") && text.contains("BROKEN capacity >= 60/s"), "{text}");
}

#[test]
fn what_cannot_be_searched() {
    let place = Place::new();
    for (args, problem) in [
        (&["--vary", "rat"][..], "[vars] has no `rat` to raise; there are: rate"),
        (&["--range", "10/s..5/s"], "not end before it begins"),
        (&["--range", "10/m..50/s"], "two numbers of one unit"),
        (&["--range", "0.00001..5"], "has no unit"),
        (&["--resolution", "0.1%"], "expected 0.5% to 100%"),
    ] {
        std::fs::write(place.path().join("small.toml"), SCENARIO.replace("RANGE", "1/s..9/s")).unwrap();
        let output = place.run(&[&["capacity", "small.toml"], args].concat());
        let said = stderr(&output);
        assert_eq!(code(&output), 2, "{said}");
        assert!(said.contains(problem), "{said}");
    }
    std::fs::create_dir(place.out()).unwrap();
    std::fs::write(place.out().join("run.jsonl"), "").unwrap();
    let output = place.run(&["capacity", "small.toml", "--out", "out"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cannot write a record into out"), "{}", stderr(&output));
    let output = place.run(&["capacity", "fanout"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--range"), "{}", stderr(&output));
}

/// A search over a server with 24 seats, which no machine makes more of: over users, and over flows of both kinds.
fn seats(place: &Place, app: &App, users: &str, range: &str, more: &str) -> (i32, String) {
    // A rate has its unit, a number has none.
    let many = if range.contains("/s") { "\"5/s\"" } else { "5" };
    let text = format!(
        "name = \"seats\"\n[vars]\nmany = {many}\n{users}\n{more}[[phase]]\nname = \"hold\"\nfor = \"3s\"\n\
         [search]\nvary = \"many\"\nrange = \"{range}\"\nresolution = \"20%\"\nrepeat = 1\n\
         [slo]\nthresholds = [\"errors <= 0%\", \"generator.late p99 < 1m\"]\n"
    );
    std::fs::write(place.path().join("seats.toml"), text).unwrap();
    let output = place.run(&["capacity", "seats.toml", "--target", &app.url(), "--out", "out", "-q"]);
    (code(&output), stdout(&output) + &stderr(&output))
}

fn trials(place: &Place) -> Vec<Value> {
    place.record().into_iter().filter(|entry| entry["type"] == "trial").collect()
}

fn found(place: &Place) -> f64 {
    place.entry("capacity")["found"][0].as_f64().unwrap()
}

#[test]
fn users_are_all_in_before_they_are_judged_or_it_was_another_load() {
    let Some(app) = App::start("seats", &[("SEATS", "24")]) else { return };
    let place = Place::new();
    let work = "[traffic.work]\nfrom = \"people\"\nrate = \"20/s\"\nemit = [\"work\", \"${payload}\"]\nack = true\n";
    let (code, text) = seats(&place, &app, "[users.people]\ncount = \"${many}\"", "5..100", work);
    assert_eq!(code, 0, "{text}");
    assert!((18.0..=25.0).contains(&found(&place)), "{text}");
    let short = trials(&place).into_iter().find(|trial| trial["verdict"] == "not_reached").unwrap();
    let why = short["why"][0].as_str().unwrap();
    assert!(why.contains("24 of 40 users got in") && why.contains("every seat is taken"), "{why}");
    assert!(text.contains("SHORT") && text.contains("errors <= 0%: 0.00 %"), "{text}");
}

const VISITS: &str =
    "flow = [{ connect = \"/\" }, { emit = [\"work\", \"x\"], ack = true, within = \"1m\" }, { think = \"THINK\" }]";

#[test]
fn a_fixed_number_of_virtual_users() {
    let Some(app) = App::start("seats", &[("SEATS", "24")]) else { return };
    let place = Place::new();
    let users =
        format!("[users.visitors]\ncount = \"${{many}}\"\nconnect = \"50/s\"\n{}", VISITS.replace("THINK", "300ms"));
    let (code, text) = seats(&place, &app, &users, "5..100", "");
    assert_eq!(code, 0, "{text}");
    assert!((10.0..=25.0).contains(&found(&place)), "{text}");
    // Nobody was judged while others were still to come.
    let held: Vec<_> = trials(&place).into_iter().filter(|trial| trial["verdict"] == "held").collect();
    for trial in held {
        let record = place.out().join(trial["record"].as_str().unwrap()).join("run.jsonl");
        let load = std::fs::read_to_string(record).unwrap();
        let load =
            load.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|entry| entry["type"] == "load");
        let flow = &load.unwrap()["flows"]["visitors"];
        assert_eq!(flow["in_time"], flow["users"], "{flow}");
        assert_eq!(flow["phases"][0]["name"], "reach", "{flow}");
    }
}

#[test]
fn virtual_users_that_arrive_at_a_rate() {
    let Some(app) = App::start("seats", &[("SEATS", "24")]) else { return };
    let place = Place::new();
    let users =
        format!("[users.visitors]\narrive = \"${{many}}\"\narrivals = \"even\"\n{}", VISITS.replace("THINK", "1s"));
    let (code, text) = seats(&place, &app, &users, "5/s..100/s", "");
    assert_eq!(code, 0, "{text}");
    // Each of them keeps a seat for a second.
    assert!((8.0..=25.0).contains(&found(&place)), "{text}");
}

/// Iterations that never end are no success, however few of them have failed.
#[test]
fn a_load_whose_iterations_never_end_is_refused() {
    let Some(app) = App::start("seats", &[("SEATS", "1000"), ("MODE", "stuck")]) else { return };
    let place = Place::new();
    let users = format!("[users.visitors]\narrive = \"${{many}}\"\n{}", VISITS.replace("THINK", "1s"));
    let (code, text) = seats(&place, &app, &users, "20/s..40/s", "");
    assert_eq!(code, 1, "{text}");
    let all = trials(&place);
    assert!(!all.is_empty() && all.iter().all(|trial| trial["verdict"] == "not_reached"), "{text}");
    assert!(all[0]["why"][0].as_str().unwrap().contains("of visitors never ended"), "{text}");
}

/// The page of a search has its trials, the curve and the fit; the page of its record is the same.
#[test]
fn a_search_can_be_seen() {
    let place = Place::new();
    let url = slow();
    std::fs::write(
        place.path().join("small.toml"),
        SCENARIO.replace("RANGE", "20/s..60/s").replace("repeat = 2", "repeat = 1"),
    )
    .unwrap();
    let output = place.run(&["capacity", "small.toml", "--target", &url, "--out", "out", "-q", "--html", "page.html"]);
    let text = stdout(&output);
    assert!(text.contains("t.ack p90 < 60ms in hold: "), "each line says what decided: {text}");
    let page = std::fs::read_to_string(place.path().join("page.html")).unwrap();
    for part in [
        "<h2>Capacity</h2>",
        "class=\"dot disc\"",
        "<strong>Trials.</strong>",
        "<strong>Throughput.</strong>",
        "Every trial",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(code(&place.run(&["report", "out", "--html", "again.html"])), 0);
    assert_eq!(std::fs::read_to_string(place.path().join("again.html")).unwrap(), page);
}
