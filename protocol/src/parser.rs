//! How Socket.IO packets are written: as JSON with attachments, or as MessagePack.

use crate::{Frames, Packet, msgpack};

/// The parser of a server and of all its clients; nothing on the wire negotiates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// Text, with binary attachments behind it (`socket.io-parser`).
    #[default]
    Json,
    /// One MessagePack map in one binary frame (`socket.io-msgpack-parser`).
    MessagePack,
}

impl Parser {
    /// The packet as frames.
    pub fn encode(self, packet: &Packet) -> Frames {
        match self {
            Self::Json => packet.encode(),
            Self::MessagePack => msgpack::encode(packet),
        }
    }
}
