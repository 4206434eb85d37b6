//! The server in other surroundings: TLS, several threads, somebody else's HTTP stack, and as a program.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{Options, Server, fixture, tls};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

fn with_fixture() -> Server {
    let io = Server::new(Options::default());
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: true });
    io
}

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

async fn text<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocketStream<S>) -> String {
    soon("message", ws.next()).await.unwrap().unwrap().to_text().unwrap().to_owned()
}

/// Joins `/` over any stream and checks an echo.
async fn joins<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocketStream<S> {
    let (mut ws, _) = client_async("ws://localhost/socket.io/?EIO=4&transport=websocket", stream).await.unwrap();
    assert!(text(&mut ws).await.starts_with('0'));
    ws.send(Message::text("40")).await.unwrap();
    assert!(text(&mut ws).await.starts_with("40{"));
    assert!(text(&mut ws).await.starts_with("42[\"auth\""));
    ws.send(Message::text(format!("421[\"message-with-ack\",\"{}\"]", "x".repeat(100_000)))).await.unwrap();
    assert_eq!(text(&mut ws).await.len(), 100_000 + "431[\"\"]".len());
    ws
}

/// One request over any stream.
async fn get<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("answer", stream.read_to_end(&mut answer)).await.ok();
    String::from_utf8(answer).unwrap()
}

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

// ---- TLS

struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn connect(&self, address: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("cert.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

#[tokio::test]
async fn both_transports_over_tls() {
    let certificate = Certificate::new();
    let io = with_fixture();
    let config = tls::load(&certificate.path("cert.pem"), &certificate.path("key.pem")).unwrap();
    let listener = io.listen("127.0.0.1:0").await.unwrap().with_tls(config);
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    let open = get(certificate.connect(&address).await, HANDSHAKE).await;
    assert!(open.starts_with("HTTP/1.1 200") && open.contains("0{\"sid\""), "{open}");
    joins(certificate.connect(&address).await).await;
}

/// `TLS_TIMEOUT`, on a clock that jumps when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_tls_handshake_is_waited_for_for_so_long() {
    let certificate = Certificate::new();
    let config = tls::load(&certificate.path("cert.pem"), &certificate.path("key.pem")).unwrap();
    let listener = with_fixture().listen("127.0.0.1:0").await.unwrap().with_tls(config);
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    let begin = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.ok();
    assert!(begin.elapsed() >= sio_reference_server::limits::TLS_TIMEOUT);
}

#[test]
fn certificates_that_are_none() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    let error = |cert: &Path, key: &Path| tls::load(cert, key).unwrap_err().to_string();
    let missing = certificate.path("missing.pem");
    assert!(error(&missing, &key).contains("missing.pem as the certificate"), "{}", error(&missing, &key));
    assert!(error(&cert, &missing).contains("missing.pem as the private key"));
    assert!(error(&key, &key).contains("holds no certificate"), "{}", error(&key, &key));
    assert!(error(&cert, &cert).contains("as the private key"));
    let other = Certificate::new();
    assert!(error(&cert, &other.path("key.pem")).contains("cannot be used together"));
}

// ---- other people's stacks

#[tokio::test]
async fn as_a_service_of_hyper() {
    let io = with_fixture();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = io.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = hyper_util::rt::TokioIo::new(stream);
            let service = served.service();
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).with_upgrades());
        }
    });
    assert!(get(TcpStream::connect(&address).await.unwrap(), HANDSHAKE).await.contains("0{\"sid\""));
    assert!(get(TcpStream::connect(&address).await.unwrap(), "/else").await.starts_with("HTTP/1.1 404"));
    joins(TcpStream::connect(&address).await.unwrap()).await;
    assert!(io.of("/").fetch_sockets().iter().all(|socket| socket.handshake().address().is_none()));
}

#[tokio::test]
async fn as_a_layer_of_axum() {
    let io = with_fixture();
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "a page" })).layer(io.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert!(get(TcpStream::connect(&address).await.unwrap(), "/").await.ends_with("a page"));
    assert!(get(TcpStream::connect(&address).await.unwrap(), HANDSHAKE).await.contains("0{\"sid\""));
    joins(TcpStream::connect(&address).await.unwrap()).await;
}

// ---- the program

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sio-reference-server"));
        let mut child = command.args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let port = line.strip_prefix("LISTENING ").unwrap().to_owned();
        Self { child, address: format!("127.0.0.1:{port}") }
    }

    async fn join(&self) -> WebSocketStream<TcpStream> {
        joins(TcpStream::connect(&self.address).await.unwrap()).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three threads, one room: everybody gets everything, in one order.
#[tokio::test]
async fn several_threads_are_one_server() {
    let program = Program::start(&["--threads", "3"]);
    let mut people = Vec::new();
    for _ in 0..12 {
        people.push(program.join().await);
    }
    for ws in &mut people {
        ws.send(Message::text("421[\"join\",\"red\"]")).await.unwrap();
        assert!(text(ws).await.starts_with("431"));
    }
    for n in 0..50 {
        for (index, ws) in people.iter_mut().enumerate() {
            let request = format!("42[\"emit\",{{\"to\":\"red\",\"event\":\"x\",\"args\":[{index},{n}]}}]");
            ws.send(Message::text(request)).await.unwrap();
        }
    }
    let mut orders = Vec::new();
    for ws in &mut people {
        let mut order = Vec::new();
        while order.len() < 600 {
            order.push(text(ws).await);
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "broadcasts of one namespace have one order");
}

/// SIGTERM: what is queued is written, the connection is closed, and the program ends by itself. Nobody is put out of a
/// namespace: the official client would not come back by itself.
#[tokio::test]
async fn a_program_that_is_told_to_stop() {
    for arguments in [&["--threads", "2"][..], &[]] {
        let mut program = Program::start(arguments);
        let mut ws = program.join().await;
        ws.send(Message::text("42[\"emit\",{\"via\":\"self\",\"event\":\"n\",\"repeat\":100}]")).await.unwrap();
        assert_eq!(text(&mut ws).await, "42[\"n\",0]");
        let pid = program.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        for n in 1..100 {
            assert_eq!(text(&mut ws).await, format!("42[\"n\",{n}]"));
        }
        assert_eq!(text(&mut ws).await, "", "a close frame");
        let status = soon("end", tokio::task::spawn_blocking(move || program.child.wait().unwrap())).await.unwrap();
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_program_with_tls_and_what_it_says_of_mistakes() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let program = Program::start(&["--tls-cert", cert, "--tls-key", key, "--cookie", "io"]);
    let open = get(certificate.connect(&program.address).await, HANDSHAKE).await;
    assert!(open.contains("set-cookie: io="), "{open}");
    joins(certificate.connect(&program.address).await).await;

    for (arguments, said) in [
        (&["--tls-cert", cert][..], "--tls-key"),
        (&["--tls-cert", "/nowhere.pem", "--tls-key", key], "cannot use /nowhere.pem as the certificate"),
        (&["--threads", "0"], "--threads"),
        (&["--parser", "xml"], "possible values: json, msgpack"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sio-reference-server"));
        let output = command.args(["--port", "0"]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}
