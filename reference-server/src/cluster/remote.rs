//! Sockets of any node.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value as Json, json};
use sio_protocol::{Args, ArgsError, IntoArgs, Value};

use super::Member;
use super::requests::ClusterError;
use super::wire::Aim;
use crate::adapter::{Room, Selection};
use crate::broadcast::{BroadcastError, BroadcastOperator, IntoRooms};
use crate::{Namespace, Socket};

/// A socket of any node, as it was when it was [fetched](BroadcastOperator::fetch_all_sockets).
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    nsp: Namespace,
    id: Room,
    handshake: Json,
    rooms: Vec<Room>,
    data: Json,
}

impl RemoteSocket {
    pub(crate) fn of_this_node(socket: &Socket) -> Self {
        Self {
            nsp: socket.nsp().clone(),
            id: socket.id().into(),
            handshake: handshake(socket),
            rooms: socket.rooms(),
            data: socket.data(),
        }
    }

    /// What another node says of one; `None` if that makes no sense.
    fn read(nsp: &Namespace, value: &Value) -> Option<Self> {
        let rooms = match value.get("rooms")? {
            Value::Array(rooms) => rooms.iter().filter_map(|room| room.as_str().map(Into::into)).collect(),
            _ => return None,
        };
        let plain = |field: &str| value.get(field).map(plain).unwrap_or_default();
        let id = value.get("id")?.as_str()?.into();
        Some(Self { nsp: nsp.clone(), id, handshake: plain("handshake"), rooms, data: plain("data") })
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first request, as the node that has the socket describes it.
    pub fn handshake(&self) -> &Json {
        &self.handshake
    }

    /// The rooms it was in, its own id among them.
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// The application's own data.
    pub fn data(&self) -> &Json {
        &self.data
    }

    fn operator(&self) -> BroadcastOperator {
        self.nsp.to(&self.id)
    }

    /// Emits to it.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
        self.operator().emit(event, args)
    }

    /// Emits and waits for its answer.
    pub async fn emit_with_ack(
        &self,
        timeout: Duration,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<Option<Args>, BroadcastError> {
        let answers = self.operator().timeout(timeout).emit_with_ack(event, args).await?;
        Ok(answers.into_iter().next())
    }

    /// Puts it into rooms.
    pub fn join(&self, rooms: impl IntoRooms) {
        self.operator().sockets_join(rooms);
    }

    /// Takes it out of a room.
    pub fn leave(&self, room: impl AsRef<str>) {
        self.operator().sockets_leave(room.as_ref());
    }

    /// It leaves the namespace; with `close`, its connection goes, too.
    pub fn disconnect(&self, close: bool) {
        self.operator().disconnect_sockets(close);
    }
}

impl Member {
    /// The sockets of the other nodes that are addressed.
    pub(crate) async fn fetch_others(&self, selection: &Selection) -> Result<Vec<RemoteSocket>, ClusterError> {
        let Some(home) = self.home() else { return Ok(Vec::new()) };
        let found = self.fetch(Aim::of(selection)).await?;
        Ok(found.iter().filter_map(|value| RemoteSocket::read(&home, value)).collect())
    }
}

/// Bytes have no place in JSON: their text, as it is shown.
fn plain(value: &Value) -> Json {
    let (json, _) = match value {
        Value::Binary(_) => return Json::String(value.to_string()),
        value => value.to_json(),
    };
    serde_json::from_str(&json).unwrap_or_default()
}

/// What other nodes are told of a socket.
pub(super) fn describe(socket: &Socket) -> Value {
    let rooms: Vec<_> = socket.rooms().iter().map(ToString::to_string).collect();
    let all = json!({ "id": socket.id(), "handshake": handshake(socket), "rooms": rooms, "data": socket.data() });
    // A value of JSON is one of this kind as well.
    serde_json::from_str(&all.to_string()).unwrap_or(Value::Null)
}

/// As `socket.handshake` looks in Node.
fn handshake(socket: &Socket) -> Json {
    let handshake = socket.handshake();
    let text = |value: &http::HeaderValue| value.to_str().map(Json::from).ok();
    let headers: Map<_, _> =
        handshake.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let query: Map<_, _> = form_urlencoded::parse(handshake.query().as_bytes())
        .map(|(name, value)| (name.into_owned(), Json::from(value)))
        .collect();
    let issued = handshake.issued().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let auth: Json = serde_json::from_str(&sio_protocol::readable_json(handshake.auth())).unwrap_or_default();
    json!({
        "headers": headers,
        "address": handshake.address().map(|address| address.ip().to_string()),
        "xdomain": handshake.xdomain(),
        "issued": issued,
        "query": query,
        "auth": auth,
    })
}
