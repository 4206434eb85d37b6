use serde_json::Value;

use super::words::{host, image, label, memory, plain, program, variable};
use super::*;

/// What no shell, no YAML and no template is to read as its own.
const HOSTILE: &str = "./a b/$(touch x) `y` '; rm -rf \"z\" ${HOME} {{ q }} #ü: -\\.toml";

fn order(variables: &[&str]) -> Order {
    Order {
        name: "sio-bench-fanout".to_owned(),
        workers: 3,
        coordinator: ["run", HOSTILE, "--target=http://app:3000", "--workers=3"].map(str::to_owned).to_vec(),
        variables: variables.iter().map(|name| (*name).to_owned()).collect(),
        cpus: 4,
        memory: 1_536,
    }
}

fn at() -> Broker {
    Broker::At("nats://bench:4222".to_owned())
}

/// The documents of a YAML file that are written in JSON.
fn documents(text: &str) -> Vec<Value> {
    let lines = text.lines().skip_while(|line| line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    let documents = text.split("---\n").filter(|document| !document.trim().is_empty());
    documents.map(|document| serde_json::from_str(document).unwrap()).collect()
}

/// What a shell makes of words, one a line.
fn read_by_a_shell(line: &str) -> Vec<String> {
    let script = format!("printf '%s\\0' {line}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_shell_reads_what_was_meant() {
    let words = [HOSTILE, "", "-n", "a'b", "'", "''", "$x", "*", "~", "a=b", "--a=b c", "--seed=7", "x\\", "ü", "!1"];
    let words = words.map(str::to_owned);
    assert_eq!(read_by_a_shell(&shell::line(&words)), words);
    assert_eq!(shell::line(&["--seed=7".to_owned(), "runs/x.toml".to_owned()]), "--seed=7 runs/x.toml");
}

#[test]
fn a_job_of_kubernetes_has_a_pod_for_each_part() {
    let all = documents(&kubernetes(&order(&[]), "r/i:1", None).text);
    let kinds: Vec<_> = all.iter().map(|document| document["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Deployment", "Service", "Job"]);
    let (nats, service, job) = (&all[0], &all[1], &all[2]);
    assert_eq!(nats["spec"]["replicas"], 1);
    assert_eq!(nats["spec"]["template"]["metadata"]["labels"], service["spec"]["selector"]);
    let spec = &job["spec"];
    assert_eq!(
        (&spec["completionMode"], &spec["completions"], &spec["parallelism"], &spec["backoffLimit"]),
        (&"Indexed".into(), &3.into(), &3.into(), &0.into())
    );
    let pod = &spec["template"]["spec"];
    let worker = &pod["containers"][0];
    assert_eq!(worker["resources"]["requests"], worker["resources"]["limits"]);
    assert_eq!(worker["resources"]["limits"], serde_json::json!({ "cpu": "4", "memory": "1536Mi" }));
    let apart = &pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(apart["labelSelector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
    let address = format!("nats://{}:4222", service["metadata"]["name"].as_str().unwrap());
    assert_eq!(worker["env"], serde_json::json!([{ "name": "SIO_BENCH_VIA", "value": address }]));
}

#[test]
fn a_nats_server_that_is_there_is_not_started_again() {
    let all = documents(&kubernetes(&order(&["TOKEN"]), "i", Some(&at())).text);
    assert_eq!(all.len(), 1);
    let worker = &all[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(worker["env"][0]["value"], "nats://bench:4222");
    assert_eq!(worker["env"][1]["valueFrom"]["secretKeyRef"]["key"], "TOKEN");
    assert!(worker["args"].as_array().unwrap().contains(&"--allow-env=TOKEN".into()));
    let file = documents(&compose(&order(&[]), "i", Some(&at()), &[]).text).remove(0);
    assert_eq!(file["services"]["nats"], Value::Null);
    assert_eq!(file["services"]["worker"]["depends_on"], Value::Null);
}

#[test]
fn a_secret_address_is_referred_to() {
    let job = documents(&kubernetes(&order(&[]), "i", Some(&Broker::Secret)).text).remove(0);
    let environment = &job["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(environment[0]["valueFrom"]["secretKeyRef"]["key"], "SIO_BENCH_VIA");
    let file = documents(&compose(&order(&[]), "i", Some(&Broker::Secret), &[]).text).remove(0);
    for service in ["worker", "coordinator"] {
        let value = file["services"][service]["environment"]["SIO_BENCH_VIA"].as_str().unwrap();
        assert!(value.starts_with("${SIO_BENCH_VIA:?"), "{value}");
    }
    let job: Value = serde_json::from_str(&nomad(&order(&[]), "i", &Broker::Secret).text).unwrap();
    let task = &job["Job"]["TaskGroups"][0]["Tasks"][0];
    assert_eq!(task["Env"], serde_json::json!({}));
    assert!(
        task["Templates"][0]["EmbeddedTmpl"].as_str().unwrap().contains("SIO_BENCH_VIA={{ .SIO_BENCH_VIA | toJSON }}")
    );
    for script in [slurm(&order(&[]), "p", &Broker::Secret), ssh(&order(&[]), "p", &Broker::Secret, &["h".to_owned()])]
    {
        assert!(script.text.contains(": \"${SIO_BENCH_VIA:?"), "{}", script.text);
        assert!(!script.text.contains("SIO_BENCH_VIA=nats"), "{}", script.text);
    }
}

#[test]
fn nomad_has_a_host_for_each_worker() {
    let job: Value = serde_json::from_str(&nomad(&order(&[]), "r/i:1", &at()).text).unwrap();
    let group = &job["Job"]["TaskGroups"][0];
    assert_eq!((&group["Count"], &group["Constraints"][0]["Operand"]), (&3.into(), &"distinct_hosts".into()));
    let task = &group["Tasks"][0];
    assert_eq!(task["Env"]["SIO_BENCH_VIA"], "nats://bench:4222");
    assert_eq!((&task["Resources"]["Cores"], &task["Resources"]["MemoryMB"]), (&4.into(), &1_536.into()));
    let typed = job["Job"]["Meta"]["coordinator"].as_str().unwrap();
    assert_eq!(read_by_a_shell(typed)[2], HOSTILE);
}

#[test]
fn compose_fills_in_nothing_that_was_not_meant() {
    let mounts = [Mount { source: format!("/{HOSTILE}"), target: "/scenario/x.toml".to_owned() }];
    let file = documents(&compose(&order(&[]), "i", None, &mounts).text).remove(0);
    let services = &file["services"];
    assert_eq!(services["worker"]["deploy"]["replicas"], 3);
    let meant = |text: &Value| text.as_str().unwrap().replace("$$", "$");
    assert_eq!(meant(&services["coordinator"]["command"][1]), HOSTILE);
    assert_eq!(meant(&services["coordinator"]["volumes"][0]["source"]), format!("/{HOSTILE}"));
    let lone = services.to_string().replace("$$", "");
    assert!(!lone.contains('$'), "{lone}");
}

#[test]
fn names_in_a_scenario_lead_to_its_files_in_a_container() {
    let files = ["names.csv", "../../feeds/a.csv", "/etc/ca.pem"].map(str::to_owned);
    let (name, mounts) = inside("/a/b/c/x.toml".as_ref(), files).unwrap();
    let mounts: Vec<_> = mounts.iter().map(|mount| (mount.source.as_str(), mount.target.as_str())).collect();
    assert_eq!(name, "/scenario/d/d/x.toml");
    assert_eq!(
        mounts,
        [
            ("/a/b/c/x.toml", "/scenario/d/d/x.toml"),
            ("/a/b/c/names.csv", "/scenario/d/d/names.csv"),
            ("/a/b/c/../../feeds/a.csv", "/scenario/feeds/a.csv"),
            ("/etc/ca.pem", "/etc/ca.pem"),
        ]
    );
}

#[test]
fn what_could_be_read_as_something_else_is_no_host() {
    for fine in ["a", "bench-1.example.org", "me@10.0.0.7", "ssh://me@h:2222", "fe80::1%eth0"] {
        assert_eq!(host(fine).as_deref(), Ok(fine));
    }
    for bad in [
        "",
        "-oProxyCommand=x",
        "me@-x",
        "-x@h",
        "@h",
        "me@",
        "ssh://-x",
        "a b",
        "$(x)",
        "a;b",
        "a\nb",
        "`x`",
        "a'b",
        "a\\b",
    ] {
        assert!(host(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_comes_in_is_looked_at() {
    assert_eq!(plain(HOSTILE).as_deref(), Ok(HOSTILE));
    for bad in ["", "a\nb", "a\rb", "a\u{2028}b", "a\u{85}b", "a\u{202e}b", "\u{feff}a", "a\u{1b}b", "a\0b"] {
        assert!(plain(bad).is_err(), "{bad:?}");
    }
    assert!(image("registry.example.org:5000/a/sio-bench@sha256:00").is_ok());
    for bad in ["", "-x", "a b", "${x}", "a'b"] {
        assert!(image(bad).is_err(), "{bad}");
    }
    assert!(program("/opt/my bin/sio-bench").is_ok() && program("-x").is_err());
    assert_eq!((memory("2GiB"), memory("512MiB")), (Ok(2_048), Ok(512)));
    for bad in ["2", "2GB", "1.5GiB", "0MiB", "63MiB", "10241GiB", "99999999999GiB", "-1GiB"] {
        assert!(memory(bad).is_err(), "{bad}");
    }
    assert!(variable("TOKEN_1").is_ok() && variable("1X").is_err() && variable("Ü").is_err());
}

#[test]
fn names_are_labels_of_dns() {
    assert_eq!(label("fanout"), "sio-bench-fanout");
    assert_eq!(label("  My Chat: (v2) "), "sio-bench-my-chat-v2");
    assert_eq!(label("ünïcode"), "sio-bench-n-code");
    assert_eq!((label("日本"), label("-")), ("sio-bench-run".to_owned(), "sio-bench-run".to_owned()));
    let long = label(&"x-".repeat(100));
    assert!(long.len() <= 40 && !long.ends_with('-'), "{long}");
}
