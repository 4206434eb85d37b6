//! Whether something answers, whether it speaks our protocol, and what it says to those who will come.
//!
//! The probe asks for what the users will ask for. To be let in is one answer and to be refused is another: both prove
//! that the server speaks Socket.IO, and nothing more is needed to begin.

use std::time::Duration;

use sio_protocol::{Args, Parser};

use super::Error;
use super::first_answer;
use crate::client::{self, Connection, Door, Endpoint, Http, Jar};
use crate::scenario::model::Transport;

/// Time for each step of the probe.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// A server without the fixture ignores the fence; how long that is believed to be an accident.
const FENCE_LIMIT: Duration = Duration::from_secs(1);
/// More namespaces are not knocked at; users find out about the others.
const MOST_DOORS: usize = 8;

/// What the probe has found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether the fence is acknowledged wherever the users go.
    pub(super) fence: bool,
    /// What is worth knowing about how to get in.
    pub(super) remarks: Vec<String>,
}

/// How a namespace answers.
#[derive(Debug, PartialEq, Eq)]
enum Welcome {
    /// It lets one in; whether it acknowledges the fence.
    In { fence: bool },
    /// It does not; what it says.
    Refused(String),
    /// Nothing comes.
    Silent,
}

/// A full handshake and a fence, twice, at each door. Another spelling of the path is taken if it is the one that works.
pub(super) async fn check(endpoint: &mut Endpoint, http: &Http, parser: Parser) -> Result<Found, Error> {
    // A balancer may want to see its cookie again.
    let mut asked = endpoint.clone().with_jar(Jar::default());
    let (mut remarks, open) = first_answer::check(&mut asked, http).await?;
    endpoint.path.clone_from(&asked.path);
    if !open {
        return Ok(Found { fence: false, remarks });
    }
    let mut doors = endpoint.manner.doors.clone();
    if doors.is_empty() {
        doors.push(Door { namespace: "/".to_owned(), auth: String::new() });
    }
    doors.truncate(MOST_DOORS);
    let mut fenced: Vec<(String, bool)> = Vec::new();
    for door in &doors {
        let welcome = match knock(&asked, http, parser, door).await? {
            Welcome::In { fence: true } => knock(&asked, http, parser, door).await?,
            other => other,
        };
        let name = &door.namespace;
        let fence = match welcome {
            Welcome::In { fence } => fence,
            Welcome::Refused(why) => {
                remarks
                    .push(format!("at the start {name} refused {}: {why}", shown(&door.auth, &endpoint.manner.auth)));
                false
            }
            Welcome::Silent => {
                remarks.push(format!("at the start {name} did not answer a CONNECT within {LIMIT:?}"));
                false
            }
        };
        match fenced.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known |= fence,
            None => fenced.push((name.clone(), fence)),
        }
    }
    Ok(Found { fence: fenced.iter().all(|(_, fence)| *fence), remarks })
}

/// Who knocked, without saying what was shown.
fn shown(auth: &str, usual: &str) -> &'static str {
    if auth.is_empty() && usual.is_empty() { "a client without auth" } else { "a client with auth" }
}

async fn knock(endpoint: &Endpoint, http: &Http, parser: Parser, door: &Door) -> Result<Welcome, Error> {
    // Not every server has WebSockets switched on; polling will do for a probe.
    let opened = tokio::time::timeout(LIMIT, Connection::open_with(endpoint, http, Transport::WebSocket, parser)).await;
    let (mut connection, first) = match opened {
        Ok(Ok(connection)) => (connection, None),
        Ok(Err(error)) => (polling(endpoint, http, parser).await?, Some(error)),
        Err(_) => (polling(endpoint, http, parser).await?, None),
    };
    let welcome = match connection.join(&door.namespace, &door.auth, LIMIT).await {
        Ok(_) => In(&mut connection).fenced(&door.namespace).await,
        Err(client::Error::Refused(why)) => Welcome::Refused(why),
        Err(client::Error::Timeout { .. }) => Welcome::Silent,
        // The session was open: whoever closes it has heard the CONNECT.
        Err(client::Error::Closed(why)) if connection.handshake().is_some() => {
            Welcome::Refused(format!("closed: {why}"))
        }
        Err(error) => {
            let also = first.map(|first| format!("; over a WebSocket: {first}")).unwrap_or_default();
            let url = &endpoint.url;
            return Err(Error::Unreachable(format!("{url} answers, but a Socket.IO handshake fails: {error}{also}")));
        }
    };
    connection.close().await;
    Ok(welcome)
}

async fn polling(endpoint: &Endpoint, http: &Http, parser: Parser) -> Result<Connection, Error> {
    let opened = Connection::open_with(endpoint, http, Transport::Polling, parser).await;
    opened
        .map_err(|error| Error::Unreachable(format!("{} answers, but no session can be opened: {error}", endpoint.url)))
}

/// A connection that has been let in.
struct In<'a>(&'a mut Connection);

impl In<'_> {
    async fn fenced(&mut self, namespace: &str) -> Welcome {
        let Ok(args) = Args::event("message-with-ack", ()) else { return Welcome::In { fence: false } };
        Welcome::In { fence: self.0.call(namespace, args, FENCE_LIMIT).await.is_ok() }
    }
}
