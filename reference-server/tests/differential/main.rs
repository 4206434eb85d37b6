//! Our decoders beside the official parsers of JavaScript, over packets that were changed at random: what one takes the other
//! takes, and makes the same of it. Each difference is in a list that says who is right.
//!
//! `SIO_DIFFERENTIAL=100000` looks at so many packets of each kind (3,000).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod known;
mod mutate;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sio_protocol::engine::{self, Message, Packet as EnginePacket};
use sio_protocol::{Decoder, DecoderLimits, Frame, Packet, Parser};

use known::{Case, KNOWN};
use mutate::Mutator;

const COUNT: usize = 3_000;

#[test]
fn the_official_parsers_agree() {
    if !have("Node.js", &["node", "--version"]) || !have("npm", &["npm", "--version"]) {
        return;
    }
    let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/js");
    let install = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"])
        .current_dir(&js)
        .status();
    assert!(install.is_ok_and(|status| status.success()), "npm ci failed");
    let count = std::env::var("SIO_DIFFERENTIAL").map_or(COUNT, |count| count.parse().unwrap());
    let mut mutator = Mutator::new(42);
    let mut inputs: Vec<Json> = Vec::new();
    for _ in 0..count {
        inputs.push(json!({ "kind": "engine", "text": mutator.payload() }));
        let (text, attachments) = mutator.packet();
        inputs.push(json!({ "kind": "json", "text": text, "attachments": attachments }));
        inputs.push(json!({ "kind": "binary", "bytes": hex(&mutator.msgpack()) }));
    }
    let cases: Vec<Case> = compare(&js, &inputs);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for case in &cases {
        match KNOWN.iter().find(|known| (known.applies)(case)) {
            Some(known) => *seen.entry(known.name).or_default() += 1,
            None => unknown.push(case),
        }
    }
    println!("{} packets, {} differ: {seen:#?}", inputs.len(), cases.len());
    assert!(
        unknown.is_empty(),
        "{} differences are not in the list, such as {:#?}",
        unknown.len(),
        &unknown[..unknown.len().min(8)]
    );
}

fn have(what: &str, shows: &[&str]) -> bool {
    let found = Command::new(shows[0]).args(&shows[1..]).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing; scripts/test-machine.sh installs it");
        println!("{what} is not installed: left out");
    }
    found
}

/// Those of which JavaScript makes something else.
fn compare(js: &Path, inputs: &[Json]) -> Vec<Case> {
    let mut node = Command::new("node")
        .arg("parsers.js")
        .current_dir(js)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ours: Vec<Json> = inputs.iter().map(decode).collect();
    let mut stdin = node.stdin.take().unwrap();
    let lines: Vec<String> =
        inputs.iter().zip(&ours).map(|(input, ours)| json!({ "input": input, "ours": ours }).to_string()).collect();
    let writer = std::thread::spawn(move || lines.iter().for_each(|line| writeln!(stdin, "{line}").unwrap()));
    let answers: Vec<String> = BufReader::new(node.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    writer.join().unwrap();
    assert!(node.wait().unwrap().success() && answers.len() == inputs.len(), "Node ended early");
    let all = inputs.iter().zip(ours).zip(answers);
    all.filter(|(_, answer)| !answer.is_empty())
        .map(|((input, ours), answer)| {
            let theirs: Json = serde_json::from_str(&answer).unwrap();
            Case { input: input.clone(), ours, theirs: theirs["theirs"].clone() }
        })
        .collect()
}

fn decode(input: &Json) -> Json {
    let text = || input["text"].as_str().unwrap().to_owned();
    match input["kind"].as_str().unwrap() {
        "engine" => payload(&text()),
        "json" => {
            let attachments = input["attachments"].as_array().unwrap().iter();
            let attachments = attachments.map(|bytes| Message::Binary(unhex(bytes.as_str().unwrap()).into()));
            packet(Parser::Json, std::iter::once(Message::Text(text().into())).chain(attachments))
        }
        _ => {
            let bytes: Bytes = unhex(input["bytes"].as_str().unwrap()).into();
            packet(Parser::MessagePack, std::iter::once(Message::Binary(bytes)))
        }
    }
}

fn payload(text: &str) -> Json {
    let mut packets = Vec::new();
    for frame in engine::decode_payload(&text.into()) {
        let packet = frame.and_then(|frame: Frame| EnginePacket::decode(&frame));
        let failed = packet.is_err();
        packets.push(match packet {
            Err(_) => json!(["error", ""]),
            Ok(EnginePacket::Open(data)) => json!(["open", &data as &str]),
            Ok(EnginePacket::Close) => json!(["close", ""]),
            Ok(EnginePacket::Ping(data)) => json!(["ping", &data as &str]),
            Ok(EnginePacket::Pong(data)) => json!(["pong", &data as &str]),
            Ok(EnginePacket::Message(Message::Text(data))) => json!(["message", &data as &str]),
            Ok(EnginePacket::Message(Message::Binary(data))) => json!(["binary", hex(&data)]),
            Ok(EnginePacket::Upgrade) => json!(["upgrade", ""]),
            Ok(EnginePacket::Noop) => json!(["noop", ""]),
        });
        if failed {
            break;
        }
    }
    packets.into()
}

fn packet(parser: Parser, messages: impl Iterator<Item = Message>) -> Json {
    let mut decoder = Decoder::new(parser, DecoderLimits::default());
    let mut whole: Option<Packet> = None;
    for message in messages {
        match decoder.feed(message) {
            Ok(packet) => whole = packet.or(whole),
            Err(error) => return json!({ "error": error.to_string() }),
        }
    }
    let Some(packet) = whole else { return json!({ "waits": true }) };
    let kinds = [
        sio_protocol::Kind::Connect,
        sio_protocol::Kind::Disconnect,
        sio_protocol::Kind::Event,
        sio_protocol::Kind::Ack,
    ];
    json!({
        "type": kinds.iter().position(|kind| *kind == packet.kind).unwrap_or(4),
        "nsp": &packet.nsp as &str,
        "id": packet.id,
        "json": packet.body.json(),
        "attachments": packet.body.attachments().iter().map(|bytes| hex(bytes)).collect::<Vec<_>>(),
    })
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}
