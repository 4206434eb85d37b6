//! One run on several workers over NATS: it comes to what one process comes to, and whoever is lost takes nothing from what is known.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Place, Running, code, entries, has, is_sound, scenario, stderr, stdout};
use crate::live::{free_address, get};

/// A NATS server on a free port, for as long as this lives.
pub struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    /// None, and why on standard error, where there is no such program.
    pub fn start(args: &[&str]) -> Option<Self> {
        if !has("nats-server") {
            return None;
        }
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", "-1"]).args(args);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = "Listening for client connections on ";
        let address =
            lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once(listening)?.1.to_owned()));
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        Some(Self { child, address: address.unwrap() })
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Says or asks something as a stranger would, and returns the first answer.
    fn ask(&self, subject: &str, message: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let length = message.len();
        write!(stream, "CONNECT {{\"verbose\":false}}\r\nSUB mine 1\r\nPUB {subject} mine {length}\r\n{message}\r\n")
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while !line.starts_with("MSG mine") {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "no answer to {subject}");
        }
        let mut answer = vec![0; line.trim().rsplit(' ').next().unwrap().parse().unwrap()];
        reader.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a coordinator of the small load; its record is `out`.
fn lead(place: &Place, url: &str, via: &str, workers: usize, more: &[&str]) -> Running {
    let (file, workers) = (scenario("small.toml"), workers.to_string());
    let args = ["run", &file, "--target", url, "--via", via, "--workers", &workers, "--out", "out"];
    place.start(&[&args, more].concat())
}

/// Starts workers whose records are `w1` and so on.
fn workers(place: &Place, via: &str, count: usize, more: &[&str]) -> Vec<Child> {
    let start = |number: usize| {
        let out = format!("w{number}");
        let args = ["worker", "-q", "--via", via, "--out", &out];
        let mut command = place.command(&[&args, more].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    (1..=count).map(start).collect()
}

/// Exit code, and everything that was said.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), stdout(&output) + &stderr(&output))
}

fn load(place: &Place, run: &str) -> Value {
    entries(place, run, "load").remove(0)
}

fn counts(place: &Place, run: &str) -> Value {
    let mut counts = load(place, run)["traffic"][0]["counts"].clone();
    // How late this machine is differs from run to run.
    counts.as_object_mut().unwrap().remove("sent_late");
    counts
}

fn remove(place: &Place, runs: &[&str]) {
    runs.iter().for_each(|run| fs::remove_dir_all(place.path().join(run)).unwrap());
}

#[test]
fn workers_come_to_what_one_process_comes_to() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let short = ["--set", "steady=1s"];
    let alone = ["run", &scenario("small.toml"), "-q", "--target", &server.url(), "--out", "alone"];
    let output = place.run(&[&alone[..], &short].concat());
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    for count in [2, 5] {
        let leader = lead(&place, &server.url(), &broker.url(), count, &[&short[..], &["-q"]].concat());
        let parts = workers(&place, &broker.url(), count, &[]);
        let (ended, said) = leader.finish();
        assert!(is_sound(ended, &said), "{ended:?} {said}");
        for part in parts {
            let (ended, said) = end(part);
            assert!(ended == Some(6) || is_sound(ended, &said), "{ended:?} {said}");
            assert!(said.contains("the coordinator has the part"), "{said}");
        }
        assert_eq!(counts(&place, "out"), counts(&place, "alone"), "{count} workers");
        let all = load(&place, "out");
        assert_eq!(all["due"]["owed"], load(&place, "alone")["due"]["owed"], "{count} workers");
        assert_eq!(all["wire"]["payload"], load(&place, "alone")["wire"]["payload"], "{count} workers");
        assert_eq!((&all["together"]["parts"], &all["part"]), (&count.into(), &Value::Null));
        assert!(said.contains(&format!("put together of {count} parts")), "{said}");
        // What stays with a worker is what the coordinator has.
        let mut own: Vec<_> = (1..=count)
            .map(|number| fs::read(place.path().join(format!("w{number}/small.journal"))).unwrap())
            .collect();
        let mut brought: Vec<_> = (1..=count)
            .map(|number| fs::read(place.out().join(format!("parts/{number}/small.journal"))).unwrap())
            .collect();
        own.sort();
        brought.sort();
        assert!(own == brought, "the journals of {count} workers are not those that came");
        remove(&place, &["out", "w1", "w2"]);
    }
}

/// The value of a figure, if it is told.
fn figure(answer: &str, name: &str) -> Option<f64> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Whoever watches the coordinator sees all of the run and each worker, and the workers' histograms add up to the run's.
#[test]
fn the_coordinator_tells_of_all_workers() {
    let Some(broker) = Broker::start(&[]) else { return };
    let (place, address) = (Place::new(), free_address());
    let server = place.serve(&[]);
    let more = ["--set", "steady=5m", "--metrics", &address];
    let mut leader = lead(&place, &server.url(), &broker.url(), 2, &more);
    let parts = workers(&place, &broker.url(), 2, &[]);
    leader.wait_for("steady");
    // A line every ten seconds; each worker is heard of every second.
    leader.wait_for("delivered");
    let answer = get(&address).unwrap();
    for worker in [",worker=\"1\"", ",worker=\"2\"", ""] {
        let name = format!("sio_bench_delivered_total{{scenario=\"small\"{worker}}}");
        assert!(figure(&answer, &name) > Some(0.0), "{name}: {answer}");
    }
    for (measure, le) in
        [("tell.delivery", "0.0005"), ("tell.delivery", "0.01"), ("tell.delivery", "+Inf"), ("connect", "+Inf")]
    {
        let count = |worker: &str| {
            let name = format!(
                "sio_bench_latency_seconds_bucket{{scenario=\"small\"{worker},measure=\"{measure}\",le=\"{le}\"}}"
            );
            figure(&answer, &name).unwrap_or_else(|| panic!("{name}: {answer}")) as u64
        };
        assert_eq!(count(""), count(",worker=\"1\"") + count(",worker=\"2\""), "{measure} {le}");
    }
    assert!(!answer.contains("quantile="), "{answer}");
    leader.signal(Signal::SIGINT);
    assert_eq!(leader.finish().0, Some(130));
    parts.into_iter().for_each(|part| drop(end(part)));
}

/// Who is killed takes the run with it, and not what the others know.
#[test]
fn a_worker_that_is_killed_ends_the_run() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let mut leader = lead(&place, &server.url(), &broker.url(), 5, &["--set", "steady=5m"]);
    let mut parts = workers(&place, &broker.url(), 5, &[]);
    leader.wait_for("steady");
    let mut lost = parts.remove(2);
    lost.kill().unwrap();
    lost.wait().unwrap();
    let (ended, said) = leader.finish();
    let named = format!("process {}) was lost", lost.id());
    assert!(ended == Some(4) && said.contains("NOT VALID: worker") && said.contains(&named), "{ended:?} {said}");
    for part in parts {
        let (ended, said) = end(part);
        assert!(ended == Some(4) && said.contains(&named), "{ended:?} {said}");
    }
    let whole = load(&place, "out");
    assert_eq!((&whole["ended_by"], &whole["part"]), (&"elsewhere".into(), &Value::Null));
    assert_eq!(whole["users"]["requested"], 32, "of 40 users a fifth is not known");
    assert!(whole["traffic"][0]["counts"]["sent"].as_u64() > Some(0));
    let report = place.run(&["report", "out"]);
    assert!(code(&report) == 0 && stdout(&report).contains(&named), "{}", stdout(&report));
}

/// The name of a run, as its coordinator prints it.
fn name_of(leader: &mut Running) -> String {
    let line = leader.line("waits for ");
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// Kills a coordinator whose phases have begun.
fn kill_leader(leader: &mut Running) {
    leader.wait_for("steady");
    leader.child.kill().unwrap();
    leader.child.wait().unwrap();
}

/// Workers need nobody once the phases have begun, and say how their parts are put together.
#[test]
fn a_coordinator_that_is_killed_is_not_needed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let mut leader = lead(&place, &server.url(), &broker.url(), 2, &["--set", "steady=4s"]);
    let parts = workers(&place, &broker.url(), 2, &["--linger", "0s"]);
    kill_leader(&mut leader);
    for part in parts {
        let (ended, said) = end(part);
        assert!(ended == Some(6) || is_sound(ended, &said), "{ended:?} {said}");
        assert!(said.contains("the coordinator is not there any more; the part stays in w"), "{said}");
    }
    let output = place.run(&["report", "w1", "w2", "--merge", "whole"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(load(&place, "whole")["together"]["parts"], 2);
}

/// What a coordinator did not live to finish somebody else does, with the same verdict.
#[test]
fn anybody_puts_a_run_together_whose_coordinator_was_killed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let (place, via) = (Place::new(), broker.url());
    // What is lost is the server's doing, and only the whole of the run shows all of it.
    let server = place.serve(&["--fault", "drop"]);
    let mut leader = lead(&place, &server.url(), &via, 3, &["--set", "steady=4s"]);
    let run = name_of(&mut leader);
    let parts = workers(&place, &via, 3, &["--linger", "5m"]);
    kill_leader(&mut leader);
    // Asked for while the loads go on: they are waited for.
    let output = place.run(&["report", "--run", &run, "--via", &via, "--merge", "whole", "--wait", "60s"]);
    assert_eq!(code(&output), 1, "{}{}", stdout(&output), stderr(&output));
    for part in parts {
        let (ended, said) = end(part);
        assert!(matches!(ended, Some(1 | 4 | 6)) && said.contains("the part was taken"), "{ended:?} {said}");
    }
    let whole = load(&place, "whole");
    assert_eq!((&whole["together"]["parts"], &whole["users"]["requested"]), (&3.into(), &40.into()));
    assert!(whole["traffic"][0]["counts"]["missing"].as_u64() > Some(0));
    // It is what comes of the records themselves.
    let output = place.run(&["report", "w1", "w2", "w3", "--merge", "by-hand"]);
    assert_eq!(code(&output), 1, "{}{}", stdout(&output), stderr(&output));
    let by_hand = load(&place, "by-hand");
    for path in ["/traffic", "/due", "/users", "/together/by_clock"] {
        assert_eq!(whole.pointer(path), by_hand.pointer(path), "{path}");
    }
}

/// A part that nobody brings is named, and what there is is kept.
#[test]
fn a_part_that_nobody_offers_is_named() {
    let Some(broker) = Broker::start(&[]) else { return };
    let (place, via) = (Place::new(), broker.url());
    let server = place.serve(&[]);
    let mut leader = lead(&place, &server.url(), &via, 2, &["--set", "steady=2s"]);
    let run = name_of(&mut leader);
    let first = workers(&place, &via, 1, &["--slot", "1", "--linger", "5m"]).remove(0);
    let mut second = place.command(&["worker", "-q", "--via", &via, "--slot", "2", "--out", "w2", "--linger", "0s"]);
    let second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kill_leader(&mut leader);
    assert!(end(second).1.contains("the part stays in w2"));
    let output = place.run(&["report", "--run", &run, "--via", &via, "--merge", "some", "--wait", "5s"]);
    assert_eq!(code(&output), 4, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("NOT VALID: part 2 of 2 is missing"), "{}", stdout(&output));
    assert!(end(first).1.contains("the part was taken"));
    assert_eq!(load(&place, "some")["users"]["requested"], 20, "half of the users are known");
    let nobody = place.run(&["report", "--run", &run, "--via", &via, "--wait", "500ms"]);
    assert!(code(&nobody) == 4 && stderr(&nobody).contains("nobody offers a part"), "{}", stderr(&nobody));
}

/// The load does not wait for the broker, and what was said meanwhile is said again.
#[test]
fn a_broker_that_stands_still_takes_nothing() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let mut leader = lead(&place, &server.url(), &broker.url(), 2, &["--set", "steady=4s"]);
    let mut parts = workers(&place, &broker.url(), 2, &[]);
    leader.wait_for("steady");
    broker.signal(Signal::SIGSTOP);
    // Each comes to its end meanwhile, and only then has something to bring.
    for part in &mut parts {
        let mut lines = BufReader::new(part.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("record: ")), "a worker has ended without a record");
    }
    broker.signal(Signal::SIGCONT);
    let (ended, said) = leader.finish();
    assert!(is_sound(ended, &said), "{ended:?} {said}");
    parts.into_iter().for_each(|part| assert!(end(part).1.contains("the coordinator has the part")));
    let counts = counts(&place, "out");
    assert_eq!((&counts["sent"], &counts["missing"]), (&counts["scheduled"], &0.into()));
}

/// Who does not want to run something says so, and is not needed: another worker takes the part.
#[test]
fn an_operator_says_what_is_run() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let mut leader = lead(&place, &server.url(), &broker.url(), 1, &[]);
    let output = place.run(&["worker", "--via", &broker.url(), "--allow", "app.example.org", "--wait", "60s"]);
    let said = stderr(&output);
    assert!(
        code(&output) == 2 && said.contains("it sends to http://127.0.0.1:") && said.contains("nothing was sent"),
        "{said}"
    );
    leader.wait_for("does not run this: the operator of this worker does not let it");
    leader.signal(Signal::SIGINT);
    assert_eq!(leader.finish().0, Some(130));
    assert!(!place.out().exists(), "nothing was run, so nothing is recorded");
}

/// Who is started by a scheduler may be there ahead of the server, takes the part of its number, and has done its work once that is brought.
#[test]
fn a_worker_of_a_scheduler_does_its_share() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let via = format!("nats://127.0.0.1:{port}");
    let place = Place::new();
    let server = place.serve(&[]);
    let part = |index: usize| {
        let mut command = place.command(&["worker", "-q", "--scheduled", "--via", &via, "--out", &format!("w{index}")]);
        command.env("JOB_COMPLETION_INDEX", index.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut parts: Vec<_> = (0..2).map(part).collect();
    let mut waits = BufReader::new(parts[0].stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(waits.any(|line| line.contains("it is waited for")));
    // The last `-p` counts.
    let Some(_broker) = Broker::start(&["-p", &port.to_string()]) else { return };
    let leader = lead(&place, &server.url(), &via, 2, &["--set", "steady=1s", "-q"]);
    let (ended, said) = leader.finish();
    assert!(is_sound(ended, &said), "{ended:?} {said}");
    for (index, part) in parts.into_iter().enumerate() {
        assert_eq!(end(part).0, Some(0));
        let share = &load(&place, &format!("w{index}"))["part"];
        assert_eq!(share["number"], index + 1, "{share}");
    }
}

#[test]
fn a_number_that_is_none_is_refused() {
    let place = Place::new();
    for value in ["x", "-1", "1000"] {
        let mut command = place.command(&["worker", "--via", "nats://127.0.0.1:1"]);
        let output = command.env("SLURM_PROCID", value).output().unwrap();
        let said = stderr(&output);
        assert!(
            code(&output) == 2 && said.contains(&format!("SLURM_PROCID of the environment is `{value}`")),
            "{said}"
        );
    }
}

#[test]
fn another_version_is_refused_on_both_sides() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let mut leader = lead(&place, "http://127.0.0.1:1", &broker.url(), 1, &[]);
    let line = leader.line("waits for 1 workers");
    let run = line.split_whitespace().nth(1).unwrap().to_owned();
    let ask = r#"{"ask":"join","worker":"stranger","version":"0.0.1","host":"elsewhere","process":7,"part":null}"#;
    let answer = broker.ask(&format!("sio-bench.{run}.desk"), ask);
    assert!(answer.contains("\"refused\"") && answer.contains("this worker is 0.0.1"), "{answer}");
    leader.wait_for("a worker at elsewhere (process 7) is sio-bench 0.0.1");
    // Nonsense is no reason to fall over.
    assert!(broker.ask(&format!("sio-bench.{run}.desk"), "{]").contains("no question"));
    assert!(broker.ask(&format!("sio-bench.{run}.desk"), r#"{"ask":"clock"}"#).contains("\"clock\""));
    leader.signal(Signal::SIGINT);
    assert_eq!(leader.finish().0, Some(130));
}

#[test]
fn where_no_broker_is_that_is_said() {
    let place = Place::new();
    // A port that nobody has.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let via = format!("nats://me:s3cr3t-w0rd@{}", listener.local_addr().unwrap());
    drop(listener);
    let small = scenario("small.toml");
    let leader = ["run", &small, "--target", "http://127.0.0.1:1", "--workers", "2", "--via", &via];
    for args in [&leader[..], &["worker", "--via", &via]] {
        let output = place.run(args);
        let said = stderr(&output);
        assert_eq!(code(&output), 2, "{said}");
        assert!(said.contains("cannot reach a NATS server at nats://me:***@") || said.contains("[hidden]"), "{said}");
        assert!(said.contains("apt-get install nats-server") && !said.contains("s3cr3t"), "{said}");
    }
    let output =
        place.run(&["run", &small, "--target", "http://127.0.0.1:1", "--via", "http://127.0.0.1:1", "--workers", "2"]);
    assert!(code(&output) == 2 && stderr(&output).contains("invalid scheme for NATS server"), "{}", stderr(&output));
    let output = place.run(&["run", &small, "--target", "http://127.0.0.1:1", "--via", &via]);
    assert!(stderr(&output).contains("say so with --workers"), "{}", stderr(&output));
    let output = place.run(&["run", &small, "--via", &via, "--workers", "2"]);
    assert!(stderr(&output).contains("so none of them can start it"), "{}", stderr(&output));
}

/// What a worker says that finds no run: it was let in, if so.
fn knock(place: &Place, via: &str, more: &[&str]) -> String {
    let output = place.run(&[&["worker", "--via", via, "--wait", "10ms"], more].concat());
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn the_broker_decides_who_is_let_in() {
    let place = Place::new();
    let let_in = "no run wanted a worker";
    let refused = "it wants to know who this is";
    let with = |broker: &Broker, who: &str| broker.url().replace("nats://", &format!("nats://{who}@"));
    let Some(broker) = Broker::start(&["--user", "me", "--pass", "s3cr3t-w0rd"]) else { return };
    assert!(knock(&place, &with(&broker, "me:s3cr3t-w0rd"), &[]).contains(let_in));
    for via in [broker.url(), with(&broker, "me:wr0ng-w0rd")] {
        let said = knock(&place, &via, &[]);
        assert!(said.contains(refused) && !said.contains("wr0ng"), "{said}");
    }
    let Some(broker) = Broker::start(&["--auth", "t0k3n-t0k3n"]) else { return };
    let said = knock(&place, &with(&broker, "t0k3n-t0k3n"), &[]);
    assert!(said.contains(let_in) && !said.contains("t0k3n"), "{said}");
    assert!(knock(&place, &with(&broker, "wr0ng-t0k3n"), &[]).contains(refused));
}

#[test]
fn the_broker_may_speak_tls() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let Some(broker) = Broker::start(&["--tls", "--tlscert", &cert, "--tlskey", &key]) else { return };
    let via = broker.url().replace("nats://", "tls://");
    let said = knock(&place, &via, &["--via-ca", &cert]);
    assert!(said.contains("no run wanted a worker"), "{said}");
    let said = knock(&place, &via, &[]);
    assert!(said.contains("cannot reach a NATS server") && said.contains("--via-ca"), "{said}");
    // Who asks for TLS gets TLS, or nothing.
    let Some(plain) = Broker::start(&[]) else { return };
    let said = knock(&place, &plain.url().replace("nats://", "tls://"), &[]);
    assert!(said.contains("cannot reach a NATS server"), "{said}");
}
