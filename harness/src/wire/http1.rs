//! HTTP/1.1 as bytes: one request on one connection, complete or not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::dial;
use super::held::Held;

/// A longer head is not taken from a target.
const MAX_HEAD: usize = 64 * 1024;
/// A longer body is not taken from a target.
const MAX_BODY: usize = 64 * 1024 * 1024;
const MAX_HEADERS: usize = 100;
/// More answers that announce another one (100 and its kin) are not taken.
const MAX_ANNOUNCEMENTS: usize = 32;
/// A longer line ahead of a chunk is not taken; a size has at most 16 digits, the rest are extensions.
const MAX_CHUNK_LINE: usize = 4 * 1024;
/// Between two parts of a body, so that they are two reads for the server.
const BETWEEN_PARTS: Duration = Duration::from_millis(2);

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// How a body is sent.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// More than one leave as segments, or as chunks.
    pub parts: Vec<Bytes>,
    /// `Transfer-Encoding: chunked` instead of a length.
    pub chunked: bool,
    /// Bytes after which sending stops, until [`Exchange::finish`].
    pub stop_after: Option<usize>,
    /// What `Content-Length` says instead of the truth.
    pub claims: Option<u64>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str, host: &str) -> Self {
        let headers = vec![("Host".to_owned(), host.to_owned())];
        Self { method: method.to_owned(), path: path.to_owned(), headers, body: Body::default() }
    }

    /// The head's bytes; with the body's length, unless there is to be no body.
    pub(super) fn head(&self, length: Option<u64>) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(_) if self.body.chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
            Some(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            None => {}
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Everything to be written, in the pieces in which it is to be written.
    fn pieces(&self) -> Vec<Bytes> {
        let body = &self.body;
        let has_body = !body.parts.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let length = body.parts.iter().map(|part| part.len() as u64).sum();
        let head = Bytes::from(self.head(has_body.then_some(body.claims.unwrap_or(length))));
        let mut pieces = vec![head];
        if body.chunked {
            for part in &body.parts {
                pieces.push([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat().into());
            }
            pieces.push(Bytes::from_static(b"0\r\n\r\n"));
        } else {
            pieces.extend(body.parts.iter().cloned());
        }
        pieces
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A request on its way. Dropping it closes its connection.
#[derive(Debug)]
pub struct Exchange {
    task: tokio::task::JoinHandle<()>,
    answer: oneshot::Receiver<Result<Response, String>>,
    finish: Option<oneshot::Sender<()>>,
    sent: oneshot::Receiver<()>,
}

impl Exchange {
    /// Sends a request on a connection of its own.
    pub fn begin(address: SocketAddr, request: Request) -> Self {
        let (answered, answer) = oneshot::channel();
        let (finish, finished) = oneshot::channel();
        let (written, sent) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Nobody waits any more: the case is over.
            let _ = answered.send(exchange(address, &request, finished, written).await);
        });
        Self { task, answer, finish: Some(finish), sent }
    }

    /// Sends what was held back.
    pub fn finish(&mut self) {
        if let Some(finish) = self.finish.take() {
            let _ = finish.send(());
        }
    }

    /// Ready when the request is written, as far as it is to be written, or cannot be; not to be asked again
    /// afterwards.
    pub fn poll_sent(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        use std::future::Future as _;
        std::pin::Pin::new(&mut self.sent).poll(cx).map(drop)
    }

    /// Whether the answer is there; cancel-safe, and not to be asked again afterwards.
    pub fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<Response, String>> {
        use std::future::Future as _;
        std::pin::Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err("the request was abandoned".to_owned())))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn exchange(
    address: SocketAddr,
    request: &Request,
    finished: oneshot::Receiver<()>,
    written: oneshot::Sender<()>,
) -> Result<Response, String> {
    let mut stream = dial(address).await.map_err(|error| format!("cannot connect: {error}"))?;
    let (mut reader, mut writer) = stream.split();
    let mut buffer = BytesMut::new();
    // A server may answer ahead of the request's end, and then close: its answer is what counts.
    let write = async {
        let outcome = write(&mut writer, request, finished, written).await;
        if outcome.is_err() { Ok(()) } else { std::future::pending::<Result<(), String>>().await }
    };
    let head = tokio::select! {
        biased;
        head = read_head(&mut reader, &mut buffer) => head?,
        _ = write => read_head(&mut reader, &mut buffer).await?,
    };
    let body = if request.method == "HEAD" { Bytes::new() } else { read_body(&mut reader, &mut buffer, &head).await? };
    Ok(Response { status: head.status, headers: head.headers, body })
}

async fn write(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    request: &Request,
    finished: oneshot::Receiver<()>,
    written: oneshot::Sender<()>,
) -> std::io::Result<()> {
    let mut pieces = request.pieces();
    let mut held = Vec::new();
    if let Some(stop) = request.body.stop_after {
        // Counted from the body's first byte.
        let mut left = stop;
        for piece in &mut pieces[1..] {
            let rest = piece.split_off(left.min(piece.len()));
            left -= piece.len();
            held.push(rest);
        }
    }
    write_all(writer, &pieces).await?;
    let _ = written.send(());
    if !held.is_empty() && finished.await.is_ok() {
        write_all(writer, &held).await?;
    }
    Ok(())
}

async fn write_all(writer: &mut (impl tokio::io::AsyncWrite + Unpin), pieces: &[Bytes]) -> std::io::Result<()> {
    let mut first = true;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        if !std::mem::take(&mut first) {
            tokio::time::sleep(BETWEEN_PARTS).await;
        }
        writer.write_all(piece).await?;
    }
    Ok(())
}

/// Status line and headers.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// 100 Continue and its kin: another head follows.
    fn is_announcement(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Reads up to the end of the head; what follows it stays in `buffer`.
pub(super) async fn read_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Head, String> {
    let mut announcements = 0;
    loop {
        if let Some(head) = parse_head(buffer)? {
            if !head.is_announcement() {
                return Ok(head);
            }
            announcements += 1;
            if announcements > MAX_ANNOUNCEMENTS {
                return Err(format!("the server sent more than {MAX_ANNOUNCEMENTS} answers of 1xx and no other"));
            }
            continue;
        }
        if buffer.len() > MAX_HEAD {
            return Err(format!("the head of the answer is longer than {MAX_HEAD} bytes"));
        }
        if read_some(stream, buffer).await? == 0 {
            let shown = if buffer.is_empty() { "without an answer" } else { "in the middle of the answer's head" };
            return Err(format!("the connection was closed {shown}"));
        }
    }
}

fn parse_head(buffer: &mut BytesMut) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(buffer) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let status = response.code.unwrap_or_default();
            let headers = response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
                .collect();
            buffer.advance(length);
            Ok(Some(Head { status, headers }))
        }
        Err(error) => Err(format!("the answer is not HTTP: {error}")),
    }
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<usize, String> {
    stream.read_buf(buffer).await.map_err(|error| format!("the connection broke: {error}"))
}

/// Reads a body as its head describes it.
pub(super) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    head: &Head,
) -> Result<Bytes, String> {
    if matches!(head.status, 204 | 304) {
        return Ok(Bytes::new());
    }
    if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream, buffer).await;
    }
    let mut held = Held::default();
    let length = match head.header("content-length") {
        Some(text) => text.parse().map_err(|_| format!("content-length is {text:?}"))?,
        None => {
            while read_some(stream, buffer).await? > 0 {
                within(buffer.len())?;
                held.set(buffer.len())?;
            }
            buffer.len()
        }
    };
    fill(stream, buffer, length, 0, &mut held).await?;
    Ok(buffer.split_to(length).freeze())
}

/// Reads until there is so much; `before` is what is held of the body besides.
async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    length: usize,
    before: usize,
    held: &mut Held,
) -> Result<(), String> {
    within(length)?;
    while buffer.len() < length {
        if read_some(stream, buffer).await? == 0 {
            return Err(format!("the body ended after {} of {length} bytes", buffer.len()));
        }
        held.set(before + buffer.len())?;
    }
    Ok(())
}

fn within(length: usize) -> Result<(), String> {
    if length > MAX_BODY { Err(format!("the body is longer than {MAX_BODY} bytes")) } else { Ok(()) }
}

async fn read_chunks(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Bytes, String> {
    let (mut body, mut held) = (BytesMut::new(), Held::default());
    loop {
        let size = read_chunk_size(stream, buffer).await?;
        within(size)?;
        within(body.len() + size)?;
        fill(stream, buffer, size + 2, body.len(), &mut held).await?;
        body.extend_from_slice(&buffer.split_to(size));
        // Behind the last one there may be trailers, which nobody looks at.
        if size > 0 && !buffer.starts_with(b"\r\n") {
            return Err("a chunk is longer than its size says".to_owned());
        }
        buffer.advance(2);
        if size == 0 {
            return Ok(body.freeze());
        }
    }
}

/// The size of the chunk that comes next; one that no body can have is as good as the largest.
async fn read_chunk_size(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<usize, String> {
    loop {
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete((header, size))) => {
                buffer.advance(header);
                return Ok(usize::try_from(size).unwrap_or(usize::MAX));
            }
            Ok(httparse::Status::Partial) if buffer.len() > MAX_CHUNK_LINE => {
                return Err(format!("the line ahead of a chunk is longer than {MAX_CHUNK_LINE} bytes"));
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Err("a chunk's size cannot be read".to_owned()),
        }
        if read_some(stream, buffer).await? == 0 {
            return Err("the body ended between two chunks".to_owned());
        }
    }
}

/// Reads an answer that is there already; for the fuzzers.
pub async fn read_answer(mut bytes: &[u8]) -> Result<Response, String> {
    let mut buffer = BytesMut::new();
    let head = read_head(&mut bytes, &mut buffer).await?;
    let body = read_body(&mut bytes, &mut buffer, &head).await?;
    Ok(Response { status: head.status, headers: head.headers, body })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes, after reading until the head's end.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                stream.read_buf(&mut seen).await.unwrap();
            }
            stream.write_all(answer).await.unwrap();
        });
        address
    }

    async fn ask(answer: &'static [u8]) -> Result<Response, String> {
        let mut exchange = Exchange::begin(server(answer).await, Request::new("GET", "/", "localhost"));
        std::future::poll_fn(|cx| exchange.poll(cx)).await
    }

    #[tokio::test]
    async fn bodies_by_length_by_chunks_and_by_the_end() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            let response = ask(answer).await.unwrap();
            assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
        }
    }

    #[tokio::test]
    async fn what_is_not_http_is_said_to_be_none() {
        for (answer, problem) in [
            (&b"SSH-2.0-x\r\n\r\n"[..], "not HTTP"),
            (b"", "without an answer"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "after 5 of 50"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk's size"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\n0{}", "longer than"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n0{}", "longer than"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", "than its size says"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n0{}", "longer than"),
        ] {
            let error = ask(answer).await.unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    /// However long a server goes on, what is taken of it has an end.
    #[tokio::test]
    async fn what_never_ends_is_left() {
        let announcements = "HTTP/1.1 100\r\n\r\n".repeat(30_000);
        let extension = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;{}", "a".repeat(100_000));
        let header = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(200_000));
        for (answer, problem) in
            [(announcements, "answers of 1xx"), (extension, "ahead of a chunk"), (header, "head of the answer")]
        {
            let error = ask(answer.leak().as_bytes()).await.unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_body_is_cut_where_it_is_told_to_be() {
        let mut request = Request::new("POST", "/", "h");
        request.body.parts = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def")];
        let pieces = request.pieces();
        assert!(pieces[0].ends_with(b"Content-Length: 6\r\n\r\n"));
        request.body.chunked = true;
        assert_eq!(request.pieces()[1..], ["3\r\nabc\r\n", "3\r\ndef\r\n", "0\r\n\r\n"]);
    }
}
