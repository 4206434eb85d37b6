//! Workers as a job of Slurm, one on each node, with the coordinator beside the first.

use super::{Broker, Manifest, Order, comments, shell, title};

/// A script for `sbatch`. Its exit code is the verdict.
pub fn slurm(order: &Order, program: &str, broker: &Broker) -> Manifest {
    let program = [program.to_owned()];
    let (quiet, wait) = (["--quiet".to_owned()], ["--wait=5m".to_owned()]);
    let options = [
        format!("--job-name={}", order.name),
        format!("--nodes={}", order.workers),
        format!("--ntasks={}", order.workers),
        "--ntasks-per-node=1".to_owned(),
        format!("--cpus-per-task={}", order.cpus),
        format!("--mem={}M", order.memory),
    ];
    let options = options.map(|option| format!("#SBATCH {option}\n")).concat();
    let remarks = comments(&[
        title(order, "for Slurm, one on each node"),
        "  sbatch THIS-FILE".to_owned(),
        "It is submitted from a folder that all nodes have; what is secret is in the environment of sbatch, and nowhere else.".to_owned(),
    ]);
    let settings = shell::settings(order, broker);
    let (workers, cpus) = (order.workers, order.cpus);
    let worker = shell::line(program.iter().chain(&order.worker()).chain(&wait));
    let coordinator = shell::line(program.iter().chain(&order.coordinator).chain(&quiet));
    format!(
        "#!/bin/sh\n{options}{remarks}
set -u
{settings}
# srun numbers the workers, and the number is the part that each takes.
srun --ntasks={workers} --ntasks-per-node=1 --cpus-per-task={cpus} --kill-on-bad-exit=0 \\
  {worker} &
workers=$!

{coordinator}
verdict=$?

# Nothing was sent, so nobody has anything to bring.
if [ \"$verdict\" -eq 2 ]; then
  kill \"$workers\"
fi
wait \"$workers\"
exit \"$verdict\"
"
    )
    .into()
}
