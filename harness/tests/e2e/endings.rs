//! Cases that end their target: on one of their own, and never on somebody's.

use crate::common::{Place, code, shipped, stdout};

#[test]
fn a_server_at_a_url_is_not_ended() {
    let place = Place::new();
    let server = place.serve(&[]);
    let output = place.run(&["conform", &format!("{}/ending.toml", shipped("conformance")), "--target", &server.url()]);
    let text = stdout(&output);
    assert!(text.contains("needs one server that sio-bench starts, since the case ends it"), "{text}");
    assert!(text.contains("cases were skipped, the first since needs"), "{text}");
    // It is still there.
    let output = place.run(&["conform", "--requirement", "SIO-CN-01", "--target", &server.url(), "--quiet"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

/// The end of the server is the case's own affair: nobody else is played on it, and nobody takes it for a crash.
#[test]
fn a_target_that_is_ended_has_not_crashed() {
    let place = Place::new();
    let case = r#"
name = "over"
[[case]]
name = "it ends and comes again"
clients = { a = {}, b = { open = false } }
steps = [{ server = "kill" }, { at = "a", closed = true }, { server = "start" }, { at = "b", connect = "/" }]
[[case]]
name = "somebody else"
clients = { a = {} }
steps = [{ at = "a", emit = ["message-with-ack", 1], ack = [1] }]
"#;
    std::fs::write(place.path().join("over.toml"), case).unwrap();
    let output = place.run(&["conform", "over.toml", "--out", "out"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let pid = place.target_pid();
    assert!(nix::sys::signal::kill(pid, None).is_err(), "nothing of the target is left");
}
