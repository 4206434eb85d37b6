//! The standard scenarios, short: each runs, and finds nothing wrong with the reference server.

use crate::common::{Place, code, is_sound, shipped, stderr, stdout};

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
        assert_eq!(load["users"]["connected"], load["users"]["requested"], "{name}: {text}");
        assert_eq!(load["users"]["disconnected"], 0, "{name}: {text}");
        for traffic in load["traffic"].as_array().unwrap() {
            let counts = &traffic["counts"];
            for wrong in ["missing", "duplicate", "misdelivered", "out_of_order", "unanswered", "skipped"] {
                assert_eq!(counts[wrong], 0, "{name}, {wrong}: {text}");
            }
            assert!(counts["sent"].as_u64().unwrap() > 20, "{name}: {text}");
        }
        // How late either side was is not this test's business: it shares the machine with others.
        let correct = place.record().iter().all(|entry| {
            let is_about_time = entry["threshold"].as_str().is_some_and(|rule| rule.contains(" p99 "));
            entry["type"] != "threshold" || entry["verdict"] == "holds" || is_about_time
        });
        assert!(correct, "{name}: {text}");
    }
}

/// Another HTTP client under the same users: goose counts its requests, the oracle judges what came.
#[cfg(feature = "goose")]
#[test]
fn goose_carries_long_polling() {
    let place = Place::new();
    let args = ["--set", "long=2s", "--set", "people=40", "-q", "--out", "out"];
    let output = place.run(&[&["run", "polling", "--set", "driver=goose"], &args[..]].concat());
    let said = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &said), "{said}");
    let load = place.entry("load");
    let counts = &load["traffic"][0]["counts"];
    assert!(counts["delivered"].as_u64().unwrap() > 500 && counts["delivered"] == counts["owed"], "{said}");
    let requests = |name: &str| {
        let driver = load["driver"].as_array().unwrap();
        let one = driver.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {said}"));
        (one["count"].as_u64().unwrap(), one["failed"].as_u64().unwrap())
    };
    // Each message leaves in a request of its own, and so does each fence. Of the first ones goose may not have counted all.
    assert!(requests("POST send").0 >= counts["sent"].as_u64().unwrap(), "{said}");
    assert_eq!(requests("POST send").1, 0);
    assert!(requests("POLL hold").0 > 100, "{said}");
    assert!(load["read"]["count"].as_u64().unwrap() > 100, "goose says when an answer was there: {said}");
    assert!(said.starts_with("sio-bench "), "goose itself says nothing: {said}");
}

#[cfg(not(feature = "goose"))]
#[test]
fn a_build_without_goose_says_how_to_get_it() {
    let place = Place::new();
    let output = place.run(&["run", "polling", "--set", "driver=goose"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cargo build --release --features goose"), "{}", stderr(&output));
}

#[cfg(feature = "goose")]
#[test]
fn what_goose_cannot_do_is_said() {
    let place = Place::new();
    let text = "name = \"x\"\nTARGET\n[users.u]\ncount = 1\ntransport = TRANSPORT\ndriver = \"goose\"\n\
                [[phase]]\nname = \"p\"\nfor = \"1s\"\n";
    for (target, transport, option, problem) in [
        ("", "\"websocket\"", "reference", "goose carries long-polling alone"),
        ("", "\"polling\"", "https://127.0.0.1:1", "it is for http:// only"),
        ("[target]\nsource_ips = [\"127.0.0.2\"]", "\"polling\"", "reference", "it does not connect from `source_ips`"),
    ] {
        std::fs::write(place.path().join("x.toml"), text.replace("TARGET", target).replace("TRANSPORT", transport))
            .unwrap();
        let output = place.run(&["run", "x.toml", "--target", option]);
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
    }
}
