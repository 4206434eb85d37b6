//! Events as bytes: numbers of seven bits a byte, instants and messages as differences to those ahead of them.

use sio_oracle::board::Nanos;

use super::{Came, Event, Place};

/// What the differences are counted from. Each block begins anew, so that it can be read without those ahead of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Last {
    at: Nanos,
    index: u32,
    user: u32,
}

mod kind {
    pub(super) const SENT: u8 = 1;
    pub(super) const ANSWERED: u8 = 2;
    pub(super) const REFUSED: u8 = 3;
    pub(super) const ABANDONED: u8 = 4;
    pub(super) const ASKED: u8 = 5;
    pub(super) const LET_IN: u8 = 6;
    pub(super) const RECOVERED: u8 = 7;
    pub(super) const READY: u8 = 8;
    pub(super) const BACK: u8 = 9;
    pub(super) const SETTLED: u8 = 10;
    pub(super) const ENDED: u8 = 11;
    pub(super) const UNREAD: u8 = 12;
    pub(super) const SPOILT: u8 = 13;
    /// With the next three: to a session that is not confirmed.
    pub(super) const WHOLE: u8 = 16;
    pub(super) const ALTERED: u8 = 17;
    pub(super) const AMONG: u8 = 18;
    pub(super) const FRESH: u8 = 32;
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        // Of the tenth byte one bit is left.
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

impl Last {
    fn put_at(&mut self, bytes: &mut Vec<u8>, at: Nanos) {
        put_signed(bytes, at.wrapping_sub(self.at));
        self.at = at;
    }

    fn put_index(&mut self, bytes: &mut Vec<u8>, index: u32) {
        put_signed(bytes, i64::from(index) - i64::from(self.index));
        self.index = index;
    }

    fn put_user(&mut self, bytes: &mut Vec<u8>, user: u32) {
        put_signed(bytes, i64::from(user) - i64::from(self.user));
        self.user = user;
    }

    fn put_place(&mut self, bytes: &mut Vec<u8>, place: Place) {
        self.put_user(bytes, place.user);
        put(bytes, place.namespace.into());
    }

    fn take_at(&mut self, bytes: &mut &[u8]) -> Option<Nanos> {
        self.at = self.at.wrapping_add(take_signed(bytes)?);
        Some(self.at)
    }

    fn take_index(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        self.index = i64::from(self.index).checked_add(take_signed(bytes)?)?.try_into().ok()?;
        Some(self.index)
    }

    fn take_user(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        self.user = i64::from(self.user).checked_add(take_signed(bytes)?)?.try_into().ok()?;
        Some(self.user)
    }

    fn take_place(&mut self, bytes: &mut &[u8]) -> Option<Place> {
        Some(Place { user: self.take_user(bytes)?, namespace: take(bytes)?.try_into().ok()? })
    }
}

/// Writes an event behind those of its block.
pub(super) fn encode(event: &Event, last: &mut Last, bytes: &mut Vec<u8>) {
    let mut message = |kind: u8, index: u32, at: Nanos| {
        bytes.push(kind);
        last.put_index(bytes, index);
        last.put_at(bytes, at);
    };
    match *event {
        Event::Sent { index, at } => message(kind::SENT, index, at),
        Event::Answered { index, at } => message(kind::ANSWERED, index, at),
        Event::Refused { index, at } => message(kind::REFUSED, index, at),
        Event::Abandoned { index, at } => message(kind::ABANDONED, index, at),
        Event::Asked { place, at } => encode_place(kind::ASKED, place, at, last, bytes),
        Event::LetIn { place, at } => encode_place(kind::LET_IN, place, at, last, bytes),
        Event::Ended { place, at } => encode_place(kind::ENDED, place, at, last, bytes),
        Event::Recovered { place } => {
            bytes.push(kind::RECOVERED);
            last.put_place(bytes, place);
        }
        Event::Ready { user, at, away_since } => {
            bytes.push(if away_since.is_some() { kind::BACK } else { kind::READY });
            last.put_user(bytes, user);
            away_since.iter().for_each(|since| last.put_at(bytes, *since));
            last.put_at(bytes, at);
        }
        Event::Settled { user, fence, at } => {
            bytes.push(kind::SETTLED);
            last.put_user(bytes, user);
            last.put_at(bytes, fence);
            last.put_at(bytes, at);
        }
        Event::Came { place, index, at, how } => {
            let name = match how {
                Came::Whole { .. } => kind::WHOLE,
                Came::Altered { .. } => kind::ALTERED,
                Came::Among { .. } => kind::AMONG,
            };
            bytes.push(if how.is_fresh() { name | kind::FRESH } else { name });
            last.put_place(bytes, place);
            last.put_index(bytes, index);
            last.put_at(bytes, at);
            if let Came::Altered { intact, .. } = how {
                put(bytes, intact.into());
            }
        }
        Event::Unread { user, traffic, spoilt, at } => {
            bytes.push(if spoilt { kind::SPOILT } else { kind::UNREAD });
            last.put_user(bytes, user);
            put(bytes, traffic.into());
            last.put_at(bytes, at);
        }
    }
}

fn encode_place(kind: u8, place: Place, at: Nanos, last: &mut Last, bytes: &mut Vec<u8>) {
    bytes.push(kind);
    last.put_place(bytes, place);
    last.put_at(bytes, at);
}

/// Reads the next event of a block; none if these bytes are none.
pub(super) fn decode(bytes: &mut &[u8], last: &mut Last) -> Option<Event> {
    let (&name, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(match name {
        kind::SENT => Event::Sent { index: last.take_index(bytes)?, at: last.take_at(bytes)? },
        kind::ANSWERED => Event::Answered { index: last.take_index(bytes)?, at: last.take_at(bytes)? },
        kind::REFUSED => Event::Refused { index: last.take_index(bytes)?, at: last.take_at(bytes)? },
        kind::ABANDONED => Event::Abandoned { index: last.take_index(bytes)?, at: last.take_at(bytes)? },
        kind::ASKED => Event::Asked { place: last.take_place(bytes)?, at: last.take_at(bytes)? },
        kind::LET_IN => Event::LetIn { place: last.take_place(bytes)?, at: last.take_at(bytes)? },
        kind::ENDED => Event::Ended { place: last.take_place(bytes)?, at: last.take_at(bytes)? },
        kind::RECOVERED => Event::Recovered { place: last.take_place(bytes)? },
        kind::READY => Event::Ready { user: last.take_user(bytes)?, at: last.take_at(bytes)?, away_since: None },
        kind::BACK => {
            let (user, away_since) = (last.take_user(bytes)?, Some(last.take_at(bytes)?));
            Event::Ready { user, at: last.take_at(bytes)?, away_since }
        }
        kind::SETTLED => {
            let (user, fence) = (last.take_user(bytes)?, last.take_at(bytes)?);
            Event::Settled { user, fence, at: last.take_at(bytes)? }
        }
        kind::UNREAD | kind::SPOILT => {
            let (user, traffic) = (last.take_user(bytes)?, take(bytes)?.try_into().ok()?);
            Event::Unread { user, traffic, spoilt: name == kind::SPOILT, at: last.take_at(bytes)? }
        }
        _ => return decode_copy(name, bytes, last),
    })
}

fn decode_copy(name: u8, bytes: &mut &[u8], last: &mut Last) -> Option<Event> {
    let fresh = name & kind::FRESH != 0;
    let (place, index, at) = (last.take_place(bytes)?, last.take_index(bytes)?, last.take_at(bytes)?);
    let how = match name & !kind::FRESH {
        kind::WHOLE => Came::Whole { fresh },
        kind::ALTERED => Came::Altered { fresh, intact: take(bytes)?.try_into().ok()? },
        kind::AMONG => Came::Among { fresh },
        _ => return None,
    };
    Some(Event::Came { place, index, at, how })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::load::journal) fn any_event() -> impl Strategy<Value = Event> {
        let place = || (any::<u32>(), any::<u16>()).prop_map(|(user, namespace)| Place { user, namespace });
        let came = (0..3, any::<bool>(), any::<u32>()).prop_map(|(kind, fresh, intact)| match kind {
            0 => Came::Whole { fresh },
            1 => Came::Altered { fresh, intact },
            _ => Came::Among { fresh },
        });
        prop_oneof![
            (any::<u32>(), any::<i64>()).prop_map(|(index, at)| Event::Sent { index, at }),
            (any::<u32>(), any::<i64>()).prop_map(|(index, at)| Event::Answered { index, at }),
            (any::<u32>(), any::<i64>()).prop_map(|(index, at)| Event::Refused { index, at }),
            (any::<u32>(), any::<i64>()).prop_map(|(index, at)| Event::Abandoned { index, at }),
            (place(), any::<i64>()).prop_map(|(place, at)| Event::Asked { place, at }),
            (place(), any::<i64>()).prop_map(|(place, at)| Event::LetIn { place, at }),
            (place(), any::<i64>()).prop_map(|(place, at)| Event::Ended { place, at }),
            place().prop_map(|place| Event::Recovered { place }),
            (any::<u32>(), any::<i64>(), any::<Option<i64>>()).prop_map(|(user, at, away_since)| Event::Ready {
                user,
                at,
                away_since
            }),
            (any::<u32>(), any::<i64>(), any::<i64>()).prop_map(|(user, fence, at)| Event::Settled { user, fence, at }),
            (place(), any::<u32>(), any::<i64>(), came).prop_map(|(place, index, at, how)| Event::Came {
                place,
                index,
                at,
                how
            }),
            (any::<u32>(), any::<u16>(), any::<bool>(), any::<i64>())
                .prop_map(|(user, traffic, spoilt, at)| Event::Unread { user, traffic, spoilt, at }),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(events in prop::collection::vec(any_event(), 0..50)) {
            let (mut bytes, mut last) = (Vec::new(), Last::default());
            events.iter().for_each(|event| encode(event, &mut last, &mut bytes));
            let (mut rest, mut last) = (&bytes[..], Last::default());
            for event in &events {
                prop_assert_eq!(decode(&mut rest, &mut last), Some(*event));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn nobody_falls_over_what_is_no_event(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut rest, mut last) = (&bytes[..], Last::default());
            while !rest.is_empty() && decode(&mut rest, &mut last).is_some() {}
        }
    }

    /// Most of a journal are copies that come one after the other.
    #[test]
    fn a_delivery_takes_few_bytes() {
        let (mut bytes, mut last) = (Vec::new(), Last::default());
        for number in 0..1_000_u32 {
            let place = Place { user: number % 50 * 5, namespace: 0 };
            let at = 10_000_000_000 + i64::from(number) * 20_000;
            let how = Came::Whole { fresh: false };
            encode(&Event::Came { place, index: 70_000 + number / 50, at, how }, &mut last, &mut bytes);
        }
        assert!(bytes.len() < 10_000, "{}", bytes.len());
    }
}
