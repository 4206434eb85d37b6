//! The book of a run whose coordinator is gone: parts come from workers that have ended, each with the number that it was given.

use std::time::Instant;

use super::super::wire::{Answer, Bundled, Cut, Id, Left, words};
use super::{Desk, End, Layout, Stage};
use crate::record::EndedBy;

impl Desk {
    /// A book in which nobody is yet; time alone brings nothing about in it.
    pub fn again(of: u32, bundle: Bundled, files: Layout, now: Instant) -> Self {
        let nothing = std::time::Duration::ZERO;
        Self { stage: Stage::Again, ..Self::new(of, bundle, files, nothing, now, nothing) }
    }

    /// A worker that has ended offers its part.
    pub fn take_again(&mut self, worker: &Id, left: Left, now: Instant) -> Answer {
        let refused = |why: &str| Answer::Refused { why: why.to_owned() };
        if left.bundle != self.bundle || left.of != self.of() || left.number == 0 {
            return refused("it is a part of another run of that name");
        }
        let is_new = !self.knows(worker);
        let host: String = words(&left.host).chars().take(64).collect();
        let answer = self.join(worker.clone(), &left.version, (host, left.process), Some(left.number), now);
        if let (true, Some(place), Some(Cut { why, by })) = (is_new, self.place(worker), left.cut) {
            let why = format!("{}: {}", self.name(place), words(&why));
            self.trouble.get_or_insert(Cut { why, by: by.of_a_part() });
        }
        answer
    }

    /// Whether a worker has a part of the run.
    pub fn knows(&self, worker: &Id) -> bool {
        self.place(worker).is_some()
    }

    /// Whether the part of a worker is here.
    pub fn has_all_of(&self, worker: &Id) -> bool {
        let seat = self.place(worker).and_then(|place| self.seats[place].as_ref());
        seat.is_some_and(|seat| seat.end == Some(End::Delivered))
    }

    /// Nothing more is waited for: what is not here is named.
    pub fn give_up(&mut self, address: &str, now: Instant) {
        let is_here = |place: &usize| self.seats[*place].as_ref().is_some_and(|seat| seat.end == Some(End::Delivered));
        let missing: Vec<usize> = (0..self.seats.len()).filter(|place| !is_here(place)).collect();
        let numbers: Vec<String> = missing.iter().map(|place| (place + 1).to_string()).collect();
        let (what, it) = match &numbers[..] {
            [] => return,
            [one] => (format!("part {one} of {} is", self.of()), "it"),
            _ => (format!("parts {} of {} are", numbers.join(", "), self.of()), "them"),
        };
        missing.into_iter().for_each(|place| self.end(place, End::Gone));
        // Whatever cut a part short matters less than that another is not there.
        self.trouble = None;
        self.fail(EndedBy::Elsewhere, format!("{what} missing: nobody has brought {it} to {address}"), now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::files::sha256;
    use super::super::super::wire::{Ask, ChunkHead, Kind, Sum, crc};
    use super::*;

    fn bundled() -> Bundled {
        Bundled { bytes: 1, sha256: "x".to_owned() }
    }

    fn left(number: u32, cut: Option<Cut>) -> Left {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Left { version, host: "h".to_owned(), process: 1, number, of: 2, bundle: bundled(), cut }
    }

    fn bring(desk: &mut Desk, worker: &Id, now: Instant) {
        let sum = |kind| Sum { kind, bytes: 1, sha256: sha256(b"x") };
        for kind in Kind::ALL {
            let head = ChunkHead { worker: worker.clone(), kind, at: 0, crc: crc(b"x") };
            assert_eq!(desk.chunk(&head, b"x", now), Answer::Taken { at: 1 });
        }
        let done = Ask::Done { worker: worker.clone(), files: Kind::ALL.map(sum).to_vec() };
        assert_eq!(desk.ask(done, now), Answer::Fine);
    }

    #[test]
    fn parts_come_with_their_numbers_and_those_that_do_not_are_named() {
        let (folder, now) = (tempfile::tempdir().unwrap(), crate::clock::now());
        let files = Layout { folder: folder.path().to_owned(), scenario: "s".to_owned() };
        let mut desk = Desk::again(2, bundled(), files.clone(), now);
        let (first, second) = (Id::fresh(), Id::fresh());
        let other = Left { bundle: Bundled { bytes: 2, ..bundled() }, ..left(1, None) };
        for wrong in [other, Left { of: 3, ..left(1, None) }, left(0, None), left(3, None)] {
            assert!(matches!(desk.take_again(&first, wrong, now), Answer::Refused { .. }));
        }
        assert!(matches!(desk.take_again(&second, left(2, None), now), Answer::Part { number: 2, of: 2, .. }));
        assert!(matches!(desk.take_again(&first, left(2, None), now), Answer::Refused { .. }), "two have part 2");
        bring(&mut desk, &second, now);
        assert!(desk.outcome(now).is_none());
        desk.give_up("nats://h", now);
        let outcome = desk.outcome(now).unwrap();
        let why = outcome.trouble.unwrap().why;
        assert_eq!((outcome.delivered, &*why), (vec![2], "part 1 of 2 is missing: nobody has brought it to nats://h"));

        let mut desk = Desk::again(2, bundled(), files, now);
        let cut = Cut { why: "its target was lost".to_owned(), by: EndedBy::Target };
        desk.take_again(&first, left(1, Some(cut)), now);
        bring(&mut desk, &first, now);
        desk.take_again(&second, left(2, None), now);
        bring(&mut desk, &second, now);
        let outcome = desk.outcome(now).unwrap();
        assert_eq!((outcome.delivered, outcome.trouble.map(|cut| cut.by)), (vec![1, 2], Some(EndedBy::Target)));
    }
}
