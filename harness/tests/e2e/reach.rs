//! Getting to any target: cookies, addresses, paths, proxies and what they refuse.

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, stderr, stdout};

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
from = "people"
rate = "20/s"
emit = ["echo", "${{payload}}"]
ack  = true
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["echo.unanswered = 0", "generator.late p99 < 1m"]
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
        let (exit, said) = place.attempt(&echo(20, transport), &["--target", &app.url()]);
        assert_eq!(exit, 0, "{transport}: {said}");
        assert_eq!(open(&place)["connected"], 20, "{transport}: {said}");
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
  { http = { post = "/login", headers = { Content-Type = "application/x-www-form-urlencoded" }, body = "_csrf=${csrf}&user=v${iteration}" }, status = 302 },
  { connect = "/app" },
  { emit = ["hello", "v${iteration}"], ack = ["hello v${iteration}"] },
  { disconnect = true },
  { connect = "/app" },
  { disconnect = true },
  { think = "100ms" },
]
[[phase]]
name = "steady"
for  = "2s"
[slo]
thresholds = ["errors = 0%"]
"#;
    let (exit, said) = place.attempt(scenario, &["--target", &app.url()]);
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
name    = "three clients"
needs   = ["wire"]
clients = { a = { transport = "polling" }, b = { transport = "upgrade" }, c = { transport = "polling" } }
steps   = [
  { at = ["a", "b", "c"], emit = ["echo", "x"], ack = ["x"] },
  { at = ["a", "b", "c"], emit = ["echo", "y"], ack = ["y"] },
]
allow_unexpected  = true
"#;
    let (exit, said) = place.attempt(scenario, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(app.stats()["unknown"], 0);
}

#[test]
fn users_that_show_what_is_wanted_get_in_though_the_main_namespace_refuses() {
    let env = [("REQUIRE", "auth"), ("NAMESPACE", "/app"), ("MAIN", "closed")];
    let Some(app) = App::start("way-in", &env) else { return };
    let place = Place::new();
    let own = echo(5, "\"websocket\"")
        .replace("count ", "namespace = \"/app\"\nauth = { token = \"let-me-in\" }\ncount ")
        .replace("from =", "namespace = \"/app\"\nfrom =");
    let (exit, said) = place.attempt(&own, &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(place.entry("header")["target"]["fence"], false);

    // The command line's auth is for those who have none of their own.
    let none = own.replace("auth = { token = \"let-me-in\" }\n", "");
    let (exit, said) = place.attempt(&none, &["--target", &app.url(), "--auth", r#"{"token":"x"}"#]);
    assert_eq!(exit, 0, "{said}");

    // Without one everybody is refused, and the report has the server's words; the target was reached all the same.
    let (exit, said) = place.attempt(&none, &["--target", &app.url()]);
    assert_ne!(exit, 0, "{said}");
    assert!(said.contains("no token in auth"), "{said}");
    let remarks = place.entry("header")["target"]["remarks"].to_string();
    assert!(remarks.contains("/app refused a client without auth"), "{remarks}");
}

#[test]
fn cases_get_in_where_nobody_is_let_in_bare() {
    let Some(app) = App::start("way-in", &[("REQUIRE", "auth")]) else { return };
    let place = Place::new();
    let case = |step: &str| {
        format!(
            "name = \"case\"\n[[case]]\nname = \"in\"\nneeds = [\"wire\"]\nclients = {{ c = {{ open = false }} }}\nallow_unexpected = true\n\
             steps = [ {step} ]\n"
        )
    };
    let (exit, said) =
        place.attempt(&case(r#"{ at = "c", connect = "/", auth = { token = "x" } }"#), &["--target", &app.url()]);
    assert_eq!(exit, 0, "{said}");
    let bare = case(r#"{ at = "c", connect = "/" }"#);
    let (exit, said) = place.attempt(&bare, &["--target", &app.url()]);
    assert_eq!(exit, 1, "{said}");
    let (exit, said) = place.attempt(&bare, &["--target", &app.url(), "--auth", r#"{"token":"x"}"#]);
    assert_eq!(exit, 0, "{said}");
    // The suite is played as far as it can be without the fixture.
    let _ = std::fs::remove_dir_all(place.out());
    let output = place.run(&[
        "conform",
        &crate::common::shipped("conformance/handshake.toml"),
        "--target",
        &app.url(),
        "--out",
        "out",
        "-q",
    ]);
    assert_ne!(code(&output), 3, "{}", stderr(&output));
}

#[test]
fn what_a_url_says_is_sent() {
    let place = Place::new();
    let scenario = echo(4, "{ websocket = 1, polling = 1, upgrade = 1 }");
    if let Some(app) = App::start("way-in", &[("REQUIRE", "query")]) {
        for target in [format!("{}/?token=abc", app.url()), format!("{}/socket.io/?token=a%20c", app.url())] {
            let (exit, said) = place.attempt(&scenario, &["--target", &target]);
            assert_eq!(exit, 0, "{said}");
        }
        let (exit, said) = place.attempt(&scenario, &["--target", &app.url(), "--query", "token=a b"]);
        assert_eq!(exit, 0, "{said}");
        let (exit, said) = place.attempt(&scenario, &["--target", &format!("{}/#top", app.url())]);
        assert_eq!(exit, 2, "{said}");
        assert!(said.contains("fragment"), "{said}");
    }
    if let Some(app) = App::start("way-in", &[("REQUIRE", "header")]) {
        let with_user = app.url().replace("://", "://me:secret@");
        let (exit, said) = place.attempt(&scenario, &["--target", &with_user]);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(place.entry("header")["target"]["name"].as_str().unwrap().matches("secret").count(), 0);
        let (exit, said) = place.attempt(&scenario, &["--target", &app.url(), "--header", "Authorization: Bearer x"]);
        assert_eq!(exit, 0, "{said}");
    }
}

#[test]
fn a_path_is_asked_for_as_it_is_written_and_the_other_spelling_is_found() {
    let place = Place::new();
    let scenario = echo(4, "{ websocket = 1, polling = 1, upgrade = 1 }");
    if let Some(app) = App::start("way-in", &[("SPELLING", "bare")]) {
        let (exit, said) = place.attempt(&scenario, &["--target", &app.url(), "--path", "/api/socket"]);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(place.entry("header")["target"]["remarks"], Value::Null);
        // Redirected; the other spelling is used, and that is said.
        let written = scenario.replace("[users", "[target]\npath = \"/api/socket/\"\n[users");
        let (exit, said) = place.attempt(&written, &["--target", &app.url()]);
        assert_eq!(exit, 0, "{said}");
        assert!(said.contains("write `path = \"/api/socket\"`"), "{said}");
        // What leads nowhere is named.
        let (exit, said) = place.attempt(&scenario, &["--target", &app.url(), "--path", "/elsewhere"]);
        assert_eq!(exit, 3, "{said}");
        assert!(said.contains("404") && said.contains("/elsewhere"), "{said}");
    }
    if let Some(app) = App::start("way-in", &[]) {
        // Node does not answer /socket.io at all.
        let (exit, said) = place.attempt(&scenario, &["--target", &format!("{}/socket.io", app.url())]);
        assert_eq!(exit, 0, "{said}");
    }
}

#[test]
fn every_address_of_a_name_is_tried() {
    let Some(app) = App::start("way-in", &[]) else { return };
    let place = Place::new();
    // IPv6 comes first, and nobody listens there.
    let by_name = app.url().replace("127.0.0.1", "localhost");
    let (exit, said) = place.attempt(&echo(4, "{ websocket = 1, polling = 1, upgrade = 1 }"), &["--target", &by_name]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(app.stats()["peers"].as_object().unwrap().len(), 1);
}

#[test]
fn the_wrong_scheme_is_named() {
    let Some(app) = App::start("way-in", &[]) else { return };
    let place = Place::new();
    let (exit, said) = place.attempt(&echo(1, "\"polling\""), &["--target", &app.url().replace("http:", "https:")]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("try http://127.0.0.1"), "{said}");

    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(place.path().join("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(place.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let server = place.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let (exit, said) = place.attempt(&echo(1, "\"websocket\""), &["--target", &server.url()]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("try https://127.0.0.1"), "{said}");
}

/// The problems of users, and how often each came.
fn problems(place: &Place) -> String {
    place.entry("load")["problems"].to_string()
}

#[test]
fn a_message_that_is_too_large_is_called_so() {
    let Some(app) = App::start("way-in", &[("MAX", "10000")]) else { return };
    let place = Place::new();
    for (transport, closed) in [("\"websocket\"", "1009 (message too big)"), ("\"polling\"", "413")] {
        let large = echo(3, transport).replace("ack  = true", "ack = true\npayload = { size = \"20KB\" }");
        let (exit, said) = place.attempt(&large, &["--target", &app.url()]);
        assert_ne!(exit, 0, "{said}");
        let problems = problems(&place);
        assert!(problems.contains(closed), "{problems}");
        assert!(problems.contains("larger than the announced maxPayload of 10,000"), "{problems}");
    }
}

#[test]
fn who_does_not_get_a_websocket_is_counted() {
    let place = Place::new();
    let scenario = echo(5, "{ upgrade = 2, polling = 1 }");
    let with_rule = scenario.replace("thresholds = [", "thresholds = [\"upgraded >= 100%\", ");
    if let Some(app) = App::start("way-in", &[("TRANSPORTS", "polling")]) {
        let (exit, said) = place.attempt(&scenario, &["--target", &app.url()]);
        assert_eq!(exit, 0, "{said}");
        let transports = &place.entry("load")["transports"];
        assert!(transports["upgrade"].as_u64().unwrap() > 0 && transports["upgraded"] == 0, "{transports}");
        assert!(said.contains("upgraded 0 of"), "{said}");
        let (exit, said) = place.attempt(&with_rule, &["--target", &app.url()]);
        assert_eq!(exit, 1, "{said}");
    }
    if let Some(app) = App::start("way-in", &[]) {
        let (exit, said) = place.attempt(&with_rule, &["--target", &app.url()]);
        assert_eq!(exit, 0, "{said}");
    }
}

/// Path, query and header of the command line lead to the target, whatever is asked of it.
#[test]
fn every_command_shows_what_the_command_line_says() {
    let place = Place::new();
    let server = place.serve(&[]);
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let Some(lodge) = App::start("lodge", &[("UPSTREAM", &port)]) else { return };
    let scenario = echo(4, "{ websocket = 1, polling = 1, upgrade = 1 }").replace("\"echo\"", "\"message-with-ack\"");
    let search = scenario.replace("\"20/s\"", "\"${rate}\"").replace("seed = 3", "[vars]\nrate = \"5/s\"")
        + "[search]\nvary = \"rate\"\nrange = \"5/s..6/s\"\nresolution = \"100%\"\nuntil = [\"echo.ack p50 >= 30s in steady\"]\n";
    std::fs::write(place.path().join("run.toml"), scenario).unwrap();
    std::fs::write(place.path().join("capacity.toml"), search).unwrap();
    let url = lodge.url();
    let known = ["--path", "/api/live/", "--query", "pass=1", "--header", "X-Pass: 1"];
    for command in [
        &["run", "run.toml"][..],
        &["capacity", "capacity.toml"],
        &["conform", "--requirement", "SIO-CN-02"],
        &["explore", "--budget", "3", "--time", "20s", "--seed", "1"],
    ] {
        let args = [command, &["--target", &url, "--out", command[0], "-q"]].concat();
        let output = place.run(&[&args[..], &known].concat());
        // A busy machine leaves it open whether the figures hold.
        assert!(matches!(code(&output), 0 | 4), "{command:?}: {}", stdout(&output) + &stderr(&output));
        assert_eq!(lodge.stats()["refused"], 0, "{command:?}");
    }
    assert!(lodge.stats()["led"].as_u64() > Some(20), "{}", lodge.stats());
    let output = place.run(&["run", "run.toml", "--target", &url, "--out", "unknown", "-q", "--path", "/api/live/"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("not without a pass"), "{}", stderr(&output));
}
