//! Which resource ran out under a load, as far as it can be seen from here.

use std::fs;
use std::net::IpAddr;

use crate::record::LoadResult;
use crate::report::suffers;
use crate::vocab::text::bytes;

/// From here on a resource is as good as used up.
const FULL: f64 = 0.9;

/// What the machine has that sio-bench runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    pub cores: f64,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes a second of its fastest link to others.
    pub link: Option<f64>,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        // In megabits; virtual links say -1, or nothing at all.
        let speeds =
            links.filter_map(|link| fs::read_to_string(link.path().join("speed")).ok()?.trim().parse::<f64>().ok());
        let link = speeds.filter(|speed| *speed > 0.0).map(|speed| speed * 1e6 / 8.0).reduce(f64::max);
        Self { cores, memory, link }
    }
}

/// `MemTotal` of `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Whether a URL is of this machine, so that no network is in between.
fn is_here(url: &str) -> bool {
    let authority = url.split("//").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What ran out, in words. `url` is that of the target.
pub fn used_up(load: &LoadResult, workers: usize, url: &str, machine: &Machine) -> String {
    let seconds = load.cpu.seconds.max(f64::MIN_POSITIVE);
    let busiest = load.worker_time.iter().map(|time| time.busy).fold(0.0, f64::max);
    let (target, own) = (load.cpu.target.map(|used| used / seconds), load.cpu.own.unwrap_or(0.0) / seconds);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if busiest >= FULL && suffers(load) {
        return format!("sio-bench's CPU: its busiest worker of {workers} used {} of a core", percent(busiest));
    }
    if let Some(target) = target.filter(|target| target + own >= FULL * machine.cores) {
        return format!(
            "this machine's CPU: the target used {} and sio-bench {} of {} cores",
            percent(target),
            percent(own),
            machine.cores
        );
    }
    let memory = load.memory.target.end.unwrap_or(0) + load.memory.own.end.unwrap_or(0);
    if let Some(all) = machine.memory.filter(|all| memory as f64 >= FULL * *all as f64) {
        return format!("this machine's memory: both sides had {} of {}", bytes(memory as f64), bytes(all as f64));
    }
    let rate = load.wire.sent.max(load.wire.received) as f64 / seconds;
    if let Some(link) = machine.link.filter(|link| !is_here(url) && rate >= FULL * link) {
        return format!("the network: {} a second of the {} that this machine's link has", bytes(rate), bytes(link));
    }
    match target {
        Some(target) if target >= FULL * load.nodes.max(1) as f64 => {
            format!("the target's CPU, if it runs on one core: it used {}", percent(target))
        }
        Some(target) => format!(
            "neither CPU nor memory nor network: the target used {} of a core and sio-bench {}; look at the target's queues, locks and limits",
            percent(target),
            percent(own)
        ),
        None => format!("not known: the target was not started by sio-bench, which used {} of a core", percent(own)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cpu, Growth, Memory, Summary, Wire, WorkerTime};

    const MACHINE: Machine = Machine { cores: 4.0, memory: Some(1_000_000_000), link: Some(125e6) };

    fn load() -> LoadResult {
        LoadResult {
            nodes: 1,
            cpu: Cpu { seconds: 10.0, own: Some(2.0), target: Some(3.0), stolen: None },
            worker_time: vec![WorkerTime { busy: 0.2, waited: 0.0 }],
            ..LoadResult::default()
        }
    }

    #[test]
    fn each_resource_is_named_when_it_is_gone() {
        let said = |change: &dyn Fn(&mut LoadResult), url: &str| {
            let mut load = load();
            change(&mut load);
            used_up(&load, 1, url, &MACHINE)
        };
        let (here, there) = ("http://127.0.0.1:3000", "http://192.0.2.7:3000/x");
        assert!(said(&|_| {}, here).starts_with("neither CPU nor memory nor network"));
        let late = Summary { count: 1, p99: 5_000_000, ..Summary::default() };
        let busy = |load: &mut LoadResult| load.worker_time[0].busy = 0.99;
        assert!(said(&busy, here).starts_with("neither"), "it was busy, and on time");
        let overrun = |load: &mut LoadResult| (load.worker_time[0].busy, load.late) = (0.99, late);
        assert!(said(&overrun, here).starts_with("sio-bench's CPU"));
        assert!(said(&|load| load.cpu.target = Some(36.0), here).starts_with("this machine's CPU"));
        assert!(said(&|load| load.cpu.target = Some(9.5), here).starts_with("the target's CPU"));
        let full = Memory { target: Growth { end: Some(950_000_000), ..Growth::default() }, ..Memory::default() };
        assert!(said(&|load| load.memory = full, here).starts_with("this machine's memory"));
        let flood = Wire { received: 1_200_000_000, ..Wire::default() };
        assert!(said(&|load| load.wire = flood, there).starts_with("the network"));
        assert!(said(&|load| load.wire = flood, here).starts_with("neither"), "there is no network in between");
        assert!(said(&|load| load.cpu.target = None, there).starts_with("not known"));
    }

    #[test]
    fn loopback_has_many_names() {
        for here in ["http://localhost:1", "http://127.0.0.9:1/a", "http://[::1]:80"] {
            assert!(is_here(here), "{here}");
        }
        assert!(!is_here("https://example.com") && !is_here(""));
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2_097_152));
    }
}
