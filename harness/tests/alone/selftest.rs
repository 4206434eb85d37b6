//! The suite against servers that err on purpose.

use crate::common::{Place, code, has, has_node, stderr, stdout};

#[test]
fn a_sample_of_the_faults_is_noticed() {
    let place = Place::alone();
    let output = place.run(&["self-test", "--sample", "16", "--seed", "5", "--out", "out", "--html", "kills.html"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("KILLED") && text.contains("score 100.0 %"), "{text}");
    let matrix = std::fs::read_to_string(place.path().join("out/matrix.json")).unwrap();
    let matrix: serde_json::Value = serde_json::from_str(&matrix).unwrap();
    assert_eq!(matrix["faults"].as_array().unwrap().len(), 16);
    let page = std::fs::read_to_string(place.path().join("kills.html")).unwrap();
    assert!(page.contains("16 of 16 faults") && page.matches("<th scope=\"row\"").count() == 16, "{page}");
}

/// One fault of each kind in socket.io itself, the last of which only a load can see; the whole is for the night.
#[test]
fn faults_in_somebody_elses_server_are_noticed() {
    if !has_node() {
        return;
    }
    let place = Place::alone();
    let faults = ["B07", "R02", "A08", "P02", "N14", "E05", "H12", "L01"];
    let mut args = vec!["self-test", "--server", "node", "--explore", "2s", "--out", "out"];
    faults.iter().for_each(|fault| args.extend(["--only", fault]));
    let output = place.run(&args);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("killed 8   missed 0"), "{text}");
    assert!(text.contains("of the killed, 8 fail a row that the table names itself"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("L01 ") && line.contains("load: ")), "{text}");
}

#[test]
fn servers_that_end_badly_are_noticed() {
    let place = Place::alone();
    let faults = ["end-untold", "end-welcomes", "end-puts-out"];
    let only = faults.iter().flat_map(|fault| ["--only", fault]);
    let output = place.run(&["self-test"].into_iter().chain(only).collect::<Vec<_>>());
    let text = stdout(&output);
    assert_eq!(text.matches(" KILLED ").count(), faults.len(), "{text}");
}

#[test]
fn faults_of_what_nodes_tell_each_other_are_noticed() {
    if !has("redis-server") {
        return;
    }
    let place = Place::alone();
    let output = place.run(&["self-test", "--only", "cluster-", "--out", "out"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}\n{}", stderr(&output));
    assert!(text.contains("killed 10   missed 0"), "{text}");
    assert!(text.contains("of the killed, 10 fail a row that the table names itself"), "{text}");
}
