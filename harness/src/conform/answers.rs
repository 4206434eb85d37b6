//! Which cases see what they see by acknowledgements: where none come, they are not decided, and those that are about
//! acknowledgements say what is wrong.

use indexmap::IndexMap;

use crate::scenario::model::{Action, AnswerPattern, Case, RawPattern, Step, Verb};
use crate::scenario::template::Piece;

/// Cases of this area are about acknowledgements.
const AREA: &str = "SIO-AK-";
/// How an acknowledgement begins, without bytes and with them.
const PACKETS: [&str; 2] = ["43", "46"];

/// Why a case cannot be decided where acknowledgements do not come, if it cannot.
pub(super) fn undecided(case: &Case, actions: &IndexMap<String, Action>) -> Option<String> {
    let is_about = case.rule.as_ref().is_some_and(|rule| rule.starts_with(AREA));
    let rests_on = case.steps.iter().any(|step| rests_on_answers(step, actions));
    (rests_on && !is_about).then(|| {
        format!("it is seen by acknowledgements, which do not come as they should; cases of {AREA}* are about that")
    })
}

fn rests_on_answers(step: &Step, actions: &IndexMap<String, Action>) -> bool {
    match &step.verb {
        Verb::Emit { ack, .. } => ack.is_some(),
        Verb::Do { action, .. } => actions.get(action).is_some_and(|action| action.ack.is_some()),
        Verb::Journal { .. } => true,
        Verb::Receive { packets, .. } => packets.iter().any(is_answer),
        Verb::Http { answer, .. } | Verb::Answer { answer, .. } => holds_answer(answer),
        Verb::Repeat { steps, .. } | Verb::Together(steps) => steps.iter().any(|step| rests_on_answers(step, actions)),
        _ => false,
    }
}

fn is_answer(pattern: &RawPattern) -> bool {
    let RawPattern::Text(pieces) = pattern else { return false };
    matches!(pieces.first(), Some(Piece::Literal(text)) if begins_answer(text))
}

/// Whether a payload that is asked for has an acknowledgement in it.
fn holds_answer(answer: &AnswerPattern) -> bool {
    let pieces = answer.body.iter().flatten();
    let mut packets = pieces.filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text.split('\u{1e}')),
        Piece::Expr(_) => None,
    });
    packets.any(|mut packets| packets.any(begins_answer))
}

fn begins_answer(text: &str) -> bool {
    PACKETS.iter().any(|packet| text.starts_with(packet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::source::Source;

    fn undecided_of(rule: &str, step: &str) -> bool {
        let text = format!(
            "name = 'x'\n[clients]\na = {{}}\nw = {{ raw = 'websocket' }}\n[actions]\n\
             \"ask()\" = {{ emit = ['ask'], ack = true }}\n\
             [[case]]\nname = 'y'\nrequirement = '{rule}'\nsteps = [{{ repeat = 2, steps = [{step}] }}]\n"
        );
        let loaded = crate::scenario::load(Source { name: "x.toml".to_owned(), text }, &[], None).unwrap();
        undecided(&loaded.scenario.cases[0], &loaded.scenario.actions).is_some()
    }

    #[test]
    fn what_is_seen_by_acknowledgements_is_not_decided_without_them() {
        for step in [
            "{ at = 'a', emit = ['x'], ack = true }",
            "{ at = 'a', do = ['ask'] }",
            "{ at = 'a', journal = [] }",
            "{ at = 'w', receive = '43', json = [1] }",
            "{ at = 'w', receive = '461-[${any}' }",
            "{ at = 'w', http = { get = '?x' }, body = '${any}431[1]' }",
        ] {
            assert!(undecided_of("RM-01", step), "{step}");
            assert!(!undecided_of("SIO-AK-01", step), "{step}");
        }
        for step in
            ["{ at = 'a', emit = ['x'] }", "{ at = 'w', receive = '42[\"x\"]' }", "{ at = 'w', receive = '44/x,' }"]
        {
            assert!(!undecided_of("RM-01", step), "{step}");
        }
    }
}
