//! Users that follow a flow: what they are told, what they do, and what is said of it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Place, code, has_node, is_sound, listen, stderr, stdout};

const REST: &str = "[[phase]]\nname = \"p\"\nfor = \"2s\"\n";
const FINE: &str = "[slo]\nthresholds = [\"generator.late p99 < 1m\"]\n";

/// Runs a scenario with these users; returns exit code and everything that was said.
fn run(place: &Place, users: &str, rules: &str, url: &str) -> (i32, String) {
    let text = format!("name = \"flows\"\nseed = 3\n{users}\n{REST}{rules}");
    std::fs::write(place.path().join("flows.toml"), text).unwrap();
    let _ = std::fs::remove_dir_all(place.out());
    let output = place.run(&["run", "flows.toml", "--target", url, "--out", "out", "-q"]);
    (code(&output), stdout(&output) + &stderr(&output))
}

fn visits(place: &Place, users: &str) -> [u64; 5] {
    let visits = &place.entry("load")["iterations"][users];
    ["begun", "finished", "failed", "starved", "cut"].map(|name| visits[name].as_u64().unwrap())
}

fn step(place: &Place, name: &str) -> Value {
    let steps = place.entry("load")["steps"].clone();
    steps.as_array().unwrap().iter().find(|step| step["name"] == name).unwrap().clone()
}

#[test]
fn the_standard_journey_adds_up() {
    let place = Place::new();
    let args = ["run", "journey", "--set", "arrivals=60/s", "--set", "length=2s", "-q", "--out", "out"];
    let output = place.run(&args);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    let [begun, finished, failed, starved, cut] = visits(&place, "visitors");
    assert_eq!((failed, starved, begun), (0, 0, finished + cut));
    let done = |name: &str| {
        let phases = step(&place, name)["phases"].clone();
        phases.as_array().unwrap().iter().map(|phase| phase["done"].as_u64().unwrap()).sum::<u64>()
    };
    // Everybody who went through heard themselves once, and asked one to three times.
    assert!((finished..=begun).contains(&done("hear myself")));
    assert!((finished..=3 * begun).contains(&done("ask")));
    assert!(done("photo") < begun / 2);
    // The same people come, whoever lets them in.
    std::fs::remove_dir_all(place.out()).unwrap();
    let output = place.run(&[&args[..], &["--workers", "2"]].concat());
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    assert_eq!(visits(&place, "visitors")[0], begun);
}

/// A server that can recover sessions puts an offset behind the arguments of each event, which no application has sent.
#[test]
fn an_offset_is_no_argument() {
    let place = Place::new();
    let flow = "flow = [{ connect = \"/\" }, { emit = [\"emit\", { event = \"e\", args = [\"x\"] }] }, \
                { expect = [\"e\", \"x\"], name = \"hear\" }, { disconnect = true }, { think = \"50ms\" }]";
    for recovery in ["", "options = { recovery = \"1m\" }"] {
        let text = format!("name = \"places\"\n[target]\n{recovery}\n[users.people]\ncount = 3\n{flow}\n{REST}{FINE}");
        std::fs::write(place.path().join("places.toml"), text).unwrap();
        let _ = std::fs::remove_dir_all(place.out());
        let output = place.run(&["run", "places.toml", "--out", "out", "-q"]);
        assert_eq!(code(&output), 0, "{recovery}: {}{}", stdout(&output), stderr(&output));
        let [_, finished, failed, ..] = visits(&place, "people");
        assert!(finished > 3 && failed == 0, "{recovery}");
    }
}

/// New people come however long the others take.
#[test]
fn open_arrivals_wait_for_nobody() {
    let url = listen(|server| {
        server.of("/").on_connection(|socket| _ = socket.on("ask", |_, _| {}));
    });
    let place = Place::new();
    let users = "[users.v]\narrive = \"50/s\"\narrivals = \"even\"\n\
                 flow = [{ connect = \"/\" }, { emit = [\"ask\"], ack = true, within = \"1m\" }]";
    let (exit, said) = run(&place, users, FINE, &url);
    assert!(is_sound(Some(exit), &said), "{said}");
    assert_eq!(visits(&place, "v"), [100, 0, 0, 0, 100]);
}

/// A closed crowd never has more members than it should, and those who are through begin again.
#[test]
fn a_closed_crowd_comes_again() {
    let (present, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, top) = (present.clone(), most.clone());
    let url = listen(move |server| {
        server.of("/").on_connection(move |socket| {
            top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let left = now.clone();
            socket.on("ask", |_, event| event.ack(()));
            socket.on_disconnect(move |_, _| _ = left.fetch_sub(1, Ordering::SeqCst));
        });
    });
    let place = Place::new();
    let users = "[users.v]\ncount = 5\nconnect = \"100/s\"\n\
                 flow = [{ connect = \"/\" }, { emit = [\"ask\"], ack = [] }, { think = \"100ms\" }, { disconnect = true }]";
    let (exit, said) = run(&place, users, FINE, &url);
    assert!(is_sound(Some(exit), &said), "{said}");
    let [begun, finished, failed, ..] = visits(&place, "v");
    assert!((20..=100).contains(&begun) && finished >= 15 && failed == 0, "{said}");
    // Who says goodbye may still be there for the server when the next one is let in.
    assert!((5..=10).contains(&most.load(Ordering::SeqCst)), "{}", most.load(Ordering::SeqCst));
}

/// What the server does wrong is counted, and fails the run unless a rule says how much is fine.
#[test]
fn wrong_answers_are_counted() {
    let wrong = Arc::new(AtomicU64::new(0));
    let (asked, told) = (Arc::new(AtomicU64::new(0)), wrong.clone());
    let url = listen(move |server| {
        server.of("/").on_connection(move |socket| {
            let (asked, told) = (asked.clone(), told.clone());
            socket.on("ask", move |_, event| {
                let tenth = asked.fetch_add(1, Ordering::SeqCst) % 10 == 9;
                told.fetch_add(u64::from(tenth), Ordering::SeqCst);
                event.ack(if tenth { ("no",) } else { ("yes",) });
            });
        });
    });
    let place = Place::new();
    let users = "[users.v]\narrive = \"50/s\"\nflow = [{ connect = \"/\" }, { emit = [\"ask\"], ack = [\"yes\"], name = \"ask\" }]";
    let (exit, said) = run(&place, users, FINE, &url);
    let failed = wrong.load(Ordering::SeqCst);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(visits(&place, "v")[2], failed);
    assert_eq!(step(&place, "ask")["phases"][0]["failed"], failed);
    assert!(
        said.contains(
            "x   an iteration failed: ask: the acknowledgement differs: argument 1: expected \"yes\", found \"no\""
        ),
        "{said}"
    );
    let (exit, said) =
        run(&place, users, "[slo]\nthresholds = [\"errors <= 20%\", \"generator.late p99 < 1m\"]\n", &url);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("errors <= 20%"), "{said}");
}

/// A server that takes its time is seen to take it, and not more.
#[test]
fn what_a_step_takes_is_measured() {
    let url = listen(|server| {
        server.of("/").on_connection(|socket| {
            socket.on("ask", |socket, event| {
                let socket = socket.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    event.ack(());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    socket.emit("news", (1,)).ok();
                });
            });
        });
    });
    let place = Place::new();
    let users = "[users.v]\narrive = \"20/s\"\n\
                 flow = [{ connect = \"/\" }, { emit = [\"ask\"], ack = true, name = \"ask\" }, \
                 { think = \"500ms\" }, { expect = [\"news\", 1], name = \"news\" }]";
    let (exit, said) = run(&place, users, FINE, &url);
    assert!(is_sound(Some(exit), &said), "{said}");
    let fastest = |name: &str| step(&place, name)["latency"]["min"].as_u64().unwrap() / 1_000_000;
    assert!((100..150).contains(&fastest("ask")), "{said}");
    // From the request to the arrival, wherever in between the visitor was.
    assert!((200..250).contains(&fastest("news")), "{said}");
}

/// Each row goes to one visitor, whichever worker lets it in.
#[test]
fn rows_are_handed_out_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let names = seen.clone();
    let url = listen(move |server| {
        server.of("/").on_connection(move |socket| {
            let names = names.clone();
            socket.on("hello", move |_, event| {
                names.lock().unwrap().push(event.args.get::<String>(0).unwrap());
                event.ack(());
            });
        });
    });
    let place = Place::new();
    let rows = (0..60).map(|n| format!("user{n},{n}")).collect::<Vec<_>>().join("\n");
    std::fs::write(place.path().join("people.csv"), format!("name, age\n{rows}")).unwrap();
    let users = |rate: &str| {
        format!(
            "[feeds.people]\nfile = \"people.csv\"\nhand_out = \"once\"\n[users.v]\narrive = \"{rate}\"\narrivals = \"even\"\n\
             flow = [{{ connect = \"/\" }}, {{ emit = [\"hello\", \"${{people.name}}\"], ack = true }}]"
        )
    };
    let (exit, said) = run(&place, &users("25/s"), FINE, &url);
    assert!(is_sound(Some(exit), &said), "{said}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 50);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 50, "nobody twice");
    let (exit, said) = run(&place, &users("40/s"), FINE, &url);
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("about 80 iterations begin, and there are 60 rows, each to be handed out once"), "{said}");
}

/// When this machine runs out of descriptors, that says nothing about the server.
#[test]
fn a_machine_that_runs_out_is_not_the_servers_fault() {
    let url = listen(|server| _ = server.of("/").on_connection(|_| {}));
    let place = Place::new();
    let text = format!(
        "name = \"flows\"\n[users.v]\narrive = \"100/s\"\nflow = [{{ connect = \"/\" }}, {{ think = \"1m\" }}]\n{REST}{FINE}"
    );
    std::fs::write(place.path().join("flows.toml"), text).unwrap();
    let script = "ulimit -Sn 100; ulimit -Hn 100; exec \"$0\" \"$@\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_sio-bench"), "run", "flows.toml", "-q", "--target", &url])
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = stdout(&output) + &stderr(&output);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.contains("could not be made, for want of descriptors, ports or rows on this side"), "{said}");
    assert!(said.contains("this machine cannot open another connection: Too many open files"), "{said}");
}

/// A login over HTTP, its token and its cookie; three transports; events that answer requests. And what the shop costs.
#[test]
fn the_shop_is_open() {
    if !has_node() {
        return;
    }
    let place = Place::new();
    let output = place.run(&[
        "run",
        "shop",
        "--target",
        "shop",
        "-q",
        "--out",
        "out",
        "--set",
        "warm=1s",
        "--set",
        "hold=3s",
        "--set",
        "arrivals=40/s",
    ]);
    let said = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &said), "{said}");
    for name in ["POST /login", "connect /shop", "search", "watch", "first price"] {
        assert!(step(&place, name)["latency"]["count"].as_u64().unwrap() > 10, "{name}: {said}");
    }
    assert!(place.entry("load")["upgrade"]["count"].as_u64().unwrap() > 10, "{said}");
    assert!(place.entry("load")["cpu"]["target"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_chat_example_needs_no_fixture() {
    if !has_node() {
        return;
    }
    let place = Place::new();
    let output = place.run(&[
        "run",
        "chat-example",
        "--target",
        "chat",
        "-q",
        "--out",
        "out",
        "--set",
        "length=2s",
        "--set",
        "people=10",
    ]);
    let said = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &said), "{said}");
    let counts = &place.entry("load")["traffic"][0]["counts"];
    assert!(counts["delivered"].as_u64().unwrap() > 200 && counts["delivered"] == counts["owed"], "{said}");
}

/// What a server costs that sio-bench did not start: its process, and what it tells Prometheus.
#[test]
fn a_server_that_runs_already_is_observed() {
    let place = Place::new();
    let server = place.serve(&[]);
    let told = prometheus("process_cpu_seconds_total 1\nlag_seconds{q=\"0.5\"} 0.25\nlag_seconds{q=\"0.9\"} 0.5\n");
    let users = |observe: &str| format!("{observe}\n[users.v]\narrive = \"50/s\"\nflow = [{{ connect = \"/\" }}]");
    let own = format!("[observe]\nprocess = {}\nprometheus = \"{told}\"\nmetrics = [\"lag_seconds\"]", server.pid());
    let (exit, said) = run(&place, &users(&own), FINE, &server.url());
    assert!(is_sound(Some(exit), &said), "{said}");
    let load = place.entry("load");
    assert!(load["memory"]["target"]["end"].as_u64().unwrap() > 1_000_000, "of the process: {said}");
    let seconds: Vec<_> = place.record().into_iter().filter(|entry| entry["type"] == "progress").collect();
    assert!(seconds.iter().any(|second| second["metrics"]["lag_seconds"] == 0.75), "{seconds:?}");
    let dead = "[observe]\nprometheus = \"http://127.0.0.1:9/metrics\"";
    let (exit, said) = run(&place, &users(dead), FINE, &server.url());
    assert!(is_sound(Some(exit), &said), "{said}");
    assert!(said.contains("did not tell anything about the target"), "{said}");
}

/// A server that tells the same metrics each time; returns their URL.
fn prometheus(text: &'static str) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            let _ = stream.write_all((head + text).as_bytes());
        }
    });
    url
}
