//! HTTP compression of the answers to GETs.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{self, HeaderMap};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// The best that the client takes, by its own weights; gzip if it does not care (EIO-HD-09).
    pub(super) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let offers: Vec<(&str, f32)> = lists.flat_map(|list| list.split(',')).map(offer).collect();
        let weight = |name: &str| {
            let own = offers.iter().find(|(offered, _)| offered.eq_ignore_ascii_case(name));
            own.or_else(|| offers.iter().find(|(offered, _)| *offered == "*")).map_or(0.0, |(_, weight)| *weight)
        };
        let (gzip, deflate) = (weight("gzip"), weight("deflate"));
        match (gzip > 0.0, deflate > gzip) {
            (_, true) => Some(Self::Deflate),
            (true, false) => Some(Self::Gzip),
            (false, false) => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    pub(super) fn compress(self, body: &[u8]) -> Bytes {
        // Speed before size: an answer is compressed once, for one client.
        let level = Compression::fast();
        let compressed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
        };
        // Writing into memory cannot fail.
        compressed.unwrap_or_default().into()
    }
}

fn offer(text: &str) -> (&str, f32) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    (name.trim(), weight.and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static(text));
            Encoding::negotiate(&headers)
        };
        assert_eq!(of("gzip, deflate, br"), Some(Encoding::Gzip));
        assert_eq!(of("deflate"), Some(Encoding::Deflate));
        assert_eq!(of("gzip;q=0.1, deflate;q=0.9"), Some(Encoding::Deflate));
        assert_eq!(of("*"), Some(Encoding::Gzip));
        assert_eq!(of("br, gzip;q=0"), None);
        assert_eq!(of("identity"), None);
        assert_eq!(Encoding::negotiate(&HeaderMap::new()), None);
    }
}
