//! Manifests and scripts that start the workers of a run elsewhere: they are made here, and run by whoever reads them.
//!
//! What somebody else has named (a path, an address, a host) is checked where it comes in ([`words`]) and written by a serializer, or quoted
//! for a shell (`shell`). Nothing secret is written down: a manifest refers to it.

mod compose;
mod kubernetes;
mod nomad;
mod shell;
mod slurm;
mod ssh;
pub mod words;

pub use compose::{Mount, compose, inside};
pub use kubernetes::kubernetes;
pub use nomad::nomad;
pub use slurm::slurm;
pub use ssh::ssh;

/// Says where the NATS server is, to everything that is started.
pub const VIA: &str = "SIO_BENCH_VIA";
/// The NATS server that is started where there is none; with a shell, by which it is asked whether it is ready.
const NATS_IMAGE: &str = "nats:2-alpine";

/// What is to be started, wherever that may be.
#[derive(Clone, Debug)]
pub struct Order {
    /// How it is called: a label of DNS.
    pub name: String,
    pub workers: u32,
    /// Behind `sio-bench`, for the coordinator, but for `--via`.
    pub coordinator: Vec<String>,
    /// Variables of the environment that the scenario reads where it runs; their values may be secret.
    pub variables: Vec<String>,
    /// Whole cores of each worker.
    pub cpus: u32,
    /// MiB of each worker.
    pub memory: u32,
}

/// A NATS server that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// Its address is no secret.
    At(String),
    /// Its address has a password or a token in it, and comes from the environment.
    Secret,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub text: String,
    /// What has to be known and has no place in it.
    pub aside: Option<String>,
}

impl From<String> for Manifest {
    fn from(text: String) -> Self {
        Self { text, aside: None }
    }
}

impl Order {
    /// Behind `sio-bench`, for a worker.
    fn worker(&self) -> Vec<String> {
        let fixed = ["worker", "--quiet", "--scheduled"].map(str::to_owned);
        fixed.into_iter().chain(self.variables.iter().map(|name| format!("--allow-env={name}"))).collect()
    }

    /// The coordinator as somebody would type it; a secret address comes from the environment.
    fn typed(&self, broker: &Broker) -> String {
        let via = match broker {
            Broker::At(address) => Some(format!("--via={address}")),
            Broker::Secret => None,
        };
        let program = ["sio-bench".to_owned()];
        shell::line(program.iter().chain(&self.coordinator).chain(&via))
    }

    /// Variables that are set by reference: their values stand nowhere.
    fn references(&self, broker: &Broker) -> Vec<&str> {
        let via = (*broker == Broker::Secret).then_some(VIA);
        via.into_iter().chain(self.variables.iter().map(String::as_str)).collect()
    }
}

/// Lines that say something to whoever reads a manifest; none of them has a line break in it.
fn comments(lines: &[String]) -> String {
    lines.iter().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
}

/// What each of them begins with.
fn title(order: &Order, what: &str) -> String {
    let workers = crate::vocab::text::plural(u64::from(order.workers), "worker");
    format!(
        "{workers} of {} {what}. Made by sio-bench {}; the coordinator and all workers must be of it",
        order.name,
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests;
