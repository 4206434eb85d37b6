//! The conformance scenarios against real servers.
use crate::common::{Place, has_node, scenario, shipped, stderr, stdout};

fn passes(args: &[&str]) {
    let place = Place::new();
    let output = place.run(args);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("PASSED"), "{text}");
}

#[test]
fn the_reference_server_conforms() {
    passes(&["run", &shipped("conformance")]);
}

#[test]
fn node_conforms() {
    if has_node() {
        passes(&["run", &shipped("conformance"), "--target", "node"]);
    }
}

#[test]
fn a_small_load_on_node_loses_nothing() {
    if has_node() {
        passes(&["run", &scenario("small.toml"), "--target", "node", "--quiet", "--set", "steady=1s"]);
    }
}
