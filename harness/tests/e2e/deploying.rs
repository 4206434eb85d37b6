//! `deploy` prints what others read and run: Kubernetes, Nomad, Slurm, Compose and shells have to read it as it was meant.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::{Place, code, has, is_sound, scenario, stderr, stdout};
use crate::nats::Broker;

/// A folder and a file that no shell, no YAML and no template must read as its own.
const HOSTILE: &str = "a b/$(touch pwned) '; touch pwned; \"${HOME}\" {{ x }} #.toml";

const KINDS: [&str; 5] = ["k8s", "nomad", "slurm", "ssh", "compose"];

/// The small load under a name that is hard to write.
fn hostile(place: &Place) -> String {
    fs::create_dir(place.path().join("a b")).unwrap();
    fs::copy(scenario("small.toml"), place.path().join(HOSTILE)).unwrap();
    HOSTILE.to_owned()
}

/// What is printed; the options that each kind needs are given.
fn deploy(place: &Place, kind: &str, file: &str, more: &[&str]) -> Output {
    let own: &[&str] = match kind {
        "ssh" => &["--host", "me@one.example.org", "--host", "ssh://two.example.org:2222"],
        _ => &[],
    };
    let fixed = ["deploy", kind, file, "--workers", "3", "--target", "http://app.example.org:3000"];
    place.run(&[&fixed[..], own, more].concat())
}

fn printed(place: &Place, kind: &str, file: &str, more: &[&str]) -> String {
    let output = deploy(place, kind, file, more);
    assert_eq!(code(&output), 0, "{kind}: {}", stderr(&output));
    stdout(&output)
}

/// The documents of a YAML file that are written in JSON.
fn documents(text: &str) -> Vec<Value> {
    let lines: Vec<_> = text.lines().skip_while(|line| line.starts_with('#')).collect();
    let text = lines.join("\n");
    let documents = text.split("---\n").filter(|document| !document.trim().is_empty());
    documents.map(|document| serde_json::from_str(document).unwrap()).collect()
}

/// Holds documents against a schema of `tests/schemas`.
fn fits(schema: &str, documents: &[Value]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(schema);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for document in documents {
        let problems: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:#?}\n{document:#}");
    }
}

/// Writes a script that is found first.
fn stand_in(place: &Place, name: &str, script: &str) {
    let folder = place.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), script).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs what was printed, with the stand-ins.
fn run_script(place: &Place, script: &str, settings: &[(&str, &str)]) -> Output {
    fs::write(place.path().join("script.sh"), script).unwrap();
    let path = format!("{}:{}", place.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.arg("script.sh").current_dir(place.path()).env("PATH", path).env("NO_COLOR", "1");
    command.envs(settings.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn kubernetes_takes_what_is_printed() {
    let place = Place::new();
    let file = hostile(&place);
    let own = documents(&printed(&place, "k8s", &file, &["--image", "registry.example.org/sio-bench:1"]));
    assert_eq!(
        own.iter().map(|one| one["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Deployment", "Service", "Job"]
    );
    fits("kubernetes.json", &own);
    let there = documents(&printed(&place, "k8s", &file, &["--via", "nats://me:s3cr3t-w0rd@bench:4222"]));
    assert_eq!(there.len(), 1);
    fits("kubernetes.json", &there);
    // The schema is one that can say no.
    let mut wrong = there[0].clone();
    wrong["spec"]["completion_mode"] = "Indexed".into();
    assert!(std::panic::catch_unwind(|| fits("kubernetes.json", &[wrong])).is_err());
}

#[test]
fn compose_takes_what_is_printed() {
    let place = Place::new();
    let file = hostile(&place);
    let own = documents(&printed(&place, "compose", &file, &[]));
    fits("compose.json", &own);
    let coordinator = &own[0]["services"]["coordinator"];
    let mount = &coordinator["volumes"][0];
    let source = mount["source"].as_str().unwrap().replace("$$", "$");
    assert_eq!(fs::canonicalize(source).unwrap(), fs::canonicalize(place.path().join(HOSTILE)).unwrap());
    assert_eq!(coordinator["command"][1], mount["target"]);
    fits("compose.json", &documents(&printed(&place, "compose", "fanout", &["--via", "nats://t0k3n-t0k3n@bench"])));
}

#[test]
fn shells_read_what_is_printed() {
    let place = Place::new();
    let file = hostile(&place);
    for kind in ["slurm", "ssh"] {
        let script =
            printed(&place, kind, &file, &["--via", "nats://bench:4222", "--program", "/opt/my 'own'/sio-bench"]);
        let path = place.path().join("script.sh");
        fs::write(&path, &script).unwrap();
        let output = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}{script}", stderr(&output));
        if has("shellcheck") {
            let output = Command::new("shellcheck").args(["--severity", "warning"]).arg(&path).output().unwrap();
            assert!(output.status.success(), "{}{script}", stdout(&output));
        }
    }
}

/// Passwords and tokens are in no manifest: it refers to them, or is not printed.
#[test]
fn nothing_secret_is_printed() {
    let place = Place::new();
    let file = scenario("small.toml");
    for via in ["nats://me:s3cr3t-w0rd@bench:4222", "nats://s3cr3t-w0rd@bench:4222", "nats://me:pw@bench:4222"] {
        for kind in KINDS {
            let output = deploy(&place, kind, &file, &["--via", via]);
            let said = stdout(&output) + &stderr(&output);
            assert_eq!(code(&output), 0, "{said}");
            assert!(!said.contains("s3cr3t") && !said.contains("hidden") && !said.contains("pw@"), "{kind}: {said}");
            assert!(stdout(&output).contains("SIO_BENCH_VIA"), "{kind}: {said}");
        }
    }
    for target in ["http://me:pw@app:3000", "http://app/?token=abcdefgh", "http://app/?x=s3cr3t-W0rd"] {
        let output = place.run(&["deploy", "k8s", &file, "--workers", "2", "--target", target]);
        assert!(code(&output) == 2 && stdout(&output).is_empty(), "{target}: {}", stderr(&output));
        assert!(stderr(&output).contains("there is a secret in it"), "{target}: {}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_deployed_is_refused_with_its_reason() {
    let place = Place::new();
    let small = scenario("small.toml");
    let wrong: [(&str, &[&str], &str); 9] = [
        ("nomad", &[], "nomad starts no NATS server"),
        ("k8s", &["--program", "x"], "--program: k8s starts images"),
        ("slurm", &["--image", "x", "--via", "nats://h"], "--image: slurm starts programs"),
        ("k8s", &["--host", "h"], "--host: k8s finds its machines"),
        ("ssh", &["--via", "nats://h", "--host=-oProxyCommand=x"], "is no host"),
        ("k8s", &["--image", "a b"], "is no name of an image"),
        ("k8s", &["--memory", "2GB"], "is no size of a memory"),
        ("k8s", &["--via", "http://h"], "invalid scheme for NATS server"),
        ("k8s", &["--set", "nosuch=1"], "--set names no variable"),
    ];
    for (kind, more, why) in wrong {
        let output = deploy(&place, kind, &small, more);
        assert!(code(&output) == 2 && stderr(&output).contains(why), "{kind} {more:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty());
    }
    // What several workers cannot run is refused here already.
    let output = place.run(&["deploy", "k8s", &small, "--workers", "2"]);
    assert!(code(&output) == 2 && stderr(&output).contains("so none of them can start it"), "{}", stderr(&output));
}

/// The script is really run: `ssh` is one that has its command run here, by a shell, as a host's would.
#[test]
fn a_script_for_ssh_runs_its_workers() {
    let Some(broker) = Broker::start(&["--user", "me", "--pass", "s3cr3t-w0rd"]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let file = hostile(&place);
    let via = broker.url().replace("nats://", "nats://me:s3cr3t-w0rd@");
    stand_in(
        &place,
        "ssh",
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nprintf '%s\\n' \"$2\" >>hosts\nshift 2\n\
         printf '%s\\n' \"$*\" >>commands\nunset SIO_BENCH_VIA\nexec sh -c \"$*\"\n",
    );
    let hosts = ["--host", "one.example.org", "--host", "me@two.example.org"];
    let program = ["--program", env!("CARGO_BIN_EXE_sio-bench")];
    let fixed =
        ["deploy", "ssh", &file, "--workers", "2", "--target", &server.url(), "--set", "steady=1s", "--via", &via];
    let output = place.run(&[&fixed[..], &hosts, &program].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let script = stdout(&output);
    // What is missing is said, and nothing is begun.
    let output = run_script(&place, &script, &[]);
    assert!(code(&output) == 2 && stderr(&output).contains("SIO_BENCH_VIA"), "{}", stderr(&output));
    assert!(!place.path().join("hosts").exists());

    let output = run_script(&place, &script, &[("SIO_BENCH_VIA", &via)]);
    let said = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &said), "{said}");
    assert!(said.contains("put together of 2 parts") && !said.contains("has ended with exit code"), "{said}");
    let mut hosts: Vec<_> =
        fs::read_to_string(place.path().join("hosts")).unwrap().lines().map(str::to_owned).collect();
    hosts.sort();
    assert_eq!(hosts, ["me@two.example.org", "one.example.org"]);
    let commands = fs::read_to_string(place.path().join("commands")).unwrap();
    assert!(!commands.contains("s3cr3t") && !place.path().join("pwned").exists(), "{commands}");
}

/// The same for Slurm, with an `srun` that starts as many tasks as it was told to, each with its number.
#[test]
fn a_script_for_slurm_runs_its_workers() {
    let Some(broker) = Broker::start(&[]) else { return };
    let place = Place::new();
    let server = place.serve(&[]);
    let file = hostile(&place);
    stand_in(
        &place,
        "srun",
        "#!/bin/sh\ntasks=${1#--ntasks=}\nwhile [ \"${1#--}\" != \"$1\" ]; do shift; done\ntask=0\n\
         while [ \"$task\" -lt \"$tasks\" ]; do\n  SLURM_PROCID=$task \"$@\" &\n  task=$((task + 1))\ndone\nwait\n",
    );
    let fixed = ["deploy", "slurm", &file, "--workers", "3", "--target", &server.url(), "--set", "steady=1s"];
    let more = ["--via", &broker.url(), "--program", env!("CARGO_BIN_EXE_sio-bench")];
    let output = place.run(&[&fixed[..], &more].concat());
    let output = run_script(&place, &stdout(&output), &[]);
    let said = stdout(&output) + &stderr(&output);
    assert!(is_sound(output.status.code(), &said), "{said}");
    assert!(said.contains("put together of 3 parts"), "{said}");
    for part in 1..=3 {
        assert!(said.contains(&format!("part {part} of 3 of run")), "{said}");
    }
    assert!(!place.path().join("pwned").exists());
}
