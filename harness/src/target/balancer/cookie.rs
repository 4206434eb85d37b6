//! Requests, each to the node that its cookie names: the first answer of a session sets it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use http::header::{COOKIE as COOKIES, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};

use super::COOKIE;
use super::pool::Pool;
use super::splice;

type Body = BoxBody<Bytes, hyper::Error>;
type Sender = SendRequest<Full<Bytes>>;

/// The largest body of a request: one is kept until it is answered. Servers take a megabyte, as a rule.
const MAX_BODY: usize = 64 << 20;

/// What the requests of one connection share.
struct Client {
    pool: Arc<Pool>,
    dropped: watch::Receiver<u64>,
    /// Connections to nodes that wait for another request of this client.
    idle: Mutex<HashMap<usize, Sender>>,
}

/// Serves the requests of a connection, until it ends or everybody is dropped.
pub(super) async fn serve(stream: TcpStream, pool: Arc<Pool>, mut dropped: watch::Receiver<u64>) {
    let client = Arc::new(Client { pool, dropped: dropped.clone(), idle: Mutex::default() });
    let service = hyper::service::service_fn(move |request| {
        let client = Arc::clone(&client);
        async move {
            Ok::<_, Infallible>(client.answer(request).await.unwrap_or_else(|| without_body(StatusCode::BAD_GATEWAY)))
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    // A client that is gone waits for no answer, and its node is told so.
    server.preserve_header_case(true);
    let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        // A peer that goes without a word is no concern of a balancer.
        _ = connection => {}
        _ = dropped.changed() => {}
    }
}

impl Client {
    /// Lets a node answer; none, if no node can.
    async fn answer(&self, mut request: Request<Incoming>) -> Option<Response<Body>> {
        let named = named_node(request.headers(), self.pool.len());
        let wanted = named.unwrap_or_else(|| self.pool.next());
        let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return Some(without_body(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let request = Request::from_parts(head, Full::new(body.to_bytes()));
        let (node, sender, mut response) = self.ask(wanted, request).await?;
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(client)) = (response.status(), upgrade) {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(splice(client, server, self.dropped.clone()));
        } else {
            self.idle.lock().await.insert(node, sender);
        }
        if named != Some(node) {
            response.headers_mut().append(SET_COOKIE, cookie(node));
        }
        Some(response.map(BodyExt::boxed))
    }

    /// Has this node answer, or the next one that is there. A connection that was kept open may have been closed meanwhile: as
    /// browsers do, what had no answer there is sent again.
    async fn ask(&self, wanted: usize, request: Request<Full<Bytes>>) -> Option<(usize, Sender, Response<Incoming>)> {
        let idle = self.idle.lock().await.remove(&wanted);
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            match sender.send_request(request.clone()).await {
                Ok(response) => return Some((wanted, sender, response)),
                Err(error) if error.is_parse() => return None,
                Err(_) => {}
            }
        }
        let (node, mut sender) = self.connect(wanted).await?;
        let response = sender.send_request(request).await.ok()?;
        Some((node, sender, response))
    }

    /// A connection of its own to this node, or to the next one that is there.
    async fn connect(&self, wanted: usize) -> Option<(usize, Sender)> {
        let (node, stream) = self.pool.connect(wanted).await?;
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
        let mut dropped = self.dropped.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = connection.with_upgrades() => {}
                _ = dropped.changed() => {}
            }
        });
        Some((node, sender))
    }
}

/// Joins both ends of a connection that is no HTTP any more.
async fn splice(
    client: hyper::upgrade::OnUpgrade,
    server: hyper::upgrade::OnUpgrade,
    mut dropped: watch::Receiver<u64>,
) {
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
    tokio::select! {
        _ = splice::join(TokioIo::new(client), TokioIo::new(server), splice::FAREWELL) => {}
        _ = dropped.changed() => {}
    }
}

fn without_body(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

fn cookie(node: usize) -> HeaderValue {
    HeaderValue::from_str(&format!("{COOKIE}={node}; Path=/; HttpOnly"))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The node that a request asks for, if there is one of that number.
fn named_node(headers: &HeaderMap, nodes: usize) -> Option<usize> {
    let lines = headers.get_all(COOKIES).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    value.parse().ok().filter(|node| *node < nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_names_a_node_that_there_is() {
        let named = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIES, HeaderValue::from_str(line).unwrap());
            named_node(&headers, 2)
        };
        assert_eq!(named("io=abc; sio-bench-node=1"), Some(1));
        assert_eq!(named("sio-bench-node=2"), None, "there is no such node");
        assert_eq!(named("sio-bench-nodes=1; x"), None);
        assert_eq!(cookie(1), "sio-bench-node=1; Path=/; HttpOnly");
    }
}
