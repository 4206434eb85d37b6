//! Workers as an Indexed Job of Kubernetes, one on each node. JSON is YAML.

use serde_json::{Value, json};

use super::{Broker, Manifest, NATS_IMAGE, Order, VIA, comments, title};

/// A Job of workers, and a NATS server unless there is one.
pub fn kubernetes(order: &Order, image: &str, broker: Option<&Broker>) -> Manifest {
    let service = format!("{}-nats", order.name);
    let own = Broker::At(format!("nats://{service}:4222"));
    let job = job(order, image, broker.unwrap_or(&own));
    let documents = match broker {
        Some(_) => vec![job],
        None => vec![nats(order, &service), front(order, &service), job],
    };
    let mut text = comments(&remarks(order, broker, &service));
    for document in documents {
        text.push_str(&format!("---\n{document:#}\n"));
    }
    text.into()
}

/// How it is used.
fn remarks(order: &Order, broker: Option<&Broker>, service: &str) -> Vec<String> {
    let mut lines = vec![title(order, "for Kubernetes, one on each node"), String::new()];
    let references =
        broker.map_or_else(|| order.references(&Broker::At(String::new())), |broker| order.references(broker));
    if !references.is_empty() {
        let values: Vec<_> = references.iter().map(|name| format!("{name}=\"${name}\"")).collect();
        lines.push("What is secret stands in a Secret, and is taken from the environment once:".to_owned());
        lines.push(format!(
            "  printf '%s\\n' {} | kubectl create secret generic {} --from-env-file=/dev/stdin",
            values.join(" "),
            order.name
        ));
    }
    lines.push("  kubectl apply -f THIS-FILE".to_owned());
    lines.push(
        "The coordinator has no users. It runs wherever it reaches the NATS server, and its exit code is the verdict:"
            .to_owned(),
    );
    let here = Broker::At("nats://127.0.0.1:4222".to_owned());
    if broker.is_none() {
        lines.push(format!("  kubectl port-forward service/{service} 4222:4222"));
    }
    lines.push(format!("  {}", order.typed(broker.unwrap_or(&here))));
    lines.push("  kubectl delete -f THIS-FILE".to_owned());
    lines
}

fn labels(order: &Order, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "sio-bench",
        "app.kubernetes.io/instance": order.name,
        "app.kubernetes.io/component": component,
    })
}

/// Cores and memory that are there for it alone: what is requested is the limit, so the pod is of the class Guaranteed.
fn resources(cpus: u32, memory: u32) -> Value {
    let both = json!({ "cpu": cpus.to_string(), "memory": format!("{memory}Mi") });
    json!({ "requests": both, "limits": both })
}

fn confined() -> Value {
    json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } })
}

fn nobody() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": 65534,
        "runAsGroup": 65534,
        "fsGroup": 65534,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

fn job(order: &Order, image: &str, broker: &Broker) -> Value {
    let labels = labels(order, "worker");
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": order.name, "labels": labels },
        "spec": {
            "completionMode": "Indexed",
            "completions": order.workers,
            "parallelism": order.workers,
            "backoffLimit": 0,
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 60,
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": nobody(),
                    "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
                        "labelSelector": { "matchLabels": labels },
                        "topologyKey": "kubernetes.io/hostname",
                    }] } },
                    "containers": [worker(order, image, broker)],
                    "volumes": [{ "name": "work", "emptyDir": {} }],
                },
            },
        },
    })
}

fn worker(order: &Order, image: &str, broker: &Broker) -> Value {
    let mut environment = match broker {
        Broker::At(address) => vec![json!({ "name": VIA, "value": address })],
        Broker::Secret => Vec::new(),
    };
    environment.extend(
        order
            .references(broker)
            .iter()
            .map(|name| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": order.name, "key": name } } })),
    );
    json!({
        "name": "worker",
        "image": image,
        "command": ["sio-bench"],
        "args": order.worker(),
        "env": environment,
        "workingDir": "/work",
        "resources": resources(order.cpus, order.memory),
        "securityContext": confined(),
        "volumeMounts": [{ "name": "work", "mountPath": "/work" }],
    })
}

fn nats(order: &Order, name: &str) -> Value {
    let labels = labels(order, "nats");
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": 1,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": nobody(),
                    "containers": [{
                        "name": "nats",
                        "image": NATS_IMAGE,
                        "args": ["--port", "4222"],
                        "ports": [{ "name": "client", "containerPort": 4222 }],
                        "readinessProbe": { "tcpSocket": { "port": "client" }, "periodSeconds": 1 },
                        "resources": resources(1, 256),
                        "securityContext": confined(),
                    }],
                },
            },
        },
    })
}

fn front(order: &Order, name: &str) -> Value {
    let labels = labels(order, "nats");
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "selector": labels,
            "ports": [{ "name": "client", "port": 4222, "targetPort": "client" }],
        },
    })
}
