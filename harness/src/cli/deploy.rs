//! `sio-bench deploy`: prints what starts the workers of a run elsewhere, and starts nothing.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{RunArgs, parse_override, print_commands, run};
use crate::aside::aside;
use crate::deploy::{self, Broker, Manifest, Order, words};
use crate::exit::Exit;
use crate::remote::bus::{self, Via};
use crate::scenario::{self, LoadError, Loaded, Override};
use crate::secrets;

const MORE: &str = "\
Nothing is started, and nothing secret is printed: a --via with a password or a token is referred to as SIO_BENCH_VIA of the environment \
or of a secret, and so is every variable that the scenario reads.

Examples:
  sio-bench deploy k8s fanout.toml --target http://app:3000 --workers 8 --image registry.example.org/sio-bench:0.1.0 > run.yaml
  sio-bench deploy nomad fanout.toml --target http://app:3000 --workers 8 --via nats://bench:4222 | nomad job run -json -
  sio-bench deploy slurm fanout.toml --target http://app:3000 --workers 8 --via nats://bench:4222 > run.sh && sbatch run.sh
  sio-bench deploy ssh fanout.toml --target http://app:3000 --workers 2 --via nats://bench:4222 --host a --host b | sh
  sio-bench deploy compose fanout.toml --target http://app:3000 --workers 4 > compose.yaml";

/// Options of `deploy`
#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct DeployArgs {
    /// What starts the workers
    #[arg(value_enum, value_name = "WITH")]
    with: With,

    /// Scenario file, or the name of a scenario that comes with sio-bench
    #[arg(value_name = "SCENARIO", value_parser = words::plain)]
    scenario: String,

    /// Workers, each with its share of the users
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    workers: u16,

    /// URL of the server, as the workers reach it (default: the scenario's)
    #[arg(long, short, value_name = "URL", value_parser = words::plain)]
    target: Option<String>,

    /// NATS server, as the workers reach it; Kubernetes and Compose start one where it is not given
    #[arg(long, value_name = "URL", env = "SIO_BENCH_VIA", hide_env_values = true)]
    via: Option<String>,

    /// Override a variable of [vars]; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    overrides: Vec<Override>,

    /// Seed of everything that is drawn, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,

    /// Cores of each worker, for it alone where the scheduler can do that
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    cpus: u32,

    /// Memory of each worker
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = words::memory)]
    memory: u32,

    /// Image of sio-bench, made of its Dockerfile: Kubernetes, Nomad and Compose (default: sio-bench:<version>)
    #[arg(long, value_name = "NAME", value_parser = words::image)]
    image: Option<String>,

    /// Path of sio-bench where the script runs and on every node or host: Slurm and ssh (default: sio-bench)
    #[arg(long, value_name = "PATH", value_parser = words::program)]
    program: Option<String>,

    /// A host of workers, ssh alone: HOST, USER@HOST or ssh://USER@HOST:PORT; may be repeated. Where there are more workers than hosts,
    /// they take turns
    #[arg(long = "host", value_name = "HOST", value_parser = words::host)]
    hosts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum With {
    /// Kubernetes: an Indexed Job, one worker on each node
    #[value(alias = "kubernetes")]
    K8s,
    /// Nomad: a batch job in JSON, one worker on each host
    Nomad,
    /// Slurm: a script for sbatch, one worker on each node
    Slurm,
    /// A shell script that starts workers over ssh
    Ssh,
    /// Docker Compose: containers on one machine
    Compose,
}

impl With {
    fn takes_images(self) -> bool {
        matches!(self, Self::K8s | Self::Nomad | Self::Compose)
    }

    fn starts_nats(self) -> bool {
        matches!(self, Self::K8s | Self::Compose)
    }
}

pub(super) fn deploy(args: &DeployArgs) -> Exit {
    let manifest = fits(args).map_err(LoadError::from).and_then(|()| make(args));
    let manifest = manifest.and_then(|manifest| Ok(without_secrets(manifest)?));
    match manifest {
        Ok(manifest) => {
            // It is for a shell or a scheduler, as it is.
            let is_printed = print_commands(&manifest.text);
            manifest.aside.iter().filter(|_| is_printed).for_each(|text| aside(text));
            Exit::Passed
        }
        Err(problem) => {
            run::complain_of(&problem);
            Exit::Usage
        }
    }
}

/// Whether the options are of what is asked for.
fn fits(args: &DeployArgs) -> Result<(), String> {
    let with = args.with.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    if args.image.is_some() && !args.with.takes_images() {
        return Err(format!(
            "--image: {with} starts programs and no images; leave it out, or say where the program is with --program"
        ));
    }
    if args.program.is_some() && args.with.takes_images() {
        return Err(format!(
            "--program: {with} starts images, which have their program; leave it out, or name the image with --image"
        ));
    }
    if args.with == With::Ssh && args.hosts.is_empty() {
        return Err("ssh needs hosts: --host HOST, once for each".to_owned());
    }
    if args.with != With::Ssh && !args.hosts.is_empty() {
        return Err(format!("--host: {with} finds its machines by itself; leave it out"));
    }
    if args.via.is_none() && !args.with.starts_nats() {
        return Err(format!(
            "{with} starts no NATS server; give the one that all workers reach: --via nats://HOST:4222"
        ));
    }
    Ok(())
}

fn make(args: &DeployArgs) -> Result<Manifest, LoadError> {
    let broker = args.via.as_deref().map(broker).transpose()?;
    let loaded = load(args)?;
    let reach = scenario::reach(&loaded);
    let is_file = Path::new(&args.scenario).exists();
    let (name, mounts) = match args.with {
        With::Compose if is_file => deploy::inside(Path::new(&loaded.source.name), reach.files)
            .map_err(|error| format!("the folder of {} is not known: {error}", args.scenario))?,
        _ => (args.scenario.clone(), Vec::new()),
    };
    mounts.iter().try_for_each(|mount| {
        words::plain(&mount.source).map(|_| ()).map_err(|why| format!("the path {} {why}", mount.source))
    })?;
    warn_of_loopback(args);
    let order = Order {
        name: words::label(&loaded.scenario.name),
        workers: u32::from(args.workers),
        coordinator: coordinator(args, name),
        variables: reach.variables.iter().map(|name| words::variable(name)).collect::<Result<_, _>>()?,
        cpus: args.cpus,
        memory: args.memory,
    };
    let image = args.image.clone().unwrap_or_else(|| format!("sio-bench:{}", env!("CARGO_PKG_VERSION")));
    let program = args.program.as_deref().unwrap_or("sio-bench");
    Ok(match (args.with, &broker) {
        (With::K8s, broker) => deploy::kubernetes(&order, &image, broker.as_ref()),
        (With::Compose, broker) => deploy::compose(&order, &image, broker.as_ref(), &mounts),
        (With::Nomad, Some(broker)) => deploy::nomad(&order, &image, broker),
        (With::Slurm, Some(broker)) => deploy::slurm(&order, program, broker),
        (With::Ssh, Some(broker)) => deploy::ssh(&order, program, broker, &args.hosts),
        (With::Nomad | With::Slurm | With::Ssh, None) => return Err("--via is missing".to_owned().into()),
    })
}

/// What a NATS server's address may say where everybody can read it.
fn broker(url: &str) -> Result<Broker, String> {
    // Nomad and Compose would fill something in.
    if url.contains("${") {
        return Err("--via has `${` in it; expected nats://HOST:4222 or tls://HOST:4222".to_owned());
    }
    Ok(bus::open_address(url)?.map_or(Broker::Secret, Broker::At))
}

/// Reads the scenario, and looks whether it can be run by several workers.
fn load(args: &DeployArgs) -> Result<Loaded, LoadError> {
    let via = args.via.as_deref().unwrap_or("nats://127.0.0.1:4222");
    let run = RunArgs {
        target: args.target.clone(),
        seed: args.seed,
        workers: Some(args.workers),
        via: Via::to(via),
        ..RunArgs::unseen(PathBuf::from(&args.scenario), "", args.overrides.clone(), PathBuf::from("runs"))
    };
    let mut job = run::prepare(&run, |_| {})?;
    job.loaded.pop().ok_or_else(|| format!("there is no scenario in {}", args.scenario).into())
}

/// What the coordinator is started with.
fn coordinator(args: &DeployArgs, scenario: String) -> Vec<String> {
    let scenario = if scenario.starts_with('-') { format!("./{scenario}") } else { scenario };
    let set = args.overrides.iter().map(|(name, value)| format!("--set={name}={value}"));
    let seed = args.seed.map(|seed| format!("--seed={seed}"));
    let target = args.target.as_ref().map(|target| format!("--target={target}"));
    let workers = format!("--workers={}", args.workers);
    ["run".to_owned(), scenario].into_iter().chain(set).chain(seed).chain(target).chain([workers]).collect()
}

/// A manifest is read by many, and so it is refused where it would have to be spoilt.
fn without_secrets(manifest: Manifest) -> Result<Manifest, String> {
    let all = format!("{}\n{}", manifest.text, manifest.aside.as_deref().unwrap_or_default());
    if secrets::hide(&all) == all && !has_typed_secrets() {
        return Ok(manifest);
    }
    Err("what --target, --set or a path says would stand in the manifest, and there is a secret in it\n  \
         let the scenario read it from the environment (`${env.NAME}`): the manifest then refers to it"
        .to_owned())
}

/// Whether the command line has a secret besides that of `--via`, however short.
fn has_typed_secrets() -> bool {
    let command = secrets::command();
    let before = std::iter::once("").chain(command.iter().map(String::as_str));
    command.iter().zip(before).any(|(arg, before)| {
        let is_via = before == "--via" || arg.starts_with("--via=");
        !is_via && arg.contains(secrets::HIDDEN)
    })
}

/// Says that an address leads somewhere else on other machines.
fn warn_of_loopback(args: &DeployArgs) {
    let url = args.target.as_deref().and_then(|target| url::Url::parse(target).ok());
    let is_loopback = match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if is_loopback {
        aside(
            "note: --target is an address of this machine alone; on another one, or in a container, it leads to whatever listens there",
        );
    }
}
