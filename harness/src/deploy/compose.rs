//! Coordinator, workers and NATS server in containers of one machine. JSON is YAML.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Broker, Manifest, NATS_IMAGE, Order, VIA, comments, title};

/// Where a scenario is in the coordinator's container.
const INSIDE: &str = "/scenario";
/// Where it runs there, as in the Dockerfile.
const WORK: &str = "/work";

/// A file of this machine that the coordinator reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: String,
    pub target: String,
}

/// A file for `docker compose`.
pub fn compose(order: &Order, image: &str, broker: Option<&Broker>, mounts: &[Mount]) -> Manifest {
    let own = Broker::At("nats://nats:4222".to_owned());
    let mut services = Map::new();
    if broker.is_none() {
        services.insert("nats".to_owned(), nats());
    }
    let is_own = broker.is_none();
    let broker = broker.unwrap_or(&own);
    services.insert("worker".to_owned(), worker(order, image, broker, is_own));
    services.insert("coordinator".to_owned(), coordinator(order, image, broker, (is_own, mounts)));
    let file = json!({ "name": order.name, "services": services });
    let needed = order.references(broker);
    let needed =
        if needed.is_empty() { String::new() } else { format!(" (with {} in the environment)", needed.join(" and ")) };
    let remarks = comments(&[
        title(order, "for Docker Compose"),
        format!("  docker compose -f THIS-FILE run --rm coordinator{needed}"),
        "  docker compose -f THIS-FILE down".to_owned(),
        "The coordinator's exit code is the verdict, and its record is in runs/ beside this file.".to_owned(),
        "In a container 127.0.0.1 is the container: the target needs an address that all of them reach.".to_owned(),
    ]);
    format!("{remarks}{file:#}\n").into()
}

/// Where a scenario and the files that it names relative to itself are to be mounted, so that the names lead to them.
pub fn inside(scenario: &Path, files: impl IntoIterator<Item = String>) -> std::io::Result<(String, Vec<Mount>)> {
    let files: Vec<String> = files.into_iter().collect();
    // So deep that no name climbs above the root.
    let climbs = |file: &String| Path::new(file).components().filter(|part| *part == Component::ParentDir).count();
    let depth = files.iter().map(climbs).max().unwrap_or(0);
    let folder: PathBuf = std::iter::once(INSIDE).chain(std::iter::repeat_n("d", depth)).collect();
    let name = folder.join(scenario.file_name().unwrap_or_default());
    let mut mounts = vec![mount(scenario, &name)?];
    for file in files {
        mounts.push(mount(&scenario.with_file_name(&file), &lexical(&folder.join(&file)))?);
    }
    Ok((name.to_string_lossy().into_owned(), mounts))
}

fn mount(source: &Path, target: &Path) -> std::io::Result<Mount> {
    let source = std::path::absolute(source)?.to_string_lossy().into_owned();
    Ok(Mount { source, target: target.to_string_lossy().into_owned() })
}

/// A path without `..`: nothing of it is a link in the container.
fn lexical(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => _ = whole.pop(),
            part => whole.push(part),
        }
        whole
    })
}

/// A text in which Compose fills in nothing.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn literals(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| literal(text)).collect()
}

fn environment(order: &Order, broker: &Broker) -> Map<String, Value> {
    let mut environment = Map::new();
    if let Broker::At(address) = broker {
        environment.insert(VIA.to_owned(), literal(address).into());
    }
    for name in order.references(broker) {
        environment.insert(name.to_owned(), format!("${{{name}:?is not set, and the workers need it}}").into());
    }
    environment
}

fn nats() -> Value {
    json!({
        "image": NATS_IMAGE,
        "command": ["--port", "4222", "--http_port", "8222"],
        "healthcheck": {
            "test": ["CMD", "wget", "--quiet", "--spider", "http://127.0.0.1:8222/healthz"],
            "interval": "1s",
            "retries": 60,
        },
        "restart": "no",
    })
}

fn worker(order: &Order, image: &str, broker: &Broker, is_own: bool) -> Value {
    let limits = json!({ "cpus": order.cpus.to_string(), "memory": format!("{}M", order.memory) });
    let mut service = json!({
        "image": image,
        "entrypoint": ["sio-bench"],
        "command": literals(&order.worker()),
        "environment": environment(order, broker),
        "deploy": { "replicas": order.workers, "resources": { "limits": limits } },
        "restart": "no",
        "stop_grace_period": "60s",
    });
    if is_own {
        service["depends_on"] = json!({ "nats": { "condition": "service_healthy" } });
    }
    service
}

fn coordinator(order: &Order, image: &str, broker: &Broker, (is_own, mounts): (bool, &[Mount])) -> Value {
    let bind = |mount: &Mount| json!({ "type": "bind", "source": literal(&mount.source), "target": literal(&mount.target), "read_only": true });
    let record = json!({ "type": "bind", "source": "./runs", "target": format!("{WORK}/runs"), "bind": { "create_host_path": true } });
    let volumes: Vec<Value> = mounts.iter().map(bind).chain([record]).collect();
    let mut needs = json!({ "worker": { "condition": "service_started" } });
    if is_own {
        needs["nats"] = json!({ "condition": "service_healthy" });
    }
    json!({
        "image": image,
        "entrypoint": ["sio-bench"],
        "command": literals(&order.coordinator),
        "environment": environment(order, broker),
        "working_dir": WORK,
        "volumes": volumes,
        "depends_on": needs,
        "restart": "no",
        "stop_grace_period": "60s",
    })
}
