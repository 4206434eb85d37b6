//! Bytes among the arguments of an emit.

use std::cell::RefCell;

use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::args::ArgsError;

/// Bytes that travel as an attachment, anywhere inside of the arguments.
///
/// ```
/// use sio_protocol::{Args, Binary};
///
/// let args = Args::event("upload", ("a.txt", Binary::from(vec![1, 2, 3]))).unwrap();
/// assert_eq!(args.json(), r#"["upload","a.txt",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(args.get::<Binary>(2).unwrap().0.as_ref(), [1, 2, 3]);
/// ```
///
/// It can be serialized only as (a part of) [`IntoArgs`](crate::IntoArgs), and deserialized only by
/// [`Args::get`](crate::Args::get): elsewhere there are no attachments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub Bytes);

impl<T: Into<Bytes>> From<T> for Binary {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

thread_local! {
    /// The attachments of the arguments that this thread is writing or reading right now; serde has no way to hand
    /// them down.
    static ATTACHMENTS: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
}

/// Serializes a value into JSON and its attachments.
pub(crate) fn serialize(value: &impl Serialize) -> Result<(String, Vec<Bytes>), ArgsError> {
    let (json, attachments) = with(Vec::new(), || serde_json::to_string(value));
    Ok((json?, attachments))
}

/// Deserializes a JSON text that may hold placeholders of `attachments`.
pub(crate) fn deserialize<'a, T: Deserialize<'a>>(json: &'a str, attachments: &[Bytes]) -> Result<T, ArgsError> {
    if attachments.is_empty() {
        return Ok(serde_json::from_str(json)?);
    }
    let (value, _) = with(attachments.to_vec(), || serde_json::from_str(json));
    Ok(value?)
}

/// The number of an attachment, in whatever way a whole number is written.
pub(crate) fn index(num: &serde_json::Number) -> Option<usize> {
    let whole =
        num.as_u64().or_else(|| num.as_f64().filter(|num| *num >= 0.0 && num.fract() == 0.0).map(|num| num as u64));
    whole.and_then(|num| usize::try_from(num).ok())
}

fn with<R>(attachments: Vec<Bytes>, work: impl FnOnce() -> R) -> (R, Vec<Bytes>) {
    /// Puts back what was there before, even if a `Serialize` panics.
    struct Outer(Option<Vec<Bytes>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            ATTACHMENTS.set(self.0.take());
        }
    }
    let outer = Outer(ATTACHMENTS.replace(Some(attachments)));
    let result = work();
    let attachments = ATTACHMENTS.take().unwrap_or_default();
    drop(outer);
    (result, attachments)
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let num = ATTACHMENTS.with_borrow_mut(|attachments| {
            let attachments = attachments.as_mut()?;
            attachments.push(self.0.clone());
            Some(attachments.len() - 1)
        });
        let num = num.ok_or_else(|| S::Error::custom("bytes can only be sent as arguments of an event"))?;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("_placeholder", &true)?;
        map.serialize_entry("num", &num)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Placeholder {
            #[serde(rename = "_placeholder")]
            _mark: bool,
            num: serde_json::Number,
        }
        let Placeholder { num, .. } = Placeholder::deserialize(deserializer)?;
        let found = ATTACHMENTS.with_borrow(|attachments| attachments.as_ref()?.get(index(&num)?).cloned());
        found.map(Self).ok_or_else(|| D::Error::custom(format_args!("there is no attachment {num}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Args, Packet};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Upload {
        name: String,
        parts: Vec<Binary>,
    }

    #[test]
    fn bytes_may_be_anywhere_in_a_value() {
        let upload = Upload { name: "x".to_owned(), parts: vec![vec![1].into(), vec![].into()] };
        let args = Args::event("up", (&upload, Binary::from(vec![2]))).unwrap();
        assert_eq!(args.attachments(), [Bytes::from_static(&[1]), Bytes::new(), Bytes::from_static(&[2])]);
        assert_eq!(Packet::event("/", args.clone()).validate(), Ok(()));
        assert_eq!(args.get::<Upload>(1).unwrap(), upload);
        assert_eq!(args.get::<Binary>(2).unwrap().0.as_ref(), [2]);
    }

    #[test]
    fn elsewhere_it_is_an_error() {
        assert!(serde_json::to_string(&Binary::default()).is_err());
        assert!(serde_json::from_str::<Binary>(r#"{"_placeholder":true,"num":0}"#).is_err());
        let args = Args::from_json(r#"["x",{"_placeholder":true,"num":0}]"#, vec![]);
        assert!(args.get::<Binary>(1).is_err(), "without attachments it is data");
    }

    /// A value that is sent from inside of another has attachments of its own.
    #[test]
    fn who_emits_while_being_serialized_keeps_the_attachments_apart() {
        struct Chatty;
        impl Serialize for Chatty {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let inner =
                    Args::event("inner", (Binary::from(vec![1]), Binary::from(vec![2]))).map_err(S::Error::custom)?;
                assert_eq!(inner.attachments().len(), 2);
                Binary::from(vec![9]).serialize(serializer)
            }
        }
        let args = Args::event("outer", (Binary::from(vec![8]), Chatty)).unwrap();
        assert_eq!(args.attachments(), [Bytes::from_static(&[8]), Bytes::from_static(&[9])]);
        assert!(serde_json::to_string(&Binary::default()).is_err(), "and nothing is left of it");
    }
}
