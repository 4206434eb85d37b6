//! The server inside of somebody else's HTTP stack.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};

#[cfg(feature = "faults")]
use crate::faults::http::serve;
use crate::server::Server;
pub use crate::transport::http::RequestBody;
#[cfg(not(feature = "faults"))]
use crate::transport::http::serve;

/// Answers the requests of Socket.IO clients, as a service for hyper and tower.
///
/// The connection must allow upgrades (`serve_connection(…).with_upgrades()`; axum does that), and it must be on a
/// tokio runtime. The client's address is taken from a [`SocketAddr`] among the request's extensions, if there is one.
#[derive(Clone)]
pub struct SocketIoService(Server);

/// Puts a Socket.IO server in front of another service, which gets all the requests that are not for its path.
#[derive(Clone)]
pub struct SocketIoLayer(Server);

/// A service with a Socket.IO server in front of it.
#[derive(Clone)]
pub struct WithSocketIo<S> {
    io: Server,
    inner: S,
}

impl Server {
    /// This server as a service that answers every request, with 404 those that are not for its path.
    ///
    /// ```no_run
    /// # use sio_reference_server::Server;
    /// # async fn example(stream: tokio::net::TcpStream) {
    /// let io = Server::builder().build();
    /// let stream = hyper_util::rt::TokioIo::new(stream);
    /// let connection = hyper::server::conn::http1::Builder::new().serve_connection(stream, io.service());
    /// connection.with_upgrades().await.unwrap();
    /// # }
    /// ```
    pub fn service(&self) -> SocketIoService {
        SocketIoService(self.clone())
    }

    /// This server as a layer over an application of one's own, such as an axum `Router`.
    ///
    /// ```no_run
    /// # use sio_reference_server::Server;
    /// # async fn example(listener: tokio::net::TcpListener) {
    /// let io = Server::builder().build();
    /// let app = axum::Router::new().route("/", axum::routing::get(|| async { "a page" })).layer(io.layer());
    /// axum::serve(listener, app).await.unwrap();
    /// # }
    /// ```
    pub fn layer(&self) -> SocketIoLayer {
        SocketIoLayer(self.clone())
    }

    /// Answers one request.
    pub async fn handle<B: RequestBody>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        let address = request.extensions().get::<SocketAddr>().copied();
        serve(self, address, request).await
    }
}

type Answering<R> = Pin<Box<dyn Future<Output = Result<R, Infallible>> + Send>>;

impl<B> hyper::service::Service<Request<B>> for SocketIoService
where
    B: RequestBody,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering<Self::Response>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let io = self.0.clone();
        Box::pin(async move { Ok(io.handle(request).await) })
    }
}

impl<B> tower_service::Service<Request<B>> for SocketIoService
where
    B: RequestBody,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering<Self::Response>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        hyper::service::Service::call(self, request)
    }
}

impl<S> tower_layer::Layer<S> for SocketIoLayer {
    type Service = WithSocketIo<S>;

    fn layer(&self, inner: S) -> WithSocketIo<S> {
        WithSocketIo { io: self.0.clone(), inner }
    }
}

impl<S, B, R> tower_service::Service<Request<B>> for WithSocketIo<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    B: RequestBody,
{
    type Response = Response<Either<Full<Bytes>, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.io.options().serves(request.uri().path()) {
            let io = self.io.clone();
            return Box::pin(async move { Ok(io.handle(request).await.map(Either::Left)) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map(Either::Right)) })
    }
}
