//! How a target is talked to: TLS, headers, query, addresses, parser. Checked by what the target says it saw.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::common::{Place, code, listen, stderr, stdout};

const CASE: &str = r#"
name = "seen"
[vars]
token = "abc"
[target]
TARGET
[[case]]
name = "what the server saw"
each = { transport = ["websocket", "polling", "upgrade"] }
clients = { a = { transport = "${transport}" } }
steps = [{ at = "a", emit = ["message-with-ack", 7], ack = [7] }]
[users.u]
count = 12
transport = { websocket = 1, polling = 1, upgrade = 1 }
[traffic.t]
from = "u"
rate = "100/s"
emit = ["message-with-ack", "${payload}"]
ack = true
[[phase]]
name = "p"
for = "1s"
[slo]
thresholds = ["t.unanswered = 0", "errors <= 0%", "generator.late p99 < 1m"]
"#;

fn run(place: &Place, target: &str, url: &str) -> (i32, String) {
    std::fs::write(place.path().join("seen.toml"), CASE.replace("TARGET", target)).unwrap();
    let _ = std::fs::remove_dir_all(place.out());
    let output = place.run(&["run", "seen.toml", "--target", url, "--out", "out", "-q"]);
    (code(&output), stdout(&output) + &stderr(&output))
}

/// What the server saw of each connection: a header, the query, the address.
#[derive(Default)]
struct Seen(Mutex<Vec<Sight>>);

type Sight = (Option<String>, String, Option<IpAddr>);

fn server(seen: Arc<Seen>) -> String {
    listen(move |server| {
        server.of("/").on_connection(move |socket| {
            let handshake = socket.handshake();
            let token = handshake.headers().get("x-token").map(|value| value.to_str().unwrap().to_owned());
            let address = handshake.address().map(|address| address.ip());
            seen.0.lock().unwrap().push((token, handshake.query().to_owned(), address));
            socket.on("message-with-ack", |_, event| event.ack(event.args.clone()));
        });
    })
}

#[test]
fn headers_query_and_source_addresses_reach_the_server() {
    let place = Place::new();
    let seen = Arc::new(Seen::default());
    let url = server(seen.clone());
    let target = "headers = { \"X-Token\" = \"t-${token}\" }\nquery = \"room=7&name=a%20b\"\n\
                  source_ips = [\"127.0.0.3..127.0.0.5\"]";
    let (code, text) = run(&place, target, &url);
    assert_eq!(code, 0, "{text}");
    let seen = seen.0.lock().unwrap();
    assert!(seen.len() >= 15, "{}", seen.len());
    for (token, query, address) in &*seen {
        assert_eq!(token.as_deref(), Some("t-abc"));
        assert!(query.ends_with("&room=7&name=a%20b"), "{query}");
        assert!(matches!(address, Some(IpAddr::V4(ip)) if (3..=5).contains(&ip.octets()[3])), "{address:?}");
    }
    let addresses: HashSet<_> = seen.iter().map(|(_, _, address)| address).collect();
    assert_eq!(addresses.len(), 3, "each has its turn");
}

#[test]
fn msgpack_is_spoken_by_loads_and_cases() {
    let place = Place::new();
    let (code, text) = run(&place, "parser = \"msgpack\"", "reference");
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(&place, "parser = \"json\"", "reference");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn tls_with_a_certificate_that_is_trusted() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(place.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(place.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let server = place.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    for trust in ["tls = { ca = \"cert.pem\" }", "tls = { insecure = true }"] {
        let (code, text) = run(&place, trust, &url);
        assert_eq!(code, 0, "{text}");
    }
    for (trust, url, problem) in [
        ("tls = { ca = \"key.pem\" }", url.as_str(), "cannot use key.pem as certificates to trust"),
        ("tls = { ca = \"cert.pem\" }", &url.replace("localhost", "127.0.0.1"), "not valid for"),
        ("", &url, "UnknownIssuer"),
    ] {
        let (code, text) = run(&place, trust, url);
        assert_eq!(code, 3, "{trust}: {text}");
        assert!(text.contains(problem), "{trust}: {text}");
    }
}

#[test]
fn what_cannot_be_is_said_before_anything_is_sent() {
    let place = Place::new();
    for (target, problem) in [
        ("source_ips = [\"127.0.0.9..127.0.0.2\"]", "ends before it begins"),
        ("source_ips = [\"lo\"]", "expected an address"),
        ("tls = { ca = \"a.pem\", insecure = true }", "exclude each other"),
        ("parser = \"msgpak\"", "did you mean `msgpack`?"),
        ("headers = { \"a b\" = \"c\" }", "the header `a b`"),
        ("query = \"a b\"", "`query` of [target]"),
    ] {
        let (code, text) = run(&place, target, "reference");
        assert_eq!(code, 2, "{target}: {text}");
        assert!(text.contains(problem), "{target}: {text}");
    }
}

/// There are 28,232 ports by default, and never more than 65,536.
#[test]
fn too_few_ports() {
    let place = Place::new();
    let text = "name = \"many\"\n[users.u]\ncount = 70_000\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n";
    std::fs::write(place.path().join("many.toml"), text).unwrap();
    let output = place.run(&["run", "many.toml"]);
    let said = stderr(&output);
    assert_eq!(code(&output), 2, "{said}");
    // A machine may forbid so many files first.
    assert!(said.contains("source_ips") || said.contains("open files"), "{said}");
}
