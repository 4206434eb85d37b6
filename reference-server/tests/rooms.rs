//! Rooms, through the library's own interface and over real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::adapter::{Listing, Outgoing, RoomObserver};
use sio_reference_server::{
    Adapter, AdapterFactory, BroadcastError, MemoryAdapter, Options, Room, RoomEvent, Selection, Server, Socket,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Client = WebSocketStream<TcpStream>;

/// A server, and the sockets that come in.
struct World {
    io: Server,
    address: String,
    sockets: Arc<Mutex<Vec<Socket>>>,
}

impl World {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let io = Server::new(options);
        let sockets: Arc<Mutex<Vec<Socket>>> = Arc::default();
        let joined = sockets.clone();
        io.of("/").on_connection(move |socket| {
            socket.on("fence", |_, event| event.ack(()));
            joined.lock().unwrap().push(socket.clone());
        });
        let listener = io.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().to_string();
        tokio::spawn(listener.run());
        Self { io, address, sockets }
    }

    async fn connect(&self) -> (Client, Socket) {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", self.address);
        let (mut client, _) = client_async(url, stream).await.unwrap();
        client.next().await.unwrap().unwrap();
        client.send(Message::text("40")).await.unwrap();
        client.next().await.unwrap().unwrap();
        let socket = self.sockets.lock().unwrap().last().unwrap().clone();
        (client, socket)
    }
}

/// What has arrived, decided by a fence.
async fn received(client: &mut Client) -> Vec<String> {
    client.send(Message::text("429[\"fence\"]")).await.unwrap();
    let mut texts = Vec::new();
    loop {
        let message = tokio::time::timeout(Duration::from_secs(5), client.next()).await.unwrap();
        let text = message.unwrap().unwrap().to_text().unwrap().to_owned();
        if text == "439[]" {
            return texts;
        }
        texts.push(text);
    }
}

#[tokio::test]
async fn a_union_is_served_once_and_except_wins() {
    let world = World::new().await;
    let (mut a, a_socket) = world.connect().await;
    let (mut b, b_socket) = world.connect().await;
    let (mut c, _) = world.connect().await;
    a_socket.join(["red", "blue"]);
    b_socket.join(["blue", "muted"]);
    let both = world.io.to("red").to("blue");
    both.emit("union", ()).unwrap();
    both.clone().except("muted").emit("spared", ()).unwrap();
    both.emit("again", ()).unwrap();
    a_socket.to("blue").emit("others", ()).unwrap();
    world.io.to(b_socket.id()).emit("own room", ()).unwrap();
    a_socket.broadcast().emit("everybody else", ()).unwrap();
    let expected = |names: &[&str]| names.iter().map(|name| format!("42[\"{name}\"]")).collect::<Vec<_>>();
    assert_eq!(received(&mut a).await, expected(&["union", "spared", "again"]));
    assert_eq!(received(&mut b).await, expected(&["union", "again", "others", "own room", "everybody else"]));
    assert_eq!(received(&mut c).await, expected(&["everybody else"]));
}

/// AE-01 to AE-05, and what the handlers of a leaving socket see (SIO-DC-06).
#[tokio::test]
async fn room_events_come_in_their_order() {
    let world = World::new().await;
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let events = log.clone();
    let observer = move |event: &RoomEvent| {
        let (kind, room, sid) = match event {
            RoomEvent::Create(room) => ("create", room, None),
            RoomEvent::Join(room, sid) => ("join", room, Some(sid)),
            RoomEvent::Leave(room, sid) => ("leave", room, Some(sid)),
            RoomEvent::Delete(room) => ("delete", room, None),
        };
        let own = sid.is_some_and(|sid| sid == room) || (sid.is_none() && room.len() == 20);
        events.lock().unwrap().push(format!("{kind} {}", if own { "own room" } else { &**room }));
    };
    world.io.of("/").adapter().on_room_event(Box::new(observer));
    let take = || std::mem::take(&mut *log.lock().unwrap());

    let (_a, a) = world.connect().await;
    assert_eq!(take(), ["create own room", "join own room"]);
    a.join("red");
    a.join("red");
    assert_eq!(take(), ["create red", "join red"]);
    let (_b, b) = world.connect().await;
    take();
    b.join("red");
    a.leave("red");
    a.leave("red");
    assert_eq!(take(), ["join red", "leave red"]);
    let seen = log.clone();
    b.on_disconnecting(move |socket, _| {
        seen.lock().unwrap().push(format!("disconnecting, {} rooms", socket.rooms().len()));
    });
    let seen = log.clone();
    b.on_disconnect(move |socket, _| seen.lock().unwrap().push(format!("disconnect, {} rooms", socket.rooms().len())));
    b.disconnect(false);
    assert_eq!(
        take(),
        [
            "disconnecting, 2 rooms",
            "leave own room",
            "delete own room",
            "leave red",
            "delete red",
            "disconnect, 0 rooms"
        ]
    );
    // RM-15: a join after the end leaves no ghost.
    b.join("red");
    assert!(take().is_empty());
    assert_eq!(world.io.of("/").adapter().rooms().len(), 1);
}

#[tokio::test]
async fn broadcast_acknowledgements_are_collected() {
    let world = World::new().await;
    let (mut a, a_socket) = world.connect().await;
    let (_silent, silent_socket) = world.connect().await;
    a_socket.join("red");
    let io = world.io.clone();
    let ask = tokio::spawn(async move { io.to("red").timeout(Duration::from_secs(5)).emit_with_ack("q", (1,)).await });
    let question = a.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
    let id = question.strip_prefix("42").unwrap().split('[').next().unwrap().to_owned();
    a.send(Message::text(format!("43{id}[\"yes\"]"))).await.unwrap();
    let answers = ask.await.unwrap().unwrap();
    assert_eq!(answers.iter().map(|args| args.json()).collect::<Vec<_>>(), ["[\"yes\"]"]);

    silent_socket.join("mute");
    let partial = world.io.to("mute").timeout(Duration::from_millis(50)).emit_with_ack("q", ()).await;
    let Err(BroadcastError::Partial(partial)) = partial else { panic!("{partial:?}") };
    assert_eq!((partial.acks.len(), partial.expected), (0, 1));
    assert!(world.io.to("nobody").emit_with_ack("q", ()).await.unwrap().is_empty());
}

/// Counts what is broadcast, and leaves the rest to the adapter it wraps.
struct Counting {
    inner: MemoryAdapter,
    broadcasts: Arc<AtomicUsize>,
}

impl Adapter for Counting {
    fn add_all(&self, socket: &Socket, rooms: &[Room]) {
        self.inner.add_all(socket, rooms);
    }
    fn del(&self, sid: &str, room: &str) {
        self.inner.del(sid, room);
    }
    fn del_all(&self, sid: &str) {
        self.inner.del_all(sid);
    }
    fn broadcast(&self, selection: &Selection, event: &Outgoing) {
        self.broadcasts.fetch_add(1, Ordering::Relaxed);
        self.inner.broadcast(selection, event);
    }
    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        self.inner.for_each(selection, visit);
    }
    fn socket_rooms(&self, sid: &str) -> Vec<Room> {
        self.inner.socket_rooms(sid)
    }
    fn rooms(&self) -> Listing {
        self.inner.rooms()
    }
    fn sids(&self) -> Listing {
        self.inner.sids()
    }
    fn on_room_event(&self, observer: RoomObserver) {
        self.inner.on_room_event(observer);
    }
}

#[tokio::test]
async fn an_adapter_of_ones_own() {
    let broadcasts = Arc::new(AtomicUsize::new(0));
    let counted = broadcasts.clone();
    let factory = AdapterFactory::new(move |_| {
        Arc::new(Counting { inner: MemoryAdapter::new(None), broadcasts: counted.clone() })
    });
    let world = World::with(Options { adapter: Some(factory), ..Options::default() }).await;
    let (mut a, socket) = world.connect().await;
    socket.join("red");
    world.io.to("red").emit("x", ()).unwrap();
    assert_eq!(received(&mut a).await, ["42[\"x\"]"]);
    assert_eq!(broadcasts.load(Ordering::Relaxed), 1);
}
