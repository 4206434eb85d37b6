//! Workers as a batch job of Nomad, in the JSON of its API.

use serde_json::{Map, Value, json};

use super::{Broker, Manifest, Order, VIA, title};

/// Nanoseconds that a worker has to bring its part when it is told to end.
const TIME_TO_END: u64 = 60_000_000_000;
/// MB of disk for the record of a part.
const DISK: u32 = 4_096;

/// A job with as many allocations as workers, each on a host of its own.
pub fn nomad(order: &Order, image: &str, broker: &Broker) -> Manifest {
    let coordinator = order.typed(broker);
    let job = json!({ "Job": {
        "ID": order.name,
        "Name": order.name,
        "Type": "batch",
        "Datacenters": ["*"],
        "Meta": { "about": title(order, "for Nomad, one on each host"), "coordinator": coordinator },
        "TaskGroups": [{
            "Name": "workers",
            "Count": order.workers,
            "Constraints": [{ "Operand": "distinct_hosts", "RTarget": "true" }],
            "RestartPolicy": { "Attempts": 0, "Mode": "fail" },
            "ReschedulePolicy": { "Attempts": 0, "Unlimited": false },
            "EphemeralDisk": { "SizeMB": DISK },
            "Tasks": [task(order, image, broker)],
        }],
    } });
    let references = order.references(broker);
    let first = if references.is_empty() {
        String::new()
    } else {
        format!(
            "put {} into the Nomad variable nomad/jobs/{} (`nomad var put`), then ",
            references.join(" and "),
            order.name
        )
    };
    let aside = format!(
        "{first}start the workers: nomad job run -json FILE\n  and the coordinator, wherever it reaches the NATS server: {coordinator}"
    );
    Manifest { text: format!("{job:#}\n"), aside: Some(aside) }
}

fn task(order: &Order, image: &str, broker: &Broker) -> Value {
    let mut environment = Map::new();
    if let Broker::At(address) = broker {
        environment.insert(VIA.to_owned(), address.as_str().into());
    }
    let mut task = json!({
        "Name": "worker",
        "Driver": "docker",
        "Config": { "image": image, "entrypoint": ["sio-bench"], "args": order.worker() },
        "Env": environment,
        "Resources": { "Cores": order.cpus, "MemoryMB": order.memory },
        "KillTimeout": TIME_TO_END,
    });
    let references = order.references(broker);
    if !references.is_empty() {
        task["Templates"] = json!([{
            "EmbeddedTmpl": template(&order.name, &references),
            "DestPath": "secrets/environment",
            "Envvars": true,
            "ChangeMode": "noop",
        }]);
    }
    task
}

/// Lines that Nomad fills in from its variable of the job.
fn template(name: &str, references: &[&str]) -> String {
    let line = |variable: &&str| format!("{variable}={{{{ .{variable} | toJSON }}}}\n");
    let lines: String = references.iter().map(line).collect();
    format!("{{{{ with nomadVar \"nomad/jobs/{name}\" }}}}\n{lines}{{{{ end }}}}\n")
}
