//! Why a message took long to reach everybody.

use serde_json::Value;

use crate::common::{Place, is_sound, stderr, stdout};

const LOAD: &str = r#"
name = "outliers"
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.hall]
count = 1
join = ["join", "${room}"]
[users.people]
count = 20
in = { hall = 1 }
transport = { TRANSPORT = 1 }
[users.speaker]
count = 1
in = { hall = 1 }
[traffic.say]
by = "speaker"
rate = "50/s"
ack = true
emit = ["emit", { via = "socket", to = ["${room}"], event = "msg", args = ["${payload}"] }]
reaches = { event = "msg", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "all"
for = "6s"
[slo]
rules = ["say.missing = 0", "ruler.late p99 < 1m"]
"#;

/// The worst messages of a load against a server that holds some copies back until its next ping.
fn outliers(transport: &str) -> (Vec<Value>, String, String) {
    let place = Place::new();
    let faulty = ["--fault", "held-until-ping", "--fault-rate", "0.002", "--ping-interval", "2000"];
    let server = place.serve(&faulty);
    std::fs::write(place.path().join("outliers.toml"), LOAD.replace("TRANSPORT", transport)).unwrap();
    let args = ["run", "outliers.toml", "--target", &server.url(), "--out", "out", "-q"];
    let output = place.run(&args);
    let text = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &text), "late is not lost: {text}");
    let outliers = place.entry("load")["traffic"][0]["outliers"].as_array().unwrap().clone();
    let html = place.run(&["report", "out", "--html", "out.html"]);
    assert!(html.status.success(), "{}", stderr(&html));
    (outliers, text, std::fs::read_to_string(place.path().join("out.html")).unwrap())
}

/// A copy that came with the next ping is said to have come so, with whose it was and how far it was behind.
#[test]
fn a_copy_that_waited_for_a_ping_explains_an_outlier() {
    for (transport, over) in [("websocket", "over WebSocket"), ("polling", "over polling")] {
        let (outliers, text, html) = outliers(transport);
        // On a busy machine something else may take as long.
        let held = outliers.iter().find(|outlier| outlier["with_ping"] == true);
        let held = held.unwrap_or_else(|| panic!("{outliers:?}: {text}"));
        assert_eq!((&held["recipients"], &held["population"]), (&20.into(), &"people".into()), "{text}");
        assert_eq!(held["polling"], transport == "polling", "{text}");
        for said in [over, "of people", "behind the one before", "its copy was read together with a ping"] {
            assert!(text.contains(said) && html.contains(said), "{said}: {text}");
        }
    }
}
