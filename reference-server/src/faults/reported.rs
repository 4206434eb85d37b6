//! Mistakes of real servers, each by the issue or release that the table names: what they remember and what they do
//! to frames.

use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use sio_protocol::engine::Message;
use sio_protocol::{Bytes, Decoder, DecoderLimits, Frame, Parser};

use super::packet::Parts;
use super::{Fault, Faults};

use crate::lock::LockExt;

/// From how many frames in one go on attachments are interleaved.
const CROWD: usize = 12;
/// From how many frames in one go on events change places.
const LARGE_CROWD: usize = 16;

/// What one connection remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The GET that is open found nothing when it came.
    pub(super) parked: bool,
    /// Namespaces whose decision leads nowhere.
    pub(super) stopped: Vec<String>,
    pinged: bool,
    released: bool,
    /// Attachments that are still to come, and among whose.
    awaited: usize,
    attachments: Option<Attachments>,
}

/// Attachments of all clients that are on their way to the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachments(std::sync::Arc<Mutex<Underway>>);

#[derive(Debug, Default)]
struct Underway {
    /// Clients that have sent a header and not yet all that belongs to it.
    clients: usize,
    last: Option<Bytes>,
}

impl Attachments {
    fn lock(&self) -> MutexGuard<'_, Underway> {
        self.0.lock_unpoisoned()
    }

    fn leave(&self) {
        let mut underway = self.lock();
        underway.clients -= 1;
        if underway.clients == 0 {
            underway.last = None;
        }
    }
}

impl Memory {
    /// Whether nobody is let into a namespace any more that was about to be.
    pub(super) fn is_stopped(&mut self, nsp: &str) -> bool {
        let before = self.stopped.len();
        self.stopped.retain(|name| name != nsp);
        self.stopped.len() < before
    }

    /// Whether this noop is not the first and therefore not sent.
    pub(super) fn is_second_noop(&mut self, faults: &Faults) -> bool {
        std::mem::replace(&mut self.released, true) && faults.hits(Fault::NoopOnce)
    }

    pub(super) fn double_first_ping(&mut self, faults: &Faults, frames: &mut Vec<Frame>) {
        let ping = |frame: &Frame| matches!(frame, Frame::Text(text) if **text == *"2");
        if let Some(at) = frames.iter().position(ping)
            && !std::mem::replace(&mut self.pinged, true)
            && faults.hits(Fault::FirstPingTwice)
        {
            frames.insert(at, frames[at].clone());
        }
    }

    /// A packet of the client, which may be the header of a binary one.
    pub(super) fn header(&mut self, faults: &Faults, parts: &Parts) {
        let count = parts.attachments.unwrap_or(0);
        if count > 0 && self.awaited == 0 && faults.hits(Fault::AttachmentsMixed) {
            self.awaited = count;
            faults.0.attachments.lock().clients += 1;
            self.attachments = Some(faults.0.attachments.clone());
        }
    }

    /// What an attachment of the client is taken for: while two clients send some, each gets the one before.
    pub(super) fn attachment(&mut self, faults: &Faults, bytes: Bytes) -> Bytes {
        if self.awaited == 0 {
            return bytes;
        }
        let mut underway = faults.0.attachments.lock();
        let taken = match underway.last.replace(bytes.clone()) {
            Some(last) if underway.clients > 1 => last,
            _ => bytes,
        };
        drop(underway);
        self.awaited -= 1;
        if self.awaited == 0 {
            faults.0.attachments.leave();
        }
        taken
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.awaited > 0
            && let Some(attachments) = &self.attachments
        {
            attachments.leave();
        }
    }
}

/// `4<kind><nsp>,<attachments>-…` instead of `4<kind><attachments>-<nsp>,…`.
pub(super) fn namespace_ahead_of_count(parts: &Parts) -> Frame {
    let nsp = parts.nsp.as_deref().unwrap_or_default();
    let count = parts.attachments.unwrap_or_default();
    Frame::text(format!("4{}{nsp},{count}-{}{}", parts.kind, parts.id.as_deref().unwrap_or_default(), parts.json))
}

/// Binary without its first byte, if its base64 begins with a `4`: if its first six bits are 56.
pub(super) fn without_four(bytes: Bytes) -> Bytes {
    if bytes.first().is_some_and(|byte| byte >> 2 == 56) { bytes.slice(1..) } else { bytes }
}

/// A packet in MessagePack that has binary in it, with the type of a binary event or acknowledgement.
pub(super) fn with_binary_kind(bytes: Bytes) -> Bytes {
    const KIND: &[u8] = b"\xa4type";
    let packet = Decoder::new(Parser::MessagePack, DecoderLimits::default()).feed(Message::Binary(bytes.clone()));
    let binary = packet.is_ok_and(|packet| packet.is_some_and(|packet| !packet.body.attachments().is_empty()));
    if !binary || bytes.get(1..=KIND.len()) != Some(KIND) {
        return bytes;
    }
    let mut changed = bytes.to_vec();
    changed[1 + KIND.len()] += 3;
    changed.into()
}

/// Placeholders that point at no attachment point at the first. Whether there were any.
pub(super) fn point_to_first(parts: &mut Parts) -> bool {
    let Some(count) = parts.attachments else { return false };
    let Ok(mut all) = serde_json::from_str(&parts.json) else { return false };
    let changed = point(&mut all, count);
    if changed {
        parts.json = all.to_string();
    }
    changed
}

fn point(value: &mut Value, count: usize) -> bool {
    if value.get("_placeholder") == Some(&json!(true)) {
        let good = value.get("num").and_then(Value::as_u64).is_some_and(|number| number < count as u64);
        if !good {
            value["num"] = json!(0);
        }
        return !good;
    }
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| point(item, count) | changed),
        Value::Object(fields) => fields.values_mut().fold(false, |changed, item| point(item, count) | changed),
        _ => false,
    }
}

/// In a crowd, the first event that follows attachments comes ahead of them.
pub(super) fn interleave(frames: &mut [Frame]) {
    let binary = |frame: &Frame| matches!(frame, Frame::Binary(_));
    let event = |frame: &Frame| Parts::of(frame).is_some_and(|parts| parts.kind == '2');
    let behind = (1..frames.len()).find(|at| binary(&frames[at - 1]) && event(&frames[*at]));
    if frames.len() > CROWD
        && let Some(at) = behind
    {
        let run = frames[..at].iter().rev().take_while(|frame| binary(frame)).count();
        frames[at - run..=at].rotate_right(1);
    }
}

/// In a large crowd, the first two events behind its middle that are neighbours change places.
pub(super) fn swap(frames: &mut [Frame]) {
    let event = |frame: &Frame| Parts::of(frame).is_some_and(|parts| parts.kind == '2');
    if frames.len() > LARGE_CROWD
        && let Some(at) = (frames.len() / 2..frames.len() - 1).find(|at| event(&frames[*at]) && event(&frames[at + 1]))
    {
        frames.swap(at, at + 1);
    }
}
