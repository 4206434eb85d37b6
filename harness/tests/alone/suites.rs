//! Whole conformance suites: they hold behaviour in time.

use crate::common::{Place, has_node, stderr, stdout};

fn passes(args: &[&str]) -> String {
    let place = Place::alone();
    let output = place.run(args);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("PASSED"), "{text}");
    text
}

/// Every case, not only a good many: a suite that shrinks must be noticed.
#[test]
fn the_reference_server_conforms() {
    let text = passes(&["conform", "--quiet"]);
    let number = |line: &str| line.strip_prefix("PASSED: ")?.split(' ').next()?.replace(',', "").parse().ok();
    let passed: usize = text.lines().rev().find_map(number).unwrap();
    assert!(passed > 1_500, "{passed} cases passed");
    // Nothing is left out but what takes more servers than one.
    let left_out: Vec<_> = text.lines().filter(|line| line.contains(" skip")).collect();
    assert!(left_out.iter().all(|line| line.contains("cluster") || line.contains("verdicts")), "{text}");
}

/// With 20 ms in each direction of every client's path.
#[test]
fn the_reference_server_conforms_far_away() {
    passes(&["conform", "--quiet", "--delay", "20ms"]);
}

#[test]
fn node_conforms_but_for_what_is_known() {
    if has_node() {
        passes(&["conform", "--quiet", "--target", "node"]);
    }
}
