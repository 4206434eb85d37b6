//! A WebSocket of which every frame is ours.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::cookies::Cookies;
use super::frame::{self, Frame, Messages};
use super::held::Held;
use super::http1::{self, Request};
use super::{Arrival, Closed, Command, Ends, Handle, Outgoing, close_code, dial};

/// While more than this waits to be written, pings are not answered.
const BACKLOG: usize = 256 * 1024;
/// Any sixteen bytes will do; nobody has to guess them.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What belongs to [`KEY`] (RFC 6455, section 1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How a raw WebSocket is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    pub address: SocketAddr,
    /// Path and query.
    pub path: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    /// Bytes in the same segment, right behind the request.
    pub behind: Vec<Outgoing>,
    /// Shown, unless the headers have cookies of their own, and learned.
    pub(crate) cookies: Option<Cookies>,
}

/// Starts the task that opens a WebSocket and carries its frames.
pub fn open(opening: Opening) -> Handle {
    let (handle, ends) = Ends::pair();
    tokio::spawn(run(opening, ends));
    handle
}

async fn run(opening: Opening, mut ends: Ends) {
    let closed = match start(&opening, &ends).await {
        Ok(Some((stream, rest))) => Carrier::new(stream, rest).carry(&mut ends).await,
        Ok(None) => return,
        Err(why) => Closed::because(why),
    };
    ends.report(Arrival::Closed(closed));
}

/// Sends the request. `None`: it was refused, and that was reported.
async fn start(opening: &Opening, ends: &Ends) -> Result<Option<(TcpStream, BytesMut)>, String> {
    let mut stream = dial(opening.address).await.map_err(|error| format!("cannot connect: {error}"))?;
    let mut behind = BytesMut::new();
    encode(&opening.behind, &mut behind);
    let mut headers = opening.headers.clone();
    opening.cookies.iter().for_each(|cookies| cookies.show(&opening.path, &mut headers));
    let shaken = shake_hands(&mut stream, &opening.path, &opening.host, &headers, &behind).await?;
    opening.cookies.iter().for_each(|cookies| cookies.learn(&opening.path, &shaken.headers));
    match shaken.answer {
        Answer::Open(rest) => {
            ends.report(Arrival::Opened);
            Ok(Some((stream, rest)))
        }
        Answer::Refused { status, body } => {
            ends.report(Arrival::Refused { status, body });
            Ok(None)
        }
    }
}

/// What came back of asking for a WebSocket.
pub(crate) struct Shaken {
    pub(crate) answer: Answer,
    pub(crate) headers: Vec<(String, String)>,
}

/// What a server says to a client that wants a WebSocket.
pub(crate) enum Answer {
    /// It is open; with what came in the same segments.
    Open(BytesMut),
    Refused {
        /// HTTP status.
        status: u16,
        body: String,
    },
}

/// Asks for a WebSocket on a fresh connection; `behind` follows in the same segment as the request.
pub(crate) async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    host: &str,
    headers: &[(String, String)],
    behind: &[u8],
) -> Result<Shaken, String> {
    let mut request = Request::new("GET", path, host);
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ] {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    request.headers.extend(headers.iter().cloned());
    let mut bytes = request.head(None);
    bytes.extend_from_slice(behind);
    stream.write_all(&bytes).await.map_err(|error| format!("the request could not be sent: {error}"))?;
    let mut buffer = BytesMut::new();
    let head = http1::read_head(stream, &mut buffer).await?;
    if head.status != 101 {
        let status = head.status;
        let body = http1::read_body(stream, &mut buffer, &head).await.unwrap_or_default();
        let answer = Answer::Refused { status, body: String::from_utf8_lossy(&body).into_owned() };
        return Ok(Shaken { answer, headers: head.headers });
    }
    match head.header("sec-websocket-accept") {
        Some(ACCEPT) => {}
        other => return Err(format!("Sec-WebSocket-Accept is {other:?}; expected {ACCEPT:?}")),
    }
    if let Some(extension) = head.header("sec-websocket-extensions") {
        return Err(format!("the server switched on an extension: {extension}"));
    }
    Ok(Shaken { answer: Answer::Open(buffer), headers: head.headers })
}

fn encode(outgoing: &[Outgoing], bytes: &mut BytesMut) {
    for one in outgoing {
        match one {
            Outgoing::Text(text) => Frame::client(frame::TEXT, text.clone()).encode(bytes),
            Outgoing::Binary(data) => Frame::client(frame::BINARY, data.clone()).encode(bytes),
            Outgoing::Frame(frame) => frame.encode(bytes),
            Outgoing::Bytes(raw) => bytes.put_slice(raw),
        }
    }
}

/// An open WebSocket.
struct Carrier {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    messages: Messages,
    reading: bool,
    /// What has come of a message that has not ended.
    held: Held,
}

impl Carrier {
    fn new(stream: TcpStream, incoming: BytesMut) -> Self {
        Self {
            stream,
            incoming,
            outgoing: BytesMut::new(),
            messages: Messages::default(),
            reading: true,
            held: Held::default(),
        }
    }

    async fn carry(mut self, ends: &mut Ends) -> Closed {
        loop {
            loop {
                match Frame::decode(&mut self.incoming) {
                    Ok(Some(frame)) => {
                        if let Some(closed) = self.arrived(frame, ends).or_else(|| ends.flooded()) {
                            // The answer to a close frame; the peer may be gone already.
                            let _ = self.stream.write_all(&self.outgoing).await;
                            return closed;
                        }
                    }
                    Ok(None) => break,
                    Err(why) => return Closed::because(why),
                }
            }
            if let Err(why) = self.held.set(self.incoming.len() + self.messages.held()) {
                return Closed::because(why);
            }
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                command = ends.commands.recv() => match command {
                    None => return Closed::because("let go"),
                    Some(Command::Send(packets)) => encode(&packets, &mut self.outgoing),
                    Some(Command::Read(reading)) => self.reading = reading,
                    Some(Command::Drop { reset }) => {
                        if reset {
                            // Fails only on a socket that is dead already.
                            let _ = self.stream.set_zero_linger();
                        }
                        return Closed::because("dropped by this end");
                    }
                },
                read = reader.read_buf(&mut self.incoming), if self.reading => match read {
                    Ok(0) => return Closed::because("the TCP connection was closed"),
                    Ok(_) => {}
                    Err(error) => return Closed::because(format!("the TCP connection broke: {error}")),
                },
                written = writer.write_buf(&mut self.outgoing), if !self.outgoing.is_empty() => {
                    if let Err(error) = written {
                        return self.broken(error, ends).await;
                    }
                }
            }
        }
    }

    /// Writing failed; what the server said before it closed still counts.
    async fn broken(&mut self, error: std::io::Error, ends: &Ends) -> Closed {
        while matches!(self.stream.read_buf(&mut self.incoming).await, Ok(1..)) {
            while let Ok(Some(frame)) = Frame::decode(&mut self.incoming) {
                if let Some(closed) = self.arrived(frame, ends) {
                    return closed;
                }
            }
        }
        Closed::because(format!("the TCP connection broke: {error}"))
    }

    /// Reports a frame; returns how the connection ends, if it does.
    fn arrived(&mut self, frame: Frame, ends: &Ends) -> Option<Closed> {
        match frame.opcode {
            // Who does not read misses nothing by that.
            frame::PING if self.outgoing.len() > BACKLOG => {}
            frame::PING => {
                ends.report(Arrival::Noted("frame: ping".to_owned()));
                Frame::client(frame::PONG, frame.payload).encode(&mut self.outgoing);
            }
            frame::PONG => ends.report(Arrival::Pong(frame.payload)),
            frame::CLOSE => return Some(self.close_frame(&frame.payload)),
            _ => match self.messages.take(frame) {
                Ok(Some((opcode, payload))) => match message(opcode, payload) {
                    Ok(arrival) => ends.report(arrival),
                    Err(why) => return Some(Closed::because(why)),
                },
                Ok(None) => {}
                Err(why) => return Some(Closed::because(why)),
            },
        }
        None
    }

    fn close_frame(&mut self, payload: &Bytes) -> Closed {
        Frame::client(frame::CLOSE, payload.clone()).encode(&mut self.outgoing);
        let (code, reason) = close_code::read(payload);
        // RFC 6455, 7.1.5: that is the code of a close frame that has none.
        let code = code.or(payload.is_empty().then_some(1005));
        Closed { code, why: format!("the server sent a close frame, {}", close_code::shown(code, &reason)) }
    }
}

fn message(opcode: u8, payload: Bytes) -> Result<Arrival, String> {
    if opcode == frame::BINARY {
        return Ok(Arrival::Binary(payload));
    }
    match String::from_utf8(payload.into()) {
        Ok(text) => Ok(Arrival::Text(text)),
        Err(_) => Err("the server sent a text frame that is not UTF-8".to_owned()),
    }
}
