//! The bodies of answers.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::connection::Error;
use crate::wire::held::Held;

/// The largest body taken from a target.
pub(crate) const MAX_BODY: usize = 64 * 1024 * 1024;

/// The whole body of an answer, of at most so many bytes.
pub(crate) async fn collect(mut body: Incoming, most: usize) -> Result<Bytes, Error> {
    let mut held = Held::default();
    let mut whole = BytesMut::new();
    let mut first = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| Error::Http(error.to_string()))?.into_data() else { continue };
        if whole.len() + data.len() > most {
            return Err(Error::Http(format!("the body is longer than {most} bytes")));
        }
        if whole.is_empty() && first.is_none() {
            // Nearly all bodies are one piece, and are handed on as they are.
            first = Some(data);
            continue;
        }
        first.take().iter().for_each(|first: &Bytes| whole.extend_from_slice(first));
        whole.extend_from_slice(&data);
        held.set(whole.len()).map_err(Error::Http)?;
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}
