//! What never came, by when it was sent and between which servers; and which of it something that was made to go wrong may
//! have to do with.

use std::collections::BTreeMap;

use sio_oracle::board::Nanos;

use super::happened::Span;
use crate::record::{LossesOf, MissingBetween};

/// Losses of one such stretch are counted together.
const STRETCH: Nanos = 10_000_000;
/// What was sent so shortly ahead of an outage may still have been under way when it began, at least.
const UNDER_WAY: Nanos = 250_000_000;
/// For so long behind an outage servers may still be about to connect with what was away.
const BEHIND: Nanos = 5_000_000_000;

/// Servers of sender and receiver.
pub(super) type Nodes = (u32, u32);

/// How many messages never came.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses(BTreeMap<(Nanos, Nodes), u64>);

/// Where a loss belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// To this outage: it was sent while that lasted.
    In(usize),
    /// It was sent right behind this one.
    Behind(usize),
    Elsewhere,
}

impl Losses {
    /// A message that was sent then is missing.
    pub(super) fn lost(&mut self, sent: Nanos, nodes: Nodes) {
        *self.0.entry((sent.div_euclid(STRETCH), nodes)).or_default() += 1;
    }

    /// It was not, only late.
    pub(super) fn found(&mut self, sent: Nanos, nodes: Nodes) {
        if let Some(count) = self.0.get_mut(&(sent.div_euclid(STRETCH), nodes)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Adds what another worker has counted.
    pub(super) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(key, count)| *self.0.entry(*key).or_default() += count);
    }

    /// By the second in which they were sent, counted from the first phase, between two servers.
    pub(super) fn by_second(&self, nodes: Nodes) -> BTreeMap<u64, u64> {
        let mut seconds = BTreeMap::new();
        for ((stretch, _), count) in self.0.iter().filter(|((_, pair), count)| *pair == nodes && **count > 0) {
            *seconds.entry((stretch * STRETCH).max(0) as u64 / 1_000_000_000).or_default() += count;
        }
        seconds
    }

    /// What belongs to each of these outages, and how many messages belong to none. `under_way` is how long messages of this run
    /// took: what was sent so long ahead of an outage may have met it.
    pub(super) fn told_apart(
        &self,
        outages: &[Span],
        under_way: Nanos,
        name: impl Fn(u32) -> String,
    ) -> (Vec<LossesOf>, u64) {
        let under_way = under_way.max(UNDER_WAY);
        let mut of: Vec<LossesOf> = vec![LossesOf::default(); outages.len()];
        let mut elsewhere = 0;
        for ((stretch, (from, to)), count) in self.0.iter().filter(|(_, count)| **count > 0) {
            match place(outages, under_way, stretch * STRETCH, (stretch + 1) * STRETCH) {
                Place::Elsewhere => elsewhere += count,
                Place::In(outage) => {
                    of[outage].during += count;
                    note(&mut of[outage].between, &name(*from), &name(*to), *count);
                }
                Place::Behind(outage) => {
                    of[outage].behind += count;
                    note(&mut of[outage].between, &name(*from), &name(*to), *count);
                }
            }
        }
        (of, elsewhere)
    }
}

fn note(between: &mut Vec<MissingBetween>, from: &str, to: &str, count: u64) {
    match between.iter_mut().find(|known| known.from == from && known.to == to) {
        Some(known) => known.missing += count,
        None => between.push(MissingBetween { from: from.to_owned(), to: to.to_owned(), missing: count }),
    }
}

/// Where what was sent between two instants belongs: to the first outage that it lies in, else to the last that it lies behind.
fn place(outages: &[Span], under_way: Nanos, from: Nanos, to: Nanos) -> Place {
    let spans = || outages.iter().enumerate().filter_map(|(index, span)| Some((index, span.began?, span.ended)));
    let lasts = |&(_, began, ended): &(usize, Nanos, Option<Nanos>)| {
        to > began - under_way && ended.is_none_or(|ended| from <= ended)
    };
    if let Some((index, ..)) = spans().find(lasts) {
        return Place::In(index);
    }
    let over = spans().filter_map(|(index, _, ended)| Some((index, ended?)));
    let last = over.filter(|(_, ended)| *ended < from && from <= ended + BEHIND).max_by_key(|(_, ended)| *ended);
    last.map_or(Place::Elsewhere, |(index, _)| Place::Behind(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn span(began: Nanos, ended: Option<Nanos>) -> Span {
        Span { began: Some(began * SECOND), ended: ended.map(|ended| ended * SECOND) }
    }

    #[test]
    fn each_loss_has_one_place() {
        let outages = [span(10, Some(13)), Span::default(), span(12, Some(14)), span(30, None)];
        let at = |tenths: Nanos| place(&outages, UNDER_WAY, tenths * SECOND / 10, tenths * SECOND / 10 + STRETCH);
        assert_eq!(at(97), Place::Elsewhere);
        assert_eq!(at(98), Place::In(0), "it may have been under way");
        assert_eq!(at(125), Place::In(0), "the first of two");
        assert_eq!(at(135), Place::In(2));
        assert_eq!(at(175), Place::Behind(2), "the last of two");
        assert_eq!(at(195), Place::Elsewhere);
        assert_eq!(at(990), Place::In(3), "it lasts");
    }

    #[test]
    fn what_is_missing_is_told_apart_to_the_unit() {
        let mut losses = Losses::default();
        let mut other = Losses::default();
        for (tenths, nodes, times) in [(110, (0, 1), 3), (111, (1, 0), 2), (145, (0, 1), 1), (250, (0, 1), 4)] {
            (0..times).for_each(|_| losses.lost(tenths * SECOND / 10, nodes));
        }
        other.lost(11 * SECOND, (0, 1));
        other.lost(11 * SECOND, (0, 1));
        other.found(11 * SECOND, (0, 1));
        losses.add(&other);
        let (of, elsewhere) = losses.told_apart(&[span(10, Some(13))], 0, |node| node.to_string());
        assert_eq!((of[0].during, of[0].behind, elsewhere), (6, 1, 4));
        let between: Vec<_> = of[0].between.iter().map(|pair| (&*pair.from, &*pair.to, pair.missing)).collect();
        assert_eq!(between, [("0", "1", 5), ("1", "0", 2)]);
        assert_eq!(losses.by_second((0, 1)), BTreeMap::from([(11, 4), (14, 1), (25, 4)]));
    }

    /// Where messages take seconds, those of seconds ago meet an outage.
    #[test]
    fn what_was_under_way_for_long_met_the_outage() {
        let mut losses = Losses::default();
        losses.lost(7 * SECOND, (0, 1));
        let elsewhere = |under_way: Nanos| losses.told_apart(&[span(10, Some(13))], under_way, |_| String::new()).1;
        assert_eq!((elsewhere(SECOND), elsewhere(4 * SECOND)), (1, 0));
    }
}
