//! The mark by which a message is recognised wherever it arrives, found without parsing what is around it.
//!
//! `~sb:` and sixteen characters: the run, the number of the emission in the run's schedule, and a checksum of both. Text
//! payloads carry it as they are; so do binary ones. Behind it comes filler, of which every byte is known from its place, so
//! that a payload which was cut or changed is told from one that is whole.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

const MARK: &[u8; 4] = b"~sb:";
/// Prepared once: a search happens for every delivery.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// Characters behind the mark.
const DIGITS: usize = 16;
/// Five bits each, the same in either case: an application may well change that.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Bytes of a stamp: the smallest payload.
pub const LENGTH: usize = MARK.len() + DIGITS;

/// What payloads are filled with. Its length is prime, so that pieces of a round size cannot change places unseen.
const PATTERN: &[u8; 31] = b"abcdefghijklmnopqrstuvwxyz01234";
/// The filler, so often that comparing takes few steps.
const FILLER: [u8; 31 * 128] = {
    let mut filler = [0; 31 * 128];
    let mut at = 0;
    while at < filler.len() {
        filler[at] = PATTERN[at % PATTERN.len()];
        at += 1;
    }
    filler
};
/// A stretch of filler that nobody writes by accident.
const TELLING: &[u8] = b"vwxyz01234abcdef";
/// Digits of a spoilt stamp that show that it is of this run; of the six that say nothing but that.
const SURE_DIGITS: usize = 4;
const RUN_DIGITS: usize = 6;

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Tells this run from others on the same target.
    pub run: u32,
    /// Index into the schedule.
    pub emission: u32,
}

/// A stamp in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub stamp: Stamp,
    /// Where its mark begins.
    pub at: usize,
}

impl Stamp {
    /// A payload of `size` bytes: the stamp, then filler. ASCII without anything that JSON would escape.
    pub fn payload(self, size: usize) -> String {
        let filler = FILLER.iter().cycle().take(size.saturating_sub(LENGTH)).copied().map(char::from);
        let mut text = String::with_capacity(size.max(LENGTH));
        text.push_str("~sb:");
        self.write_digits(&mut text);
        text.extend(filler);
        text
    }

    /// A short text that identifies the message by itself.
    pub fn token(self) -> String {
        let mut text = String::with_capacity(DIGITS);
        self.write_digits(&mut text);
        text
    }

    /// A number that does so, and that every JSON library keeps exactly.
    pub fn number(self) -> u64 {
        u64::from(self.run & RUN_OF_NUMBER) << 32 | u64::from(self.emission)
    }

    /// The message that a [`token`](Self::token) names.
    pub fn of_token(text: &str) -> Option<Self> {
        (text.len() == DIGITS).then(|| read_digits(text.as_bytes())).flatten()
    }

    /// The message of run `run` that a [`number`](Self::number) names; `None` if it is of another run.
    pub fn of_number(number: u64, run: u32) -> Option<Self> {
        (number >> 32 == u64::from(run & RUN_OF_NUMBER)).then_some(Self { run, emission: number as u32 })
    }

    /// Finds the first stamp in a message.
    pub fn find(message: &[u8]) -> Option<Found> {
        Self::find_from(message, 0)
    }

    /// All stamps in a message, in their order.
    pub fn find_all(message: &[u8]) -> impl Iterator<Item = Found> + '_ {
        let next = |found: &Found| Self::find_from(message, found.at + LENGTH);
        std::iter::successors(Self::find(message), next)
    }

    /// The first stamp that begins at `from` or behind it.
    fn find_from(message: &[u8], mut from: usize) -> Option<Found> {
        loop {
            let at = from + FINDER.find(message.get(from..)?)?;
            if let Some(stamp) = message.get(at + MARK.len()..at + LENGTH).and_then(read_digits) {
                return Some(Found { stamp, at });
            }
            from = at + MARK.len();
        }
    }

    fn write_digits(self, text: &mut String) {
        let value = u128::from(self.run) << 48 | u128::from(self.emission) << 16 | u128::from(check(self));
        let digit = |number: usize| ALPHABET[(value >> (5 * (DIGITS - 1 - number)) & 31) as usize];
        text.extend((0..DIGITS).map(digit).map(char::from));
    }
}

/// Bits of the run in a number: with the emission, one less than the 53 that are exact.
const RUN_OF_NUMBER: u32 = (1 << 20) - 1;

impl Found {
    /// Whether the payload of `size` bytes that begins here is as it was sent.
    pub fn is_whole(&self, message: &[u8], size: usize) -> bool {
        self.intact(message, size) == size
    }

    /// How many of the payload's bytes are as they were sent, up to the first that is not.
    pub fn intact(&self, message: &[u8], size: usize) -> usize {
        let rest = message.get(self.at + LENGTH..).unwrap_or_default();
        let rest = &rest[..rest.len().min(size.saturating_sub(LENGTH))];
        let mut intact = LENGTH;
        for piece in rest.chunks(FILLER.len()) {
            if piece != &FILLER[..piece.len()] {
                return intact + piece.iter().zip(&FILLER).take_while(|(a, b)| a == b).count();
            }
            intact += piece.len();
        }
        intact
    }
}

/// What is left of a payload whose stamp cannot be found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The stamp can be read if its case is ignored: a payload that was changed.
    Stamp(Stamp),
    /// A part of a payload of this kind; it does not say which.
    Part,
}

/// Looks for what is left of a payload of run `run`. For messages that should have a stamp and have none.
pub fn trace(message: &[u8], run: u32) -> Option<Trace> {
    let small = message.to_ascii_lowercase();
    let own = Stamp { run, emission: 0 }.token();
    let mut part = false;
    for at in memmem::find_iter(&small, MARK) {
        let digits = &small[at + MARK.len()..];
        let digits = &digits[..digits.len().min(DIGITS)];
        if let Some(stamp) = read_digits(digits).filter(|stamp| stamp.run == run) {
            return Some(Trace::Stamp(stamp));
        }
        let same = digits.iter().zip(own.as_bytes()).take(RUN_DIGITS).take_while(|(a, b)| a == b).count();
        part |= same >= SURE_DIGITS;
    }
    (part || memmem::find(&small, TELLING).is_some()).then_some(Trace::Part)
}

fn read_digits(digits: &[u8]) -> Option<Stamp> {
    if digits.len() != DIGITS {
        return None;
    }
    let value = digits.iter().try_fold(0u128, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'v' => digit - b'a' + 10,
            b'A'..=b'V' => digit - b'A' + 10,
            _ => return None,
        };
        Some(value << 5 | u128::from(digit))
    })?;
    let stamp = Stamp { run: (value >> 48) as u32, emission: (value >> 16) as u32 };
    (check(stamp) == value as u16).then_some(stamp)
}

/// A checksum, so that a stamp which was changed is not taken for another one: CRC-16, which notices every change within
/// three digits.
fn check(stamp: Stamp) -> u16 {
    let bytes = (u64::from(stamp.run) << 32 | u64::from(stamp.emission)).to_be_bytes();
    bytes.iter().fold(u16::MAX, |crc, byte| crc << 8 ^ CRC[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

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
            let found = Stamp::find(message.as_bytes()).unwrap();
            prop_assert_eq!(found, Found { stamp, at: before.len() + 1 });
            prop_assert!(found.is_whole(message.as_bytes(), size));
        }

        #[test]
        fn no_message_panics(message in prop::collection::vec(any::<u8>(), 0..60), run: u32) {
            for message in [message.clone(), [b"~sb:".as_slice(), &message].concat()] {
                if let Some(found) = Stamp::find(&message) {
                    let _ = found.is_whole(&message, 90);
                }
                let _ = trace(&message, run);
            }
        }

        #[test]
        fn a_change_of_any_byte_is_noticed(run: u32, emission: u32, size in LENGTH..200, place in 0usize..200, by in 1u8..128) {
            let stamp = Stamp { run, emission };
            let mut payload = stamp.payload(size).into_bytes();
            let place = place % size;
            payload[place] ^= by;
            let same_digit = payload[place].eq_ignore_ascii_case(&stamp.payload(size).as_bytes()[place]);
            if let Some(found) = Stamp::find(&payload) {
                prop_assert_eq!(found.stamp, stamp);
                prop_assert!(!found.is_whole(&payload, size) || same_digit);
            }
        }

        #[test]
        fn tokens_and_numbers_are_read_back(run: u32, emission: u32, other: u32) {
            let stamp = Stamp { run, emission };
            prop_assert_eq!(Stamp::of_token(&stamp.token()), Some(stamp));
            prop_assert!(stamp.number() < 1 << 53);
            prop_assert_eq!(Stamp::of_number(stamp.number(), run), Some(stamp));
            let same = run & RUN_OF_NUMBER == other & RUN_OF_NUMBER;
            prop_assert_eq!(Stamp::of_number(stamp.number(), other).is_some(), same);
        }
    }

    #[test]
    fn what_is_left_of_a_payload_is_recognised() {
        let stamp = Stamp { run: 0x1234_5678, emission: 77 };
        let payload = stamp.payload(128);
        assert_eq!(trace(payload.to_uppercase().as_bytes(), stamp.run), Some(Trace::Stamp(stamp)));
        assert_eq!(trace(&payload.as_bytes()[..12], stamp.run), Some(Trace::Part), "cut within the stamp");
        assert_eq!(trace(&payload.as_bytes()[..12], 0), None, "of another run");
        assert_eq!(trace(&payload.as_bytes()[30..], stamp.run), Some(Trace::Part), "without its beginning");
        assert_eq!(trace(b"somebody has joined the room", stamp.run), None);
        let cut = Stamp::find(&payload.as_bytes()[..64]).unwrap();
        assert_eq!(cut.intact(&payload.as_bytes()[..64], 128), 64);
    }

    /// What is written is fixed: runs of other versions, and of the parts of one run, read one another's stamps.
    #[test]
    fn a_stamp_is_written_as_it_always_was() {
        let stamp = Stamp { run: 0x3132_3334, emission: 0x3536_3738 };
        // The value that is given for CRC-16 of the text 12345678.
        assert_eq!(check(stamp), 0xA12B);
        assert_eq!(stamp.token(), "64p36d1l6orjh89b");
        assert_eq!(stamp.number(), 0x2_3334_3536_3738);
        assert_eq!(stamp.payload(60), "~sb:64p36d1l6orjh89babcdefghijklmnopqrstuvwxyz01234abcdefghi");
        assert_eq!((stamp.payload(0).len(), LENGTH), (20, 20), "no payload is smaller");
    }

    /// An application may change the case of what it passes on.
    #[test]
    fn a_stamp_is_read_in_either_case() {
        let stamp = Stamp { run: u32::MAX, emission: 0xDEAD_BEEF };
        assert_eq!(Stamp::of_token(&stamp.token().to_uppercase()), Some(stamp));
        let other = stamp.token().replace('v', "w");
        assert_eq!(Stamp::of_token(&other), None, "there is no such digit");
        assert_eq!(Stamp::of_token(&stamp.token()[1..]), None, "one is missing");
    }

    /// Several messages may come in one event; behind each the search goes on, and what looks like a stamp and is none is passed over.
    #[test]
    fn all_stamps_of_an_event_are_found_in_their_order() {
        let stamps = [7, 8, 9].map(|emission| Stamp { run: 5, emission });
        let event = format!(
            "{}~sb:{}~sb:0000000000000000{}",
            stamps[0].payload(20),
            stamps[1].payload(64),
            stamps[2].payload(31)
        );
        let found: Vec<_> = Stamp::find_all(event.as_bytes()).take(9).map(|found| (found.stamp, found.at)).collect();
        assert_eq!(found, [(stamps[0], 0), (stamps[1], 24), (stamps[2], 108)]);
        assert_eq!(Stamp::find_all(b"nothing of ours").count(), 0);
    }

    proptest! {
        /// A payload is intact up to the byte that was changed, however long it is.
        #[test]
        fn a_payload_is_intact_up_to_the_first_change(size in 21usize..9_000, place: prop::sample::Index, cut: bool) {
            let stamp = Stamp { run: 3, emission: 4 };
            let mut payload = stamp.payload(size).into_bytes();
            let place = LENGTH + place.index(size - LENGTH);
            if cut {
                payload.truncate(place);
            } else {
                payload[place] ^= 1;
            }
            let found = Stamp::find(&payload).unwrap();
            prop_assert_eq!(found.intact(&payload, size), place);
            prop_assert_eq!(found.intact(&payload, place), place, "so much of it is whole");
            prop_assert!(!found.is_whole(&payload, size));
        }

        /// Whatever three digits beside one another become, the stamp is not taken for another one.
        #[test]
        fn a_change_within_three_digits_makes_no_other_stamp(run: u32, emission: u32, at in 0usize..14, digits in prop::array::uniform3(0usize..32)) {
            let stamp = Stamp { run, emission };
            let mut token = stamp.token().into_bytes();
            for (place, digit) in digits.into_iter().enumerate() {
                token[at + place] = ALPHABET[digit];
            }
            let read = Stamp::of_token(std::str::from_utf8(&token).unwrap());
            prop_assert!(read.is_none_or(|read| read == stamp), "{read:?}");
        }
    }
}
