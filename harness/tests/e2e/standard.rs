//! The standard scenarios, short: each runs, and finds nothing wrong with the reference server.

use crate::common::{Place, shipped, stderr, stdout};

/// Each with what makes it short.
const SCENARIOS: [(&str, &[&str]); 8] = [
    ("binary", &["long=2s", "size=16KiB"]),
    ("connect-storm", &["people=300"]),
    ("echo", &["long=2s", "rate=500/s"]),
    ("idle-crowd", &["long=11s", "people=300"]),
    ("polling", &["long=2s", "people=60"]),
    ("room-one-big", &["long=2s", "people=200"]),
    ("rooms-many-small", &["long=2s", "people=200", "rate=200/s"]),
    ("slow-readers", &["long=3s"]),
];

#[test]
fn each_standard_scenario_finds_nothing_wrong() {
    for (name, vars) in SCENARIOS {
        let place = Place::new();
        let mut args = vec!["run".to_owned(), shipped(&format!("{name}.toml")), "-q".to_owned()];
        args.extend(["--out".to_owned(), "out".to_owned()]);
        args.extend(vars.iter().flat_map(|var| ["--set".to_owned(), (*var).to_owned()]));
        let output = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let text = stdout(&output) + &stderr(&output);
        let load = place.entry("load");
        assert_eq!(load["users"]["open"], load["users"]["asked"], "{name}: {text}");
        assert_eq!(load["users"]["lost"], 0, "{name}: {text}");
        for traffic in load["traffic"].as_array().unwrap() {
            let counts = &traffic["counts"];
            for wrong in ["missing", "duplicate", "stray", "disorder", "unanswered", "skipped"] {
                assert_eq!(counts[wrong], 0, "{name}, {wrong}: {text}");
            }
            assert!(counts["sent"].as_u64().unwrap() > 20, "{name}: {text}");
        }
        // How late either side was is not this test's business: it shares the machine with others.
        let correct = place.record().iter().all(|entry| {
            let is_about_time = entry["rule"].as_str().is_some_and(|rule| rule.contains(" p99 "));
            entry["type"] != "rule" || entry["verdict"] == "holds" || is_about_time
        });
        assert!(correct, "{name}: {text}");
    }
}
