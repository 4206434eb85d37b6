//! The end of a WebSocket, so that what was written ahead of it is read.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::websocket::WebSocket;

/// How long a peer has to read the end. A socket that is dropped while something of the peer's is unread is reset, and
/// a reset throws away what the peer has not read.
const LINGER: Duration = Duration::from_secs(2);

/// Sends the close frame and the end of the stream, then waits until the peer has closed as well.
pub(super) async fn say(mut socket: WebSocket, frame: Option<CloseFrame>) {
    let goodbye = async {
        // Fails when the peer has closed before; then there is nobody to wait for.
        if socket.close(frame).await.is_err() {
            return;
        }
        let stream = socket.get_mut();
        stream.unlimited();
        let _ = stream.shutdown().await;
        let mut unread = [0; 512];
        while matches!(stream.read(&mut unread).await, Ok(1..)) {}
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}

/// What a peer is told that broke the rules of RFC 6455; nothing when it is gone.
pub(super) fn why(error: &Error) -> Option<CloseFrame> {
    let code = match error {
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Protocol(_) => CloseCode::Protocol,
        _ => return None,
    };
    Some(CloseFrame { code, reason: "".into() })
}
