//! Arguments with attachments: picking and renumbering never lose or invent bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sio_protocol::Args;

fuzz_target!(|input: (&str, Vec<&[u8]>)| {
    let (json, attachments) = input;
    let args = Args::from_json(json, attachments.into_iter().map(|bytes| bytes.to_vec().into()).collect());
    let _ = args.event_name();
    let _ = args.to_values();
    if let Ok(tail) = args.tail(1) {
        assert_eq!(tail.check_placeholders(), Ok(()));
    }
});
