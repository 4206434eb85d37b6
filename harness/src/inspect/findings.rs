//! What an inspection has found.

use std::fmt;

use serde::{Serialize, Serializer};

use super::secrets::Secrets;

/// Everything, in the order in which it was asked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub url: String,
    /// Of the engine.
    pub path: String,
    /// What the name of the host stands for.
    pub addresses: Vec<String>,
    pub engine: Engine,
    pub transports: Vec<Transport>,
    pub cookies: Vec<Cookie>,
    /// Headers of answers that tell what stands in between.
    pub headers: Vec<Header>,
    /// Sessions that were opened on one connection and closed on another.
    pub sessions: Sessions,
    /// Signs of a load balancer, or of several servers behind one address.
    pub balancer: Vec<String>,
    pub namespaces: Vec<Namespace>,
    /// Calls by which one joins, as they were answered.
    pub joins: Vec<Call>,
    pub events: Vec<Event>,
    /// Kinds of events besides, of which only the number was kept.
    pub more_events: u64,
    pub trace: Option<Trace>,
    /// What went otherwise than one would expect.
    pub remarks: Vec<String>,
    /// A scenario to start from.
    pub scenario: Option<String>,
    /// Texts that are not to be shown, wherever in the above they stand.
    #[serde(skip)]
    pub secrets: Secrets,
}

impl Findings {
    /// As JSON, with nothing secret in it.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        self.secrets.hide(&text) + "\n"
    }

    /// Whether some namespace has let one in.
    pub fn is_in(&self) -> bool {
        self.namespaces.iter().any(|namespace| namespace.entered)
    }
}

/// What the handshake says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Engine {
    /// Revision of Engine.IO: 4, or 3 if that is the only one; `None` if there is none.
    pub revision: Option<u8>,
    /// Whether clients of revision 3 are let in, too.
    pub older: bool,
    /// Milliseconds.
    pub ping_interval: u64,
    /// Milliseconds.
    pub ping_timeout: u64,
    /// Bytes.
    pub max_payload: Option<u64>,
}

/// A way to talk to the server.
#[derive(Clone, Debug, Serialize)]
pub struct Transport {
    pub name: &'static str,
    pub works: bool,
    /// Why not.
    pub why: Option<String>,
}

/// A cookie that an answer has set, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cookie {
    pub name: String,
    /// `Path=/`, `HttpOnly`
    pub attributes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// Sessions that were opened on one connection and asked for on another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sessions {
    pub opened: u32,
    /// Known there without a cookie.
    pub known: u32,
    /// Of the others, known when the cookies were shown.
    pub known_with_cookies: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Namespace {
    pub name: String,
    pub entered: bool,
    /// The server's words when it did not let one in.
    pub refusal: Option<String>,
    /// Whether it offers connection state recovery.
    pub recovery: bool,
}

/// An event that asked for an acknowledgement.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    pub event: String,
    /// Shapes of the acknowledgement's arguments; `None` if there was none.
    pub answer: Option<Vec<String>>,
    pub milliseconds: Option<f64>,
}

/// All events of one name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Event {
    pub namespace: String,
    pub name: String,
    /// So often, to all clients of the inspection.
    pub count: u64,
    /// Shapes of its arguments.
    pub arguments: Vec<String>,
    /// Of the arguments: smallest and largest.
    pub bytes: (u64, u64),
    /// Whether the server wants it acknowledged.
    pub asks: bool,
}

/// Where the stamped event came back.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trace {
    pub namespace: String,
    pub event: String,
    pub sent: u32,
    pub acknowledged: u32,
    /// Bytes; `None` where the event has no payload.
    pub payload: Option<usize>,
    pub returns: Vec<Return>,
    /// Events that came within the same time, and have no stamp.
    pub others: Vec<Meanwhile>,
}

/// By what a message is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The stamp in its payload.
    Stamp,
    /// A token in a place of its own.
    Token,
}

/// One place in one event where the stamp or the token was found.
#[derive(Clone, Debug, Serialize)]
pub struct Return {
    pub namespace: String,
    pub event: String,
    /// Counted from 1, behind the event's name.
    pub argument: usize,
    /// `JSONPath` within that argument.
    pub place: String,
    pub identity: Identity,
    pub to: Audience,
    /// Copies beyond the first to each.
    pub repeated: u32,
    /// Whether each payload came back as it was sent.
    pub unaltered: bool,
    /// What became of one that did not.
    pub altered: Option<Altered>,
    /// From the sending: the quickest and the slowest.
    pub milliseconds: (f64, f64),
}

/// What became of a payload that did not come back as it was sent; in JSON, the words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Altered {
    /// It stands in a longer text, of so many bytes.
    Within { bytes: usize },
    /// The stamp is whole, and what was around it is not.
    Around { sent: usize, came: usize },
    /// Upper and lower case are not as they were.
    Case,
    /// It was cut within the stamp.
    Cut { bytes: usize, needed: usize },
}

impl Altered {
    /// Whether the stamp can still be read.
    pub fn keeps_stamp(self) -> bool {
        match self {
            Self::Within { .. } | Self::Around { .. } => true,
            Self::Case | Self::Cut { .. } => false,
        }
    }
}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within { bytes } => write!(f, "stands in a text of {bytes} bytes"),
            Self::Around { sent, came } => {
                write!(f, "the stamp is whole, but {sent} bytes were sent and {came} came back")
            }
            Self::Case => f.write_str("upper and lower case were changed"),
            Self::Cut { bytes, needed } => write!(f, "cut to {bytes} bytes: the stamp needs {needed}"),
        }
    }
}

impl Serialize for Altered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event without the stamp.
#[derive(Clone, Debug, Serialize)]
pub struct Meanwhile {
    pub namespace: String,
    pub event: String,
    pub to: Audience,
}

/// Who got something, of those who could have: each client counts once for each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audience {
    pub sender: Share,
    /// Others who had joined as the sender had.
    pub others: Share,
    /// Somebody in the namespace who had not joined anything.
    pub outside: Share,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub got: u32,
    pub of: u32,
}

impl Share {
    pub fn is_all(self) -> bool {
        self.of > 0 && self.got == self.of
    }
}
