//! A run while it goes on, as others see it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use crate::common::{Place, code, is_sound, scenario, stderr};

pub fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn prometheus_may_ask() {
    let place = Place::new();
    let address = free_address();
    let mut running = place.start(&["run", &scenario("small.toml"), "--out", "out", "--metrics", &address]);
    running.wait_for("steady");
    let answer = get(&address).unwrap();
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    assert!(answer.contains("sio_bench_users_connected{scenario=\"small\",phase=\"steady\"} 40\n"), "{answer}");
    let bucket = "sio_bench_latency_seconds_bucket{scenario=\"small\",measure=\"tell.delivery\",le=\"+Inf\"} ";
    assert!(answer.contains(bucket) && !answer.contains("worker="), "{answer}");
    assert!(answer.ends_with("# EOF\n"));
    // The dashboard asks for nothing that is not told.
    let dashboard = include_str!("../../../docs/grafana/sio-bench.json");
    let words = dashboard.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut asked: Vec<&str> = words.filter(|word| word.starts_with("sio_bench_")).collect();
    asked.sort_unstable();
    asked.dedup();
    assert!(asked.len() >= 12, "{asked:?}");
    for name in asked {
        assert!(answer.contains(&format!("\n{name}{{")), "the dashboard asks for {name}: {answer}");
    }
    let (exit, said) = running.finish();
    assert!(is_sound(exit, &said), "{said}");
    assert!(get(&address).is_none(), "it ends with the run");
}

/// What a collector gets in the end is what the run ended with.
#[test]
fn a_collector_is_told() {
    let (told, heard) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut part = vec![0; 65536];
            // The exporter says how long its body is.
            let whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request);
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length =
                    head.to_lowercase().split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
                (body.len() >= length).then(|| text.into_owned())
            };
            while let Ok(length @ 1..) = stream.read(&mut part) {
                request.extend_from_slice(&part[..length]);
                if let Some(text) = whole(&request) {
                    let _ = told.send(text);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
                    break;
                }
            }
        }
    });
    let place = Place::new();
    let output = place.run(&["run", &scenario("small.toml"), "--out", "out", "-q", "--otlp", &url]);
    assert!(is_sound(output.status.code(), &String::from_utf8_lossy(&output.stdout)), "{}", stderr(&output));
    let last = heard.try_iter().last().unwrap();
    assert!(last.starts_with("POST /v1/metrics "), "{last}");
    for name in
        ["sio_bench_sent", "sio_bench_delivered", "sio_bench_generator_late_quantile_seconds", "sio_bench_cpu_seconds"]
    {
        assert!(last.contains(&format!("\"{name}\"")), "{name}: {last}");
    }
}

#[test]
fn nobody_can_be_told_where_nobody_can_be() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, value, problem) in [
        ("--metrics", &*address, "cannot serve --metrics at"),
        ("--metrics", "nowhere", "invalid value 'nowhere'"),
        ("--otlp", "127.0.0.1:4318", "expected --otlp http://HOST:4318"),
    ] {
        let output = place.run(&["run", &scenario("small.toml"), option, value]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
    }
    assert!(!place.path().join("runs").exists(), "nothing was started");
}

#[test]
fn a_run_is_followed_from_its_record() {
    let place = Place::new();
    let mut running = place.start(&["run", &scenario("small.toml"), "--out", "out"]);
    running.wait_for("steady");
    let followed = place.run(&["report", "out", "--follow"]);
    let said = String::from_utf8_lossy(&followed.stdout).into_owned();
    let (exit, own) = running.finish();
    assert!(is_sound(exit, &own), "{own}");
    assert!(said.contains("steady") && said.contains("users 40/40"), "{said}");
    let last = own.lines().rev().find(|line| line.contains("(exit ")).unwrap();
    assert!(said.trim_end().ends_with(last), "it ends as the run did: {said}");
}
