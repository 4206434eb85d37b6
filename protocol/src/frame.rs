//! One Engine.IO packet in wire form.

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

/// The frames of one Socket.IO packet: a text frame and, behind it, one binary frame per attachment.
pub type Frames = SmallVec<[Frame; 1]>;

/// One Engine.IO packet as a WebSocket carries it: one frame, one packet (EIO-WS-01, EIO-WS-02).
///
/// Cloning counts a reference; the bytes are shared. A broadcast is encoded into frames once and every
/// recipient holds a clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The packet type digit and its data.
    Text(ByteString),
    /// The bytes of a binary message, without any prefix.
    Binary(Bytes),
}

impl Frame {
    /// A text frame.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self::Text(text.into())
    }

    /// A binary frame.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Size of the content in bytes, without WebSocket framing or base64.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// What the frame takes in memory while it waits, nearly: its bytes, and what keeps them.
    pub fn cost(&self) -> usize {
        const KEPT: usize = 96;
        self.len() + KEPT
    }

    /// Whether there is no content at all. An empty text frame is not a valid packet; an empty binary frame is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_its_content() {
        for (frame, len) in
            [(Frame::text(""), 0), (Frame::text("4é"), 3), (Frame::binary(vec![]), 0), (Frame::binary(vec![7; 5]), 5)]
        {
            assert_eq!((frame.len(), frame.is_empty()), (len, len == 0), "{frame:?}");
            assert_eq!(frame.cost(), len + 96, "{frame:?}");
        }
    }
}
