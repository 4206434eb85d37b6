//! The server's end of a connection under any sequence of frames, in both revisions and with both parsers: it never
//! panics, and never holds more for the peer than its limits say.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sio_protocol::engine::{Payload, Revision};
use sio_protocol::server::{Config, Connection, Event, Opening, Transport};
use sio_protocol::{Args, Frame, Packet, Parser};

/// Longest frame or body; a real one is bounded by `max_payload`, ahead of the machine.
const MAX_PAYLOAD: usize = 1_000;
const MAX_BUFFERED: usize = 10_000;
const MAX_ATTACHMENTS: usize = 3;
const MAX_NAMESPACES: usize = 4;
/// The queue, a packet that is not complete, and the namespaces. A body of revision 4 may double its bytes in base64.
const MOST: usize = MAX_BUFFERED + (MAX_ATTACHMENTS + 1 + MAX_NAMESPACES) * MAX_PAYLOAD;

fuzz_target!(|input: (u8, Vec<(u8, &[u8])>)| {
    let (kind, steps) = input;
    let config = Config {
        max_buffered: MAX_BUFFERED,
        max_attachments: MAX_ATTACHMENTS,
        max_namespaces: MAX_NAMESPACES,
        parser: if kind & 1 == 0 { Parser::Json } else { Parser::MessagePack },
        ..Config::default()
    };
    let opening = Opening {
        sid: "sid",
        transport: if kind & 2 == 0 { Transport::Polling } else { Transport::WebSocket },
        revision: if kind & 4 == 0 { Revision::V4 } else { Revision::V3 },
        base64: kind & 8 != 0,
    };
    let mut now = Instant::now();
    let mut connection = Connection::new(&config, &opening, now);
    for (step, bytes) in steps {
        let bytes = bytes[..bytes.len().min(MAX_PAYLOAD)].to_vec();
        let text = String::from_utf8(bytes.clone()).ok();
        let frame = match &text {
            Some(text) if step & 1 == 0 => Frame::text(text.clone()),
            _ => Frame::binary(bytes.clone()),
        };
        match step >> 4 {
            0 | 1 => {
                let body = match text {
                    Some(text) if step & 1 == 0 => Payload::Text(text.into()),
                    _ => Payload::Binary(bytes.into()),
                };
                if connection.post_begin().is_ok() {
                    connection.post(&config, &body, now);
                }
            }
            2 => drop(connection.poll_begin()),
            3 => drop(connection.poll_take()),
            4 => drop(connection.probe_begin(&config, now)),
            5 => drop(connection.probe_frame(&frame)),
            6 => {
                now += Duration::from_millis(u64::from(step & 15) * 4_000);
                connection.timeout(&config, now);
            }
            7 => connection.poll_abort(),
            8 => connection.shut_down(&config, now),
            9 => {
                let packet = Packet::event("/", Args::from_json("[\"x\"]", vec![bytes.into()]));
                connection.send("/", &config.parser.encode(&packet), true);
            }
            _ => connection.ws_frame(&config, &frame, now),
        }
        while let Some(event) = connection.poll_event() {
            if let Event::Connect { nsp, .. } = event {
                if step & 8 == 0 {
                    connection.accept(&nsp, "socket", None);
                } else {
                    connection.refuse(&nsp, "refused", None);
                }
            }
        }
        assert!(connection.held() <= MOST, "{} bytes are held", connection.held());
    }
});
