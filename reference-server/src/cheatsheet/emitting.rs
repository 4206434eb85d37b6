//! The emit cheatsheet, from the server's side.
//!
//! Arguments are a tuple; bytes among them are [`Binary`](crate::Binary). The reserved names `connect`, `connect_error`,
//! `disconnect`, `disconnecting`, `newListener` and `removeListener` cannot be emitted.
//!
//! # Basic emit
//!
//! `socket.emit("hello", 1, "2", { 3: "4", 5: Uint8Array.from([6]) })`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.emit("hello", (1, "2", json!({ "3": "4" }), Binary::from(vec![6]))).unwrap();
//! # }
//! ```
//!
//! # Acknowledgement
//!
//! `const response = await socket.emitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let response = socket.emit_with_ack("hello", ("world",)).await;
//! # }
//! ```
//!
//! # Acknowledgement and timeout
//!
//! `socket.timeout(5000).emitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let response = socket.timeout(Duration::from_secs(5)).emit_with_ack("hello", ("world",)).await;
//! match response {
//!     Ok(args) => println!("{}", args.get::<String>(0).unwrap_or_default()),
//!     Err(error) => println!("the client did not answer in time: {error}"),
//! }
//! # }
//! ```
//!
//! # To all connected clients, except the sender
//!
//! `socket.broadcast.emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.broadcast().emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To all but the sender, with acknowledgements
//!
//! `socket.broadcast.timeout(5000).emitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let responses = socket.broadcast().timeout(Duration::from_secs(5)).emit_with_ack("hello", ("world",)).await;
//! # }
//! ```
//!
//! # To all in a room, except the sender
//!
//! `socket.to("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.to("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To several rooms, except the sender
//!
//! `socket.to(["room1", "room2"]).emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.to(["room1", "room2"]).emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To all but a room, except the sender
//!
//! `socket.except("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.except("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To a room but not another one, except the sender
//!
//! `socket.to("room1").except("room2").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.to("room1").except("room2").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To a room, with acknowledgements
//!
//! `socket.to("room1").timeout(5000).emitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let responses = socket.to("room1").timeout(Duration::from_secs(5)).emit_with_ack("hello", ("world",)).await;
//! # }
//! ```
//!
//! # To all in a room
//!
//! `io.in("room1").emit("hello")`, `io.to("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.in_room("room1").emit("hello", ()).unwrap();
//! io.to("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To several rooms
//!
//! `io.to(["room1", "room2"]).except("room3").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.to(["room1", "room2"]).except("room3").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To one client, as a private message
//!
//! `io.to(socketId).emit("hello")`, `socket.to(socketId).emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.to(socket_id).emit("hello", ()).unwrap();
//! socket.to(socket_id).emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To all connected clients
//!
//! `io.emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To all connected clients, with acknowledgements
//!
//! `const responses = await io.timeout(5000).emitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! match io.timeout(Duration::from_secs(5)).emit_with_ack("hello", ("world",)).await {
//!     Ok(responses) => println!("{} clients answered", responses.len()),
//!     Err(BroadcastError::Partial(some)) => println!("{} of {} clients answered", some.acks.len(), some.expected),
//!     Err(error) => println!("{error}"),
//! }
//! # }
//! ```
//!
//! # To all clients of a namespace
//!
//! `io.of("/my-namespace").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.of("/my-namespace").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To a room of a namespace
//!
//! `io.of("/my-namespace").to("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.of("/my-namespace").to("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To all clients on this node
//!
//! `io.local.emit("hello")`, `socket.local.to("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.local().emit("hello", ()).unwrap();
//! socket.local().to("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # To the other servers of the cluster
//!
//! `io.serverSideEmit("hello", "world")`, `await io.serverSideEmitWithAck("hello", "world")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.server_side_emit("hello", ("world",)).unwrap();
//! let responses = io.server_side_emit_with_ack("hello", ("world",)).await.unwrap();
//! io.of("/").on_server_side("hello", |event| event.ack(("hi",)));
//! # }
//! ```
//!
//! # Volatile
//!
//! `socket.volatile.emit("hello")`, `io.volatile.emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.volatile().emit("hello", ()).unwrap();
//! io.volatile().emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # Without compression
//!
//! `socket.compress(false).emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.compress(false).emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # Listening
//!
//! `socket.on("hello", (arg1, arg2) => …)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.on("hello", |_, event| {
//!     let (first, second) = (event.args.get::<u32>(0), event.args.get::<String>(1));
//! });
//! # }
//! ```
//!
//! # Listening, with acknowledgement
//!
//! `socket.on("hello", (arg, callback) => callback("got it"))`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.on("hello", |_, event| event.ack(("got it",)));
//! # }
//! ```
//!
//! # Listening once, to everything, or no more
//!
//! `socket.once(…)`, `socket.onAny(…)`, `socket.removeAllListeners("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! socket.once("details", |_, event| println!("{}", event.args.json()));
//! socket.on_any(|_, event| println!("{}", event.name));
//! socket.off("hello");
//! # }
//! ```
//!
//! # Utility methods
//!
//! `io.fetchSockets()`, `io.in("room1").socketsJoin("room2")`, `socketsLeave`, `disconnectSockets`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let sockets = io.in_room("room1").fetch_all_sockets().await.unwrap(); // of all nodes
//! let here = io.in_room("room1").fetch_sockets(); // of this one
//! io.in_room("room1").sockets_join(["room2", "room3"]);
//! io.in_room("room1").sockets_leave("room2");
//! io.in_room("room2").disconnect_sockets(true);
//! # }
//! ```
