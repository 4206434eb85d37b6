//! `sio-bench inspect`: it says what is there, where a stamp comes back, and writes a scenario that runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::apps::App;
use crate::common::{Place, code, is_sound, stderr, stdout};

/// Inspects, with the scenario into `mine.toml`; returns the exit code, the findings, and everything that was said.
fn inspect(place: &Place, url: &str, args: &[&str]) -> (i32, Value, String) {
    let args = [&["inspect", url, "--format", "json", "--scenario", "mine.toml"], args].concat();
    let output = place.run(&args);
    let said = stdout(&output) + &stderr(&output);
    (code(&output), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// Plans and runs the scenario that was written.
fn runs(place: &Place, env: &[(&str, &str)], args: &[&str]) {
    let written = std::fs::read_to_string(place.path().join("mine.toml")).unwrap();
    let plan = place.command(&["plan", "mine.toml"]).envs(env.iter().copied()).output().unwrap();
    assert_eq!(code(&plan), 0, "{}\n{written}", stdout(&plan) + &stderr(&plan));
    let args = [&["run", "mine.toml", "-q", "--out", "out", "--set", "length=2s"], args].concat();
    let run = place.command(&args).envs(env.iter().copied()).output().unwrap();
    let said = stdout(&run) + &stderr(&run);
    assert!(is_sound(run.status.code(), &said), "{said}\n{written}");
}

fn find<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().find(|item| item[key] == value).unwrap_or_else(|| panic!("no {key} = {value} in {list:#}"))
}

const EDIT: [&str; 6] =
    ["--namespace", "/docs", "--join", r#"["open","a"]"#, "--event", r#"["edit","a",{"text":"${payload}"}]"#];

#[test]
fn an_office_is_understood_and_the_scenario_runs_on_it() {
    let Some(app) = App::start("office", &[("SIO_PATH", "/live/ws/"), ("IO_COOKIE", "io")]) else { return };
    let (place, token) = (Place::new(), app.login("ada"));
    let auth = format!(r#"{{"token":"{token}"}}"#);
    let args = [&["--path", "/live/ws", "--auth", &auth, "--listen", "500ms"], &EDIT[..]].concat();
    let (exit, found, said) = inspect(&place, &app.url(), &args);
    assert_eq!(exit, 0, "{said}");
    assert!(!said.contains(&token), "{said}");
    assert_eq!((&found["engine"]["revision"], &found["path"]), (&4.into(), &"/live/ws/".into()));
    assert_eq!(found["engine"]["max_payload"], 1_000_000);
    for transport in ["polling", "websocket", "upgrade"] {
        assert_eq!(find(&found["transports"], "name", transport)["works"], true, "{said}");
    }
    assert_eq!(find(&found["cookies"], "name", "io")["attributes"][0], "Path=/");
    assert_eq!((&found["sessions"]["opened"], &found["sessions"]["known"]), (&3.into(), &3.into()));
    assert_eq!(find(&found["namespaces"], "name", "/docs")["recovery"], false);
    assert!(find(&found["joins"], "event", "open")["answer"][0].as_str().unwrap().contains("history: []"));
    assert_eq!(find(&found["events"], "name", "online")["arguments"][0], "number");
    assert_eq!(find(&found["events"], "name", "joined")["namespace"], "/docs");
    let trace = &found["trace"];
    assert_eq!((&trace["sent"], &trace["acknowledged"]), (&3.into(), &3.into()));
    let back = find(&trace["returns"], "event", "edited");
    assert_eq!((&back["argument"], &back["place"], &back["unaltered"]), (&1.into(), &"$.text".into(), &true.into()));
    let got = |who: &str| back["to"][who]["got"].as_u64().unwrap();
    assert_eq!((got("sender"), got("others"), got("outside")), (0, 6, 0), "{said}");
    assert_eq!(find(&trace["others"], "event", "saved")["to"]["sender"]["got"], 3);
    runs(&place, &[("SIO_AUTH_TOKEN", &token)], &[]);
    assert_eq!(app.stats()["refused"], 0, "{said}");
}

const LOGIN: &str = r#"
enter = [
  { http = { post = "/login", json = { user = "user ${user}", password = "secret" } }, status = 200, save = { token = "$.token" } },
]
auth = { token = "${token}" }
"#;

/// Behind a login whose cookie even the handshake wants.
#[test]
fn one_enters_as_a_file_says_and_no_password_is_written() {
    let Some(app) = App::start("office", &[("COOKIE", "session")]) else { return };
    let place = Place::new();
    let (exit, _, said) = inspect(&place, &app.url(), &["--listen", "10ms"]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("refuses the handshake") && said.contains("--enter"), "{said}");
    std::fs::write(place.path().join("login.toml"), LOGIN).unwrap();
    let args = [&["--enter", "login.toml", "--listen", "500ms"], &EDIT[..]].concat();
    let (exit, found, said) = inspect(&place, &app.url(), &args);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(find(&found["trace"]["returns"], "event", "edited")["to"]["others"]["got"], 6, "{said}");
    let written = found["scenario"].as_str().unwrap();
    assert!(written.contains("${env.SIO_ENTER_PASSWORD}") && !written.contains("\"secret\""), "{written}");
    runs(&place, &[("SIO_ENTER_PASSWORD", "secret")], &[]);
    std::fs::write(place.path().join("login.toml"), LOGIN.replace("\"secret\"", "\"wrong\"")).unwrap();
    let (exit, _, said) = inspect(&place, &app.url(), &args);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("enter: ") && said.contains("401"), "{said}");
}

#[test]
fn a_refusal_is_an_answer_in_the_server_s_own_words() {
    let Some(app) = App::start("office", &[]) else { return };
    let place = Place::new();
    let (exit, found, said) =
        inspect(&place, &app.url(), &["--namespace", "/docs", "--namespace", "/nowhere", "--listen", "10ms"]);
    assert_eq!(exit, 0, "the main namespace lets one in: {said}");
    let refusal = |name: &str| find(&found["namespaces"], "name", name)["refusal"].as_str().unwrap().to_owned();
    assert!(refusal("/docs").contains("token missing or wrong"), "{said}");
    assert!(refusal("/nowhere").contains("Invalid namespace"), "{said}");
}

#[test]
fn a_chat_with_confirmations_gets_a_scenario_that_passes() {
    for mode in ["plain", "history"] {
        let Some(app) = App::start("chat", &[("MODE", mode)]) else { return };
        let place = Place::new();
        let args = ["--join", r#"["join","a"]"#, "--event", r#"["say","a","${payload}"]"#, "--listen", "500ms"];
        let (exit, found, said) = inspect(&place, &app.url(), &args);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(find(&found["trace"]["returns"], "event", "message")["place"], "$.text", "{said}");
        runs(&place, &[], &[]);
    }
}

#[test]
fn the_reference_server_says_whether_recovery_is_on() {
    let place = Place::new();
    let server = place.serve(&["--recovery", "60000"]);
    let args = [
        "--join",
        r#"["join","a"]"#,
        "--event",
        r#"["emit",{"to":["a"],"except":[],"event":"msg","args":["${payload}"]}]"#,
        "--listen",
        "500ms",
    ];
    let (exit, found, said) = inspect(&place, &server.url(), &args);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(find(&found["namespaces"], "name", "/")["recovery"], true);
    assert_eq!(find(&found["trace"]["returns"], "event", "msg")["to"]["outside"]["got"], 0, "{said}");
    runs(&place, &[], &[]);
}

#[test]
fn older_clients_are_let_in_beside_the_others() {
    let place = Place::new();
    let server = place.serve(&["--eio3"]);
    let (exit, found, said) = inspect(&place, &server.url(), &["--listen", "10ms"]);
    assert_eq!((exit, &found["engine"]["older"]), (0, &true.into()), "{said}");
}

#[test]
fn a_balancer_that_goes_by_a_cookie_is_found() {
    let Some(app) = App::start("sticky", &[]) else { return };
    let place = Place::new();
    let (exit, found, said) = inspect(&place, &app.url(), &["--listen", "10ms"]);
    assert_eq!(exit, 0, "{said}");
    let sessions = &found["sessions"];
    assert_eq!(
        (&sessions["opened"], &sessions["known"], &sessions["known_with_cookies"]),
        (&3.into(), &0.into(), &3.into())
    );
    assert!(found["balancer"][0].as_str().unwrap().contains("when the cookies were shown"), "{said}");
    assert_eq!(find(&found["transports"], "name", "upgrade")["works"], true, "{said}");
}

/// Answers every connection with these bytes, or with nothing.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if !bytes.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(bytes);
            }
            // A connection that is closed would be an answer, too.
            open.push(stream);
        }
    });
    url
}

#[test]
fn what_is_no_socket_io_server_is_named() {
    let place = Place::new();
    for (answer, words) in [
        (&b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope"[..], "--path"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere/?key=1\r\ncontent-length: 0\r\n\r\n",
            "redirect to https://elsewhere/;",
        ),
        (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "wants a login"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html", "instead of a handshake"),
        (b"\0\0\0\0\0\0nonsense", "cannot reach"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "cannot"),
        (b"", "no answer within 5s"),
    ] {
        let output = place.run(&["inspect", &answering(answer)]);
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
}

/// A handshake, and then nothing: it is said that nobody was let in.
#[test]
fn a_server_that_never_answers_a_connect_gets_an_answer() {
    let place = Place::new();
    let url = answering(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 99\r\nconnection: close\r\n\r\n\
          0{\"sid\":\"abcdefghijklmnopqrst\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"m\":10000000}",
    );
    let output = place.run(&["inspect", &url, "--listen", "10ms"]);
    assert_eq!(code(&output), 3, "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("nobody was let in"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_sends_nothing() {
    let place = Place::new();
    for (args, words) in [
        (&["inspect", "nowhere"][..], "expected http://HOST:PORT"),
        (&["inspect", "http://127.0.0.1:1", "--event", "[\"say\"]"], "no `${payload}`"),
        (&["inspect", "http://127.0.0.1:1", "--event", "say"], "JSON array"),
        (&["inspect", "http://127.0.0.1:1", "--auth", "[1]"], "expected an object"),
        (&["inspect", "http://127.0.0.1:1", "--header", "x"], "NAME: VALUE"),
        (&["inspect", "http://127.0.0.1:1", "--namespace", "docs"], "starts with `/`"),
    ] {
        let output = place.run(args);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
}

/// An application that changes its texts: by a token in a field that it keeps.
#[test]
fn a_token_tells_where_a_text_does_not_come_back() {
    let Some(app) = App::start("room", &[("FAULT", "all-upper")]) else { return };
    let place = Place::new();
    let event = r#"["say","a","${payload}","${token int}"]"#;
    let args = ["--join", r#"["join","a"]"#, "--event", event, "--listen", "500ms"];
    let (exit, found, said) = inspect(&place, &app.url(), &args);
    assert_eq!(exit, 0, "{said}");
    let back = |identity| find(&found["trace"]["returns"], "identity", identity);
    assert!(back("stamp")["altered"].as_str().unwrap().contains("case"), "{said}");
    assert_eq!((&back("token")["place"], &back("token")["to"]["others"]["got"]), (&"$.id".into(), &6.into()), "{said}");
    assert!(found["scenario"].as_str().unwrap().contains("identify    = \"$.id\""), "{said}");
    runs(&place, &[], &[]);
}
