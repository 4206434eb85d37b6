//! What comes from a broker, read by the code that reads it in earnest: the body of a fuzz target and of a test.

use crate::cluster::wire::entry::{Entry, Session, read_entry};
use crate::cluster::wire::{classic, message};

/// Anything that a broker may bring: no panic, and no more memory than it is worth.
pub fn broker(bytes: &[u8]) {
    let _ = classic::read_tell(bytes, "/");
    let _ = classic::read_request(bytes);
    let _ = classic::read_response(bytes);
    let _ = message::read(bytes);
    let _ = Session::read(bytes);
    // The first byte chooses the type of an entry of the stream.
    let Some((kind, data)) = bytes.split_first() else { return };
    let data = String::from_utf8_lossy(data).into_owned();
    let _ = read_entry(&Entry { nsp: "/".to_owned(), kind: kind.to_string(), data, ..Entry::default() });
}
