//! A server with a known fault, and whether the load run counts exactly what the server did wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sio_reference_server::{Options, Server, Socket};

use crate::common::{Place, scenario, stderr, stdout};

/// What the server does wrong, with every tenth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// One member does not get it.
    Drop,
    /// One member gets it twice.
    Duplicate,
    /// Somebody outside the room gets it.
    Leak,
    /// Its sender's next message to the room overtakes it.
    Overtake,
    /// The sender gets it, too.
    Echo,
}

/// One message to a room.
#[derive(Clone)]
struct Message {
    room: String,
    text: String,
}

struct Faulty {
    fault: Fault,
    count: AtomicU64,
    /// Deliveries that were wrong.
    wrong: AtomicU64,
    held: Mutex<HashMap<(String, String), Message>>,
}

impl Faulty {
    fn emit(&self, socket: &Socket, message: Message) {
        let key = (socket.id().to_owned(), message.room.clone());
        let held = self.held.lock().unwrap().remove(&key);
        let tenth = self.count.fetch_add(1, Ordering::Relaxed) % 10 == 9;
        if !tenth || held.is_some() {
            deliver(socket, &message);
            if let Some(held) = held {
                let members = members(socket, &held.room).len();
                self.wrong.fetch_add(members as u64, Ordering::Relaxed);
                deliver(socket, &held);
            }
            return;
        }
        let others = members(socket, &message.room);
        let Some(victim) = others.first().cloned() else { return };
        self.wrong.fetch_add(u64::from(self.fault != Fault::Overtake && self.fault != Fault::None), Ordering::Relaxed);
        match self.fault {
            Fault::None => deliver(socket, &message),
            Fault::Drop => {
                let spared = socket.to(&message.room).except(victim.id());
                spared.emit("msg", (&message.text,)).unwrap();
            }
            Fault::Duplicate => {
                deliver(socket, &message);
                victim.emit("msg", (&message.text,)).unwrap();
            }
            Fault::Leak => {
                deliver(socket, &message);
                let everybody = socket.nsp().fetch_sockets();
                let is_outside = |other: &&Socket| !other.rooms().iter().any(|room| **room == *message.room);
                everybody.iter().find(is_outside).unwrap().emit("msg", (&message.text,)).unwrap();
            }
            Fault::Overtake => {
                self.held.lock().unwrap().insert(key, message);
            }
            Fault::Echo => {
                deliver(socket, &message);
                socket.emit("msg", (&message.text,)).unwrap();
            }
        }
    }

    /// What is still held goes out ahead of a fence.
    fn flush(&self, socket: &Socket) {
        let mine: Vec<_> = {
            let mut held = self.held.lock().unwrap();
            let keys: Vec<_> = held.keys().filter(|(sender, _)| sender == socket.id()).cloned().collect();
            keys.iter().filter_map(|key| held.remove(key)).collect()
        };
        mine.iter().for_each(|message| deliver(socket, message));
    }
}

fn deliver(socket: &Socket, message: &Message) {
    socket.to(&message.room).emit("msg", (&message.text,)).unwrap();
}

/// Everybody in the room but the sender.
fn members(socket: &Socket, room: &str) -> Vec<Socket> {
    socket.to(room).fetch_sockets()
}

/// Serves until the test ends; returns the URL.
fn serve(faulty: Arc<Faulty>) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let io = Server::new(Options::default());
            io.of("/").on_connection(move |socket| {
                socket.on("join", |socket, event| {
                    socket.join(event.args.get::<String>(0).unwrap());
                    event.ack(());
                });
                let emitter = faulty.clone();
                socket.on("emit", move |socket, event| {
                    let request: Value = event.args.get(0).unwrap();
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    let message = Message { room: text(&request["to"][0]), text: text(&request["args"][0]) };
                    emitter.emit(socket, message);
                });
                let fence = faulty.clone();
                socket.on("message-with-ack", move |socket, event| {
                    fence.flush(socket);
                    event.ack(event.args.clone());
                });
            });
            let listener = io.listen("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}", listener.local_addr())).unwrap();
            listener.run().await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

/// Runs a load against a server with a fault; returns the counts of the report and what the server did wrong.
fn run(fault: Fault) -> (Value, u64, Option<i32>) {
    let faulty = Arc::new(Faulty { fault, count: AtomicU64::new(0), wrong: AtomicU64::new(0), held: Mutex::default() });
    let url = serve(faulty.clone());
    let place = Place::new();
    let args = ["run", &scenario("small.toml"), "--out", "out", "--quiet", "--target", &url, "--set", "rate=200/s"];
    let output = place.run(&args);
    assert!(!place.record().is_empty(), "{}{}", stdout(&output), stderr(&output));
    let load = place.entry("load");
    let counts = load["traffic"][0]["counts"].clone();
    // The first of each kind are proven, in the record and in the report.
    for violation in load["violations"].as_array().into_iter().flatten() {
        let said = violation["summary"].as_str().unwrap();
        assert!(stdout(&output).contains(said), "{said} is not in {}", stdout(&output));
        assert!(violation["because"].as_array().unwrap().len() >= 3, "{violation}");
    }
    let proven =
        |kind: &str| load["violations"].as_array().is_some_and(|all| all.iter().any(|one| one["measure"] == kind));
    for kind in ["missing", "duplicate", "misdelivered", "out_of_order"] {
        assert_eq!(proven(kind), counts[kind].as_u64() > Some(0), "{kind} in {load}");
    }
    (counts, faulty.wrong.load(Ordering::Relaxed), output.status.code())
}

fn is_counted_as(fault: Fault, name: &str) {
    let (counts, wrong, code) = run(fault);
    assert!(wrong > 10, "the fault occurred: {wrong}");
    for kind in ["missing", "duplicate", "misdelivered", "out_of_order"] {
        let expected = if kind == name { wrong } else { 0 };
        assert_eq!(counts[kind].as_u64(), Some(expected), "{kind} with {fault:?}: {counts}");
    }
    assert_eq!(code, Some(1), "{counts}");
}

#[test]
fn a_server_without_a_fault_is_not_accused() {
    let (counts, wrong, code) = run(Fault::None);
    assert_eq!((wrong, code), (0, Some(0)), "{counts}");
    assert_eq!(counts["owed"], counts["delivered"]);
}

#[test]
fn a_dropped_delivery_is_missing() {
    is_counted_as(Fault::Drop, "missing");
}

#[test]
fn a_second_copy_is_a_duplicate() {
    is_counted_as(Fault::Duplicate, "duplicate");
}

#[test]
fn a_delivery_outside_the_room_is_stray() {
    is_counted_as(Fault::Leak, "misdelivered");
}

#[test]
fn a_delivery_to_the_excluded_sender_is_stray() {
    is_counted_as(Fault::Echo, "misdelivered");
}

#[test]
fn a_message_that_was_overtaken_is_out_of_order() {
    is_counted_as(Fault::Overtake, "out_of_order");
}
