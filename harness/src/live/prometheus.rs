//! `GET /metrics`, for Prometheus and whatever else reads OpenMetrics.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Latest;
use crate::report::figures::render;
use crate::vocab::lock::LockExt;
use crate::wire::listen;

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Whoever reads figures asks, reads, and goes.
const LIMIT: Duration = Duration::from_secs(10);
/// Connections at a time; the next ones wait. The open files of a run are for its users.
const MOST: usize = 16;

/// Answers until the task is aborted.
pub(super) async fn serve(address: SocketAddr, latest: Latest) -> Result<JoinHandle<()>, String> {
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot serve metrics at {address}: {error}"))?;
    Ok(tokio::spawn(accept(listener, latest, LIMIT)))
}

/// Takes connections, each of which has so long.
async fn accept(listener: TcpListener, latest: Latest, limit: Duration) {
    let places = Arc::new(Semaphore::new(MOST));
    // Nobody closes them.
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, _) = listen::next(&listener).await;
        let latest = latest.clone();
        tokio::spawn(async move {
            // Whoever takes longer, or goes, has no figures.
            let _ = tokio::time::timeout(limit, talk(stream, latest)).await;
            drop(place);
        });
    }
}

async fn talk(stream: TcpStream, latest: Latest) -> hyper::Result<()> {
    let service = hyper::service::service_fn(move |request| {
        let answer = answer(&request, &latest);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(false).serve_connection(TokioIo::new(stream), service).await
}

fn answer(request: &Request<Incoming>, latest: &Latest) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            let text = render(&latest.lock_unpoisoned().all);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORMAT));
            *response.body_mut() = Full::from(text);
        }
        ("/metrics", _) => *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED,
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Nobody who says nothing keeps others from the figures for long, or takes the files of the users.
    #[tokio::test]
    async fn peers_that_say_nothing_are_few_and_gone_soon() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(accept(listener, Latest::default(), Duration::from_millis(200)));
        assert!(ask(address, "GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 405"));
        let mut silent = Vec::new();
        for _ in 0..3 * MOST {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("openmetrics-text"), "{answer}");
        serving.abort();
    }
}
