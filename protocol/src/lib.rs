//! Engine.IO and Socket.IO without sockets and without a clock: revisions 4 and 5, and, at the server's end, 3 and 4.
//!
//! - [`Frame`] is one Engine.IO packet in wire form, as a WebSocket carries it; [`engine`] turns it into a
//!   [`engine::Packet`] and joins frames into HTTP long-polling payloads.
//! - [`Packet`] is one Socket.IO packet. Its arguments ([`Args`]) stay raw JSON, with the binary attachments
//!   beside it, until someone asks for a value.
//! - [`server::Connection`] and [`client::Connection`] are the two ends as state machines: bytes and the time
//!   go in, frames, events and the next deadline come out. Nothing here reads a clock or a socket, so tests
//!   drive both ends over a simulated link.
//!
//! [`Parser`] is how packets are written: JSON with attachments, or MessagePack.
//!
//! Sources: the [Engine.IO protocol](https://socket.io/docs/v4/engine-io-protocol/) revision 4 and the
//! [Socket.IO protocol](https://socket.io/docs/v4/socket-io-protocol/) revision 5.
//!
//! ```
//! use sio_protocol::{Args, Frame, Packet};
//!
//! let packet = Packet::event("/chat", Args::event("msg", ("hi", 1)).unwrap());
//! assert_eq!(packet.encode().as_slice(), [Frame::text(r#"42/chat,["msg","hi",1]"#)]);
//! ```

mod args;
mod binary;
pub mod client;
mod decoder;
pub mod engine;
mod frame;
mod msgpack;
pub mod packed;
mod packet;
mod parser;
mod placeholders;
pub mod server;
mod surrogates;
mod timestamp;
mod value;

pub use args::{Args, ArgsError, IntoArgs};
pub use binary::Binary;
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use decoder::{Decoder, DecoderLimits};
pub use frame::{Frame, Frames};
pub use packet::{Incoming, Kind, Packet, PacketError, is_reserved};
pub use parser::Parser;
pub use surrogates::readable as readable_json;
pub use value::Value;
