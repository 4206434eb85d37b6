//! Socket.IO packets and their text form.

use bytestring::ByteString;
use serde_json::value::RawValue;
use smallvec::smallvec;

use crate::{Args, Frame, Frames, surrogates};

/// Event names an application must not send (SIO-MF-07).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether an event of this name may only be raised by the library itself (SIO-MF-07, SIO-EV-11).
pub fn is_reserved(event: &str) -> bool {
    RESERVED.contains(&event)
}

/// The packet types; whether an event or ack is a binary one follows from its attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `0`: asks to join a namespace, or confirms it.
    Connect,
    /// `1`: leaves a namespace.
    Disconnect,
    /// `2`, or `5` with attachments.
    Event,
    /// `3`, or `6` with attachments.
    Ack,
    /// `4`: the namespace refuses.
    ConnectError,
}

impl Kind {
    /// The number of the type, without regard to attachments.
    pub(crate) fn digit(self) -> u64 {
        match self {
            Self::Connect => 0,
            Self::Disconnect => 1,
            Self::Event => 2,
            Self::Ack => 3,
            Self::ConnectError => 4,
        }
    }

    pub(crate) fn from_digit(digit: u64) -> Option<Self> {
        [Self::Connect, Self::Disconnect, Self::Event, Self::Ack, Self::ConnectError].get(digit as usize).copied()
    }
}

/// One Socket.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The type.
    pub kind: Kind,
    /// Namespace, with its leading slash; `/` is the main one.
    pub nsp: ByteString,
    /// Acknowledgement id.
    pub id: Option<u64>,
    /// Raw JSON (empty when the packet has no payload) and attachments.
    pub body: Args,
}

/// An event or acknowledgement that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Namespace.
    pub nsp: ByteString,
    /// Id to acknowledge an event with, or that of the event an acknowledgement answers.
    pub id: Option<u64>,
    /// The array, event name first for events.
    pub args: Args,
}

/// Why a text is not a Socket.IO packet, or not one that may be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// No type digit, or one outside 0 to 6.
    #[error("unknown Socket.IO packet type in {0:?}; expected a digit 0 to 6")]
    UnknownType(String),
    /// A binary packet without `<count>-`.
    #[error("a binary packet has no attachment count ({0:?}); expected digits and `-`")]
    AttachmentCount(String),
    /// A count outside what the receiver takes.
    #[error("{count} attachments announced; expected 1 to {limit}")]
    TooManyAttachments {
        /// What the header says.
        count: usize,
        /// What the receiver takes.
        limit: usize,
    },
    /// An ack id over 2^64 - 1.
    #[error("an acknowledgement id is too large: {0}")]
    Id(String),
    /// The payload is not JSON, or not of the shape that the type wants.
    #[error("invalid payload: {0}")]
    Payload(String),
    /// An event that only the library itself may raise.
    #[error("event name {0:?} is reserved")]
    Reserved(String),
    /// An event whose name is longer than the receiver takes.
    #[error("an event name of {length} bytes; expected at most {longest}")]
    LongName {
        /// Its length.
        length: usize,
        /// What is taken.
        longest: usize,
    },
    /// A placeholder that names no attachment (SIO-BN-10).
    #[error("a placeholder names no attachment: {0}")]
    Placeholder(String),
    /// Something that is not the MessagePack of a packet (MP-05).
    #[error("not a packet in MessagePack: {0}")]
    MessagePack(String),
    /// A text message to a server whose parser is MessagePack (MP-04).
    #[error("a text message; expected MessagePack in a binary one")]
    UnexpectedText,
    /// A binary frame without a header ahead of it (SIO-BN-09).
    #[error("a binary frame without a packet that announced it")]
    UnexpectedAttachment,
    /// A text packet while attachments are owed (SIO-BN-08).
    #[error("a text packet while {0} attachments are still missing")]
    MissingAttachments(usize),
}

impl Packet {
    /// An EVENT in `nsp`; `args` start with the event's name.
    pub fn event(nsp: impl Into<ByteString>, args: Args) -> Self {
        Self { kind: Kind::Event, nsp: nsp.into(), id: None, body: args }
    }

    /// An ACK for `id` in `nsp`.
    pub fn ack(nsp: impl Into<ByteString>, id: u64, args: Args) -> Self {
        Self { kind: Kind::Ack, nsp: nsp.into(), id: Some(id), body: args }
    }

    /// A packet whose payload is one JSON text, or none.
    pub fn control(kind: Kind, nsp: impl Into<ByteString>, json: impl Into<ByteString>) -> Self {
        Self { kind, nsp: nsp.into(), id: None, body: Args::from_json(json, Vec::new()) }
    }

    /// The packet as frames, the `4` of the Engine.IO message included.
    pub fn encode(&self) -> Frames {
        let attachments = self.body.attachments();
        let mut text = String::with_capacity(self.nsp.len() + self.body.json().len() + 16);
        text.push('4');
        text.push(match (self.kind, attachments.is_empty()) {
            (Kind::Connect, _) => '0',
            (Kind::Disconnect, _) => '1',
            (Kind::Event, true) => '2',
            (Kind::Ack, true) => '3',
            (Kind::ConnectError, _) => '4',
            (Kind::Event, false) => '5',
            (Kind::Ack, false) => '6',
        });
        if !attachments.is_empty() {
            text.push_str(&attachments.len().to_string());
            text.push('-');
        }
        if self.nsp.as_ref() as &str != "/" {
            text.push_str(&self.nsp);
            // A client that leaves the comma out of `40/nsp` is understood; we always write it, as Node does.
            text.push(',');
        }
        if let Some(id) = self.id {
            text.push_str(&id.to_string());
        }
        text.push_str(self.body.json());
        let mut frames: Frames = smallvec![Frame::Text(text.into())];
        frames.extend(attachments.iter().cloned().map(Frame::Binary));
        frames
    }

    /// Reads the text of a message (behind the `4`) and how many attachments follow it.
    ///
    /// Only the header is read: the payload stays text and may still be nonsense. Ends that must refuse
    /// nonsense call [`validate`](Self::validate) once the attachments are there.
    pub fn decode(text: &ByteString) -> Result<(Self, usize), PacketError> {
        let mut rest: &str = text;
        let kind = rest.chars().next().and_then(kind_of);
        let Some((kind, binary)) = kind else {
            return Err(PacketError::UnknownType(excerpt(text)));
        };
        rest = &rest[1..];

        let mut attachments = 0;
        if binary {
            let (digits, behind) = split_digits(rest);
            let count = digits.parse().ok().zip(behind.strip_prefix('-'));
            let Some((count, behind)) = count else {
                return Err(PacketError::AttachmentCount(excerpt(text)));
            };
            if count == 0 {
                return Err(PacketError::TooManyAttachments { count, limit: usize::MAX });
            }
            (attachments, rest) = (count, behind);
        }

        let mut nsp = ByteString::from_static("/");
        if rest.starts_with('/') {
            let end = memchr::memchr(b',', rest.as_bytes());
            nsp = text.slice_ref(&rest[..end.unwrap_or(rest.len())]);
            rest = end.map_or("", |end| &rest[end + 1..]);
        }

        let (digits, behind) = split_digits(rest);
        let mut id = None;
        if !digits.is_empty() {
            id = Some(digits.parse().map_err(|_| PacketError::Id(excerpt(digits)))?);
            rest = behind;
        }
        let body = Args::from_json(text.slice_ref(rest), Vec::new());
        Ok((Self { kind, nsp, id, body }, attachments))
    }

    /// Whether the payload has the shape that the type wants: valid JSON, an event name that may be used,
    /// placeholders that name an attachment. What Node does not check but the specification wants is refused
    /// too (SIO-MF-03).
    pub fn validate(&self) -> Result<(), PacketError> {
        self.check_shape(usize::MAX)?;
        self.check_attachments()
    }

    /// What of that can be known before the attachments are there; the name of an event has a limit.
    pub(crate) fn check_shape(&self, longest_name: usize) -> Result<(), PacketError> {
        let json = self.body.json();
        match self.kind {
            Kind::Connect | Kind::Disconnect | Kind::Ack if json.is_empty() => Ok(()),
            Kind::Connect | Kind::ConnectError => {
                let raw: &RawValue = serde_json::from_str(json).map_err(|error| payload(&error, json))?;
                if raw.get().starts_with('{') { Ok(()) } else { Err(wrong_shape("an object", json)) }
            }
            Kind::Disconnect => Err(wrong_shape("nothing", json)),
            Kind::Ack => self.body.check_array().map_err(|error| payload(&error, json)),
            Kind::Event => {
                self.body.check_array().map_err(|error| payload(&error, json))?;
                let Some(name) = self.body.first() else {
                    return Err(wrong_shape("an event name", json));
                };
                check_event_name(name, longest_name)
            }
        }
    }

    /// What can be known once the attachments are there.
    pub(crate) fn check_attachments(&self) -> Result<(), PacketError> {
        match self.kind {
            Kind::Ack | Kind::Event => self.body.check_placeholders(),
            Kind::Connect | Kind::Disconnect | Kind::ConnectError => Ok(()),
        }
    }
}

fn check_event_name(raw: &str, longest: usize) -> Result<(), PacketError> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let name: String =
                serde_json::from_str(&surrogates::readable(raw)).map_err(|error| payload(&error, raw))?;
            if is_reserved(&name) {
                return Err(PacketError::Reserved(name));
            }
            if name.len() > longest {
                return Err(PacketError::LongName { length: name.len(), longest });
            }
            Ok(())
        }
        Some(b'0'..=b'9' | b'-') if raw.len() > longest => Err(PacketError::LongName { length: raw.len(), longest }),
        Some(b'0'..=b'9' | b'-') => Ok(()),
        _ => Err(wrong_shape("a string or number as event name", raw)),
    }
}

fn kind_of(digit: char) -> Option<(Kind, bool)> {
    Some(match digit {
        '0' => (Kind::Connect, false),
        '1' => (Kind::Disconnect, false),
        '2' => (Kind::Event, false),
        '3' => (Kind::Ack, false),
        '4' => (Kind::ConnectError, false),
        '5' => (Kind::Event, true),
        '6' => (Kind::Ack, true),
        _ => return None,
    })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn payload(error: &serde_json::Error, json: &str) -> PacketError {
    PacketError::Payload(format!("{error} in {:?}", excerpt(json)))
}

fn wrong_shape(expected: &str, found: &str) -> PacketError {
    PacketError::Payload(format!("expected {expected}, found {:?}", excerpt(found)))
}

/// The start of a text for an error message; a hostile peer must not fill the log.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(Packet, usize), PacketError> {
        Packet::decode(&text.into())
    }

    #[test]
    fn reads_each_part_of_the_header() {
        let (packet, attachments) = decode(r#"52-/admin,13["a",{"_placeholder":true,"num":0}]"#).unwrap();
        assert_eq!((packet.kind, attachments), (Kind::Event, 2));
        assert_eq!((packet.nsp.as_ref() as &str, packet.id), ("/admin", Some(13)));
        assert_eq!(packet.body.json(), r#"["a",{"_placeholder":true,"num":0}]"#);
    }

    /// The limit itself is allowed, of texts and of numbers.
    #[test]
    fn names_of_events_may_be_as_long_as_the_limit() {
        for (name, fits) in [(r#""abc""#, true), (r#""abcd""#, false), ("123", true), ("1234", false), ("-12", true)] {
            assert_eq!(check_event_name(name, 3).is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn dashes_commas_and_slashes_in_the_payload_are_not_header() {
        for (text, nsp, id) in [
            (r#"21["x","2021-04-18"]"#, "/", Some(1)),
            (r#"2/custom,["a-b,/c"]"#, "/custom", None),
            ("0/custom", "/custom", None),
        ] {
            let (packet, _) = decode(text).unwrap();
            assert_eq!((packet.nsp.as_ref() as &str, packet.id), (nsp, id), "{text}");
        }
    }

    /// SIO-MF: what a strict end refuses.
    #[test]
    fn malformed_packets_are_refused() {
        for text in [
            "abc",
            "9",
            "2",
            "2{}",
            "2[]",
            "2\"str\"",
            "2abc[\"message\"]",
            "2-1[\"x\"]",
            "21.5[\"x\"]",
            "2[\"message\"",
            "2[null]",
            "2[true,1]",
            "2[[\"a\"]]",
            "2[{\"toString\":\"foo\"}]",
            "2[\"disconnect\"]",
            "2[\"newListener\"]",
            "0[]",
            "0\"x\"",
            "0custom",
            "1{}",
            "4",
            "30{}",
            "31[1",
            "5",
            "51[\"x\"]",
            "5a-[\"x\"]",
            "51.5-[\"x\"]",
            "5-1-[\"x\"]",
            "50-[\"x\"]",
            "299999999999999999999[\"x\"]",
        ] {
            let strict = decode(text).and_then(|(packet, _)| packet.validate());
            assert!(strict.is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn unusual_but_legal_packets_are_accepted() {
        for text in [
            " [\"x\"]",
            "[\"\\ud800\"]",
            "[\"x\",\"\\udfff\"]",
            "9007199254740991[\"x\"]",
            "[ \"x\" , { \"b\" : 1e5 , \"a\" : -0.0 } ]\r\n",
            "[\"\\u0078\",12345678901234567890123,1e400]",
            "/a\\ud800,[\"x\"]",
        ] {
            let strict = decode(&format!("2{text}")).and_then(|(packet, _)| packet.validate());
            assert_eq!(strict, Ok(()), "{text}");
        }
        for text in ["0 {\"a\":\"\\ud800\"} ", "0/a, {}", "39007199254740991 [ ]", "37[\"\\ud800\"]"] {
            let strict = decode(text).and_then(|(packet, _)| packet.validate());
            assert_eq!(strict, Ok(()), "{text}");
        }
        assert!(decode("2[\"\\u0064isconnect\"]").and_then(|(packet, _)| packet.validate()).is_err());
        for text in ["0", "0{}", "0/a", "1", "3", "3[]", "30", "399[\"x\"]", "2[1,\"x\"]", "2[\"\"]", "2[\"error\"]"] {
            let strict = decode(text).and_then(|(packet, _)| packet.validate());
            assert_eq!(strict, Ok(()), "{text}");
        }
    }

    /// A hostile peer must not fill the log, and a message without the text helps nobody.
    #[test]
    fn an_error_shows_the_beginning_of_what_was_found() {
        let message = |name: &str| decode(&format!("2{{\"{name}\":1}}")).unwrap().0.validate().unwrap_err().to_string();
        assert!(message("short").contains(r#"{\"short\":1}"#), "{}", message("short"));
        let long = message(&"é".repeat(1000));
        assert!(long.contains(&"é".repeat(58)) && !long.contains(&"é".repeat(59)) && long.contains('…'), "{long}");
    }
}
