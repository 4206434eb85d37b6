//! Getting to any target: cookies, addresses, paths, proxies and what they refuse.

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout};

/// Runs a scenario with further arguments; returns the exit code and everything that was said.
fn run(place: &Place, scenario: &str, args: &[&str]) -> (i32, String) {
    std::fs::write(place.path().join("scenario.toml"), scenario).unwrap();
    let _ = std::fs::remove_dir_all(place.out());
    let output = place.run(&[&["run", "scenario.toml", "--out", "out", "-q"], args].concat());
    (code(&output), stdout(&output) + &stderr(&output))
}

/// Users that send something which is acknowledged.
fn echo(count: u32, transport: &str) -> String {
    format!(
        r#"
name = "echo"
seed = 3
[users.people]
count     = {count}
connect   = "40/s"
transport = {transport}
[traffic.echo]
by   = "people"
rate = "20/s"
emit = ["echo", "${{payload}}"]
ack  = true
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["echo.unanswered = 0", "ruler.late p99 < 1m"]
"#
    )
}

fn open(place: &Place) -> Value {
    place.entry("load")["users"].clone()
}

#[test]
fn a_balancer_that_goes_by_a_cookie_is_satisfied_over_every_transport() {
    let Some(app) = App::start("sticky", &[]) else { return };
    let place = Place::new();
    for transport in ["\"polling\"", "\"upgrade\"", "\"websocket\""] {
        let (exit, said) = run(&place, &echo(20, transport), &["--target", &app.url()]);
        assert_eq!(exit, 0, "{transport}: {said}");
        assert_eq!(open(&place)["open"], 20, "{transport}: {said}");
    }
    let stats = app.stats();
    assert_eq!(stats["unknown"], 0, "{stats}");
    // Whoever moved to a WebSocket said where its session is; who began with one had no cookie yet.
    assert!(stats["upgradesShown"].as_u64().unwrap() >= 20, "{stats}");
}

#[test]
fn a_user_that_comes_back_shows_the_cookies_it_has() {
    let Some(app) = App::start("login", &[]) else { return };
    let place = Place::new();
    let scenario = r#"
name = "login"
seed = 1
[users.visitors]
count     = 4
transport = { websocket = 1, polling = 1, upgrade = 1 }
flow = [
  { http = { get = "/login" }, status = 200, body = '${any}name="_csrf" value="${save csrf}"><input${any}' },
  { http = { post = "/login", headers = { Content-Type = "application/x-www-form-urlencoded" }, body = "_csrf=${csrf}&user=v${visitor}" }, status = 302 },
  { connect = "/app" },
  { emit = ["hello", "v${visitor}"], ack = ["hello v${visitor}"] },
  { disconnect = true },
  { connect = "/app" },
  { disconnect = true },
  { think = "100ms" },
]
[[phase]]
name = "steady"
for  = "2s"
[slo]
rules = ["errors = 0%"]
"#;
    let (exit, said) = run(&place, scenario, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    let stats = app.stats();
    assert_eq!(stats["odd"], serde_json::json!({}), "{stats}");
    assert!(stats["joined"].as_u64().unwrap() > stats["logins"].as_u64().unwrap(), "{stats}");
}

#[test]
fn a_client_of_a_case_keeps_its_cookies_too() {
    let Some(app) = App::start("sticky", &[]) else { return };
    let place = Place::new();
    let scenario = r#"
name = "case"
[[case]]
name    = "six clients over polling"
clients = { a = { transport = "polling" }, b = { transport = "upgrade" }, c = { transport = "polling" } }
steps   = [
  { at = ["a", "b", "c"], emit = ["echo", "x"], ack = ["x"] },
  { at = ["a", "b", "c"], emit = ["echo", "y"], ack = ["y"] },
]
settle  = false
"#;
    let (exit, said) = run(&place, scenario, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(app.stats()["unknown"], 0);
}
