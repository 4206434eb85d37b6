//! The deliveries to the receivers of one worker.

use std::sync::Arc;

use crate::Ledger;

/// A receiver's place on the scoreboard of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver(usize);

/// What one delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was owed, and this is the first copy.
    Owed,
    /// It was owed, but a later emission of the same sender to the same room came first.
    OutOfOrder,
    /// A copy was here already.
    Duplicate,
    /// The receiver is not in the room, or is the excluded sender, or there is no such emission.
    Stray,
}

/// What became of one delivery that had to be made, once a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was made.
    Delivered,
    /// It was not.
    Missing,
    /// It was not, and a broken connection excuses that.
    Excused,
}

/// One audience as one receiver sees it.
#[derive(Debug)]
struct Track {
    audience: u32,
    /// A bit for each emission, set when it arrives.
    seen: Box<[u64]>,
    /// Emissions that a later one of the same sender has overtaken; almost always empty.
    overtaken: Vec<u32>,
}

/// Judges deliveries; owned by one worker, so nothing is shared and nothing locked.
#[derive(Debug)]
pub struct Scoreboard {
    ledger: Arc<Ledger>,
    receivers: Vec<(u32, Box<[Track]>)>,
}

impl Scoreboard {
    /// A board without receivers.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, receivers: Vec::new() }
    }

    /// Adds user `user`, a member of the rooms behind `audiences`.
    pub fn add(&mut self, user: u32, audiences: impl IntoIterator<Item = u32>) -> Receiver {
        let mut tracks: Vec<_> = audiences.into_iter().map(|audience| self.track(audience)).collect();
        tracks.sort_unstable_by_key(|track| track.audience);
        self.receivers.push((user, tracks.into_boxed_slice()));
        Receiver(self.receivers.len() - 1)
    }

    /// The user behind a receiver.
    pub fn user(&self, receiver: Receiver) -> u32 {
        self.receivers[receiver.0].0
    }

    fn track(&self, audience: u32) -> Track {
        let emissions = self.ledger.audiences[audience as usize].emissions.len();
        Track { audience, seen: vec![0; emissions.div_ceil(64)].into_boxed_slice(), overtaken: Vec::new() }
    }

    /// Judges one delivery: emission `seq` of `audience` arrived at `receiver`.
    pub fn deliver(&mut self, receiver: Receiver, audience: u32, seq: u32) -> Outcome {
        let (user, tracks) = &mut self.receivers[receiver.0];
        let Ok(index) = tracks.binary_search_by_key(&audience, |track| track.audience) else {
            return Outcome::Stray;
        };
        let track = &mut tracks[index];
        let audience = &self.ledger.audiences[audience as usize];
        if !audience.owes(*user, seq) {
            return Outcome::Stray;
        }
        if track.is_seen(seq) {
            return Outcome::Duplicate;
        }
        track.seen[seq as usize / 64] |= 1 << (seq % 64);
        if !track.overtaken.is_empty()
            && let Some(index) = track.overtaken.iter().position(|&overtaken| overtaken == seq)
        {
            track.overtaken.swap_remove(index);
            return Outcome::OutOfOrder;
        }
        // Whatever this sender sent earlier and is not here yet has been overtaken. Usually the one before
        // has arrived and the loop ends at once.
        let mut before = audience.emissions[seq as usize].previous;
        while let Some(earlier) = before {
            if track.is_seen(earlier) || track.overtaken.contains(&earlier) {
                break;
            }
            track.overtaken.push(earlier);
            before = audience.emissions[earlier as usize].previous;
        }
        Outcome::Owed
    }

    /// Closes the account of one receiver after a fence: calls `account` with audience, sequence number and
    /// fate of everything that was owed to it.
    ///
    /// `sent` says which emissions left; the others are owed to nobody. With `cut`, the connection was lost:
    /// the tail of each sender's messages is excused, a hole ahead of one that arrived is not (of what one
    /// sender sent, a connection delivers a prefix).
    pub fn settle(
        &self,
        receiver: Receiver,
        cut: bool,
        sent: impl Fn(u32, u32) -> bool,
        mut account: impl FnMut(u32, u32, Fate),
    ) {
        let (user, tracks) = &self.receivers[receiver.0];
        for track in tracks {
            let audience = &self.ledger.audiences[track.audience as usize];
            for seq in 0..audience.emissions.len() as u32 {
                if !audience.owes(*user, seq) || !sent(track.audience, seq) {
                    continue;
                }
                let fate = match (track.is_seen(seq), cut && !track.overtaken.contains(&seq)) {
                    (true, _) => Fate::Delivered,
                    (false, true) => Fate::Excused,
                    (false, false) => Fate::Missing,
                };
                account(track.audience, seq, fate);
            }
        }
    }
}

impl Track {
    fn is_seen(&self, seq: u32) -> bool {
        self.seen[seq as usize / 64] & (1 << (seq % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Audience;

    /// A random history of a correct server: users in rooms, emissions, and for each receiver an order of
    /// arrival that keeps each sender's order.
    #[derive(Clone, Debug)]
    struct History {
        ledger: Ledger,
        rooms: Vec<Vec<u32>>,
        /// Receiver, audience, sequence number.
        deliveries: Vec<(usize, u32, u32)>,
    }

    fn history() -> impl Strategy<Value = History> {
        let rooms = prop::collection::vec(prop::collection::btree_set(0u32..4, 1..4), 2..6);
        let emissions = prop::collection::vec((0usize..6, 0usize..4), 0..40);
        (rooms, emissions, any::<bool>(), any::<u64>()).prop_map(|(rooms, emissions, except_sender, shuffle)| {
            let rooms: Vec<Vec<u32>> = rooms.into_iter().map(|rooms| rooms.into_iter().collect()).collect();
            let mut ledger = Ledger { audiences: vec![Audience::new(except_sender); 4] };
            let mut previous = HashMap::new();
            for (sender, room) in emissions {
                let sender = sender % rooms.len();
                let room = rooms[sender][room % rooms[sender].len()];
                let before = previous.get(&(sender, room)).copied();
                let seq = ledger.audiences[room as usize].push(sender as u32, before);
                previous.insert((sender, room), seq);
            }
            let deliveries = deliver_all(&ledger, &rooms, shuffle);
            History { ledger, rooms, deliveries }
        })
    }

    /// Interleaves the senders of each receiver's rooms at random, each sender in its own order.
    fn deliver_all(ledger: &Ledger, rooms: &[Vec<u32>], mut random: u64) -> Vec<(usize, u32, u32)> {
        let mut deliveries = Vec::new();
        for (user, rooms) in rooms.iter().enumerate() {
            let mut queues: HashMap<(u32, u32), Vec<u32>> = HashMap::new();
            for &room in rooms {
                let audience = &ledger.audiences[room as usize];
                for seq in (0..audience.emissions.len() as u32).filter(|&seq| audience.owes(user as u32, seq)) {
                    queues.entry((room, audience.emissions[seq as usize].sender)).or_default().push(seq);
                }
            }
            let mut queues: Vec<_> = queues.into_iter().collect();
            queues.sort_unstable();
            while !queues.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let pick = (random >> 33) as usize % queues.len();
                deliveries.push((user, queues[pick].0.0, queues[pick].1.remove(0)));
                queues.retain(|(_, queue)| !queue.is_empty());
            }
        }
        deliveries
    }

    /// Owed-and-delivered, out of order, duplicate, stray, missing.
    fn judge(history: &History) -> [u64; 5] {
        let mut board = Scoreboard::new(Arc::new(history.ledger.clone()));
        let receivers: Vec<_> =
            history.rooms.iter().enumerate().map(|(user, rooms)| board.add(user as u32, rooms.clone())).collect();
        let mut counts = [0; 5];
        for &(user, audience, seq) in &history.deliveries {
            counts[board.deliver(receivers[user], audience, seq) as usize] += 1;
        }
        for &receiver in &receivers {
            counts[4] += fates(&board, receiver, false)[1];
        }
        counts
    }

    proptest! {
        #[test]
        fn a_correct_server_is_never_accused(history in history()) {
            let owed = history.deliveries.len() as u64;
            prop_assert_eq!(judge(&history), [owed, 0, 0, 0, 0]);
        }

        #[test]
        fn a_single_edit_is_flagged_once(mut history in history(), pick: prop::sample::Index, edit in 0u8..3) {
            prop_assume!(!history.deliveries.is_empty());
            let owed = history.deliveries.len() as u64;
            let index = pick.index(history.deliveries.len());
            let expected = match edit {
                0 => {
                    history.deliveries.remove(index);
                    [owed - 1, 0, 0, 0, 1]
                }
                1 => {
                    let again = history.deliveries[index];
                    history.deliveries.push(again);
                    [owed, 0, 1, 0, 0]
                }
                _ => {
                    let (_, audience, seq) = history.deliveries[index];
                    history.rooms.push(vec![]);
                    history.deliveries.push((history.rooms.len() - 1, audience, seq));
                    [owed, 0, 0, 1, 0]
                }
            };
            prop_assert_eq!(judge(&history), expected);
        }

        #[test]
        fn a_swap_of_one_senders_messages_is_out_of_order(mut history in history()) {
            let same = |a: &(usize, u32, u32), b: &(usize, u32, u32)| {
                let sender = |d: &(usize, u32, u32)| history.ledger.audiences[d.1 as usize].emissions[d.2 as usize].sender;
                a.0 == b.0 && a.1 == b.1 && sender(a) == sender(b)
            };
            let swap = history.deliveries.windows(2).position(|pair| same(&pair[0], &pair[1]));
            prop_assume!(swap.is_some());
            let at = swap.unwrap();
            history.deliveries.swap(at, at + 1);
            let owed = history.deliveries.len() as u64;
            prop_assert_eq!(judge(&history), [owed - 1, 1, 0, 0, 0]);
        }
    }

    /// Delivered, missing, excused.
    fn fates(board: &Scoreboard, receiver: Receiver, cut: bool) -> [u64; 3] {
        let mut counts = [0; 3];
        board.settle(receiver, cut, |_, _| true, |_, _, fate| counts[fate as usize] += 1);
        counts
    }

    fn two_users() -> Arc<Ledger> {
        let mut audience = Audience::new(true);
        audience.push(0, None);
        audience.push(0, Some(0));
        audience.push(0, Some(1));
        Arc::new(Ledger { audiences: vec![audience] })
    }

    #[test]
    fn an_excluded_sender_gets_nothing() {
        let mut board = Scoreboard::new(two_users());
        let sender = board.add(0, [0]);
        assert_eq!(board.deliver(sender, 0, 1), Outcome::Stray);
        assert_eq!(board.deliver(sender, 0, 99), Outcome::Stray);
        assert_eq!(fates(&board, sender, false), [0, 0, 0]);
    }

    #[test]
    fn a_lost_message_is_missing_and_not_out_of_order() {
        let mut board = Scoreboard::new(two_users());
        let receiver = board.add(1, [0]);
        assert_eq!(board.deliver(receiver, 0, 0), Outcome::Owed);
        assert_eq!(board.deliver(receiver, 0, 2), Outcome::Owed);
        let mut lost = Vec::new();
        board.settle(
            receiver,
            false,
            |_, _| true,
            |audience, seq, fate| {
                if fate == Fate::Missing {
                    lost.push((audience, seq));
                }
            },
        );
        assert_eq!((fates(&board, receiver, false), lost), ([2, 1, 0], vec![(0, 1)]));
    }

    #[test]
    fn a_cut_excuses_the_tail_but_not_a_hole() {
        let mut board = Scoreboard::new(two_users());
        let receiver = board.add(1, [0]);
        board.deliver(receiver, 0, 1);
        assert_eq!(fates(&board, receiver, true), [1, 1, 1]);
    }

    /// Two senders' messages have no order: that of the slower one may still have been on its way.
    #[test]
    fn a_cut_does_not_turn_another_senders_message_into_a_hole() {
        let mut audience = Audience::new(false);
        audience.push(0, None);
        audience.push(1, None);
        let mut board = Scoreboard::new(Arc::new(Ledger { audiences: vec![audience] }));
        let receiver = board.add(2, [0]);
        board.deliver(receiver, 0, 1);
        assert_eq!(fates(&board, receiver, true), [1, 0, 1]);
    }

    #[test]
    fn what_was_not_sent_is_owed_to_nobody() {
        let mut board = Scoreboard::new(two_users());
        let receiver = board.add(1, [0]);
        let mut owed = Vec::new();
        board.settle(receiver, false, |_, seq| seq == 0, |_, seq, fate| owed.push((seq, fate)));
        assert_eq!(owed, [(0, Fate::Missing)]);
    }
}
