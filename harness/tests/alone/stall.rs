//! A target that stands still, and what is said of it.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::common::{Place, scenario};

/// What a run reports of a target that stood still for a second: the truth, the longest latency, the median,
/// and how late sio-bench itself was at most. In seconds.
fn stall() -> [f64; 4] {
    let place = Place::alone();
    let args = ["run", &scenario("small.toml"), "--out", "out", "--set", "steady=5s", "--set", "rate=300/s"];
    let mut run = place.start(&args);
    run.wait_for("steady");
    let pid = place.target_pid();
    #[expect(clippy::disallowed_methods, reason = "the truth is measured by the test itself")]
    let stopped = Instant::now();
    kill(pid, Signal::SIGSTOP).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the length of the stall is what the test sets")]
    std::thread::sleep(Duration::from_secs(1));
    kill(pid, Signal::SIGCONT).unwrap();
    let truth = stopped.elapsed().as_secs_f64();
    let (code, text) = run.finish();
    assert_eq!(code, Some(0), "{text}");
    let load = place.entry("load");
    let steady = &load["traffic"][0]["phases"][1]["latency"]["delivery"];
    let seconds = |nanos: &serde_json::Value| nanos.as_u64().unwrap() as f64 / 1e9;
    [truth, seconds(&steady["max"]), seconds(&steady["p50"]), seconds(&load["late_by_phase"]["steady"]["max"])]
}

/// The target stands still for a second; every message that was due in that second waits for it, and the
/// report must say so. A load tester that waits for the server would report milliseconds.
#[test]
fn a_stall_is_seen_in_full() {
    // A machine that is taken away from us in between shows in the lateness, and then nothing is judged by the
    // upper bound; the stall itself must never be hidden.
    const VALID: f64 = 0.02;
    // What delays sio-bench delays the server beside it as well, on its way in, through and out.
    const SHARED: f64 = 3.0;
    let mut exaggerated = Vec::new();
    for _ in 0..3 {
        let [truth, max, p50, late] = stall();
        assert!(max > truth * 0.95, "stopped for {truth:.3} s, reported max {max:.3} s");
        if late >= VALID {
            continue;
        }
        assert!(p50 < truth / 2.0, "only a fifth of the run stood still: p50 {p50:.3} s");
        if max < truth * 1.05 + SHARED * late {
            return;
        }
        // The server may have had no core when it went on, of which nobody here knows.
        exaggerated.push(format!("stopped for {truth:.3} s, reported max {max:.3} s, late {late:.3} s"));
    }
    assert!(exaggerated.len() < 3, "{}", exaggerated.join("\n"));
    eprintln!("this machine was too busy for the upper bound to be judged");
}
