//! `sio-bench doctor`: whether this machine is fit for measuring, and the exact command for what is not.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::time::Duration;

use sio_reference_server::limits;

use super::{complain, print};
use crate::clock::{self, PreciseSleep};
use crate::exit::Exit;
use crate::load;
use crate::record::histogram;
use crate::vocab::text::{count, plural, time};

/// Fewer files, and a load that one would call a load does not fit.
const FILES: u64 = 10_000;
/// Fewer ports of one address, likewise.
const PORTS: u64 = 20_000;
/// Connections that may wait to be accepted; a storm needs them.
const BACKLOG: u64 = 1_024;
/// Bytes of memory to spare.
const MEMORY: u64 = 512 * 1024 * 1024;
/// How late a thread may be woken, at the 99th percentile, before it shows in what is measured.
const WAKE: Duration = Duration::from_millis(1);
/// Share of the time that the host of a virtual machine may take.
const STOLEN: f64 = 0.02;
/// Wake-ups that are measured, and the time in between.
const WAKES: usize = 400;
const PAUSE: Duration = Duration::from_millis(2);

/// One finding.
struct Finding {
    what: &'static str,
    found: String,
    /// What to do about it, if something should be done.
    fix: Option<String>,
}

impl Finding {
    fn new(what: &'static str, found: String, is_fit: bool, fix: impl FnOnce() -> String) -> Self {
        Self { what, found, fix: (!is_fit).then(fix) }
    }
}

/// Looks at the machine.
pub(super) fn doctor() -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(findings())) {
        Ok(findings) => {
            let _ = print(&text(&findings));
            if findings.iter().all(|finding| finding.fix.is_none()) { Exit::Passed } else { Exit::Failed }
        }
        Err(error) => {
            complain(&format!("the machine cannot be looked at: {error}"));
            Exit::NotValid
        }
    }
}

async fn findings() -> io::Result<Vec<Finding>> {
    let mut all = vec![files(), ports()];
    all.extend([backlog(), cores(), memory(), clocksource(), quota(), neighbours()].into_iter().flatten());
    all.extend(wakes().await?);
    all.push(stamps().await?);
    Ok(all)
}

fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let word = if finding.fix.is_some() { "!!" } else { "ok" };
        let _ = writeln!(out, "  {word}  {:<16} {}", finding.what, finding.found);
        for line in finding.fix.iter().flat_map(|fix| fix.lines()) {
            let _ = writeln!(out, "                       {line}");
        }
    }
    let bad = findings.iter().filter(|finding| finding.fix.is_some()).count() as u64;
    let _ = match bad {
        0 => writeln!(out, "\nFIT: nothing of this machine stands in the way of a measurement"),
        bad => writeln!(out, "\nNOT FIT: {} to mend, each with its remedy above", plural(bad, "thing")),
    };
    out
}

fn files() -> Finding {
    let limit = limits::raise_open_files();
    Finding::new("open files", format!("{} at most: so many sockets, less 64", count(limit)), limit >= FILES, || {
        "for this shell, as root: ulimit -Hn 1048576\n\
         for good: echo '* hard nofile 1048576' >> /etc/security/limits.conf, and log in again"
            .to_owned()
    })
}

fn ports() -> Finding {
    let ports = load::local_ports().unwrap_or(0);
    let found = format!("{} of each local address; more users need `source_ips` in [target]", count(ports));
    Finding::new("local ports", found, ports >= PORTS, || {
        "sysctl -w net.ipv4.ip_local_port_range='10000 65535'".to_owned()
    })
}

fn backlog() -> Option<Finding> {
    let most: u64 = read("/proc/sys/net/core/somaxconn")?.parse().ok()?;
    let found = format!("{} connections may wait to be accepted", count(most));
    Some(Finding::new("backlog", found, most >= BACKLOG, || "sysctl -w net.core.somaxconn=4096".to_owned()))
}

fn cores() -> Option<Finding> {
    let cores = std::thread::available_parallelism().ok()?.get() as u64;
    Some(Finding::new("cores", plural(cores, "core"), cores >= 2, || {
        "with one core, sio-bench and a target on this machine take it from each other; put the target elsewhere"
            .to_owned()
    }))
}

fn memory() -> Option<Finding> {
    let text = read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let bytes = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024;
    // What a user takes, in the harness and in the kernel: about; the harness alone takes 3.5 KiB.
    let users = bytes / (16 * 1024);
    let found = format!("{} MiB to spare: for some {} idle users", count(bytes >> 20), count(users));
    Some(Finding::new("memory", found, bytes >= MEMORY, || "end what else is running, or run fewer users".to_owned()))
}

fn clocksource() -> Option<Finding> {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    let is_fast = !matches!(source.as_str(), "hpet" | "acpi_pm" | "jiffies");
    Some(Finding::new("clock", source.clone(), is_fast, || {
        format!("reading `{source}` takes a system call each time; boot with clocksource=tsc, if the machine has one")
    }))
}

/// A container may have less than its cores.
fn quota() -> Option<Finding> {
    let text = read("/sys/fs/cgroup/cpu.max")?;
    let (most, period) = text.split_once(' ')?;
    let (Ok(most), Ok(period)) = (most.parse::<f64>(), period.parse::<f64>()) else {
        return Some(Finding::new("cpu quota", "none".to_owned(), true, String::new));
    };
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let found = format!("{:.1} of {cores} cores", most / period);
    Some(Finding::new("cpu quota", found, most / period >= cores, || {
        "the container is stopped for the rest of each period when it has used its share, which looks like a slow \
         target; give it whole cores (docker run --cpuset-cpus instead of --cpus)"
            .to_owned()
    }))
}

fn neighbours() -> Option<Finding> {
    let text = read("/proc/loadavg")?;
    let load: f64 = text.split(' ').next()?.parse().ok()?;
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let found = format!("{load:.1} threads wanted a core during the last minute");
    Some(Finding::new("neighbours", found, load < cores / 2.0, || {
        "something else is running; see `top`, or wait a minute if it was sio-bench itself".to_owned()
    }))
}

/// How late the kernel wakes a thread, and what the host of a virtual machine takes meanwhile.
async fn wakes() -> io::Result<Vec<Finding>> {
    let mut sleep = PreciseSleep::new()?;
    let mut late = histogram::empty();
    let (stolen, started) = (load::cpu::stolen(), clock::now());
    for _ in 0..WAKES {
        let due = clock::now() + PAUSE;
        sleep.until(due).await?;
        histogram::record(&mut late, clock::now().saturating_duration_since(due).as_nanos() as u64);
    }
    let (p50, p99) = (late.value_at_quantile(0.5), late.value_at_quantile(0.99));
    let found =
        format!("late by {} (p50), {} (p99), {} at most", time(p50 as f64), time(p99 as f64), time(late.max() as f64));
    let mut all = vec![Finding::new("wake-ups", found, u128::from(p99) < WAKE.as_nanos(), || {
        "the kernel wakes threads too late: other programs, a power-saving governor or a busy host\n\
         cpupower frequency-set -g performance; and let nothing else run"
            .to_owned()
    })];
    if let (Some(before), Some(after)) = (stolen, load::cpu::stolen()) {
        let share = (after - before).max(0.0) / (clock::now() - started).as_secs_f64().max(f64::MIN_POSITIVE);
        let found = format!("{:.1} % of a core was taken by the host", share * 100.0);
        all.push(Finding::new("stolen", found, share < STOLEN, || {
            "others use the cores of this virtual machine; take one with cores of its own".to_owned()
        }));
    }
    Ok(all)
}

/// Whether the kernel says when it received something.
async fn stamps() -> io::Result<Finding> {
    let lag = crate::client::stamp_lag().await?;
    let found = match lag {
        Some(lag) => format!("the kernel stamps what it receives; read {} later", time(lag.as_nanos() as f64)),
        None => "the kernel does not stamp what it receives".to_owned(),
    };
    Ok(Finding::new("receive stamps", found, lag.is_some(), || {
        "latencies will hold the time that a message waits for sio-bench; watch `generator.cpu` and `generator.cpu_wait`"
            .to_owned()
    }))
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_fit_has_a_remedy() {
        let fit = Finding::new("a", "1".to_owned(), true, || "x".to_owned());
        let unfit = Finding::new("b", "2".to_owned(), false, || "do this\nor that".to_owned());
        assert!(text(&[fit]).ends_with("stands in the way of a measurement\n"));
        let said = text(&[unfit]);
        assert!(said.contains("!!  b") && said.contains("do this") && said.contains("or that"), "{said}");
        assert!(said.contains("NOT FIT: 1 thing to mend"), "{said}");
    }
}
