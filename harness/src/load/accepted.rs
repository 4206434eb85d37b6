//! What the acknowledgement of a message must be. An application may refuse one: it is too large, it comes too soon, its sender
//! may not speak. Then nobody is owed it.

use std::collections::BTreeMap;

use sio_protocol::{Args, Value};

use super::identity::{Known, without_identity};
use super::plan::Plan;
use super::schedule::Emission;
use crate::play::clip;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, Traffic};
use crate::scenario::template::Template;

/// By traffic, the acknowledgements by which a message is taken; any, if there are none.
pub(super) struct Accepted {
    known: Known,
    lists: Vec<Vec<Vec<Template>>>,
}

impl Accepted {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let lists = loaded.scenario.traffic.values().map(lists).collect();
        Self { known: Known::new(loaded), lists }
    }

    /// Whether an acknowledgement takes a message; `sender` is what it may name of who has sent it. The error says what it was.
    pub(super) fn check(
        &self,
        plan: &Plan,
        emission: &Emission,
        sender: &BTreeMap<String, Value>,
        answer: &Args,
    ) -> Result<(), String> {
        let lists = &self.lists[usize::from(emission.traffic)];
        if lists.is_empty() {
            return Ok(());
        }
        let refused = |why: String| format!("was answered with {}: {}", clip(answer.json()), clip(&why));
        let values = answer.to_values().map_err(|error| refused(error.to_string()))?;
        let mut scope = self.known.of_message(plan, emission);
        scope.vars.extend(sender.iter().map(|(name, value)| (name.clone(), value.clone())));
        scope.match_any(lists, &values).map_err(refused)
    }
}

/// What may be in place of a payload or a token is not looked at.
fn lists(traffic: &Traffic) -> Vec<Vec<Template>> {
    let Some(Ack::OneOf(lists)) = &traffic.ack else { return Vec::new() };
    let is_token = traffic.identify.is_some();
    lists.iter().map(|list| list.iter().map(|arg| without_identity(arg, is_token)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::check;
    use crate::scenario::{self, source::Source};

    fn loaded(ack: &str) -> Loaded {
        let text = format!(
            "name = \"x\"\n[rooms.r]\ncount = 3\njoin = [\"enter\", \"${{room}}\"]\n\
             [actions]\n\"enter(room)\" = {{ emit = [\"enter\", \"${{room}}\"], ack = true }}\n\
             [users.u]\ncount = 2\nin = {{ r = 1 }}\n\
             [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{room}}\", \"${{payload}}\"]\nack = {ack}\n\
             delivers_to = {{ event = \"said\", rooms = [\"${{room}}\"] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap()
    }

    /// Whether this answer takes a message of user 1 to room 2.
    fn takes(ack: &str, answer: &str) -> Result<(), String> {
        let loaded = loaded(ack);
        check(&loaded).unwrap();
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        let sender = BTreeMap::from([("user".to_owned(), Value::Number(1.into()))]);
        let answer = Args::from_json(answer.to_owned(), Vec::new());
        Accepted::new(&loaded).check(&plan, &Emission::beside(&plan, 1, 0, Some(2)), &sender, &answer)
    }

    #[test]
    fn what_an_answer_must_be_may_name_room_and_sender() {
        assert_eq!(takes("true", r#"[{"ok":false}]"#), Ok(()));
        let own = r#"[{ ok = true, of = "${user}", in = "${room}" }]"#;
        assert_eq!(takes(own, r#"[{"ok":true,"of":1,"in":"r-2"}]"#), Ok(()));
        for other in [r#"[{"ok":true,"of":0,"in":"r-2"}]"#, r#"[{"ok":true,"of":1,"in":"r-1"}]"#, "[]"] {
            assert!(takes(own, other).unwrap_err().starts_with(&format!("was answered with {other}: ")), "{other}");
        }
    }

    #[test]
    fn an_answer_that_is_long_is_cut() {
        let long = format!("[\"{}\"]", "x".repeat(5_000));
        assert!(takes("[1]", &long).unwrap_err().len() < 500);
    }

    /// Nobody is accused of not answering with what nothing is called.
    #[test]
    fn a_name_that_nobody_has_is_noticed_ahead_of_the_run() {
        assert!(check(&loaded(r#"[{ ok = "${nonsense}" }]"#)).unwrap_err().contains("nonsense"));
    }
}
