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
from = "speaker"
rate = "50/s"
ack = true
emit = ["emit", { via = "socket", to = ["${room}"], event = "msg", args = ["${payload}"] }]
delivers_to = { event = "msg", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "all"
for = "6s"
[slo]
thresholds = ["say.missing = 0", "generator.late p99 < 1m"]
"#;

/// The worst messages of a load against a server that holds some copies back until its next ping.
fn outliers(transport: &str) -> (Value, String, String) {
    let place = Place::new();
    let faulty = ["--fault", "held-until-ping", "--fault-rate", "0.0005", "--ping-interval", "1000"];
    let server = place.serve(&faulty);
    std::fs::write(place.path().join("outliers.toml"), LOAD.replace("TRANSPORT", transport)).unwrap();
    let args = ["run", "outliers.toml", "--target", &server.url(), "--out", "out", "-q"];
    let output = place.run(&args);
    let text = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &text), "late is not lost: {text}");
    let traffic = place.entry("load")["traffic"][0].clone();
    let html = place.run(&["report", "out", "--html", "out.html"]);
    assert!(html.status.success(), "{}", stderr(&html));
    (traffic, text, std::fs::read_to_string(place.path().join("out.html")).unwrap())
}

/// A copy that came with the next ping is said to have come so, with whose it was and how far it was behind.
#[test]
fn a_copy_that_waited_for_a_ping_explains_an_outlier() {
    for (transport, over) in [("websocket", "over WebSocket"), ("polling", "over polling")] {
        let (traffic, text, html) = outliers(transport);
        let held: Vec<_> =
            traffic["outliers"].as_array().unwrap().iter().filter(|one| one["with_ping"] == true).collect();
        // On a busy machine others may take as long.
        let worst = held.first().unwrap_or_else(|| panic!("{traffic}: {text}"));
        assert_eq!((&worst["recipients"], &worst["population"]), (&20.into(), &"people".into()), "{text}");
        assert_eq!(worst["polling"], transport == "polling", "{text}");
        // Where everything takes long, it is none that stands out.
        let usual = traffic["latency"]["complete"]["p50"].as_u64().unwrap();
        let is_far = worst["complete"].as_u64().unwrap() / 5 > usual;
        for said in [over, "of people", "behind the one before", "its copy was read together with a ping"] {
            assert!(!is_far || text.contains(said) && html.contains(said), "{said}: {text}");
        }
        assert_eq!(text.contains("its copy was read together with a ping"), is_far, "{text}");
    }
}
