//! The first request of a connection, which its sockets may be asked about as long as they live.

use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) query: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) issued: SystemTime,
}

impl Request {
    pub(crate) fn new<B>(request: &http::Request<B>, address: Option<SocketAddr>, issued: SystemTime) -> Self {
        let query = request.uri().query().unwrap_or_default().to_owned();
        Self { headers: of_its_own(request.headers()), query, address, issued }
    }
}

/// The same headers in memory of their own. As they come they are slices of what the HTTP connection has read, and each of them keeps all of its
/// buffer: eight KiB for as long as the socket lives.
fn of_its_own(headers: &HeaderMap) -> HeaderMap {
    let mut text = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    headers.values().for_each(|value| text.extend_from_slice(value.as_bytes()));
    let mut text = text.freeze();
    let mut own = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        own.append(name, same(text.split_to(value.len()), value));
    }
    own
}

/// A value with these bytes, which are those of another value.
fn same(bytes: Bytes, value: &HeaderValue) -> HeaderValue {
    let mut same = HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| value.clone());
    same.set_sensitive(value.is_sensitive());
    same
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, COOKIE, HeaderName};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_do_not_keep_the_buffer_that_they_were_read_into() {
        let buffer = Bytes::from(vec![b'x'; 8192]);
        let read = |range| HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, read(0..3));
        headers.append(COOKIE, read(10..20));
        headers.append(COOKIE, read(30..31));
        let own = of_its_own(&headers);
        drop(headers);
        assert_eq!(own.get_all(COOKIE).iter().map(HeaderValue::len).collect::<Vec<_>>(), [10, 1]);
        assert!(buffer.is_unique(), "the buffer is kept");
    }

    proptest! {
        #[test]
        fn headers_stay_what_they_were(all in prop::collection::vec(("[a-z]{1,3}", "[ -~]{0,20}", any::<bool>()), 0..30)) {
            let mut headers = HeaderMap::new();
            for (name, value, sensitive) in all {
                let mut value = HeaderValue::try_from(value).unwrap();
                value.set_sensitive(sensitive);
                headers.append(HeaderName::try_from(name).unwrap(), value);
            }
            let own = of_its_own(&headers);
            prop_assert_eq!(&own, &headers);
            let marks = |of: &HeaderMap| of.iter().map(|(_, value)| value.is_sensitive()).collect::<Vec<_>>();
            prop_assert_eq!(marks(&own), marks(&headers));
        }
    }
}
