//! Workers on hosts that ssh reaches, with the coordinator where the script runs.

use super::{Broker, Manifest, Order, VIA, comments, shell, title};

/// How long coordinator and workers wait for each other: ssh is quick.
const WAIT: &str = "--wait=2m";

/// A script for any POSIX shell. Its exit code is the verdict.
pub fn ssh(order: &Order, program: &str, broker: &Broker, hosts: &[String]) -> Manifest {
    let program = [program.to_owned()];
    let wait = [WAIT.to_owned()];
    let remarks = comments(&[
        title(order, "for hosts that ssh reaches"),
        "  sh THIS-FILE".to_owned(),
        "Nobody is asked for a password: an agent has the keys. Ctrl-C stops the run; what the workers have is put together.".to_owned(),
    ]);
    let settings = shell::settings(order, broker);
    let remote = shell::quote(&remote(order, &program[0]));
    let names = names(order);
    let values: Vec<String> = names.iter().map(|name| format!("\"${name}\"")).collect();
    let values = values.join(" ");
    // Where there are more workers than hosts, these take turns.
    let workers = hosts.iter().cycle().zip(1..=order.workers);
    let workers: Vec<String> =
        workers.map(|(host, slot)| format!("worker {} {slot} &\n", shell::quote(host))).collect();
    let workers = workers.concat();
    let coordinator = shell::line(program.iter().chain(&order.coordinator).chain(&wait));
    format!(
        "#!/bin/sh\n{remarks}
set -u
{settings}
# What a host runs. Settings come over its standard input: a command line can be seen by others.
remote={remote}

worker() {{
  printf '%s\\n' {values} | ssh -o BatchMode=yes -- \"$1\" \"$remote $2\"
  ended=$?
  if [ \"$ended\" -ne 0 ]; then
    printf 'worker %s on %s has ended with exit code %s\\n' \"$2\" \"$1\" \"$ended\" >&2
  fi
}}

# The coordinator hears Ctrl-C as well, and tells the workers; what they bring is waited for.
trap : INT
{workers}
{coordinator}
verdict=$?

# Where nothing was sent, workers give up by themselves.
if [ \"$verdict\" -ne 2 ]; then
  wait
fi
exit \"$verdict\"
"
    )
    .into()
}

/// What is set on each host.
fn names(order: &Order) -> Vec<&str> {
    std::iter::once(VIA).chain(order.variables.iter().map(String::as_str)).collect()
}

/// A command for a login shell of any kind; the number of the part comes behind it.
fn remote(order: &Order, program: &str) -> String {
    let names = names(order);
    let read: Vec<String> = names.iter().map(|name| format!("IFS= read -r {name} && ")).collect();
    let read = read.concat();
    let words = [program.to_owned()];
    let wait = [WAIT.to_owned()];
    let worker = shell::line(words.iter().chain(&order.worker()).chain(&wait));
    let inner = format!("{read}export {} && exec {worker} --slot=\"$1\"", names.join(" "));
    format!("exec sh -c {} sh", shell::quote(&inner))
}
