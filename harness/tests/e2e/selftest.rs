//! The suite against a server that errs on purpose.

use crate::common::{Place, code, has_node, stderr, stdout};

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
fn a_server_without_a_list_of_faults() {
    let place = Place::new();
    let output = place.run(&["self-test", "--server", "http://127.0.0.1:1"]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("http://127.0.0.1:1 has no list of faults") && said.contains("targets/README.md"), "{said}");
}

#[test]
fn faults_that_do_not_exist() {
    let place = Place::new();
    let output = place.run(&["self-test", "--only", "no-such-fault"]);
    assert_eq!(code(&output), 5, "{}", stderr(&output));
    let output = place.run(&["serve", "--fault", "no-such-fault"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("there is no such fault"), "{}", stderr(&output));
    let output = place.run(&["serve", "--fault", "drop", "--fault-rate", "2"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("between 0 and 1"), "{}", stderr(&output));
}

#[test]
fn the_faults_are_listed() {
    let output = Place::new().run(&["list", "faults"]);
    let text = stdout(&output);
    assert!(text.lines().count() >= 120 && text.contains("union-dup"), "{text}");
}
