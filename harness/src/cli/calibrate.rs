//! `sio-bench calibrate`: what this machine's load generator is worth.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::{RunArgs, complain, print, run};
use crate::aside::aside;
use crate::calibrate::delay_server::DelayServer;
use crate::calibrate::{Calibration, Floor, Stall, store};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::record::{Entry, LoadResult};
use crate::vocab::text::{count, time};

/// Delays that are injected.
const DELAYS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(100)];
const STALL: Duration = Duration::from_secs(1);
/// How long the load with the stall is measured; it begins behind a second of warm-up.
const STALL_LENGTH: Duration = Duration::from_secs(5);
/// Messages a second of the loads that measure delays.
const RATE: u64 = 500;
/// Lateness with which a schedule counts as kept, at the 99th percentile.
const KEPT: Duration = Duration::from_millis(1);
/// Rates that are tried.
const ECHOES: [u64; 7] = [2_000, 5_000, 10_000, 20_000, 35_000, 50_000, 70_000];
/// Messages a second in a room of [`ROOM`].
const BROADCASTS: [u64; 7] = [20, 50, 100, 200, 400, 700, 1_000];
const ROOM: u64 = 1_000;

/// Why there is no calibration.
enum Trouble {
    Failed(String),
    Interrupted,
}

pub(super) fn calibrate() -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done =
        runtime.map_err(|error| Trouble::Failed(error.to_string())).and_then(|runtime| runtime.block_on(measure()));
    match done {
        Ok(calibration) => {
            let _ = print(&text(&calibration));
            match store::write(&calibration) {
                Ok(path) => {
                    let _ = print(&format!("kept in {}\n", path.display()));
                    Exit::Passed
                }
                Err(problem) => {
                    complain(&problem);
                    Exit::NotValid
                }
            }
        }
        Err(Trouble::Interrupted) => Exit::Interrupted,
        Err(Trouble::Failed(problem)) => {
            complain(&format!("this machine could not be calibrated: {problem}"));
            Exit::NotValid
        }
    }
}

async fn measure() -> Result<Calibration, Trouble> {
    let place = std::env::temp_dir().join(format!("sio-bench-calibrate-{}", std::process::id()));
    std::fs::create_dir_all(&place).map_err(|error| Trouble::Failed(format!("{}: {error}", place.display())))?;
    let mut bench = Bench {
        server: DelayServer::start().map_err(Trouble::Failed)?,
        interrupt: Interrupt::listen().map_err(|error| Trouble::Failed(error.to_string()))?,
        place: place.clone(),
        loads: 0,
    };
    let found = bench.everything().await;
    // What is left of it does no harm.
    let _ = std::fs::remove_dir_all(place);
    found
}

/// Where loads are run one after another.
struct Bench {
    server: DelayServer,
    interrupt: Interrupt,
    place: PathBuf,
    loads: u32,
}

impl Bench {
    async fn everything(&mut self) -> Result<Calibration, Trouble> {
        let mut floors = Vec::new();
        for delay in DELAYS {
            say(&format!("a delay of {}", time(delay.as_nanos() as f64)));
            floors.push(self.floor(delay).await?);
        }
        say("a stall of 1 s");
        let stall = self.stall().await?;
        self.server.delay(Duration::ZERO);
        say("echoes");
        let url = self.server.url.clone();
        let echoes_per_second = self.fastest(&ECHOES, &url, |rate| echo(rate, 200, Duration::from_secs(2))).await?;
        say("deliveries");
        let deliveries_per_second = self.fastest(&BROADCASTS, "reference", fan_out).await? * ROOM;
        Ok(Calibration {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            measured: run::now().to_string(),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            floors,
            stall,
            echoes_per_second,
            deliveries_per_second,
        })
    }

    async fn floor(&mut self, delay: Duration) -> Result<Floor, Trouble> {
        self.server.delay(delay);
        let url = self.server.url.clone();
        let load = self.load(&echo(RATE, 50, Duration::from_secs(3)), &url).await?;
        let taken = self.server.taken();
        let measured = load.traffic[0].latency.get("service").or(load.traffic[0].latency.get("ack"));
        let measured = measured.ok_or_else(|| Trouble::Failed("nothing was measured".to_owned()))?;
        Ok(Floor {
            injected: delay.as_nanos() as u64,
            taken: (taken.value_at_quantile(0.5), taken.value_at_quantile(0.99)),
            measured: (measured.p50, measured.p99),
        })
    }

    async fn stall(&mut self) -> Result<Stall, Trouble> {
        self.server.delay(Duration::ZERO);
        let rate = 1_000;
        // A second of warm-up, and two of the phase.
        self.server.stall(STALL, 3 * rate);
        let url = self.server.url.clone();
        let load = self.load(&echo(rate, 50, STALL_LENGTH), &url).await?;
        let measured = load.traffic[0].latency.get("ack");
        let measured = measured.ok_or_else(|| Trouble::Failed("nothing was measured".to_owned()))?;
        let taken = self.server.stalled();
        let expected = Stall::expected_p99(taken, STALL_LENGTH);
        Ok(Stall {
            taken: taken.as_nanos() as u64,
            max: measured.max,
            p99: measured.p99,
            expected_p99: expected.as_nanos() as u64,
        })
    }

    /// The largest of these rates, in rising order, at which the schedule was kept.
    async fn fastest(&mut self, rates: &[u64], target: &str, scenario: impl Fn(u64) -> String) -> Result<u64, Trouble> {
        let mut fastest = 0;
        for rate in rates {
            let load = self.load(&scenario(*rate), target).await?;
            let kept = load.late.p99 <= KEPT.as_nanos() as u64 && load.users.failed + load.users.disconnected == 0;
            if !kept {
                break;
            }
            fastest = *rate;
        }
        Ok(fastest)
    }

    /// Runs one load.
    async fn load(&mut self, scenario: &str, target: &str) -> Result<LoadResult, Trouble> {
        self.loads += 1;
        let file = self.place.join(format!("{}.toml", self.loads));
        let failed = |error: std::io::Error| Trouble::Failed(error.to_string());
        std::fs::write(&file, scenario).map_err(failed)?;
        let args = RunArgs::unseen(file, target, Vec::new(), self.place.join(self.loads.to_string()));
        let job = run::prepare(&args, |_| {}).map_err(|error| Trouble::Failed(error.to_string()))?;
        let (exit, entries) = run::execute(job, &mut self.interrupt).await.map_err(failed)?;
        if exit == Exit::Interrupted {
            return Err(Trouble::Interrupted);
        }
        let load = entries.into_iter().find_map(|entry| match entry {
            Entry::Load(load) => Some(*load),
            _ => None,
        });
        load.filter(|load| load.aborted.is_none()).ok_or_else(|| Trouble::Failed("a load came to nothing".to_owned()))
    }
}

fn say(what: &str) {
    aside(&format!("measuring {what} …"));
}

/// Acknowledgements at an even rate.
fn echo(rate: u64, people: u64, length: Duration) -> String {
    format!(
        "name = \"calibrate\"\n[users.people]\ncount = {people}\n\
         [traffic.echo]\nfrom = \"people\"\nrate = \"{rate}/s\"\narrivals = \"even\"\n\
         emit = [\"message-with-ack\", \"${{payload}}\"]\nack = true\n\
         [[phase]]\nname = \"warm up\"\nfor = \"1s\"\nmeasured = false\n\
         [[phase]]\nname = \"hold\"\nfor = \"{}s\"\n",
        length.as_secs()
    )
}

/// One room with everybody in it.
fn fan_out(rate: u64) -> String {
    format!(
        "name = \"calibrate\"\n[actions]\n\"join(r)\" = {{ emit = [\"join\", \"${{r}}\"], ack = true }}\n\
         [rooms.all]\ncount = 1\njoin = [\"join\", \"${{room}}\"]\n\
         [users.people]\ncount = {ROOM}\nconnect = \"1_000/s\"\nin = {{ all = 1 }}\n\
         [traffic.tell]\nfrom = \"people\"\nrate = \"{rate}/s\"\narrivals = \"even\"\n\
         emit = [\"emit\", {{ to = [\"${{room}}\"], event = \"msg\", args = [\"${{payload}}\"] }}]\nack = true\n\
         delivers_to = {{ event = \"msg\", rooms = [\"${{room}}\"] }}\n\
         [[phase]]\nname = \"warm up\"\nfor = \"1s\"\nmeasured = false\n[[phase]]\nname = \"hold\"\nfor = \"2s\"\n"
    )
}

/// What was found, for a terminal.
fn text(found: &Calibration) -> String {
    let mut out = format!("sio-bench {} on Linux {}, {} cores\n\n", found.version, found.kernel, found.cores);
    let _ = writeln!(out, "  injected    server took p50, p99       measured p50, p99          beyond that");
    for floor in &found.floors {
        let (p50, p99) = floor.beyond();
        let cell = |nanos: u64| format!("{:>9}", if nanos == 0 { "nothing".to_owned() } else { time(nanos as f64) });
        let _ = writeln!(
            out,
            "  {}   {} {}      {} {}      {:>9} {:>9}",
            cell(floor.injected),
            cell(floor.taken.0),
            cell(floor.taken.1),
            cell(floor.measured.0),
            cell(floor.measured.1),
            signed(p50),
            signed(p99)
        );
    }
    let stall = &found.stall;
    let _ = writeln!(
        out,
        "\n  stall       {} showed as max {} and p99 {} (must be {}): {:.1} % off",
        time(stall.taken as f64),
        time(stall.max as f64),
        time(stall.p99 as f64),
        time(stall.expected_p99 as f64),
        stall.error() * 100.0
    );
    let _ = writeln!(
        out,
        "  schedule    kept within {} (p99) at {} echoes/s and at {} deliveries/s, with the server beside it",
        time(KEPT.as_nanos() as f64),
        count(found.echoes_per_second),
        count(found.deliveries_per_second)
    );
    out
}

fn signed(nanos: f64) -> String {
    if nanos < 0.0 { format!("-{}", time(-nanos)) } else { time(nanos) }
}
