//! The way to a NATS server: who may use it is the server's affair, what is said over it is `wire`'s. Everything that is waited for here
//! has an end.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr, Subscriber};
use bytes::Bytes;
use clap::Args;
use percent_encoding::percent_decode_str;

use super::wire::{self, About, Answer, Ask, Id};
use crate::aside::aside;
use crate::client::{client_config, without_password};
use crate::clock;
use crate::vocab::Trust;

/// How long a connection may take until it is there, with everything that NATS asks for.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that breaks is made again after so long, again and again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long an answer may take until the question is put again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a server that is not there yet is left alone.
const REST: Duration = Duration::from_secs(1);
/// What waits for the server while it stands still; no more is kept.
const WAITING: usize = 1_024;

/// How to get to the NATS server
#[derive(Args, Clone, Debug, Default)]
pub struct Via {
    /// NATS server over which coordinator and workers find each other: `nats://HOST:4222` or `tls://HOST:4222`, with USER:PASSWORD@ or
    /// TOKEN@ ahead of the host where it wants that
    #[arg(
        id = "via",
        long = "via",
        value_name = "URL",
        env = "SIO_BENCH_VIA",
        hide_env_values = true,
        help_heading = "Several machines"
    )]
    url: Option<String>,

    /// Certificates that the NATS server's is held against (PEM), instead of the machine's
    #[arg(long = "via-ca", value_name = "FILE", requires = "via", help_heading = "Several machines")]
    ca: Option<PathBuf>,

    /// Credentials of a user of the NATS server (a .creds file)
    #[arg(long = "via-creds", value_name = "FILE", requires = "via", help_heading = "Several machines")]
    creds: Option<PathBuf>,

    /// Seed of an nkey that the NATS server knows, in a file
    #[arg(
        long = "via-nkey",
        value_name = "FILE",
        requires = "via",
        conflicts_with = "creds",
        help_heading = "Several machines"
    )]
    nkey: Option<PathBuf>,
}

/// A connection to a NATS server.
#[derive(Clone)]
pub struct Bus {
    client: Client,
    /// As it may be shown.
    pub address: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The server is there, and nobody listens.
    Nobody,
    /// Whoever listens has not answered in time, or the server is away.
    Late,
}

impl Via {
    /// A server that nobody has typed.
    pub fn to(url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..Self::default() }
    }

    /// Whether there is to be a server.
    pub fn is_given(&self) -> bool {
        self.url.is_some()
    }

    /// Connects; the error says what cannot be, and what to do.
    pub async fn connect(&self) -> Result<Bus, String> {
        self.attempt().await.map_err(|refusal| refusal.why)
    }

    /// The same as soon as the server is there: where it is started together with whoever needs it, it may come last.
    pub async fn connect_within(&self, patience: Duration) -> Result<Bus, String> {
        let until = clock::now() + patience;
        let mut is_said = false;
        loop {
            match self.attempt().await {
                Ok(bus) => return Ok(bus),
                Err(refusal) if !refusal.may_pass || clock::now() >= until => return Err(refusal.why),
                Err(refusal) => {
                    if !is_said {
                        aside(&format!("{}; it is waited for", refusal.why.lines().next().unwrap_or_default()));
                        is_said = true;
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn attempt(&self) -> Result<Bus, Refusal> {
        let url = self.url.as_deref().unwrap_or_default();
        crate::secrets::learn_urls(url);
        let shown = shown(url);
        let server = parse(url, &shown)?;
        let connecting = self.options(&server)?.connect(bare(&server)?);
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(unreachable(&shown, &error)),
            Err(_) => {
                let why = format!("the NATS server at {shown} has not answered for {CONNECT:?}\n  {}", hint(&shown));
                return Err(Refusal { why, may_pass: true });
            }
        };
        Ok(Bus { client, address: shown })
    }

    fn options(&self, server: &ServerAddr) -> Result<ConnectOptions, String> {
        let mut options = ConnectOptions::new()
            .name("sio-bench")
            .connection_timeout(CONNECT)
            .request_timeout(Some(PATIENCE))
            .ping_interval(Duration::from_secs(10))
            .client_capacity(WAITING)
            .subscription_capacity(WAITING)
            .reconnect_delay_callback(|_| AGAIN)
            .require_tls(server.scheme() == "tls");
        let trust = self.ca.clone().map_or(Trust::System, Trust::File);
        match client_config(&trust) {
            Ok(config) => options = options.tls_client_config(config),
            // Where nobody speaks TLS it does no harm that no certificate is trusted.
            Err(problem) if server.scheme() == "tls" || self.ca.is_some() => return Err(problem),
            Err(_) => {}
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        match (server.username().map(decoded), server.password().map(decoded)) {
            (Some(user), Some(password)) => options = options.user_and_password(user, password),
            // As NATS's own programs read it: a name alone is a token.
            (Some(token), None) => options = options.token(token),
            _ => {}
        }
        self.signed(options)
    }

    #[cfg(feature = "nkeys")]
    fn signed(&self, options: ConnectOptions) -> Result<ConnectOptions, String> {
        let read = |file: &PathBuf| {
            let text = crate::input::text(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            text.lines()
                .map(str::trim)
                .filter(|line| line.len() > 40)
                .for_each(|line| crate::secrets::learn("secret", line));
            Ok::<_, String>(text)
        };
        if let Some(file) = &self.creds {
            let wrong = |error| format!("{} is no file of NATS credentials: {error}", file.display());
            return options.credentials(&read(file)?).map_err(wrong);
        }
        match &self.nkey {
            Some(file) => Ok(options.nkey(read(file)?.trim().to_owned())),
            None => Ok(options),
        }
    }

    #[cfg(not(feature = "nkeys"))]
    fn signed(&self, options: ConnectOptions) -> Result<ConnectOptions, String> {
        match self.creds.as_ref().or(self.nkey.as_ref()) {
            Some(file) => Err(format!(
                "{}: this build cannot sign with nkeys; `cargo build --release --features nkeys` makes one that can, and user, password, \
                 token and TLS work without",
                file.display()
            )),
            None => Ok(options),
        }
    }
}

const WANTED: &str = "expected nats://HOST:4222 or tls://HOST:4222";

fn parse(url: &str, shown: &str) -> Result<ServerAddr, String> {
    let server: ServerAddr = url.parse().map_err(|error| format!("--via {shown} is no address: {error}; {WANTED}"))?;
    if !matches!(server.scheme(), "nats" | "tls") {
        return Err(format!("--via {shown}: `{}` is no scheme of NATS; {WANTED}", server.scheme()));
    }
    Ok(server)
}

/// The address of a server as everybody may read it; none if it has a password or a token in it.
pub fn open_address(url: &str) -> Result<Option<String>, String> {
    let server = parse(url, &shown(url))?;
    if server.username().is_some_and(|name| !name.is_empty()) || server.password().is_some() {
        return Ok(None);
    }
    Ok(Some(String::from(bare(&server)?.into_inner())))
}

/// An address without what says who this is.
fn bare(server: &ServerAddr) -> Result<ServerAddr, String> {
    let host = server.host();
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let text = format!("{}://{host}:{}", server.scheme(), server.port());
    text.parse().map_err(|error| format!("--via {text} is no address: {error}; {WANTED}"))
}

/// An address as it may be shown: a user without a password is a token.
fn shown(url: &str) -> String {
    let shown = without_password(url);
    match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) if !rest.split('@').next().unwrap_or_default().contains(':') => {
            format!("{scheme}://***@{host}")
        }
        _ => shown,
    }
}

fn hint(shown: &str) -> String {
    let port = shown.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("4222");
    format!(
        "`nats-server --port {port}` starts one (`apt-get install nats-server`); sio-bench needs nothing else of it"
    )
}

/// Why there is no connection.
struct Refusal {
    why: String,
    /// Whether it may be otherwise when it is tried again.
    may_pass: bool,
}

/// What is wrong stays wrong.
impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self { why, may_pass: false }
    }
}

fn unreachable(shown: &str, error: &async_nats::ConnectError) -> Refusal {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_said = inner.to_string();
        if !said.contains(&inner_said) {
            said.push_str(&format!(": {inner_said}"));
        }
        source = inner.source();
    }
    let (what_to_do, may_pass) = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => (
            "it wants to know who this is: nats://USER:PASSWORD@HOST, nats://TOKEN@HOST, or --via-creds FILE"
                .to_owned(),
            false,
        ),
        _ if said.contains("certificate") || error.kind() == ConnectErrorKind::Tls => {
            ("--via-ca FILE names the certificates that are trusted; tls:// asks for TLS".to_owned(), false)
        }
        kind => (hint(shown), kind != ConnectErrorKind::ServerParse),
    };
    Refusal { why: format!("cannot reach a NATS server at {shown}: {said}\n  {what_to_do}"), may_pass }
}

impl Bus {
    /// Listens to a subject, from when this returns on.
    pub async fn listen(&self, subject: String) -> Result<Subscriber, String> {
        let gone = || format!("the NATS server at {} is gone", self.address);
        let subscriber = self.client.subscribe(subject).await.map_err(|_| gone())?;
        // Only then the server knows of it.
        let flushed = tokio::time::timeout(CONNECT, self.client.flush()).await;
        flushed.map_err(|_| gone())?.map_err(|_| gone())?;
        Ok(subscriber)
    }

    /// Says something, if the server is there; otherwise nothing is kept for later.
    pub async fn say(&self, subject: String, bytes: Vec<u8>) {
        if self.is_connected() {
            // A full queue, or one that is closed, is the server's standing still, which whoever waits will notice.
            let _ = tokio::time::timeout(AGAIN, self.client.publish(subject, bytes.into())).await;
        }
    }

    /// Waits until the server has all that was said, as long as it is there.
    pub async fn flush(&self) {
        // Whoever waits for it asks again.
        let _ = tokio::time::timeout(PATIENCE, self.client.flush()).await;
    }

    /// Whether there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Asks once.
    pub async fn ask_once(&self, subject: String, bytes: Bytes, patience: Duration) -> Result<Bytes, Silence> {
        let request = async_nats::Request::new().payload(bytes).timeout(None);
        match tokio::time::timeout(patience, self.client.send_request(subject, request)).await {
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Silence::Nobody),
            Ok(Err(_)) | Err(_) => Err(Silence::Late),
        }
    }

    /// Asks again and again until there is an answer, or has been none for `patience`.
    pub async fn ask(&self, subject: String, bytes: Vec<u8>, patience: Duration) -> Result<Bytes, Silence> {
        let (bytes, begun) = (Bytes::from(bytes), clock::now());
        loop {
            let answer = self.ask_once(subject.clone(), bytes.clone(), PATIENCE.min(patience)).await;
            let Err(silence) = answer else { return answer };
            if clock::now().duration_since(begun) >= patience {
                return Err(silence);
            }
            if silence == Silence::Nobody || !self.is_connected() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Asks the coordinator of a run.
    pub async fn ask_desk(&self, run: &Id, ask: &Ask, patience: Duration) -> Result<Answer, Silence> {
        let answer = self.ask(wire::subject(run, About::Desk), wire::encode(ask), patience).await?;
        Ok(wire::decode(&answer).unwrap_or_else(|| Answer::Refused { why: "it answered what is no answer".to_owned() }))
    }

    /// How much of a file fits into one message.
    pub fn chunk(&self) -> usize {
        const HEAD: usize = 1_024;
        self.client.max_payload().saturating_sub(HEAD).clamp(1, wire::CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_a_password_or_a_token() {
        assert_eq!(shown("nats://me:pw@h:4222"), "nats://me:***@h:4222");
        assert_eq!(shown("nats://s3cr3t@h:4222"), "nats://***@h:4222");
        assert_eq!(shown("nats://h:4222"), "nats://h:4222");
        assert_eq!(shown("tls://[::1]:4222"), "tls://[::1]:4222");
    }
}
