//! Targets that say `engine = 3`: they are asked whether it is so.

use crate::common::{Place, code, stderr, stdout};

/// Plays two cases of Engine.IO 3 against the reference server, as a target that says so; the exit code and what was said.
fn conform(place: &Place, arguments: &str, out: &str) -> (i32, String) {
    let folder = place.path().join("targets/old");
    std::fs::create_dir_all(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let text = format!("about = \"old\"\nengine = 3\nstart = [\"{program}\", \"serve\"{arguments}]\n");
    std::fs::write(folder.join("target.toml"), text).unwrap();
    let output = place.run(&["conform", "-q", "--target", "targets/old", "--rule", "EIO-V3-02", "--out", out]);
    (code(&output), stdout(&output) + &stderr(&output))
}

#[test]
fn a_target_of_revision_3_is_tested_and_one_that_is_none_is_refused() {
    let place = Place::new();
    let (exit, text) = conform(&place, ", \"--eio3\"", "out");
    assert_eq!(exit, 0, "{text}");
    assert!(place.record().iter().any(|entry| entry["type"] == "case" && entry["verdict"] == "pass"), "{text}");
    let (exit, text) = conform(&place, "", "none");
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("says `engine = 3`, but a handshake with EIO=3 is answered with"), "{text}");
}
