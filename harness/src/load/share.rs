//! Which users of a run are this process's: several processes may each run a part of one schedule.
//!
//! User `u` belongs to part `u` mod N, whatever its rooms are; so do those who follow a flow, by the number under which they come.
//! Nothing has to be asked for: who sends what to whom and when is the same arithmetic everywhere.

/// A part of a run, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Counted from 0.
    number: u32,
    of: u32,
}

/// More parts than this are a mistake.
const MOST: u32 = 1_000;

impl Share {
    /// All of a run.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Part `number`, counted from 1, of so many.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        let fits = (1..=MOST).contains(&of) && (1..=of).contains(&number);
        fits.then(|| Self { number: number - 1, of })
    }

    /// As it is written: `2/5`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
        numbers.and_then(|(number, of)| Self::new(number, of)).ok_or_else(|| {
            format!("expected K/N, such as 2/5 for the second of five parts; K is from 1 to N, N at most {MOST}")
        })
    }

    /// Counted from 1.
    pub fn number(self) -> u32 {
        self.number + 1
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether there is no other part.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Whether what is run once and not by every user is this part's.
    pub fn is_first(self) -> bool {
        self.number == 0
    }

    /// Whether a user is this part's.
    pub fn owns(self, user: u32) -> bool {
        user % self.of == self.number
    }

    /// Which of this part's workers has somebody, by the number; none if that is another part's.
    pub(super) fn worker_of(self, number: u64, workers: usize) -> Option<usize> {
        let of = u64::from(self.of);
        (number % of == u64::from(self.number)).then(|| (number / of) as usize % workers)
    }

    /// What those have who are handed something one after the other: the first number, and how far it is to the next.
    pub(super) fn turns(self) -> (u64, u64) {
        (self.number.into(), self.of.into())
    }

    /// The part, counted from 0, that a user belongs to.
    pub(super) fn part_of(self, user: u32) -> usize {
        (user % self.of) as usize
    }

    /// How many of so many, numbered from `first` on, are this part's.
    pub(super) fn count(self, first: u64, count: u64) -> u64 {
        let of = u64::from(self.of);
        // Those of a number below `end`.
        let below = |end: u64| (end + of - 1 - u64::from(self.number)) / of;
        below(first + count) - below(first)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "part {} of {}", self.number(), self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_belongs_to_one_part_and_one_worker() {
        for of in 1..=5 {
            let parts: Vec<_> = (1..=of).map(|number| Share::new(number, of).unwrap()).collect();
            for user in 0..100_u32 {
                let owners: Vec<_> = parts.iter().filter(|part| part.owns(user)).collect();
                assert_eq!(owners.len(), 1);
                assert_eq!(parts[0].part_of(user), owners[0].number as usize);
                let workers: Vec<_> = parts.iter().filter_map(|part| part.worker_of(user.into(), 3)).collect();
                assert!(matches!(workers[..], [worker] if worker < 3), "{workers:?}");
            }
            for (first, count) in [(0, 0), (0, 7), (3, 1), (4, 31), (99, 5)] {
                let counted = |part: &Share| (first..first + count).filter(|n| part.owns(*n as u32)).count() as u64;
                assert!(parts.iter().all(|part| part.count(first, count) == counted(part)), "{of} {first} {count}");
            }
        }
        assert_eq!(Share::WHOLE.worker_of(7, 4), Some(3), "alone, a user's worker is as it always was");
    }

    #[test]
    fn a_part_is_written_as_a_fraction() {
        assert_eq!(Share::parse("2/5"), Ok(Share { number: 1, of: 5 }));
        for wrong in ["", "2", "0/5", "6/5", "1/0", "a/b", "-1/3", "1/1001"] {
            assert!(Share::parse(wrong).unwrap_err().contains("2/5"), "{wrong}");
        }
    }
}
