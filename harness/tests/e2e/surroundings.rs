//! What is around a run: servers that fall silent, folders that cannot be written, full disks, proxies, collectors with TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_rustls::rustls::{ServerConnection, Stream};

use crate::common::{Place, code, is_sound, scenario, stderr, stdout};

/// Three times what a hunt of ten seconds takes.
const MOST: Duration = Duration::from_secs(30);

/// The server stands still from the beginning of the hunt, with its connections open: nobody refuses, nobody answers.
#[test]
#[expect(clippy::disallowed_methods, reason = "the time of a real hunt is what is measured")]
fn a_hunt_ends_in_its_time_although_nobody_answers() {
    let place = Place::new();
    let server = place.serve(&[]);
    let started = Instant::now();
    let mut run = place.start(&["explore", "--target", &server.url(), "--time", "10s", "--out", "out"]);
    run.wait_for("exploring");
    let still = Pid::from_raw(server.pid() as i32);
    kill(still, Signal::SIGSTOP).unwrap();
    let (code, text) = run.finish();
    kill(still, Signal::SIGCONT).unwrap();
    assert!(started.elapsed() < MOST, "{:?}: {text}", started.elapsed());
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("TARGET LOST: nobody answers") && !text.contains("PASSED"), "{text}");
}

/// Runs the program in a file system of its own that `mount` has made of the folder `other`; `None` where that is not allowed, which
/// is said.
fn apart(place: &Place, mount: &str, arguments: &[&str]) -> Option<Output> {
    let allowed = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("skipped: `unshare -Urm` is not allowed here");
        return None;
    }
    std::fs::create_dir_all(place.path().join("other")).unwrap();
    let script = format!("{{ {mount}; }} >&2 && exec \"$@\"");
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script, "sh", program]).args(arguments).current_dir(place.path());
    Some(command.env("XDG_CACHE_HOME", place.path().join("cache")).output().unwrap())
}

/// What is read-only here is no trouble as long as there is a place for the record; if there is none, nothing is sent.
#[test]
fn a_checkout_that_cannot_be_written() {
    let place = Place::new();
    let read_only = "mount -t tmpfs none other && mount -o remount,ro other && cd other";
    let Some(output) = apart(&place, read_only, &["conform", "--requirement", "SIO-CN-01", "-q"]) else { return };
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("PASSED"), "{}", stdout(&output));
    let runs = std::fs::read_dir(place.path().join("cache/sio-bench/runs")).unwrap();
    assert_eq!(runs.count(), 1, "the record is below the cache");
    let nowhere = format!("{read_only} && export XDG_CACHE_HOME=$PWD/cache HOME=$PWD");
    for command in ["conform", "explore"] {
        let output = apart(&place, &nowhere, &[command, "-q"]).unwrap();
        assert_eq!(code(&output), 2, "{command}: {}{}", stdout(&output), stderr(&output));
        let said = stderr(&output);
        assert!(
            said.contains("Read-only file system") && said.contains("choose another with --out"),
            "{command}: {said}"
        );
    }
}

/// What was found is shown, whether it can be written down or not, and it is said that it was not.
#[test]
fn a_hunt_on_a_full_disk() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("own")).unwrap();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let manifest =
        format!("about = \"x\"\nstart = [\"{program}\", \"serve\", \"--port\", \"0\", \"--fault\", \"union-dup\"]\n");
    std::fs::write(place.path().join("own/target.toml"), manifest).unwrap();
    let full = "mount -t tmpfs -o size=16k none other && { head -c 32768 /dev/zero > other/ballast || true; }";
    let hunt = [
        "explore",
        "-q",
        "--target",
        "./own",
        "--time",
        "20s",
        "--failures",
        "1",
        "--shrink",
        "1s",
        "--out",
        "other/out",
    ];
    let Some(output) = apart(&place, full, &[&hunt[..], &["--store", "other/store"]].concat()) else { return };
    let (said, aside) = (stdout(&output), stderr(&output));
    assert_eq!(code(&output), 1, "{said}{aside}");
    assert!(said.contains("FAILED: 1 failure"), "{said}{aside}");
    assert!((said + &aside).contains("could not be written: No space left on device"), "{aside}");
}

/// Proxies that the environment names get nothing of what stays on this machine.
#[test]
fn proxies_of_the_environment_are_not_asked() {
    let place = Place::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let otlp = format!("http://{}", collector.local_addr().unwrap());
    let (asked, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in collector.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
            let _ = asked.send(());
        }
    });
    for arguments in [
        vec!["conform", "--requirement", "SIO-CN-01", "-q"],
        vec!["run", &scenario("small.toml"), "-q", "--otlp", &otlp],
    ] {
        let mut command = place.command(&arguments);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, &url).env(name.to_lowercase(), &url);
        }
        let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
        assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    }
    assert!(heard.try_iter().count() > 0, "the collector was told");
    let asked = proxy.accept().map(|(_, from)| from);
    assert!(asked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "somebody has asked the proxy");
}

/// The figures also reach a collector that speaks TLS, if its certificate is one that this machine trusts.
#[test]
fn a_collector_with_tls_is_told() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = sio_reference_server::tls::load(&certificate, &key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let mut session = ServerConnection::new(tls.clone()).unwrap();
            let mut stream = Stream::new(&mut session, &mut tcp);
            let mut first = vec![0; 65536];
            let Ok(length) = stream.read(&mut first) else { continue };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
            let _ = told.send(String::from_utf8_lossy(&first[..length]).into_owned());
        }
    });
    let mut command = place.command(&["run", &scenario("small.toml"), "-q", "--otlp", &url]);
    let output = command.env("SSL_CERT_FILE", &certificate).output().unwrap();
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    let requests: Vec<_> = heard.try_iter().collect();
    assert!(requests.iter().any(|request| request.starts_with("POST /v1/metrics ")), "{requests:?}");
}

/// A name that a stranger has written, or that was mistyped, may lead to what has no end: nothing reads on for ever.
#[test]
fn files_without_an_end_are_refused() {
    let place = Place::new();
    let text = std::fs::read_to_string(scenario("small.toml")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    write("feed.toml", &format!("{text}\n[feeds.f]\nfile = \"/dev/zero\"\n"));
    write("tls.toml", &format!("{text}\n[target]\ntls = {{ ca = \"/dev/zero\" }}\n"));
    std::fs::create_dir(place.path().join("record")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path().join("record/run.jsonl")).unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    for args in [
        "run /dev/zero",
        "plan feed.toml",
        &format!("run tls.toml --target https://{}", listening.local_addr().unwrap()),
        "report /dev/zero",
        "report record",
        "verify /dev/zero",
        "accept /dev/zero --reason x",
        "explore --replay /dev/zero",
        "conform --deviations /dev/zero",
        "inspect http://127.0.0.1:1 --enter /dev/zero",
    ] {
        // A bit more than the longest text takes twice.
        let script = format!("ulimit -d 900000 && exec \"$0\" {args}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_sio-bench")]);
        let output = command.current_dir(place.path()).output().unwrap();
        assert!(matches!(code(&output), 2 | 3), "{args}: {:?} {}", output.status, stderr(&output));
        assert!(stderr(&output).contains("longer than"), "{args}: {}", stderr(&output));
    }
}
