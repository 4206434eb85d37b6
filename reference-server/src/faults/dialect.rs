//! Engine.IO 3 and MessagePack, with mistakes: the faults of the other files spare both.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sio_protocol::engine::{self, Payload, Revision};
use sio_protocol::server::{Event, Probe};
use sio_protocol::{Args, ByteString, Decoder, DecoderLimits, Frame, Incoming, Packet, Parser, Value, is_reserved};

use super::{Fault, Faults};

/// Where the shortest forms of text end in MessagePack.
const EDGE: usize = 256;

/// The mistakes of a connection of revision 3, or of one that speaks MessagePack.
pub(super) struct Dialect {
    faults: Faults,
    revision: Revision,
    /// Events that the machine would have closed the connection for.
    pub(super) stowaways: VecDeque<Event>,
}

impl Dialect {
    /// None for a connection that speaks neither.
    pub(super) fn of(faults: &Faults, revision: Revision, parser: Parser) -> Option<Self> {
        let is_one = revision == Revision::V3 || parser == Parser::MessagePack;
        is_one.then(|| Self { faults: faults.clone(), revision, stowaways: VecDeque::new() })
    }

    fn is_v3(&self) -> bool {
        self.revision == Revision::V3
    }

    fn hits_v3(&self, fault: Fault) -> bool {
        self.is_v3() && self.faults.hits(fault)
    }

    fn hits_msgpack(&self, fault: Fault) -> bool {
        !self.is_v3() && self.faults.hits(fault)
    }

    /// What a WebSocket takes.
    pub(super) fn websocket(&self, frames: Vec<Frame>) -> Vec<Frame> {
        frames.into_iter().flat_map(|frame| self.outgoing(frame)).collect()
    }

    fn outgoing(&self, frame: Frame) -> Vec<Frame> {
        let Frame::Binary(bytes) = &frame else { return vec![frame] };
        if self.hits_v3(Fault::OldBinaryBare) && bytes.len() > 1 {
            return vec![Frame::Binary(bytes.slice(1..))];
        }
        if self.hits_msgpack(Fault::PackedSplit) {
            return vec![Frame::Binary(bytes.slice(..1)), Frame::Binary(bytes.slice(1..))];
        }
        vec![self.repacked(&frame).unwrap_or(frame)]
    }

    /// A packet of MessagePack with other values, if there is a mistake in them.
    fn repacked(&self, frame: &Frame) -> Option<Frame> {
        let as_text = self.hits_msgpack(Fault::PackedBinaryText);
        let cuts = self.hits_msgpack(Fault::PackedEdgeCut);
        if !as_text && !cuts {
            return None;
        }
        let packet = read(frame)?;
        let mut values = packet.body.to_values().ok()?;
        for value in &mut values {
            spoil(value, as_text, cuts);
        }
        let body = Args::from_values(&values);
        Parser::MessagePack.encode(&Packet { body, ..packet }).into_iter().next()
    }

    /// The answer to a GET.
    pub(super) fn polling(&self, payload: Payload) -> Payload {
        let Payload::Text(text) = &payload else { return payload };
        if self.hits_v3(Fault::OldLengthsInBytes) {
            let frames = engine::split_payload(Revision::V3, &payload).filter_map(Result::ok);
            return Payload::Text(frames.map(with_length_in_bytes).collect::<String>().into());
        }
        if self.hits_msgpack(Fault::PackedPrefix) {
            let parts = text.split('\x1e').map(|part| match part.strip_prefix('b') {
                Some(base64) => format!("B{base64}"),
                None => part.to_owned(),
            });
            return Payload::Text(parts.collect::<Vec<_>>().join("\x1e").into());
        }
        payload
    }

    /// Whether the machine is told of a frame of the client.
    pub(super) fn passes(&mut self, frame: &Frame) -> bool {
        match frame {
            Frame::Text(text) if self.is_v3() => **text != *"2" || !self.faults.hits(Fault::OldPingUnanswered),
            Frame::Text(text) => !text.starts_with('4') || !self.faults.hits(Fault::PackedTextIgnored),
            Frame::Binary(_) if self.is_v3() => true,
            Frame::Binary(bytes) => {
                if read(frame).is_some() {
                    return true;
                }
                if self.faults.hits(Fault::PackedReserved)
                    && let Some(event) = reserved(bytes)
                {
                    self.stowaways.push_back(event);
                    return false;
                }
                !self.faults.hits(Fault::PackedOddIgnored)
            }
        }
    }

    /// What becomes of a frame of a WebSocket that probes, if it is a mistake.
    pub(super) fn probe(&self) -> Option<Probe> {
        self.hits_v3(Fault::OldProbeRefused).then_some(Probe::Reject)
    }
}

fn read(frame: &Frame) -> Option<Packet> {
    let Ok(engine::Packet::Message(message)) = engine::Packet::decode(frame) else { return None };
    let limits = DecoderLimits { strict: true, ..DecoderLimits::default() };
    Decoder::new(Parser::MessagePack, limits).feed(message).ok()?
}

/// An event whose name is reserved, as the application would be told of it.
fn reserved(bytes: &[u8]) -> Option<Event> {
    let name = b"\xaadisconnect";
    let at = bytes.windows(name.len()).position(|window| window == name)?;
    let mut harmless = bytes.to_vec();
    harmless[at + 1] = b'D';
    let packet = read(&Frame::binary(harmless))?;
    let json = packet.body.json().replacen("Disconnect", "disconnect", 1);
    let args = Args::from_json(json, packet.body.attachments().to_vec());
    args.event_name().is_some_and(|name| is_reserved(&name)).then(|| {
        let incoming = Incoming { nsp: packet.nsp.clone(), id: packet.id, args: args.clone() };
        Event::Event(incoming)
    })
}

fn with_length_in_bytes(frame: Frame) -> String {
    let text = match frame {
        Frame::Text(text) => text,
        Frame::Binary(bytes) => ByteString::from(format!("b4{}", BASE64.encode(&bytes))),
    };
    format!("{}:{text}", text.len())
}

fn spoil(value: &mut Value, as_text: bool, cuts: bool) {
    match value {
        Value::Binary(bytes) if as_text => *value = Value::String(BASE64.encode(&bytes)),
        Value::String(text) if cuts && text.len() == EDGE => drop(text.pop()),
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, as_text, cuts)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, field)| spoil(field, as_text, cuts)),
        _ => {}
    }
}
