//! Whether a target runs the fixture: several signs are looked for, and no single one decides.
//!
//! An application whose acknowledgements are broken is the fixture all the same, and one that happens to answer
//! `message-with-ack` is not. The signs are cases of `capabilities.toml` with the tag `sign`.

use super::capabilities::{self, SIGN};
use crate::play::{self, Stage};
use crate::record::CaseVerdict;

/// The sign on which negative checks rest: without it they wait.
const FENCE: &str = "it acknowledges message-with-ack";
/// So many signs are needed.
const ENOUGH: usize = 2;

/// What was found of each sign: nothing wrong, or what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signs(Vec<(String, Result<(), String>)>);

impl Signs {
    /// Looks for each, and once more for those that were missed beside others: a busy machine may have been late.
    pub(super) async fn look(stage: &Stage) -> Result<Self, String> {
        let first = Self::once(stage).await?;
        let seen = first.seen();
        if seen == 0 || seen == first.0.len() {
            return Ok(first);
        }
        let second = Self::once(stage).await?;
        let both = first.0.into_iter().zip(second.0);
        Ok(Self(both.map(|((sign, one), (_, other))| (sign, one.or(other))).collect()))
    }

    async fn once(stage: &Stage) -> Result<Self, String> {
        let loaded = capabilities::probes()?;
        let plain = Stage { fence: false, fixture: false, ..stage.clone() };
        let signs: Vec<_> =
            loaded.scenario.cases.iter().filter(|case| case.tags.iter().any(|tag| tag == SIGN)).collect();
        let played = futures_util::future::join_all(signs.iter().map(|case| play::play(&loaded, case, &plain))).await;
        let found = signs.iter().zip(played).map(|(case, result)| {
            let why = result.failure.map(|failure| failure.message).or(result.reason).unwrap_or_default();
            (case.name.clone(), if result.verdict == CaseVerdict::Pass { Ok(()) } else { Err(why) })
        });
        Ok(Self(found.collect()))
    }

    fn seen(&self) -> usize {
        self.0.iter().filter(|(_, found)| found.is_ok()).count()
    }

    /// Whether the fixture runs there.
    pub(super) fn fixture(&self) -> bool {
        self.seen() >= ENOUGH
    }

    /// Whether an acknowledged round trip can stand for silence.
    pub(super) fn fence(&self) -> bool {
        self.0.iter().any(|(sign, found)| sign == FENCE && found.is_ok())
    }

    /// What decided, unless all signs agree that it is the fixture.
    pub(super) fn remarks(&self) -> Vec<String> {
        let (seen, of) = (self.seen(), self.0.len());
        if seen == of {
            return Vec::new();
        }
        let mut remarks = vec![if self.fixture() {
            format!("the target runs the fixture, by {seen} of {of} signs")
        } else {
            format!(
                "the target does not run the fixture, by {seen} of {of} signs: what the application says by itself is no failure, \
                 and only what can be seen on the wire is judged"
            )
        }];
        remarks.extend(self.0.iter().map(|(sign, found)| match found {
            Ok(()) => format!("  yes: {sign}"),
            Err(why) => format!("  no:  {sign}: {}", why.split(';').next().unwrap_or_default()),
        }));
        if self.fixture() && !self.fence() {
            remarks.push("  what is seen by acknowledgements is not decided, but for the cases about them".to_owned());
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(found: [bool; 4]) -> Signs {
        let names = ["it greets", FENCE, "it echoes", "it has /custom"];
        let result = |ok: bool| if ok { Ok(()) } else { Err("no answer".to_owned()) };
        Signs(names.into_iter().zip(found).map(|(name, ok)| (name.to_owned(), result(ok))).collect())
    }

    #[test]
    fn no_single_sign_decides() {
        let broken = signs([true, false, true, true]);
        assert!(broken.fixture() && !broken.fence());
        let remarks = broken.remarks().join("\n");
        assert!(
            remarks.contains("3 of 4 signs") && remarks.contains("no:  it acknowledges message-with-ack: no answer"),
            "{remarks}"
        );
        let stranger = signs([false, true, false, false]);
        assert!(!stranger.fixture() && stranger.fence());
        assert!(stranger.remarks()[0].starts_with("the target does not run the fixture, by 1 of 4 signs"));
        assert!(signs([true; 4]).remarks().is_empty());
    }

    #[test]
    fn the_fence_is_a_sign_that_is_looked_for() {
        let loaded = capabilities::probes().unwrap();
        let signs = loaded.scenario.cases.iter().filter(|case| case.tags.iter().any(|tag| tag == SIGN));
        let names: Vec<_> = signs.map(|case| case.name.as_str()).collect();
        assert!(names.len() > ENOUGH && names.contains(&FENCE), "{names:?}");
    }
}
