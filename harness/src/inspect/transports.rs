//! Which transports work: each is tried by opening a session.

use sio_protocol::client::Event;
use sio_protocol::engine::Handshake;

use super::findings::Transport as Found;
use super::{LIMIT, clip};
use crate::client::{Connection, Endpoint, Error, Http};
use crate::scenario::model::Transport;

/// Tries all of them, one after the other as a browser would; with the handshake of one that works.
pub(super) async fn try_all(endpoint: &Endpoint, http: &Http) -> (Vec<Found>, Option<Handshake>) {
    let polling = attempt(endpoint, http, Transport::Polling).await;
    let websocket = attempt(endpoint, http, Transport::WebSocket).await;
    let upgrade = attempt(endpoint, http, Transport::Upgrade).await;
    let handshake = [&websocket, &polling].into_iter().find_map(|tried| tried.as_ref().ok()).cloned();
    let all = [("polling", polling), ("websocket", websocket), ("upgrade", upgrade)];
    let found = all.map(|(name, tried)| Found { name, works: tried.is_ok(), why: tried.err().map(|why| clip(&why)) });
    (found.into(), handshake)
}

/// The transport to go on with: the one that clients prefer, of those that work.
pub(super) fn best(found: &[Found]) -> Option<Transport> {
    let works = |name: &str| found.iter().any(|transport| transport.name == name && transport.works);
    [("websocket", Transport::WebSocket), ("polling", Transport::Polling)]
        .into_iter()
        .find(|(name, _)| works(name))
        .map(|(_, transport)| transport)
}

async fn attempt(endpoint: &Endpoint, http: &Http, transport: Transport) -> Result<Handshake, String> {
    let opening = tokio::time::timeout(LIMIT, Connection::open(endpoint, http, transport)).await;
    let opened = opening.unwrap_or(Err(Error::Timeout { what: "connection", within: LIMIT }));
    let mut connection = opened.map_err(|error| error.to_string())?;
    let handshake = connection.wait_for("handshake", LIMIT, |event| match event {
        Event::Open(handshake) => Some(Ok(handshake)),
        _ => None,
    });
    let handshake = handshake.await.map_err(|error| error.to_string())?;
    if transport == Transport::Upgrade {
        if !handshake.upgrades.iter().any(|name| name == "websocket") {
            return Err("the handshake offers none".to_owned());
        }
        let upgraded = |event| matches!(event, Event::Upgraded).then_some(Ok(()));
        connection.wait_for("upgrade", LIMIT, upgraded).await.map_err(|error| error.to_string())?;
    }
    connection.close().await;
    Ok(handshake)
}
