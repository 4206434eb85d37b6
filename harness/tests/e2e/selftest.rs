//! The suite against a server that errs on purpose.

use crate::common::{Place, code, stderr, stdout};

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
