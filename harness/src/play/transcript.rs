//! What a case's clients sent and received, as a person reads it.

use std::time::Instant;

use sio_protocol::Value;

use crate::wire::{Arrival, Outgoing, frame};

/// Lines kept of one case; a flood must not fill the record.
const KEPT: usize = 400;

/// The lines of one case, oldest first.
pub(crate) struct Transcript {
    started: Instant,
    lines: Vec<(Instant, String)>,
    dropped: usize,
}

impl Transcript {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, lines: Vec::new(), dropped: 0 }
    }

    pub(crate) fn add(&mut self, at: Instant, line: String) {
        if self.lines.len() < KEPT { self.lines.push((at, line)) } else { self.dropped += 1 }
    }

    /// In the order of time, with the milliseconds since the case began.
    pub(crate) fn into_lines(mut self) -> Vec<String> {
        self.lines.sort_by_key(|(at, _)| *at);
        let started = self.started;
        let stamp = |at: Instant| at.saturating_duration_since(started).as_secs_f64() * 1e3;
        let mut lines: Vec<_> = self.lines.into_iter().map(|(at, line)| format!("{:9.3} {line}", stamp(at))).collect();
        if self.dropped > 0 {
            lines.push(format!("          and {} more", self.dropped));
        }
        lines
    }
}

pub(crate) fn arrival(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Opened => "open".to_owned(),
        Arrival::Refused { status, body } => format!("refused with {status} {}", clip(body.trim())),
        Arrival::Text(text) | Arrival::Noted(text) => clip(text),
        Arrival::Binary(bytes) => clip(&Value::Binary(bytes.clone()).to_string()),
        Arrival::Pong(bytes) => format!("pong {}", clip(&String::from_utf8_lossy(bytes))),
        Arrival::Closed(closed) => format!("closed: {}", closed.why),
    }
}

pub(crate) fn outgoing(packet: &Outgoing) -> String {
    match packet {
        Outgoing::Text(text) => clip(text),
        Outgoing::Binary(bytes) => clip(&Value::Binary(bytes.clone()).to_string()),
        Outgoing::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Outgoing::Frame(frame) => {
            let kind = match frame.opcode {
                frame::CONTINUATION => "continuation".to_owned(),
                frame::TEXT => "text".to_owned(),
                frame::BINARY => "binary".to_owned(),
                frame::CLOSE => "close".to_owned(),
                frame::PING => "ping".to_owned(),
                frame::PONG => "pong".to_owned(),
                other => format!("opcode {other}"),
            };
            let more = if frame.fin { "" } else { ", more follows" };
            let mask = if frame.masked { "" } else { ", unmasked" };
            let rsv = if frame.rsv == 0 { String::new() } else { format!(", reserved bits {:03b}", frame.rsv) };
            format!("frame: {kind}, {} bytes{more}{mask}{rsv}", frame.claims.unwrap_or(frame.payload.len() as u64))
        }
    }
}

/// Long payloads are cut in transcripts; control characters are shown.
pub(crate) fn clip(text: &str) -> String {
    const LONGEST: usize = 200;
    let cut = text.char_indices().nth(LONGEST);
    let shown = &text[..cut.map_or(text.len(), |(end, _)| end)];
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        if c.is_control() { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    if cut.is_some() {
        out.push_str(&format!("… ({} bytes)", text.len()));
    }
    out
}
