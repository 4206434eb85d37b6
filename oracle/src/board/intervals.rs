//! When a receiver was in a target.

use super::Nanos;
use crate::tri::Tri;

/// A value over time; outside of the target ahead of the first change.
#[derive(Debug)]
pub(super) struct Intervals {
    value: Tri,
    since: Nanos,
    /// Intervals ahead of the current one that still matter, each with its start; almost always there are none.
    #[expect(clippy::box_collection, reason = "eight bytes, where a vector takes twenty-four")]
    earlier: Option<Box<Vec<(Nanos, Tri)>>>,
}

impl Intervals {
    pub(super) fn new(since: Nanos, value: Tri) -> Self {
        Self { value, since, earlier: None }
    }

    /// It is `value` from `at` on. Changes come in the order of time; what was noted for later than `at` is
    /// forgotten.
    pub(super) fn change(&mut self, at: Nanos, value: Tri) {
        while self.since >= at {
            let Some((since, before)) = self.earlier.as_mut().and_then(|earlier| earlier.pop()) else {
                (self.since, self.value) = (at, value);
                return;
            };
            (self.since, self.value) = (since, before);
        }
        if value != self.value {
            self.earlier.get_or_insert_default().push((self.since, self.value));
            (self.since, self.value) = (at, value);
        }
    }

    /// It is inside by now, if it was noted to be from a later instant on.
    #[inline]
    pub(super) fn bring_forward(&mut self, now: Nanos) {
        if self.since > now && self.value == Tri::T {
            self.change(now, Tri::T);
        }
    }

    /// Inside throughout, outside throughout, or neither.
    #[inline]
    pub(super) fn over(&self, from: Nanos, to: Nanos) -> Tri {
        if from >= self.since { self.value } else { self.over_several(from, to) }
    }

    #[cold]
    fn over_several(&self, from: Nanos, to: Nanos) -> Tri {
        let earlier = self.earlier.as_ref().map_or(&[][..], |earlier| earlier.as_slice());
        let mut end = Nanos::MAX;
        let mut result: Option<Tri> = None;
        for &(since, value) in std::iter::once(&(self.since, self.value)).chain(earlier.iter().rev()) {
            if since <= to && end > from {
                result = Some(result.map_or(value, |result| result.join(value)));
            }
            end = since;
        }
        if end > from {
            result = Some(result.map_or(Tri::F, |result| result.join(Tri::F)));
        }
        result.unwrap_or(Tri::F)
    }

    /// All that is known, in the order of time.
    pub(super) fn changes(&self) -> Vec<(Nanos, Tri)> {
        let earlier = self.earlier.iter().flat_map(|earlier| earlier.iter().copied());
        earlier.chain([(self.since, self.value)]).collect()
    }

    /// Nothing ahead of `at` will be asked for again.
    pub(super) fn forget(&mut self, at: Nanos) {
        let Some(earlier) = &mut self.earlier else { return };
        // The last span that begins at or ahead of `at` is the first that still matters.
        let first = earlier.iter().rposition(|(since, _)| *since <= at).unwrap_or(0);
        earlier.drain(..if self.since <= at { earlier.len() } else { first });
        if earlier.is_empty() {
            self.earlier = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, instant by instant.
    fn slowly(changes: &[(Nanos, Tri)], from: Nanos, to: Nanos) -> Tri {
        let at = |time: Nanos| changes.iter().rfind(|(at, _)| *at <= time).map_or(Tri::F, |(_, value)| *value);
        (from..=to).map(at).reduce(Tri::join).unwrap()
    }

    #[test]
    fn only_what_is_to_be_inside_is_brought_forward() {
        let mut spans = Intervals::new(0, Tri::T);
        spans.change(10, Tri::F);
        spans.bring_forward(5);
        assert_eq!(spans.changes(), [(0, Tri::T), (10, Tri::F)]);
        spans.change(20, Tri::T);
        spans.bring_forward(15);
        assert_eq!(spans.changes(), [(0, Tri::T), (10, Tri::F), (15, Tri::T)]);
    }

    #[test]
    fn what_begins_with_the_first_change_begins_inside() {
        let mut spans = Intervals::new(3, Tri::T);
        spans.change(10, Tri::U);
        assert_eq!((spans.over(3, 9), spans.over(2, 9), spans.over(3, 10)), (Tri::T, Tri::U, Tri::U));
    }

    proptest! {
        #[test]
        fn as_if_looked_at_instant_by_instant(
            steps in prop::collection::vec((0i64..6, prop::sample::select(vec![Tri::F, Tri::U, Tri::T])), 1..8),
            from in 0i64..40,
            length in 0i64..20,
            forget in prop::option::of(0i64..40),
        ) {
            let mut time = 3;
            let mut changes: Vec<(Nanos, Tri)> = Vec::new();
            let mut spans: Option<Intervals> = None;
            for (step, value) in steps {
                time += step;
                changes.retain(|(at, _)| *at < time);
                changes.push((time, value));
                match &mut spans {
                    Some(spans) => spans.change(time, value),
                    None => spans = Some(Intervals::new(time, value)),
                }
            }
            let mut spans = spans.unwrap();
            let from = match forget {
                Some(at) => {
                    spans.forget(at);
                    from.max(at)
                }
                None => from,
            };
            prop_assert_eq!(spans.over(from, from + length), slowly(&changes, from, from + length));
        }
    }
}
