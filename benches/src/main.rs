//! Runs the same work against several servers in turns and prints the table of `reports/side-by-side.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table goes to stdout, progress to stderr")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use sio_bench::target::{self, Choice, Launch, Target};
use sio_benches::fanout::{Measured, Room, open};
use sio_benches::machine::{pin, resident_kib};
use tokio::task::LocalSet;

/// Measures servers side by side: fan-out at several windows, connections, memory of the driver
#[derive(Parser)]
struct Cli {
    /// Servers: reference, names from targets/, or URLs
    #[arg(long, value_delimiter = ',', default_value = "reference,node")]
    targets: Vec<String>,
    /// Turns; the median of each figure is printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Members of the room
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// Messages in flight
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64")]
    windows: Vec<u64>,
    /// Bytes of payload
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections opened for the connection rate and the memory per user
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Processor of the servers
    #[arg(long, default_value_t = 0)]
    target_cpu: usize,
    /// Processor of this program
    #[arg(long, default_value_t = 1)]
    own_cpu: usize,
    /// The program that has `serve` (default: sio-bench beside this one)
    #[arg(long)]
    program: Option<PathBuf>,
}

/// All figures of one server: one entry per round.
struct Figures {
    name: String,
    version: String,
    fanout: Vec<Vec<Measured>>,
    connects: Vec<f64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(LocalSet::new().run_until(async { measure(&cli).await })));
    match outcome {
        Ok((memory, figures)) => {
            print_table(&cli, memory, &figures);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Not raised, the connections will say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// KiB of this program for each idle user. Measured once and first: what later connections take may be memory
/// that earlier ones gave back.
async fn memory(cli: &Cli) -> Result<f64, String> {
    let mut target = start(cli, "reference").await?;
    let before = resident_kib();
    let opened = open(&target, cli.connections, false).await;
    let (connections, _) = opened.map_err(|error| error.to_string())?;
    let grown = resident_kib().saturating_sub(before) as f64 / connections.len() as f64;
    drop(connections);
    stop(&mut target).await;
    Ok(grown)
}

async fn measure(cli: &Cli) -> Result<(f64, Vec<Figures>), String> {
    let memory = memory(cli).await?;
    let mut all: Vec<Figures> = cli
        .targets
        .iter()
        .map(|name| Figures {
            name: name.clone(),
            version: String::new(),
            fanout: vec![Vec::new(); cli.windows.len()],
            connects: Vec::new(),
        })
        .collect();
    for round in 1..=cli.rounds {
        for figures in &mut all {
            eprintln!("round {round}: {}", figures.name);
            one_round(cli, figures).await?;
        }
    }
    Ok((memory, all))
}

async fn one_round(cli: &Cli, figures: &mut Figures) -> Result<(), String> {
    let mut target = start(cli, &figures.name).await?;
    figures.version = target.info.version.clone().unwrap_or_default();
    let failed = |error: sio_bench::client::Error| format!("{}: {error}", figures.name);
    let mut room = Room::open(&target, cli.members).await.map_err(failed)?;
    for (window, results) in cli.windows.iter().zip(&mut figures.fanout) {
        let measured = room.run(&target, *window, cli.payload, Duration::from_secs(cli.seconds)).await;
        eprintln!("  window {window}: {:.0} deliveries/s, {measured:?}", measured.rate);
        results.push(measured);
    }
    if room.members().1 > 0 {
        return Err(format!("{} dropped {} of {} members", figures.name, room.members().1, room.members().0));
    }
    drop(room);
    stop(&mut target).await;

    // A fresh server, so that nothing of the fan-out is left in its memory or ours.
    let mut target = start(cli, &figures.name).await?;
    let (connections, time) = open(&target, cli.connections, false).await.map_err(failed)?;
    figures.connects.push(connections.len() as f64 / time.as_secs_f64());
    eprintln!("  {:.0} connections/s", figures.connects.last().unwrap_or(&0.0));
    drop(connections);
    stop(&mut target).await;
    Ok(())
}

async fn start(cli: &Cli, name: &str) -> Result<Target, String> {
    let choice = Choice::from(Some(name), None);
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name("sio-bench"));
    let stderr = std::env::temp_dir().join(format!("side-by-side-{}.stderr", std::process::id()));
    let env = std::collections::BTreeMap::new();
    let launch = Launch {
        journal: false,
        stderr,
        program: cli.program.clone().or(beside),
        env,
        trust: false,
        manner: Arc::default(),
    };
    // Children inherit the processor they are started on.
    pin(cli.target_cpu).map_err(|error| format!("cannot use processor {}: {error}", cli.target_cpu))?;
    let target = target::start(&choice, None, &launch).await.map_err(|error| error.to_string())?;
    pin(cli.own_cpu).map_err(|error| format!("cannot use processor {}: {error}", cli.own_cpu))?;
    Ok(target)
}

async fn stop(target: &mut Target) {
    if let Some(child) = target.child.take() {
        child.stop().await;
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print_table(cli: &Cli, memory: f64, all: &[Figures]) {
    let versions: Vec<_> = all.iter().map(|figures| format!("{} ({})", figures.name, figures.version)).collect();
    println!("Servers: {}.\n", versions.join(", "));
    println!(
        "Room of {}, payload {} bytes, {} s per figure, median of {} rounds in turns; server on processor {}, driver on {}.\n",
        cli.members, cli.payload, cli.seconds, cli.rounds, cli.target_cpu, cli.own_cpu
    );
    let names: Vec<_> = all.iter().map(|figures| figures.name.as_str()).collect();
    println!("| | {} | first : others |", names.join(" | "));
    println!("|---|{}---|", "---|".repeat(all.len()));
    for (index, window) in cli.windows.iter().enumerate() {
        let rates: Vec<f64> = all.iter().map(|f| median(f.fanout[index].iter().map(|m| m.rate))).collect();
        row(&format!("fan-out, window {window}: deliveries/s"), &rates, |rate| format!("{rate:.0}"));
        let cpu: Vec<f64> = all.iter().map(|f| median(f.fanout[index].iter().map(|m| m.target_cpu))).collect();
        row(&format!("fan-out, window {window}: server CPU, us each"), &cpu, |cpu| format!("{cpu:.2}"));
        let own: Vec<f64> = all.iter().map(|f| median(f.fanout[index].iter().map(|m| m.own_cpu))).collect();
        row(&format!("fan-out, window {window}: driver CPU, us each"), &own, |cpu| format!("{cpu:.2}"));
    }
    let connects: Vec<f64> = all.iter().map(|f| median(f.connects.iter().copied())).collect();
    row("connections/s", &connects, |rate| format!("{rate:.0}"));
    println!("\nMemory of the driver per idle user ({} WebSockets): {memory:.1} KiB.", cli.connections);
}

fn row(label: &str, values: &[f64], show: impl Fn(f64) -> String) {
    let cells: Vec<_> = values.iter().map(|value| show(*value)).collect();
    let ratios: Vec<_> = values.iter().skip(1).map(|other| format!("{:.2}", values[0] / other)).collect();
    println!("| {label} | {} | {} |", cells.join(" | "), ratios.join(", "));
}
