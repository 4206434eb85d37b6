//! The search for the largest load.

use crate::common::{Place, code, listen, stderr, stdout};

const SCENARIO: &str = r#"
name = "small"
[vars]
rate = "50/s"
[users.u]
count = 4
[traffic.t]
by = "u"
rate = "${rate}"
arrivals = "even"
emit = ["message-with-ack", "${payload}"]
ack = true
[[phase]]
name = "hold"
for = "1s"
[search]
raise = "rate"
range = "RANGE"
until = ["t.ack p90 >= 60ms in hold"]
resolution = "25%"
repeat = 2
[slo]
rules = ["errors <= 0%", "capacity >= 60/s", "ruler.late p99 < 1m"]
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
    assert!(text.contains("none: rate = 400/s did not meet the rules"), "{text}");
    let (code, text) = search(&place, "20/s..30/s", &url);
    assert_eq!(code, 1, "the rule wants more: {text}");
    assert!(text.contains("rate = at least 30/s") && text.contains("BROKEN capacity >= 60/s"), "{text}");
}

#[test]
fn what_cannot_be_searched() {
    let place = Place::new();
    for (args, problem) in [
        (&["--raise", "rat"][..], "[vars] has no `rat` to raise; there are: rate"),
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
