//! How the copies of messages looked that came, whatever is owed: under which name, and whether they could be recognised.

use std::collections::HashMap;

use indexmap::IndexMap;

/// Names under which copies came, of one traffic, that are told apart, and how much of a name is kept.
const NAMES: usize = 20;
const NAME_LENGTH: usize = 80;
const OTHER_NAMES: &str = "other names";

/// What a delivery looked like.
#[derive(Clone, Debug)]
pub(in crate::load) struct Sample {
    pub(in crate::load) json: String,
    /// The attachment that its payload was, if it was one.
    pub(in crate::load) attachment: Option<usize>,
}

/// By traffic.
pub(super) struct Copies {
    /// What the first delivery looked like.
    pub(super) samples: Vec<Option<Sample>>,
    /// Copies under other names than the one that is owed.
    pub(super) others: Vec<IndexMap<String, u64>>,
    /// Copies that were recognised under its name.
    pub(super) recognised: Vec<u64>,
    /// Copies by user and traffic that are spoilt so that nobody knows which message they are of; one of them stands for
    /// a message of which no other came.
    spoilt: HashMap<(u32, u16), u32>,
}

impl Copies {
    pub(super) fn new(traffics: usize) -> Self {
        Self {
            samples: vec![None; traffics],
            others: vec![IndexMap::new(); traffics],
            recognised: vec![0; traffics],
            spoilt: HashMap::new(),
        }
    }

    /// Counts a copy that was recognised, and remembers what deliveries of a traffic look like.
    pub(super) fn recognised(&mut self, traffic: u16, json: &str, attachment: Option<usize>) {
        self.recognised[usize::from(traffic)] += 1;
        let sample = &mut self.samples[usize::from(traffic)];
        if sample.is_none() {
            *sample = Some(Sample { json: json.to_owned(), attachment });
        }
    }

    /// A copy of a message came under a name that is not owed: nobody's fault.
    pub(super) fn under(&mut self, traffic: u16, name: &str) {
        let names = &mut self.others[usize::from(traffic)];
        let name = name.char_indices().nth(NAME_LENGTH).map_or(name, |(end, _)| &name[..end]);
        if let Some(copies) = names.get_mut(name) {
            *copies += 1;
        } else {
            let name = if names.len() < NAMES { name } else { OTHER_NAMES };
            *names.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// A copy came of which nobody knows which message it is of.
    pub(super) fn spoilt(&mut self, user: u32, traffic: u16) {
        *self.spoilt.entry((user, traffic)).or_default() += 1;
    }

    /// Whether a spoilt copy stands for a message of which no other came.
    pub(super) fn was_spoilt(&mut self, user: u32, traffic: u16) -> bool {
        let Some(copies) = self.spoilt.get_mut(&(user, traffic)).filter(|copies| **copies > 0) else { return false };
        *copies -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoilt_copy_stands_for_one_message() {
        let mut copies = Copies::new(1);
        copies.spoilt(7, 0);
        assert!(!copies.was_spoilt(8, 0), "another user's");
        assert!(copies.was_spoilt(7, 0) && !copies.was_spoilt(7, 0));
    }

    #[test]
    fn names_beyond_a_number_are_counted_together_and_long_ones_are_cut() {
        let mut copies = Copies::new(1);
        (0..NAMES + 3).for_each(|number| copies.under(0, &format!("name {number}")));
        copies.under(0, "name 1");
        assert_eq!((copies.others[0]["name 1"], copies.others[0][OTHER_NAMES]), (2, 3));
        let mut copies = Copies::new(1);
        copies.under(0, &"é".repeat(NAME_LENGTH + 1));
        assert_eq!(copies.others[0].keys().next().unwrap().chars().count(), NAME_LENGTH);
    }

    #[test]
    fn the_first_copy_is_the_sample() {
        let mut copies = Copies::new(1);
        copies.recognised(0, "[1]", None);
        copies.recognised(0, "[2]", Some(0));
        assert_eq!((copies.recognised[0], copies.samples[0].as_ref().unwrap().json.as_str()), (2, "[1]"));
    }
}
