//! `GET /metrics`, for Prometheus and whatever else reads OpenMetrics.

use std::net::SocketAddr;
use std::sync::PoisonError;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Latest;
use crate::report::figures::render;

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until the task is aborted.
pub(super) async fn serve(address: SocketAddr, latest: Latest) -> Result<JoinHandle<()>, String> {
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot serve metrics at {address}: {error}"))?;
    let answer = move || {
        let text = render(&latest.lock().unwrap_or_else(PoisonError::into_inner));
        async move { ([(CONTENT_TYPE, FORMAT)], text) }
    };
    let app = Router::new().route("/metrics", get(answer));
    Ok(tokio::spawn(async move {
        // It ends with the run.
        let _ = axum::serve(listener, app).await;
    }))
}
