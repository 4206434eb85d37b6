//! Places in a stream.

use std::fmt;
use std::str::FromStr;

/// The id of an entry: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    millis: u64,
    number: u64,
}

impl Id {
    /// The smallest id behind this one.
    pub(crate) fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Self { number, ..self },
            None => Self { millis: self.millis.saturating_add(1), number: 0 },
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// It is no id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoId;

impl FromStr for Id {
    type Err = NoId;

    /// Digits, a hyphen and digits: a sign is none of an id.
    fn from_str(text: &str) -> Result<Self, NoId> {
        let digits = |text: &str| -> Result<u64, NoId> {
            if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| NoId) } else { Err(NoId) }
        };
        let (millis, number) = text.split_once('-').ok_or(NoId)?;
        Ok(Self { millis: digits(millis)?, number: digits(number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_an_order_and_a_text() {
        let id: Id = "1795248839137-9".parse().unwrap_or_default();
        assert_eq!((id.to_string().as_str(), id.next().to_string().as_str()), ("1795248839137-9", "1795248839137-10"));
        assert!(id < id.next() && id.next() < "1795248839138-0".parse().unwrap_or_default());
        let last = Id { millis: 5, number: u64::MAX };
        assert_eq!(last.next(), Id { millis: 6, number: 0 });
        for wrong in ["", "-", "1", "1-", "-1", "+1-0", "1-+0", "1-0-0", "x-0", " 1-0", "99999999999999999999999-0"] {
            assert_eq!(wrong.parse::<Id>(), Err(NoId), "{wrong:?}");
        }
    }
}
