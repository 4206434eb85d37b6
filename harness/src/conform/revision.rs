//! Which cases make sense for a server that speaks revision 3 of Engine.IO alone.

use super::capabilities;
use crate::play::{self, Stage};
use crate::record::CaseVerdict;
use crate::scenario::Loaded;
use crate::scenario::model::{Case, Step, Verb};
use crate::scenario::template::{Piece, Template};

/// Tag of the case that tells whether such a server runs the fixture.
const SIGN: &str = "sign of revision 3";
/// Why a case is left out.
pub(super) const LEFT_OUT: &str = "the target speaks Engine.IO 3 (`engine = 3`), and the case speaks 4";

/// Whether all that a case says is of revision 3. Clients that are not raw speak 4, and so does who looks after others.
pub(super) fn is_of_3(loaded: &Loaded, case: &Case) -> bool {
    let steps = case.steps.iter().filter_map(|step| loaded.source.text.get(step.span.clone()));
    let queries = case.clients.values().filter_map(|client| client.query.as_ref()).map(literal);
    let text: String = steps.map(str::to_owned).chain(queries).collect();
    let raw = case.clients.values().all(|client| client.raw.is_some());
    raw && text.contains("EIO=3") && !text.contains("EIO=4") && !case.hostile && !looks_after_others(&case.steps)
}

/// What a text says apart from its expressions.
fn literal(template: &Template) -> String {
    let Template::Text(pieces) = template else { return String::new() };
    let literals = pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text.as_str()),
        Piece::Expr(_) => None,
    });
    literals.collect()
}

fn looks_after_others(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.verb {
        Verb::Alive | Verb::Journal { .. } => true,
        Verb::Repeat { steps, .. } | Verb::Together(steps) => looks_after_others(steps),
        _ => false,
    })
}

/// Whether it runs the fixture, by its greeting.
pub(super) async fn runs_fixture(stage: &Stage) -> Result<bool, String> {
    let loaded = capabilities::probes()?;
    let plain = Stage { fence: false, fixture: false, ..stage.clone() };
    let sign = loaded.scenario.cases.iter().find(|case| case.tags.iter().any(|tag| tag == SIGN));
    let sign = sign.ok_or_else(|| format!("no probe has the tag `{SIGN}`"))?;
    for _ in 0..2 {
        if play::play(&loaded, sign, &plain).await.verdict == CaseVerdict::Pass {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::Suite;

    #[test]
    fn cases_of_revision_3_are_told_from_others() {
        let suite = Suite::load(&["conformance".into()]).unwrap();
        let old: Vec<_> = suite.cases().filter(|(loaded, case)| is_of_3(loaded, case)).collect();
        assert!(old.len() > 20, "{}", old.len());
        let rules: Vec<_> = old.iter().filter_map(|(_, case)| case.rule.as_deref()).collect();
        assert!(rules.contains(&"EIO-V3-01") && rules.contains(&"EIO-V3-02"), "{rules:?}");
        assert!(
            old.iter().all(|(_, case)| case.options.0.contains_key("SIO_EIO3")),
            "they need a server of revision 3"
        );
        assert!(old.len() * 5 < suite.picks.len(), "{} of {}", old.len(), suite.picks.len());
    }
}
