//! Namespaces.
//!
//! # A namespace for authorized users
//!
//! `io.of("/admin").use(…).on("connection", …)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let admin = io.of("/admin");
//! admin.with_middleware(|socket| async move {
//!     if socket.handshake().auth().contains("secret") { Ok(()) } else { Err(ConnectError::new("not authorized")) }
//! });
//! admin.on_connection(|socket| {
//!     socket.on("delete user", |_, event| event.ack(("done",)));
//! });
//! # }
//! ```
//!
//! # A namespace for each tenant
//!
//! `const workspaces = io.of(/^\/\w+$/)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let workspaces = io.of_pattern(Regex::new(r"^/\w+$").unwrap());
//! workspaces.on_connection(|socket| {
//!     let workspace = socket.nsp();
//!     workspace.emit("hello", ()).unwrap();
//! });
//! # }
//! ```
//!
//! # The main namespace
//!
//! `io.on("connection", …)`, `io.use(…)`, `io.emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_connection(|_socket| {});
//! io.with_middleware(|_socket| async { Ok(()) });
//! io.emit("hello", ()).unwrap();
//! // the same as
//! let main = io.of("/");
//! main.emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # Each namespace has its own handlers, rooms and middlewares
//!
//! `io.of("/orders").to("room1").emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! for name in ["/orders", "/users"] {
//!     io.of(name).on_connection(|socket| {
//!         socket.join("room1");
//!         socket.nsp().to("room1").emit("hello", ()).unwrap();
//!     });
//!     io.of(name).with_middleware(|_socket| async { Ok(()) });
//! }
//! # }
//! ```
//!
//! # Dynamic namespaces, by pattern or function
//!
//! `io.of(/^\/dynamic-\d+$/)`, `io.of((name, auth, next) => next(null, true))`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.of_pattern(Regex::new(r"^/dynamic-\d+$").unwrap()).on_connection(|socket| {
//!     let namespace = socket.nsp().name(); // "/dynamic-101"
//! });
//! io.of_fn(|name, auth| name.starts_with("/fn-") && auth.contains("token"));
//! # }
//! ```
//!
//! # The parent of dynamic namespaces
//!
//! `parentNamespace.use(…)`, `.on("connection", …)`, `.emit("hello")`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! let parent = io.of_pattern(Regex::new(r"^/dynamic-\d+$").unwrap());
//! parent.with_middleware(|_socket| async { Ok(()) });
//! parent.on_connection(|_socket| {});
//! parent.emit("hello", ()).unwrap(); // to everybody in /dynamic-1, /dynamic-2, …
//! parent.to("room1").emit("hello", ()).unwrap();
//! # }
//! ```
//!
//! # Priority
//!
//! `io.of("/dynamic-101")` ahead of `io.of(/^\/dynamic-\d+$/)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.of("/dynamic-101").on_connection(|_socket| println!("this one"));
//! io.of_pattern(Regex::new(r"^/dynamic-\d+$").unwrap()).on_connection(|_socket| println!("not this one"));
//! # }
//! ```
//!
//! # Namespaces that come into being
//!
//! `io.on("new_namespace", (namespace) => …)`
//!
//! ```no_run
//! # #![allow(unused)]
//! # use std::time::Duration;
//! # use serde_json::json;
//! # use sio_reference_server::*;
//! # async fn example(io: Server, socket: Socket, socket_id: &str) {
//! io.on_new_namespace(|namespace| println!("{}", namespace.name()));
//! # }
//! ```
