//! The methods that a namespace, the children of a dynamic one, and a server (for its main namespace) have in common:
//! everything that begins with a selection. Each is a shorter way to the same method of [`BroadcastOperator`].

use std::time::Duration;

use sio_protocol::{Args, ArgsError, IntoArgs};

use crate::broadcast::{BroadcastError, BroadcastOperator, IntoRooms};
use crate::cluster::{ClusterError, RemoteSocket};
use crate::{Namespace, ParentNamespace, Server, Socket};

macro_rules! selects {
    ($type:ty) => {
        impl $type {
            /// Selects rooms.
            pub fn to(&self, rooms: impl IntoRooms) -> BroadcastOperator {
                self.broadcast().to(rooms)
            }

            /// The same as [`to`](Self::to); `in` is a word of the language.
            pub fn in_room(&self, rooms: impl IntoRooms) -> BroadcastOperator {
                self.broadcast().to(rooms)
            }

            /// Selects everybody but the members of rooms.
            pub fn except(&self, rooms: impl IntoRooms) -> BroadcastOperator {
                self.broadcast().except(rooms)
            }

            /// Selects the clients of this node.
            pub fn local(&self) -> BroadcastOperator {
                self.broadcast().local()
            }

            /// Packets that do not leave at once are dropped.
            pub fn volatile(&self) -> BroadcastOperator {
                self.broadcast().volatile()
            }

            /// Whether the polling answers of the next emit may be compressed.
            pub fn compress(&self, compress: bool) -> BroadcastOperator {
                self.broadcast().compress(compress)
            }

            /// How long acknowledgements are waited for.
            pub fn timeout(&self, timeout: Duration) -> BroadcastOperator {
                self.broadcast().timeout(timeout)
            }

            /// Emits to everybody.
            pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), ArgsError> {
                self.broadcast().emit(event, args)
            }

            /// Emits the event `message` to everybody.
            pub fn send(&self, args: impl IntoArgs) -> Result<(), ArgsError> {
                self.emit("message", args)
            }

            /// Emits to everybody and collects their answers.
            pub async fn emit_with_ack(&self, event: &str, args: impl IntoArgs) -> Result<Vec<Args>, BroadcastError> {
                self.broadcast().emit_with_ack(event, args).await
            }

            /// Everybody, on whichever node.
            pub async fn fetch_all_sockets(&self) -> Result<Vec<RemoteSocket>, ClusterError> {
                self.broadcast().fetch_all_sockets().await
            }

            /// Everybody who is on this node.
            pub fn fetch_sockets(&self) -> Vec<Socket> {
                self.broadcast().fetch_sockets()
            }

            /// Puts everybody into rooms.
            pub fn sockets_join(&self, rooms: impl IntoRooms) {
                self.broadcast().sockets_join(rooms);
            }

            /// Takes everybody out of rooms.
            pub fn sockets_leave(&self, rooms: impl IntoRooms) {
                self.broadcast().sockets_leave(rooms);
            }

            /// Disconnects everybody; with `close`, their connections too.
            pub fn disconnect_sockets(&self, close: bool) {
                self.broadcast().disconnect_sockets(close);
            }
        }
    };
}

selects!(Namespace);
selects!(ParentNamespace);
selects!(Server);
