//! What was captured from Node, and whatever else may come.

use std::time::Duration;

use proptest::prelude::*;
use sio_protocol::{Args, Bytes, Value};

use super::*;

fn telling(args: Args) -> Telling {
    let aim = Aim { rooms: vec!["r".into()], except: vec!["x".into()] };
    Telling { aim, flags: Flags::default(), timeout: None, args }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// `io.emit("hello", 1, "2")` of socket.io 4.8.4 with redis-adapter 8.3.0.
#[test]
fn a_broadcast_as_it_was_captured() {
    let captured = b"\x93\xa6I8nNq2\x83\xa4type\x02\xa4data\x93\xa5hello\x01\xa12\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80";
    let args = Args::event("hello", (1, "2")).unwrap();
    let all = Telling { aim: Aim::default(), ..telling(args.clone()) };
    assert_eq!(classic::tell("I8nNq2", "/", &all), captured);
    let (uid, read) = classic::read_tell(captured, "/").unwrap();
    assert_eq!((&*uid, &read.args, &read.aim), ("I8nNq2", &args, &Aim::default()));
    assert!(classic::read_tell(captured, "/other").is_none(), "of another namespace");
    for len in 0..captured.len() {
        assert!(classic::read_tell(&captured[..len], "/").is_none(), "{len} bytes of it");
    }
}

/// A packet without a namespace is of the main one; a room may be a number.
#[test]
fn what_node_leaves_out() {
    let bytes = b"\x93\xa1u\x82\xa4type\x02\xa4data\x91\xa1e\x82\xa5rooms\x92\x07\xa18\xa5flags\x81\xa8volatile\xc3";
    let (_, read) = classic::read_tell(bytes, "/").unwrap();
    assert_eq!((read.aim.rooms, read.flags.volatile), (vec!["7".into(), "8".into()], true));
    assert!(classic::read_tell(bytes, "/a").is_none());
}

#[test]
fn requests_are_those_of_node() {
    let aim = || Aim { rooms: vec!["r".into()], except: Vec::new() };
    let args = Args::event("e", (1,)).unwrap();
    let of = |message| classic::request(Some("uid"), "/", &message);
    for (message, expected) in [
        (Message::Rooms("id".into()), r#"{"uid":"uid","requestId":"id","type":1}"#),
        (
            Message::Join(aim(), vec!["s".into()]),
            r#"{"uid":"uid","type":2,"opts":{"rooms":["r"],"except":[]},"rooms":["s"]}"#,
        ),
        (
            Message::Leave(aim(), vec!["s".into()]),
            r#"{"uid":"uid","type":3,"opts":{"rooms":["r"],"except":[]},"rooms":["s"]}"#,
        ),
        (Message::Disconnect(aim(), true), r#"{"uid":"uid","type":4,"opts":{"rooms":["r"],"except":[]},"close":true}"#),
        (
            Message::Fetch("id".into(), aim()),
            r#"{"uid":"uid","requestId":"id","type":5,"opts":{"rooms":["r"],"except":[]}}"#,
        ),
        (Message::Side(None, args.clone()), r#"{"uid":"uid","type":6,"data":["e",1]}"#),
        (Message::Side(Some("id".into()), args), r#"{"uid":"uid","requestId":"id","type":6,"data":["e",1]}"#),
    ] {
        let written = of(message);
        assert_eq!(text(&written), expected);
        let read = classic::read_request(&written).unwrap();
        assert_eq!(of(read.message), written, "{expected}");
        assert_eq!(read.uid.as_deref(), Some("uid"));
    }
}

/// A question to clients is MessagePack; either form is read.
#[test]
fn a_question_in_both_forms() {
    let question = Telling { timeout: Some(Duration::from_secs(1)), ..telling(Args::event("q", ()).unwrap()) };
    let packed = classic::request(Some("uid"), "/", &Message::Ask("id".into(), question));
    assert_eq!(packed[0], 0x85, "a map of five fields");
    let json = r#"{"uid":"uid","requestId":"id","type":7,"packet":{"type":2,"data":["q"],"nsp":"/"},"opts":{"rooms":["r"],"except":["x"],"flags":{"timeout":1000}}}"#;
    for bytes in [&packed[..], json.as_bytes()] {
        let Some(Envelope { message: Message::Ask(id, read), nsp, .. }) = classic::read_request(bytes) else {
            panic!("{bytes:?}")
        };
        assert_eq!((&*id, read.args.json(), read.timeout), ("id", r#"["q"]"#, Some(Duration::from_secs(1))));
        assert_eq!(nsp.as_deref(), Some("/"));
    }
}

#[test]
fn responses_are_those_of_node() {
    let of = |reply| classic::response(&Answer { id: "id".into(), reply });
    let one = Args::from_values(&[Value::from("v")]);
    let socket = Value::Object(vec![("id".to_owned(), Value::from("s"))]);
    for (reply, expected) in [
        (Reply::Count(0), r#"{"type":8,"requestId":"id","clientCount":0}"#),
        (Reply::Sockets(vec![socket]), r#"{"requestId":"id","sockets":[{"id":"s"}]}"#),
        (Reply::Side(one.clone()), r#"{"type":6,"requestId":"id","data":"v"}"#),
        (Reply::Side(Args::none()), r#"{"type":6,"requestId":"id"}"#),
        (Reply::Rooms(vec!["r".into()]), r#"{"requestId":"id","rooms":["r"]}"#),
        (Reply::Done, r#"{"requestId":"id"}"#),
    ] {
        let written = of(reply);
        assert_eq!(text(&written), expected);
        assert_eq!(of(classic::read_response(&written).unwrap().reply), written);
    }
    assert_eq!(of(Reply::Ack(one)), b"\x83\xa4type\x09\xa9requestId\xa2id\xa6packet\xa1v");
    assert_eq!(of(Reply::Ack(Args::none())), b"\x82\xa4type\x09\xa9requestId\xa2id");
}

/// Older versions ask for one socket.
#[test]
fn requests_for_one_socket() {
    let read = |text: &str| classic::read_request(text.as_bytes()).map(|envelope| envelope.message);
    let Some(Message::One(Some(id), sid, Act::Join(room))) = read(r#"{"requestId":"i","type":2,"sid":"s","room":"r"}"#)
    else {
        panic!()
    };
    assert_eq!((&*id, &*sid, &*room), ("i", "s", "r"));
    assert!(matches!(read(r#"{"type":4,"sid":"s","close":true}"#), Some(Message::One(None, _, Act::Disconnect(true)))));
    assert!(read(r#"{"type":3,"sid":"s"}"#).is_none());
}

#[test]
fn messages_of_the_sharded_adapter() {
    let tell = |args| Incoming::Message(envelope(Message::Tell(telling(args))));
    let plain = tell(Args::event("e", ("é",)).unwrap());
    let json = r#"{"type":3,"data":{"packet":{"type":2,"data":["e","é"]},"opts":{"rooms":["r"],"except":["x"],"flags":{}}},"uid":"uid","nsp":"/"}"#;
    let written = message::sharded("uid", "/", &plain).unwrap();
    assert_eq!(text(&written), json);
    let bytes = Args::from_values(&[Value::from("e"), Value::Binary(Bytes::from_static(b"\x01"))]);
    let packed = message::sharded("uid", "/", &tell(bytes.clone())).unwrap();
    assert_eq!(packed[0], 0x84, "bytes need MessagePack");
    for (written, args) in [(written, r#"["e","é"]"#), (packed, bytes.json())] {
        let Some(Incoming::Message(Envelope { uid, nsp, message: Message::Tell(read) })) = message::read(&written)
        else {
            panic!("{written:?}")
        };
        assert_eq!((uid.as_deref(), nsp.as_deref(), read.args.json()), (Some("uid"), Some("/"), args));
        assert_eq!(read.aim, telling(read.args).aim);
    }
}

fn envelope(message: Message) -> Envelope {
    Envelope { uid: Some("uid".into()), nsp: Some("/".into()), message }
}

#[test]
fn every_message_of_the_sharded_adapter_comes_back() {
    let aim = Aim { rooms: vec!["r".into()], except: Vec::new() };
    let args = Args::event("e", (1,)).unwrap();
    let one = Args::from_values(&[Value::from("v")]);
    let message = |message| Incoming::Message(envelope(message));
    let answer = |reply| Incoming::Answer(Answer { id: "id".into(), reply });
    for (incoming, start) in [
        (message(Message::Ask("id".into(), telling(args.clone()))), r#"{"type":3,"data":{"packet":"#),
        (message(Message::Join(aim.clone(), vec!["s".into()])), r#"{"type":4,"data":{"opts":"#),
        (message(Message::Leave(aim.clone(), vec!["s".into()])), r#"{"type":5,"data":{"opts":"#),
        (message(Message::Disconnect(aim.clone(), true)), r#"{"type":6,"data":{"opts":"#),
        (message(Message::Fetch("id".into(), aim)), r#"{"type":7,"data":{"opts":"#),
        (message(Message::Side(None, args.clone())), r#"{"type":9,"data":{"packet":["e",1]}"#),
        (message(Message::Side(Some("id".into()), args)), r#"{"type":9,"data":{"requestId":"id","packet":["e",1]}"#),
        (answer(Reply::Sockets(Vec::new())), r#"{"type":8,"data":{"requestId":"id","sockets":[]}"#),
        (answer(Reply::Side(one.clone())), r#"{"type":10,"data":{"requestId":"id","packet":"v"}"#),
        (answer(Reply::Count(3)), r#"{"type":11,"data":{"requestId":"id","clientCount":3}"#),
        (answer(Reply::Ack(one)), r#"{"type":12,"data":{"requestId":"id","packet":"v"}"#),
    ] {
        let written = message::sharded("uid", "/", &incoming).unwrap();
        assert!(text(&written).starts_with(start), "{}", text(&written));
        let read = message::read(&written).unwrap_or_else(|| panic!("{}", text(&written)));
        assert_eq!(message::sharded("uid", "/", &read).unwrap(), written);
    }
}

/// As redis-streams-adapter 0.3.1 adds it.
#[test]
fn entries_of_the_stream() {
    let bytes = Args::from_values(&[Value::from("e"), Value::Binary(Bytes::from_static(b"\x01"))]);
    for (args, data) in [
        (
            Args::event("e", ("é",)).unwrap(),
            r#"{"packet":{"type":2,"data":["e","é"]},"opts":{"rooms":["r"],"except":["x"],"flags":{}}}"#,
        ),
        (bytes, "gqZwYWNrZXSCpHR5cGUCpGRhdGGSoWXEAQGkb3B0c4Olcm9vbXORoXKmZXhjZXB0kaF4pWZsYWdzgA=="),
    ] {
        let tell = Incoming::Message(envelope(Message::Tell(telling(args.clone()))));
        let written = entry::entry("uid", "/", &tell).unwrap();
        assert_eq!((&*written.kind, &*written.data), ("3", data));
        let Some(Incoming::Message(Envelope { message: Message::Tell(read), .. })) = entry::read_entry(&written) else {
            panic!("{written:?}")
        };
        assert_eq!((read.args, read.aim), (args.clone(), telling(args).aim));
    }
}

#[test]
fn sessions_of_the_stream() {
    let session = entry::Session {
        nsp: Some("/chat".to_owned()),
        sid: "s".into(),
        pid: "p".to_owned(),
        rooms: vec!["s".into(), "r".into()],
        data: serde_json::json!({ "n": 1 }),
    };
    assert!(session.is_of("/chat") && !session.is_of("/"));
    assert_eq!(entry::Session::read(session.write().as_bytes()), Some(session.clone()));
    let of_node = entry::Session { nsp: None, ..session };
    assert!(of_node.is_of("/"));
    assert_eq!(entry::Session::read(of_node.write().as_bytes()), Some(of_node));
    for wrong in ["", "x", "gA==", "wA=="] {
        assert_eq!(entry::Session::read(wrong.as_bytes()), None, "{wrong}");
    }
}

/// Heartbeats of other adapters, and what is none of them.
#[test]
fn what_is_not_known_is_nothing() {
    for text in
        [r#"{"type":1,"uid":"u","nsp":"/"}"#, r#"{"type":3,"data":{}}"#, r#"{"type":8,"data":{"sockets":[]}}"#, "[]"]
    {
        assert!(message::read(text.as_bytes()).is_none(), "{text}");
    }
}

proptest! {
    /// RW-07: nothing that comes breaks the reader.
    #[test]
    fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..200), json in ".{0,60}") {
        for bytes in [&bytes[..], json.as_bytes(), format!("{{{json}").as_bytes()] {
            crate::fuzz::broker(bytes);
            for kind in 3..7 {
                crate::fuzz::broker(&[&[kind], bytes].concat());
            }
        }
    }

    /// A message with one byte that is another is read, or not, but nothing else happens.
    #[test]
    fn a_byte_may_be_another(at in 0..59_usize, byte in any::<u8>()) {
        let args = Args::event("hello", (1, "2")).unwrap();
        let mut bytes = classic::tell("I8nNq2", "/", &Telling { aim: Aim::default(), ..telling(args) });
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = classic::read_tell(&bytes, "/");
    }

    /// Events come back as they were, in either format.
    #[test]
    fn events_come_back(number in any::<i32>(), text in ".{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        let values = [
            Value::from("e"),
            Value::Number(number.into()),
            Value::from(&*text),
            Value::Binary(bytes.into()),
            Value::Object(vec![("k".to_owned(), Value::Null)]),
        ];
        let args = Args::from_values(&values);
        let (_, read) = classic::read_tell(&classic::tell("u", "/", &telling(args.clone())), "/").unwrap();
        prop_assert_eq!(&read.args, &args);
        let written = message::sharded("u", "/", &Incoming::Message(envelope(Message::Tell(telling(args.clone())))));
        let Some(Incoming::Message(Envelope { message: Message::Tell(read), .. })) = message::read(&written.unwrap()) else {
            panic!("nothing")
        };
        prop_assert_eq!(read.args, args);
    }
}
