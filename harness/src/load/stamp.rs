//! The mark by which a message is recognised wherever it arrives, found without parsing what is around it.
//!
//! `~sb:` and sixteen hexadecimal digits: the run, and the number of the emission in the run's schedule. Text
//! payloads carry it as they are; so do binary ones.

use std::sync::LazyLock;

use memchr::memmem::Finder;

const MARK: &[u8; 4] = b"~sb:";
/// Prepared once: a search happens for every delivery.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// Bytes of a stamp: the smallest payload.
pub const LENGTH: usize = MARK.len() + 16;

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Tells this run from others on the same target.
    pub run: u32,
    /// Index into the schedule.
    pub emission: u32,
}

impl Stamp {
    /// A payload of `size` bytes: the stamp, then filler. ASCII without anything that JSON would escape.
    pub fn payload(self, size: usize) -> String {
        let mut text = format!("~sb:{:08x}{:08x}", self.run, self.emission);
        text.extend(std::iter::repeat_n('x', size.saturating_sub(LENGTH)));
        text
    }

    /// Finds the stamp in a message.
    pub fn find(message: &[u8]) -> Option<Self> {
        let start = FINDER.find(message)? + MARK.len();
        let digits = message.get(start..start + 16)?;
        Some(Self { run: hex(&digits[..8])?, emission: hex(&digits[8..])? })
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_found_wherever_it_stands(run: u32, emission: u32, size in LENGTH..300, before in "[^~]{0,40}", after in ".{0,40}") {
            let stamp = Stamp { run, emission };
            let payload = stamp.payload(size);
            prop_assert_eq!(payload.len(), size);
            let json = serde_json::to_string(&payload).unwrap();
            prop_assert_eq!(json.len(), size + 2, "nothing is escaped");
            let message = format!("{before}{json}{after}");
            prop_assert_eq!(Stamp::find(message.as_bytes()), Some(stamp));
        }

        #[test]
        fn no_message_panics(message in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Stamp::find(&message);
            let _ = Stamp::find(&[b"~sb:".as_slice(), &message].concat());
        }
    }
}
