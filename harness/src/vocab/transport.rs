//! What carries packets.

/// What carries a client's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Polling,
    /// Long-polling, then the move to a WebSocket.
    Upgrade,
}

impl Transport {
    pub const NAMES: [&str; 3] = ["websocket", "polling", "upgrade"];

    /// Connections at a time: polling needs one for the GET and one for the POST, and the upgrade one more.
    pub fn connections(self) -> u64 {
        match self {
            Self::WebSocket => 1,
            Self::Polling => 2,
            Self::Upgrade => 3,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "websocket" => Self::WebSocket,
            "polling" => Self::Polling,
            "upgrade" => Self::Upgrade,
            _ => return None,
        })
    }
}
