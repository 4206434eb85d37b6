//! Targets that say `engine = 3`: they are asked whether it is so.

use crate::common::{Place, code, stderr, stdout};

/// Plays two cases of Engine.IO 3 against the reference server, as a target that says so; the exit code and what was said.
fn conform(place: &Place, arguments: &str, out: &str) -> (i32, String) {
    let folder = place.path().join("targets/old");
    std::fs::create_dir_all(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let text = format!("about = \"old\"\nengine = 3\nstart = [\"{program}\", \"serve\"{arguments}]\n");
    std::fs::write(folder.join("target.toml"), text).unwrap();
    let output = place.run(&["conform", "-q", "--target", "targets/old", "--requirement", "EIO-V3-02", "--out", out]);
    (code(&output), stdout(&output) + &stderr(&output))
}

#[test]
fn a_target_of_revision_3_is_tested_and_one_that_is_none_is_refused() {
    let place = Place::new();
    let (exit, text) = conform(&place, ", \"--eio3\"", "out");
    assert_eq!(exit, 0, "{text}");
    let of = |verdict: &str| {
        let is = |entry: &&serde_json::Value| entry["type"] == "case" && entry["verdict"] == verdict;
        place.record().iter().filter(is).count()
    };
    assert!(of("pass") > 1 && of("fail") == 0, "{text}");
    let (exit, text) = conform(&place, "", "none");
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("says `engine = 3`, but a handshake with EIO=3 is answered with"), "{text}");
}

/// A case of revision 4 says nothing about a server of revision 3; how many are left out is said, and why.
#[test]
fn cases_of_revision_4_are_left_out() {
    let place = Place::new();
    let folder = place.path().join("targets/old");
    std::fs::create_dir_all(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let text = format!("about = \"old\"\nengine = 3\nstart = [\"{program}\", \"serve\", \"--eio3\"]\n");
    std::fs::write(folder.join("target.toml"), text).unwrap();
    let both = ["--area", "eio3", "--area", "close"];
    let output = place.run(&[&["conform", "--target", "targets/old", "--out", "out"], &both[..]].concat());
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}{}", stderr(&output));
    assert!(text.contains("the target speaks Engine.IO 3 (`engine = 3`), and the case speaks 4"), "{text}");
    let cases: Vec<_> = place.record().into_iter().filter(|entry| entry["type"] == "case").collect();
    let played: Vec<_> = cases.iter().filter(|case| case["verdict"] != "skip").map(|case| &case["id"]).collect();
    assert!(played.len() > 10 && played.len() < cases.len(), "{played:?}");
    assert!(played.iter().all(|id| !id.as_str().unwrap().starts_with("close/")), "{played:?}");
}
