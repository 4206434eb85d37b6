//! A long-polling session whose packets are ours: one GET is always waiting, and what is sent leaves as it is.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use sio_protocol::engine::{self, Handshake};
use sio_protocol::{ByteString, Frame};

use super::cookies::Cookies;
use super::http1::{Exchange, Request, Response};
use super::{Arrival, Closed, Command, Ends, Handle, Outgoing};

/// Where and how to poll.
#[derive(Clone, Debug)]
pub struct Opening {
    pub address: SocketAddr,
    pub host: String,
    /// Path and query of the handshake.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Shown, unless the headers have cookies of their own, and learned.
    pub(crate) cookies: Option<Cookies>,
}

/// Starts the task that opens a session and polls it.
pub fn open(opening: Opening) -> Handle {
    let (handle, ends) = Ends::pair();
    tokio::spawn(Session { opening, sid: None }.run(ends));
    handle
}

struct Session {
    opening: Opening,
    sid: Option<String>,
}

impl Session {
    async fn run(mut self, mut ends: Ends) {
        let closed = match self.handshake(&ends).await {
            Ok(true) => self.poll(&mut ends).await,
            Ok(false) => return,
            Err(why) => Closed::because(why),
        };
        ends.report(Arrival::Closed(closed));
    }

    /// Opens the session; false: it was refused, and that was reported.
    async fn handshake(&mut self, ends: &Ends) -> Result<bool, String> {
        let mut exchange = self.request("GET", Bytes::new());
        let response = poll_fn(|cx| exchange.poll(cx)).await?;
        self.learn(&response);
        if response.status != 200 {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            ends.report(Arrival::Refused { status: response.status, body });
            return Ok(false);
        }
        let frames = frames(&response)?;
        let open = frames.iter().find_map(|frame| match frame {
            Frame::Text(text) => serde_json::from_str::<Handshake>(text.strip_prefix('0')?).ok(),
            Frame::Binary(_) => None,
        });
        let Some(open) = open else {
            return Err(format!("the answer is no handshake: {}", String::from_utf8_lossy(&response.body)));
        };
        self.sid = Some(open.sid);
        ends.report(Arrival::Opened);
        frames.into_iter().for_each(|frame| report(frame, ends));
        Ok(true)
    }

    async fn poll(&mut self, ends: &mut Ends) -> Closed {
        let mut get = Some(self.request("GET", Bytes::new()));
        let mut post: Option<Exchange> = None;
        let mut queue = std::collections::VecDeque::new();
        let mut reading = true;
        loop {
            if post.is_none()
                && let Some(body) = queue.pop_front()
            {
                post = Some(self.request("POST", body));
            }
            if get.is_none() && reading {
                get = Some(self.request("GET", Bytes::new()));
            }
            tokio::select! {
                command = ends.commands.recv() => match command {
                    None => return Closed::because("let go"),
                    Some(Command::Send(packets)) => queue.push_back(payload(&packets)),
                    Some(Command::Read(wanted)) => reading = wanted,
                    Some(Command::Drop { .. }) => return Closed::because("dropped by this end"),
                },
                answer = answered(&mut get) => {
                    get = None;
                    answer.iter().for_each(|response| self.learn(response));
                    if let Some(closed) = taken(answer, ends).or_else(|| ends.flooded()) {
                        return closed;
                    }
                }
                answer = answered(&mut post) => {
                    post = None;
                    answer.iter().for_each(|response| self.learn(response));
                    match answer {
                        Ok(response) if response.status == 200 => {}
                        // The GET says how it ends, if there is one that is answered; this is all a client sees
                        // of a packet that was refused.
                        Ok(response) => return refused(&response),
                        Err(why) => return Closed::because(why),
                    }
                }
            }
        }
    }

    fn learn(&self, response: &Response) {
        self.opening.cookies.iter().for_each(|cookies| cookies.learn(&self.opening.path, &response.headers));
    }

    fn request(&self, method: &str, body: Bytes) -> Exchange {
        let opening = &self.opening;
        let mut path = opening.path.clone();
        if let Some(sid) = &self.sid {
            path.push_str("&sid=");
            path.push_str(sid);
        }
        let mut request = Request::new(method, &path, &opening.host);
        request.headers.extend(opening.headers.iter().cloned());
        opening.cookies.iter().for_each(|cookies| cookies.show(&path, &mut request.headers));
        if method == "POST" {
            request.headers.push(("Content-Type".to_owned(), "text/plain;charset=UTF-8".to_owned()));
            request.body.parts = vec![body];
        }
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        Exchange::begin(opening.address, request)
    }
}

async fn answered(exchange: &mut Option<Exchange>) -> Result<Response, String> {
    poll_fn(|cx| match exchange {
        Some(exchange) => exchange.poll(cx),
        None => std::task::Poll::Pending,
    })
    .await
}

/// Reports the packets of a GET; returns how the session ends, if it does.
fn taken(answer: Result<Response, String>, ends: &Ends) -> Option<Closed> {
    let response = match answer {
        Ok(response) if response.status == 200 => response,
        Ok(response) => return Some(refused(&response)),
        Err(why) => return Some(Closed::because(why)),
    };
    let frames = match frames(&response) {
        Ok(frames) => frames,
        Err(why) => return Some(Closed::because(why)),
    };
    for frame in frames {
        match &frame {
            Frame::Text(text) if text == "1" => {
                ends.report(Arrival::Noted(text.to_string()));
                return Some(Closed::because("the server sent the close packet"));
            }
            Frame::Text(text) if text == "6" => ends.report(Arrival::Noted(text.to_string())),
            _ => report(frame, ends),
        }
        if let Some(closed) = ends.flooded() {
            return Some(closed);
        }
    }
    None
}

fn refused(response: &Response) -> Closed {
    let body = String::from_utf8_lossy(&response.body);
    Closed::because(format!("a request was answered with {} {}", response.status, body.trim()))
}

fn frames(response: &Response) -> Result<Vec<Frame>, String> {
    let body = ByteString::try_from(response.body.clone());
    let body = body.map_err(|_| "the body of a GET is not UTF-8".to_owned())?;
    engine::decode_payload(&body).map(|frame| frame.map_err(|error| error.to_string())).collect()
}

fn report(frame: Frame, ends: &Ends) {
    ends.report(match frame {
        Frame::Text(text) => Arrival::Text(text.to_string()),
        Frame::Binary(bytes) => Arrival::Binary(bytes),
    });
}

/// Packets as the body of one POST. Frames and bytes are what they are; there is nothing to wrap them in.
fn payload(packets: &[Outgoing]) -> Bytes {
    let parts: Vec<Vec<u8>> = packets
        .iter()
        .map(|packet| match packet {
            Outgoing::Text(text) => text.clone().into_bytes(),
            Outgoing::Binary(bytes) => engine::encode_payload(&[Frame::Binary(bytes.clone())]).as_bytes().to_vec(),
            Outgoing::Frame(frame) => frame.payload.to_vec(),
            Outgoing::Bytes(bytes) => bytes.to_vec(),
        })
        .collect();
    parts.join(&0x1e).into()
}
