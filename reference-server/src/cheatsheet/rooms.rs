//! Rooms.
//!
//! # Joining, and addressing a room
//!
//! `io.on("connection", (socket) => socket.join("some room"))`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|socket| socket.join("some room"));
//! io.to("some room").emit("some event", ()).unwrap();
//! # }
//! ```
//!
//! # A room but one, and several rooms
//!
//! `io.except("some room").emit(…)`, `io.to("room1").to("room2").to("room3").emit(…)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.except("some room").emit("some event", ()).unwrap();
//! io.to("room1").to("room2").to("room3").emit("some event", ()).unwrap();
//! # }
//! ```
//!
//! # From a given socket
//!
//! `socket.to("some room").emit("some event")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|socket| socket.to("some room").emit("some event", ()).unwrap());
//! # }
//! ```
//!
//! # Every device and tab of a user
//!
//! `socket.join(userId); io.to(userId).emit("hi")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|socket| {
//!     let auth: serde_json::Value = serde_json::from_str(socket.handshake().auth()).unwrap_or_default();
//!     let user_id = auth["userId"].as_str().unwrap_or_default();
//!     socket.join(user_id);
//!     // and later
//!     socket.nsp().to(user_id).emit("hi", ()).unwrap();
//! });
//! # }
//! ```
//!
//! # Notifications about an entity
//!
//! `projects.forEach((project) => socket.join("project:" + project.id))`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let projects = [4321, 4322];
//! io.on_connection(move |socket| socket.join(projects.map(|id| format!("project:{id}"))));
//! io.to("project:4321").emit("project updated", ()).unwrap();
//! # }
//! ```
//!
//! # Upon disconnection
//!
//! `socket.on("disconnecting", (reason) => { for (const room of socket.rooms) … })`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|socket| {
//!     socket.on_disconnecting(|socket, _reason| {
//!         for room in socket.rooms().iter().filter(|room| &***room != socket.id()) {
//!             socket.to(room).emit("user has left", (socket.id(),)).unwrap();
//!         }
//!     });
//! });
//! # }
//! ```
//!
//! # Private messages
//!
//! `socket.on("private message", (to, msg) => socket.to(to).emit("private message", socket.id, msg))`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|socket| {
//!     socket.on("private message", |socket, event| {
//!         let Ok(to) = event.args.get::<String>(0) else { return };
//!         let message = event.args.get::<String>(1).unwrap_or_default();
//!         socket.to(to).emit("private message", (socket.id(), message)).unwrap();
//!     });
//! });
//! # }
//! ```
//!
//! # Room events
//!
//! `io.of("/").adapter.on("create-room", (room) => …)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.of("/").adapter().on_room_event(Box::new(|event| match event {
//!     RoomEvent::Create(room) => println!("room {room} was created"),
//!     RoomEvent::Join(room, id) => println!("socket {id} has joined room {room}"),
//!     RoomEvent::Leave(room, id) => println!("socket {id} has left room {room}"),
//!     RoomEvent::Delete(room) => println!("room {room} was deleted"),
//! }));
//! # }
//! ```
