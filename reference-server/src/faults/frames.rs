//! Packets on their way out, and in, with mistakes.

use serde_json::{Value, json};
use sio_protocol::server::Config;
use sio_protocol::{Bytes, Frame};

use super::packet::Parts;
use super::{Fault, Faults, reported};

/// Spoils what leaves together.
pub(super) fn outgoing(faults: &Faults, frames: Vec<Frame>) -> Vec<Frame> {
    let mut out = Vec::with_capacity(frames.len());
    for frame in frames {
        match frame {
            Frame::Binary(bytes) => attachment(faults, bytes, &mut out),
            text @ Frame::Text(_) => match Parts::of(&text) {
                Some(parts) => packet(faults, parts, &mut out),
                None => engine(faults, text, &mut out),
            },
        }
    }
    batch(faults, out)
}

fn attachment(faults: &Faults, mut bytes: Bytes, out: &mut Vec<Frame>) {
    if faults.hits(Fault::BytesCut) && !bytes.is_empty() {
        bytes.truncate(bytes.len() - 1);
    }
    if bytes.is_empty() && faults.hits(Fault::BinaryEmptyDropped) {
        return;
    }
    if faults.hits(Fault::MsgpackBinaryKind) {
        bytes = reported::with_binary_kind(bytes);
    }
    out.push(Frame::Binary(bytes));
}

/// Packets of the engine.
fn engine(faults: &Faults, frame: Frame, out: &mut Vec<Frame>) {
    let Frame::Text(text) = &frame else { return };
    if let Some(open) = text.strip_prefix('0') {
        out.push(open_packet(faults, open));
        return;
    }
    match &**text {
        "2" if faults.hits(Fault::PingWithData) => out.push(Frame::text("2x")),
        _ => out.push(frame),
    }
}

/// The open packet announces what was asked for, whatever is done.
fn open_packet(faults: &Faults, text: &str) -> Frame {
    let Ok(Value::Object(mut open)) = serde_json::from_str(text) else { return Frame::text(format!("0{text}")) };
    if let Some(Config { ping_interval, ping_timeout, max_payload, .. }) = faults.asked() {
        open["pingInterval"] = json!(ping_interval.as_millis() as u64);
        open["pingTimeout"] = json!(ping_timeout.as_millis() as u64);
        open["maxPayload"] = json!(max_payload);
    }
    for fault in faults.striking() {
        match fault {
            Fault::NoMaxPayload => drop(open.shift_remove("maxPayload")),
            Fault::UpgradesEmpty => open["upgrades"] = json!([]),
            Fault::UpgradesAlways => open["upgrades"] = json!(["websocket"]),
            Fault::IntervalSeconds => open["pingInterval"] = json!(open["pingInterval"].as_u64().unwrap_or(0) / 1_000),
            _ => {}
        }
    }
    Frame::text(format!("0{}", Value::Object(open)))
}

/// Packets of Socket.IO.
fn packet(faults: &Faults, mut parts: Parts, out: &mut Vec<Frame>) {
    for fault in faults.striking() {
        match fault {
            Fault::NspStripped if parts.is_event() => parts.nsp = None,
            Fault::MainNamespaceNamed if parts.nsp.is_none() => parts.nsp = Some("/".to_owned()),
            Fault::DisconnectUntold if parts.kind == '1' => return,
            Fault::ConnectWithoutSid if parts.kind == '0' => parts.json = "{}".to_owned(),
            Fault::RefusalText if parts.kind == '4' => {
                let text = serde_json::from_str(&parts.json).unwrap_or(Value::Null);
                parts.json = text["message"].to_string();
            }
            Fault::RefusalDataLost if parts.kind == '4' => {
                let text = serde_json::from_str(&parts.json).unwrap_or(Value::Null);
                parts.json = json!({ "message": text["message"] }).to_string();
            }
            Fault::OffsetMissing if parts.is_event() => parts.args(|args| {
                if args.last().and_then(Value::as_str).is_some_and(is_offset) {
                    args.pop();
                }
            }),
            Fault::PlaceholderOffByOne => placeholders(&mut parts, |number| number + 1),
            Fault::AttachmentCount => parts.attachments = parts.attachments.map(|count| count + 1),
            _ if parts.is_ack() => {
                if !spoil_ack(fault, &mut parts, out) {
                    return;
                }
                spoil_values(fault, &mut parts);
            }
            _ if parts.is_event() => spoil_values(fault, &mut parts),
            _ => {}
        }
    }
    let misplaced = parts.attachments.is_some() && parts.nsp.is_some() && faults.hits(Fault::NamespaceAheadOfCount);
    out.push(if misplaced { reported::namespace_ahead_of_count(&parts) } else { parts.frame() });
}

/// Offsets of recovery: four characters, a dash, a number.
fn is_offset(text: &str) -> bool {
    text.split_once('-').is_some_and(|(tag, number)| tag.len() == 4 && u64::from_str_radix(number, 16).is_ok())
}

/// False when nothing is left to send.
fn spoil_ack(fault: Fault, parts: &mut Parts, out: &mut Vec<Frame>) -> bool {
    match fault {
        Fault::AckMissing => return false,
        Fault::AckMissingOnEmpty if parts.json == "[]" => return false,
        Fault::AckIdZero if parts.id.as_deref() == Some("0") => return false,
        Fault::AckTwice if parts.attachments.is_none() => out.push(parts.frame()),
        Fault::AckWrongNamespace => parts.nsp = None,
        Fault::AckWrongId => parts.id = next_id(parts.id.as_deref()),
        Fault::AckArgsLost if parts.attachments.is_none() => parts.json = "[]".to_owned(),
        Fault::AckFirstArg if parts.attachments.is_none() => parts.args(|args| args.truncate(1)),
        Fault::AckAsEvent => {
            parts.kind = if parts.kind == '3' { '2' } else { '5' };
            parts.json = parts.json.replacen('[', r#"["ack","#, 1).replace(",]", "]");
            parts.id = None;
        }
        Fault::AckIdTruncated => {
            let id = parts.id.as_deref().and_then(|id| id.parse::<u128>().ok());
            parts.id = id.map(|id| (id & 0xFFFF).to_string()).or_else(|| parts.id.clone());
        }
        Fault::BinaryAckText => parts.kind = '3',
        _ => {}
    }
    true
}

fn next_id(id: Option<&str>) -> Option<String> {
    id.and_then(|id| id.parse::<u64>().ok()).map(|id| (id + 1).to_string())
}

/// Numbers of attachments, wherever they stand.
fn renumber(value: &mut Value, change: &dyn Fn(u64) -> u64) {
    if let Some(number) = value.get("_placeholder").and_then(|_| value["num"].as_u64()) {
        value["num"] = json!(change(number));
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| renumber(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| renumber(field, change)),
        _ => {}
    }
}

fn placeholders(parts: &mut Parts, change: impl Fn(u64) -> u64) {
    let Ok(mut all) = serde_json::from_str::<Value>(&parts.json) else { return };
    if parts.attachments.is_some() {
        renumber(&mut all, &change);
        parts.json = all.to_string();
    }
}

/// Numbers the placeholders of a packet in the order in which they stand; whether it has some.
pub(super) fn renumber_in_order(parts: &mut Parts) -> bool {
    let next = std::cell::Cell::new(0);
    let before = parts.json.clone();
    placeholders(parts, |_| next.replace(next.get() + 1));
    parts.json != before
}

fn strings(parts: &mut Parts, change: impl Fn(&str) -> Option<String>) {
    parts.values(&|value| {
        if let Value::String(text) = value
            && let Some(changed) = change(text)
        {
            *text = changed;
        }
    });
}

fn spoil_values(fault: Fault, parts: &mut Parts) {
    match fault {
        Fault::AstralMangled => strings(parts, |text| {
            text.chars()
                .any(|c| c > '\u{FFFF}')
                .then(|| text.chars().map(|c| if c > '\u{FFFF}' { '?' } else { c }).collect())
        }),
        Fault::LineSeparators => strings(parts, |text| {
            text.contains(['\u{2028}', '\u{2029}']).then(|| text.replace(['\u{2028}', '\u{2029}'], ""))
        }),
        Fault::ControlsLost => strings(parts, |text| {
            text.contains(char::is_control).then(|| text.chars().filter(|c| !c.is_control()).collect())
        }),
        Fault::QuotesLost => strings(parts, |text| text.contains('"').then(|| text.replace('"', ""))),
        Fault::LongStringsCut => {
            strings(parts, |text| (text.len() > 60_000).then(|| text.chars().take(60_000).collect()));
        }
        Fault::EmptyStringNull => parts.values(&|value| {
            if value == "" {
                *value = Value::Null;
            }
        }),
        Fault::BigIntsRounded => parts.values(&|value| {
            if let Some(number) = value.as_i64().filter(|number| number.unsigned_abs() > 1 << 53) {
                *value = json!(number as f64);
            }
        }),
        Fault::FloatsCut => parts.values(&|value| {
            if let Some(number) = value.as_f64().filter(|number| number.fract() != 0.0) {
                *value = json!(number.trunc());
            }
        }),
        Fault::NumbersAsStrings => parts.values(&|value| {
            if let Value::Number(number) = value {
                *value = Value::String(number.to_string());
            }
        }),
        Fault::NullsDropped => parts.args(|args| args.retain(|arg| !arg.is_null())),
        Fault::ArgsPadded if parts.is_event() => parts.args(|args| {
            if args.is_empty() {
                args.push(Value::Null);
            }
        }),
        Fault::EventNameFolded if parts.is_event() => {
            if let Ok(Value::Array(mut all)) = serde_json::from_str(&parts.json) {
                if let Some(Value::String(name)) = all.first_mut() {
                    *name = name.to_lowercase();
                }
                parts.json = Value::Array(all).to_string();
            }
        }
        _ => {}
    }
}

/// What can only go wrong between packets.
fn batch(faults: &Faults, mut frames: Vec<Frame>) -> Vec<Frame> {
    for fault in faults.striking() {
        match fault {
            Fault::AcksOvertaken => {
                let ack = |frame: &Frame| Parts::of(frame).is_some_and(|parts| parts.kind == '3');
                let (late, mut rest): (Vec<_>, Vec<_>) = frames.into_iter().partition(ack);
                rest.extend(late);
                frames = rest;
            }
            Fault::EventBeforeConnect => {
                for at in 0..frames.len().saturating_sub(1) {
                    let is = |at: usize, kind| Parts::of(&frames[at]).is_some_and(|parts| parts.kind == kind);
                    if is(at, '0') && is(at + 1, '2') {
                        frames.swap(at, at + 1);
                    }
                }
            }
            Fault::AttachmentsReversed => reverse_attachments(&mut frames),
            Fault::AttachmentDropped => {
                if let Some(at) = frames.iter().rposition(|frame| matches!(frame, Frame::Binary(_))) {
                    frames.remove(at);
                }
            }
            Fault::AttachmentsInterleaved => {
                if let Some(at) = frames.iter().position(|frame| matches!(frame, Frame::Binary(_))) {
                    frames.insert(at, Frame::text(r#"42["between"]"#));
                }
            }
            Fault::BusyInterleaved => reported::interleave(&mut frames),
            Fault::BusySwapped => reported::swap(&mut frames),
            _ => {}
        }
    }
    frames
}

fn reverse_attachments(frames: &mut [Frame]) {
    let mut at = 0;
    while at < frames.len() {
        let run = frames[at..].iter().take_while(|frame| matches!(frame, Frame::Binary(_))).count();
        frames[at..at + run].reverse();
        at += run.max(1);
    }
}
