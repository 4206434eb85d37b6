//! The HTTP client of the OpenTelemetry exporter: our own, which speaks TLS and knows no proxies.
//!
//! The exporter waits for its answers on a thread that has no runtime; the requests are made on another one that has.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::sync::{mpsc, oneshot};

use crate::client::body::collect;
use crate::client::{ConnectOptions, Http, http_client};

/// A collector that has not answered by then is not waited for.
const LIMIT: Duration = Duration::from_secs(10);
/// No collector answers with more.
const MAX_BODY: usize = 1024 * 1024;

type Job = (Request<Bytes>, oneshot::Sender<Result<Response<Bytes>, String>>);

/// Sends requests, one after the other.
pub(super) struct Direct {
    jobs: mpsc::UnboundedSender<Job>,
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

impl Direct {
    pub(super) fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let (jobs, mut inbox) = mpsc::unbounded_channel::<Job>();
        let carry = move || {
            runtime.block_on(async {
                let client = http_client(&Arc::new(ConnectOptions::default()));
                while let Some((request, answer)) = inbox.recv().await {
                    // Nobody waits any more when the run is over.
                    let _ = answer.send(send(&client, request).await);
                }
            });
        };
        std::thread::Builder::new().name("otlp".to_owned()).spawn(carry).map_err(|error| error.to_string())?;
        Ok(Self { jobs })
    }
}

async fn send(client: &Http, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let whole = async {
        let response = client.request(request.map(Full::new)).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = collect(body, MAX_BODY).await.map_err(|error| error.to_string())?;
        Ok(Response::from_parts(head, body))
    };
    tokio::time::timeout(LIMIT, whole).await.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")))
}

impl HttpClient for Direct {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (told, answer) = oneshot::channel();
        let sent = self.jobs.send((request, told));
        Box::pin(async move {
            sent.map_err(|_| "the thread that sends is gone")?;
            Ok(answer.await.map_err(|_| "the thread that sends is gone")??)
        })
    }
}
