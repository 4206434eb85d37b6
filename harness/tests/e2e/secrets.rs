//! Secrets go into a target, and nowhere else: the program runs with marked ones in every place that takes them, and every
//! output is searched for the mark.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::common::{Place, listen};

const MARK: &str = "MARK-";

/// Answers each request as a login does, and says what it was told, as careless applications do.
fn login() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body = r#"{"token":"MARK-captured-10","note":"MARK-captured-10"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nSet-Cookie: sid=MARK-set-cookie-11; Path=/\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

fn scenario(login: &str) -> String {
    format!(
        r#"name = "marked"
about = "everything has a secret in it"
[vars]
word = "plain"
password = "MARK-vars-12"
[target]
headers = {{ X-Env = "${{env.SIO_MARKED}}", Authorization = "Bearer MARK-literal-13" }}
[actions]
"join(room)" = {{ emit = ["join", "${{room}}"], ack = true }}
[rooms.r]
count = 1
join = ["join", "${{room}}"]
[users.people]
count = 3
in = {{ r = 1 }}
enter = [{{ http = {{ post = "{login}/login", json = {{ user = "ada", password = "${{password}}" }} }}, status = 200, save = {{ token = "$.token" }} }}]
auth = {{ token = "${{token}}", word = "${{word}}", fixed = "MARK-literal-14" }}
query = {{ key = "MARK-literal-9&x" }}
[traffic.say]
from = "people"
rate = "20/s"
emit = ["say", "${{payload}}"]
delivers_to = {{ event = "say", rooms = ["${{room}}"] }}
[[phase]]
name = "p"
for = "1s"
[[case]]
name = "echo"
clients = {{ a = {{}} }}
steps = [{{ emit = ["echo", "${{word}}", "${{password}}"], at = "a" }}, {{ expect = ["other"], at = "a", within = "100ms" }}]
"#
    )
}

/// The application: it delivers hardly anything, and sends back what it is shown.
fn application() -> String {
    listen(|io| {
        io.of("/").on_connection(|socket| {
            socket.on("join", |_, mut event| {
                if let Some(ack) = event.take_ack() {
                    ack.send(());
                }
            });
            // To the sender alone: the others miss it.
            socket.on("say", |socket, event| {
                let _ = socket.emit("say", event.args);
            });
            socket.on("echo", |socket, event| {
                let _ = socket.emit("echoed", (format!("{:?}", event.args),));
            });
        });
    })
}

fn marks(what: &str, text: &str, found: &mut Vec<String>) {
    let text = text.lines().filter(|line| line.contains(MARK));
    found.extend(text.map(|line| format!("{what}: {}", line.chars().take(300).collect::<String>())));
}

fn marks_below(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            marks_below(&path, found);
        } else if path.file_name().unwrap() != "marked-scenario.toml" {
            marks(&path.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()), found);
        }
    }
}

fn said(what: &str, output: &Output, found: &mut Vec<String>) {
    marks(&format!("{what} (stdout)"), &String::from_utf8_lossy(&output.stdout), found);
    marks(&format!("{what} (stderr)"), &String::from_utf8_lossy(&output.stderr), found);
}

#[test]
fn no_output_has_a_secret() {
    let place = Place::new();
    let file = place.path().join("marked-scenario.toml");
    std::fs::write(&file, scenario(&login())).unwrap();
    let file = file.display().to_string();
    let url = application().replace("http://", "http://me:MARK-url-1@") + "/?ticket=MARK-url-2";
    let getting_in = [
        "--header",
        "X-Api-Key: MARK-header-3",
        "--header",
        "Cookie: a=MARK-cookie-4",
        "--header",
        "X-Upstream: redis://u:MARK-upstream-15@h:1",
        "--query",
        "access=MARK-query-5",
        "--auth",
        r#"{"token":"MARK-auth-6"}"#,
    ];
    let mut found = Vec::new();
    let mut run = |args: &[&str]| {
        let output = place.command(args).env("SIO_MARKED", "MARK-env-8").output().unwrap();
        said(args[0], &output, &mut found);
        output
    };
    let load = ["run", &file, "--target", &url, "--set", "word=MARK-set-7", "--out", "out", "--html", "page.html"];
    let ran = run(&[&load[..], &getting_in].concat());
    // It was a run that has something to tell.
    let record = place.record();
    assert!(
        record.iter().any(|entry| entry["type"] == "load"),
        "{}{}",
        crate::common::stdout(&ran),
        crate::common::stderr(&ran)
    );
    assert!(record.iter().any(|entry| entry["type"] == "case" && entry["verdict"] == "fail"), "{record:?}");
    assert!(
        record.iter().any(|entry| entry["type"] == "load" && entry["violations"][0].is_object()),
        "nothing is missing"
    );
    let command = record[0]["command"].to_string();
    assert!(command.contains("word=[hidden]") && command.contains("X-Api-Key: [hidden]"), "{command}");
    for format in ["terminal", "jsonl", "junit", "tap", "sarif", "markdown", "github", "badge", "csv", "openmetrics"] {
        run(&["report", "out", "--format", format]);
    }
    run(&["plan", &file, "--set", "word=MARK-set-7"]);
    run(&["run", &file, "--target", &url, "--set", "wrod=MARK-set-7"]);
    run(&["run", &file, "--auth", "MARK-not-json"]);
    // The same server under its other name.
    let url = url.replace("http://", "ws://");
    let event = r#"["say",{"password":"MARK-event-16"}]"#;
    run(&[&["inspect", &url, "--enter", &file, "--event", event, "--scenario", "written.toml"], &getting_in[..]]
        .concat());
    run(&[
        &["conform", "--target", &url, "--area", "handshake", "--out", "conformed", "--report", "junit=j.xml"],
        &getting_in[..],
    ]
    .concat());
    let broker = "[target]\nbroker = \"redis://u:MARK-broker-17@127.0.0.1:1\"\n";
    let chaos = "[[chaos]]\nafter = \"1s\"\nbroker = \"kill\"\nfor = \"1s\"\n";
    let joined = scenario("http://127.0.0.1:1").replace("[target]\n", broker) + chaos;
    std::fs::write(&file, joined).unwrap();
    run(&["run", &file, "--target", "node"]);
    run(&["serve", "--port", "0", "--adapter", "redis://u:MARK-broker-18@not a host"]);
    marks_below(place.path(), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
