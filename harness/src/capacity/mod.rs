//! The largest load that meets the thresholds: bracketed, bisected, repeated.

pub mod limit;
pub mod population;
pub mod usl;

/// How a search for the largest load goes on. It is told how trials ended, and says what to try next.
#[derive(Clone, Debug)]
pub struct Bracket {
    range: (f64, f64),
    /// Two values whose ratio is at most this much above one are as good as equal.
    resolution: f64,
    /// Where it begins, and by what it goes up or down while only one side is known.
    start: f64,
    stride: f64,
    best: Option<f64>,
    worst: Option<f64>,
}

impl Bracket {
    /// A search from the low end of a range, by doubling.
    pub fn new(range: (f64, f64), resolution: f64) -> Self {
        Self { range, resolution, start: range.0, stride: 2.0, best: None, worst: None }
    }

    /// The search again, from what the last one found.
    pub fn around(range: (f64, f64), resolution: f64, found: f64) -> Self {
        let stride = 1.0 + 3.0 * resolution;
        Self { start: found.clamp(range.0, range.1), stride, ..Self::new(range, resolution) }
    }

    /// What to try next; `None` when it is known as well as was asked for.
    pub fn next(&self) -> Option<f64> {
        let (low, high) = self.range;
        match (self.best, self.worst) {
            (None, None) => Some(self.start),
            (None, Some(worst)) => (worst > low).then(|| (worst / self.stride).max(low)),
            (Some(best), None) => (best < high).then(|| (best * self.stride).min(high)),
            (Some(best), Some(worst)) => (worst / best > 1.0 + self.resolution).then(|| (best * worst).sqrt()),
        }
    }

    /// A trial met the rules, or did not.
    pub fn tell(&mut self, value: f64, held: bool) {
        if held {
            self.best = Some(self.best.map_or(value, |best| best.max(value)));
        } else {
            self.worst = Some(self.worst.map_or(value, |worst| worst.min(value)));
        }
    }

    /// The largest load that met the rules.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// The smallest load that did not.
    pub fn worst(&self) -> Option<f64> {
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(bracket: &mut Bracket, truth: f64) -> usize {
        let mut trials = 0;
        while let Some(value) = bracket.next() {
            assert!((bracket.range.0..=bracket.range.1).contains(&value));
            bracket.tell(value, value <= truth);
            trials += 1;
            assert!(trials < 60, "{bracket:?}");
        }
        trials
    }

    proptest! {
        #[test]
        fn the_limit_is_found_wherever_it_is(truth in 1.0..3e6_f64, resolution in 0.01..0.3_f64) {
            let range = (10.0, 1e6);
            let mut first = Bracket::new(range, resolution);
            search(&mut first, truth);
            match first.best() {
                None => prop_assert!(truth < 10.0),
                Some(best) => {
                    prop_assert!(best <= truth);
                    prop_assert!(best >= 1e6 || truth / best <= 1.0 + resolution, "{best}");
                    let mut again = Bracket::around(range, resolution, best);
                    prop_assert!(search(&mut again, truth) <= 5);
                    prop_assert!(again.best().unwrap() <= truth);
                }
            }
        }
    }
}
