//! Mistakes that one row of the register alone shows: what they remember of a connection, and what becomes of a packet.

use sio_protocol::Frame;
use sio_protocol::engine::DecodeError;

use super::packet::Parts;
use super::{Fault, Faults};

/// A name of a namespace that nobody has by accident.
const LONG_NAME: usize = 64 * 1024;
/// So many attachments are waited for together.
const MOST_DUE: usize = 10;

/// What one connection remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Nothing is heard of it any more.
    wedged: bool,
    /// The namespace and the id of the last request.
    request: Option<(String, String)>,
    /// A header with the attachments that have come, and how many are due.
    packet: Vec<Frame>,
    due: usize,
}

/// A packet, and what is known of its namespace.
pub(super) struct Seen<'a> {
    pub(super) parts: &'a Parts,
    pub(super) frame: &'a Frame,
    pub(super) joined: &'a [String],
    pub(super) asked: &'a [String],
    pub(super) refused: &'a [String],
    pub(super) left: &'a [String],
}

impl Seen<'_> {
    fn is_in(&self, names: &[String]) -> bool {
        names.iter().any(|name| name == self.parts.namespace())
    }

    fn is_connect(&self) -> bool {
        self.parts.kind == '0'
    }

    /// Whether a namespace that was asked for has not answered.
    fn is_deciding(&self) -> bool {
        self.asked.iter().any(|name| !self.joined.contains(name) && !self.refused.contains(name))
    }

    fn has_comma(&self) -> bool {
        matches!(self.frame, Frame::Text(text) if text.contains(','))
    }
}

/// What is taken instead of a packet, and what is answered.
#[derive(Debug, Default)]
pub(super) struct Instead {
    pub(super) taken: Vec<Frame>,
    pub(super) answer: Option<Frame>,
}

impl Memory {
    /// What becomes of a packet; `None` if it stays as it is.
    pub(super) fn packet(&mut self, faults: &Faults, seen: &Seen<'_>) -> Option<Instead> {
        let Seen { parts, frame, .. } = seen;
        let nothing = || Some(Instead::default());
        let refusal = || Some(Instead { taken: Vec::new(), answer: Some(refusal(parts)) });
        if self.wedged {
            return nothing();
        }
        let before = self.note(parts);
        for fault in faults.striking() {
            match fault {
                Fault::TrailingCommaWanted if seen.is_connect() && parts.nsp.is_some() && !seen.has_comma() => {
                    return nothing();
                }
                Fault::MainForAll
                    if seen.is_connect() && parts.nsp.is_some() && !seen.asked.iter().any(|name| name == "/") =>
                {
                    return Some(Instead { taken: vec![Frame::text("40"), (*frame).clone()], answer: None });
                }
                Fault::LeftForGood if seen.is_connect() && seen.is_in(seen.left) => return refusal(),
                Fault::RefusedForGood if seen.is_connect() && seen.is_in(seen.refused) => return refusal(),
                Fault::LastNamespaceHeard
                    if parts.is_event() && seen.is_in(seen.joined) && !is_last(seen.joined, parts) =>
                {
                    return nothing();
                }
                Fault::SameIdOnce if before.as_ref().is_some_and(|before| is_namesake(parts, before)) => {
                    return Some(Instead { taken: vec![Parts { id: None, ..(*parts).clone() }.frame()], answer: None });
                }
                Fault::NoAttachmentsWedge if parts.attachments == Some(0) => self.wedged = true,
                Fault::StrayHeaderWedges if parts.attachments.is_some() && !seen.is_in(seen.joined) => {
                    self.wedged = true;
                }
                Fault::PayloadNoArray if parts.kind == '2' && is_no_array(&parts.json) => return nothing(),
                Fault::PayloadMissing if parts.kind == '2' && parts.json.is_empty() => return nothing(),
                Fault::AckIdAny if parts.kind == '2' && has_odd_id(&parts.json) => return nothing(),
                Fault::NumberNameRefused if parts.is_event() && begins_with_number(&parts.json) => {
                    return Some(Instead { taken: vec![Frame::text("4")], answer: None });
                }
                Fault::ClientErrorIgnored if parts.kind == '4' => return nothing(),
                Fault::NestingWedges if is_nested_deep(&parts.json) => self.wedged = true,
                Fault::LongNameUnanswered if seen.is_connect() && parts.namespace().len() > LONG_NAME => {
                    return nothing();
                }
                Fault::TenNamespaces if seen.is_connect() && seen.joined.len() >= 10 => return refusal(),
                Fault::OddPidUnanswered if seen.is_connect() && has_odd_pid(&parts.json) => return nothing(),
                Fault::DecidingDeafens if parts.is_event() && seen.is_in(seen.joined) && seen.is_deciding() => {
                    return nothing();
                }
                Fault::CountMalformedIgnored if parts.kind == '5' && parts.attachments.is_none() => return nothing(),
                Fault::RestartDeaf if parts.is_event() && faults.was_stopped() => return nothing(),
                Fault::KilledDeaf if parts.is_event() && faults.was_killed() => return nothing(),
                _ => {}
            }
            if self.wedged {
                return nothing();
            }
        }
        None
    }

    /// Whether a POST without a body is the last thing that is heard.
    pub(super) fn is_wedged_by(&mut self, faults: &Faults, posted: &[Result<Frame, DecodeError>]) -> bool {
        let is_empty = posted.len() == 1 && posted[0] == Err(DecodeError::Empty);
        let wedges = is_empty && faults.hits(Fault::EmptyBodyWedges);
        self.wedged |= wedges;
        wedges
    }

    /// What is taken instead of a frame that is an attachment, or comes where one is due; `None` if it stays as it is. A header waits
    /// for what belongs to it.
    pub(super) fn attached(&mut self, faults: &Faults, frame: &Frame) -> Option<Vec<Frame>> {
        let waits = [Fault::StrayAttachmentIgnored, Fault::TextEndsAttachments, Fault::PongEndsAttachments];
        if !waits.into_iter().any(|fault| faults.has(fault)) {
            return None;
        }
        let Frame::Text(text) = frame else {
            if self.due == 0 {
                return faults.hits(Fault::StrayAttachmentIgnored).then(Vec::new);
            }
            self.packet.push(frame.clone());
            self.due -= 1;
            return Some(if self.due == 0 { std::mem::take(&mut self.packet) } else { Vec::new() });
        };
        if self.due > 0 {
            let breaks = if text.starts_with('4') { Fault::TextEndsAttachments } else { Fault::PongEndsAttachments };
            let is_forgotten = faults.hits(breaks);
            if !is_forgotten && !text.starts_with('4') {
                return None;
            }
            self.due = 0;
            let mut all = std::mem::take(&mut self.packet);
            all.push(frame.clone());
            return if is_forgotten { None } else { Some(all) };
        }
        let count = Parts::of(frame)?.attachments.filter(|count| (1..=MOST_DUE).contains(count))?;
        (self.packet, self.due) = (vec![frame.clone()], count);
        Some(Vec::new())
    }

    /// Remembers a request; the one before it comes back.
    fn note(&mut self, parts: &Parts) -> Option<(String, String)> {
        let id = parts.id.clone().filter(|_| parts.is_event())?;
        self.request.replace((parts.namespace().to_owned(), id))
    }
}

fn refusal(parts: &Parts) -> Frame {
    let nsp = parts.nsp.as_ref().map(|nsp| format!("{nsp},")).unwrap_or_default();
    Frame::text(format!(r#"44{nsp}{{"message":"Invalid namespace"}}"#))
}

fn is_last(joined: &[String], parts: &Parts) -> bool {
    joined.last().is_some_and(|name| name == parts.namespace())
}

/// Whether the id is that of a request in another namespace.
fn is_namesake(parts: &Parts, (nsp, id): &(String, String)) -> bool {
    nsp != parts.namespace() && parts.id.as_ref() == Some(id)
}

fn is_no_array(json: &str) -> bool {
    let json = json.trim_start();
    json.starts_with(['{', '"', 't', 'f', 'n']) || json.starts_with("[]")
}

/// Something that is no digit where the id of a request stands.
fn has_odd_id(json: &str) -> bool {
    json.find('[').is_some_and(|at| at > 0) && !json.starts_with(['{', '"', ' '])
}

/// Whether more brackets are open at once than any data has.
fn is_nested_deep(json: &str) -> bool {
    let mut depth = 0_i64;
    json.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        depth > 1_000
    })
}

/// Whether a session is asked back by something that is no string.
fn has_odd_pid(json: &str) -> bool {
    json.split_once(r#""pid":"#).is_some_and(|(_, rest)| !rest.starts_with('"'))
}

fn begins_with_number(json: &str) -> bool {
    json.strip_prefix('[').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The frames of a POST, read as a mistaken server does.
pub(super) fn posted(
    faults: &Faults,
    mut frames: Vec<Result<Frame, DecodeError>>,
    probing: bool,
) -> Vec<Result<Frame, DecodeError>> {
    let is_event = |frame: &Result<Frame, DecodeError>| {
        frame.as_ref().is_ok_and(|frame| Parts::of(frame).is_some_and(|parts| parts.kind == '2'))
    };
    for fault in faults.striking() {
        match fault {
            Fault::PostedTwice => {
                frames = frames
                    .into_iter()
                    .flat_map(|frame| if is_event(&frame) { vec![frame.clone(), frame] } else { vec![frame] })
                    .collect();
            }
            Fault::TrailingSeparatorTaken if frames.len() > 1 && frames.last() == Some(&Err(DecodeError::Empty)) => {
                frames.pop();
            }
            Fault::EscapedSeparatorSplits => {
                for frame in frames.iter_mut().flatten() {
                    if let Frame::Text(text) = frame
                        && let Some((ahead, _)) = text.split_once(r"\u001e")
                    {
                        *frame = Frame::text(ahead.to_owned());
                    }
                }
            }
            Fault::BehindBrokenTaken => {
                frames.sort_by_key(|frame| frame.as_ref().map_or(true, is_unknown));
            }
            Fault::PostUnknownIgnored => frames.retain(|frame| !frame.as_ref().is_ok_and(is_unknown)),
            Fault::PostsLostAtProbe if probing => frames.clear(),
            _ => {}
        }
    }
    frames
}

/// Whether a frame is of a type that there is not.
pub(super) fn is_unknown(frame: &Frame) -> bool {
    matches!(frame, Frame::Text(text) if !text.starts_with(['0', '1', '2', '3', '4', '5', '6', 'b']))
}

/// Whether the length of a frame is at an edge of how WebSocket writes lengths.
pub(super) fn is_at_edge(frame: &Frame) -> bool {
    matches!(frame.len(), 126 | 127 | 65_535 | 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_told_from_what_is_usual() {
        for usual in [r#"["a"]"#, "[1]", r#" ["a"]"#, ""] {
            assert!(!is_no_array(usual) && !has_odd_id(usual), "{usual}");
        }
        assert!(["{}", "\"a\"", "[]", "null"].iter().all(|json| is_no_array(json)));
        assert!(has_odd_id(r#"x["a"]"#) && has_odd_id(r#"-1["a"]"#) && !has_odd_id(r#"{"a":[1]}"#));
        assert!(begins_with_number("[1,2]") && !begins_with_number("[\"1\"]"));
        assert!(is_nested_deep(&"[".repeat(1_001)) && !is_nested_deep(&"[]".repeat(1_001)));
        assert!(has_odd_pid(r#"{"pid":1}"#) && !has_odd_pid(r#"{"pid":"a"}"#) && !has_odd_pid("{}"));
        assert!(is_unknown(&Frame::text("7")) && is_unknown(&Frame::text("abc")) && !is_unknown(&Frame::text("40")));
    }
}
