//! Legal JSON is legal however a server's library spells it: white space, escapes, half surrogates, big numbers, key order.

use sio_reference_server::{EngineSocket, Message, Options, Server};

use crate::common::Place;

/// A Socket.IO server that spells everything as no library at hand does; returns its URL.
fn serve() -> String {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::engine(Options::default(), answer);
            let listener = server.listen("127.0.0.1:0").await.unwrap();
            told.send(format!("http://{}", listener.local_addr())).unwrap();
            listener.run().await.unwrap();
        });
    });
    url.recv().unwrap()
}

fn answer(socket: &EngineSocket, message: Message) {
    let Message::Text(text) = message else { return };
    // Fails when the client is gone, and then nobody waits for it.
    let send = |packet: &str| _ = socket.send(Message::Text(packet.into()));
    if text.starts_with('0') {
        return send("0{ \"s\\u0069d\" :\t\"\\u0061b\\/c\" , \"more\":[ null,-0.0e+00 ] }");
    }
    let Some(event) = text.strip_prefix('2') else { return };
    let (id, args) = event.split_at(event.find('[').unwrap());
    let args: Vec<serde_json::Value> = serde_json::from_str(args).unwrap();
    if args[0] == "ask" {
        send("2 [\t\"t\\u0069ck\" , {\r\n\"b\":2.0 , \"a\" : 1e0 }\n]");
        let numbers = r#""big": 123456789012345678901234567890, "most" :18446744073709551615,"f":15.0E-1"#;
        return send(&format!(r#"3{id}[ {{ {numbers}, "half":"\ud83d", "t" : "\/\u0041\uD83D\uDE00\u0000" }} ]"#));
    }
    let payload = args[1].as_str().unwrap();
    send(&format!(r#"2[ "s\u0061id",{{ "at":1.7e3 ,"text" :"{payload}" ,"half":"\uDE00"}} ]"#));
    send(&format!("3{id}[\t]"));
}

#[test]
fn a_case_reads_it() {
    let place = Place::new();
    let case = r#"
name = "spelled"
[[case]]
name             = "spelled"
needs            = ["wire"]
clients          = { c = {} }
allow_unexpected = true
steps            = [
  { at = "c", emit = ["ask"], ack = [{ f = 1.5, t = "/A😀\u0000", half = "${any}", big = "${any}", most = "${any}" }] },
  { at = "c", expect = ["tick", { a = 1, b = 2 }] },
]
"#;
    let (exit, said) = place.attempt(case, &["--target", &serve()]);
    assert_eq!(exit, 0, "{said}");
}

#[test]
fn a_load_reads_it() {
    let place = Place::new();
    let load = r#"
name = "spelled"
[users.one]
count     = 1
transport = "websocket"
[traffic.say]
from        = "one"
rate        = "50/s"
emit        = ["say", "${payload}"]
ack         = true
delivers_to = { event = "said", args = [{ text = "${payload}", at = 1700, ".." = "${any}" }], rooms = [] }
[[phase]]
name = "steady"
for  = "1s"
[slo]
thresholds = ["say.missing = 0", "say.unanswered = 0", "say.misdelivered = 0", "generator.late p99 < 1m"]
"#;
    let (exit, said) = place.attempt(load, &["--target", &serve()]);
    assert_eq!(exit, 0, "{said}");
    let counts = place.entry("load")["traffic"][0]["counts"].clone();
    assert!(counts["owed"].as_u64() > Some(20) && counts["delivered"] == counts["owed"], "{counts}");
    assert_eq!(counts["unidentified"].as_u64().unwrap_or(0), 0, "{counts}");
}
