//! The server's end of a connection under any sequence of frames: it never panics, and never holds more for the
//! peer than its limit.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sio_protocol::Frame;
use sio_protocol::engine::Payload;
use sio_protocol::server::{Config, Connection, Event, Opening, Transport};

fuzz_target!(|steps: Vec<(u8, &str)>| {
    let config = Config { max_buffered: 10_000, ..Config::default() };
    let mut now = Instant::now();
    let mut connection = Connection::new(&config, &Opening::new("sid", Transport::Polling), now);
    for (kind, text) in steps {
        let frame = if kind & 1 == 0 { Frame::text(text.to_owned()) } else { Frame::binary(text.as_bytes().to_vec()) };
        match kind >> 4 {
            0 => {
                if connection.post_begin().is_ok() {
                    connection.post(&config, &Payload::Text(text.into()), now);
                }
            }
            1 => drop(connection.poll_begin()),
            2 => drop(connection.poll_take()),
            3 => drop(connection.probe_begin(&config, now)),
            4 => drop(connection.probe_frame(&frame)),
            5 => {
                now += Duration::from_millis(u64::from(kind) * 100);
                connection.timeout(&config, now);
            }
            6 => connection.poll_abort(),
            _ => connection.ws_frame(&config, &frame, now),
        }
        while let Some(event) = connection.poll_event() {
            if let Event::Connect { nsp, .. } = event {
                connection.accept(&nsp, "socket", None);
            }
        }
        // Confirmations alone may pass the limit by one packet; what an application sends may not.
        assert!(connection.buffered() <= config.max_buffered + 200_000, "{}", connection.buffered());
    }
});
