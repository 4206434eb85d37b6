//! What an application says of its own accord: greetings, the time, news. Where it is not the fixture, no case has caused that, so
//! no case fails of it; the transcript shows it.

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use serde_json::Value as Json;
use sio_protocol::Value;

use crate::scenario::model::{AnswerPattern, Case, RawPattern, Step, Verb};
use crate::scenario::template::{Piece, Template};
use crate::wire::Arrival;

/// Between the packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// The names of the events that a case asks for.
#[derive(Debug, Default)]
struct Asked {
    names: BTreeSet<String>,
    /// Some step takes events of any name.
    any: bool,
}

/// Tells what an application says by itself from what a case may have asked for.
#[derive(Clone, Debug)]
pub(crate) struct Chatter {
    /// Nothing where the fixture runs: it says nothing by itself.
    asked: Option<Rc<Asked>>,
    /// Binary packets that are still to come of an event that was set aside.
    attachments: usize,
}

impl Chatter {
    /// On a target with the fixture, or without it.
    pub(crate) fn of(case: &Case, fixture: bool) -> Self {
        let asked = (!fixture).then(|| {
            let mut asked = Asked::default();
            asked.steps(&case.steps);
            Rc::new(asked)
        });
        Self { asked, attachments: 0 }
    }

    /// Whether an event of this name is the application's own.
    pub(crate) fn is_own(&self, name: Option<&Value>) -> bool {
        let Some(asked) = &self.asked else { return false };
        match name {
            Some(Value::String(name)) => asked.leaves(name),
            _ => !asked.any,
        }
    }

    /// Whether this packet is the application's own; the binary packets behind it are then too.
    pub(crate) fn takes(&mut self, arrival: &Arrival) -> bool {
        match arrival {
            Arrival::Text(text) => self.takes_text(text),
            Arrival::Binary(_) => self.takes_attachment(),
            _ => false,
        }
    }

    /// A payload without the packets that are the application's own.
    pub(crate) fn without<'a>(&self, packets: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
        let mut own = self.clone();
        let is_own = |packet: &[u8]| match packet.first() {
            Some(b'b') => own.takes_attachment(),
            _ => std::str::from_utf8(packet).is_ok_and(|text| own.takes_text(text)),
        };
        let mut is_own = is_own;
        packets.filter(|packet| !is_own(packet)).collect()
    }

    fn takes_text(&mut self, text: &str) -> bool {
        let Some(asked) = &self.asked else { return false };
        let Some((name, attachments)) = event(text).filter(|(name, _)| asked.leaves(name)) else { return false };
        _ = name;
        self.attachments = attachments;
        true
    }

    fn takes_attachment(&mut self) -> bool {
        let due = self.attachments > 0;
        self.attachments -= usize::from(due);
        due
    }
}

/// The packets of a payload, as they stand there.
pub(crate) fn packets(body: &Bytes) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == SEPARATOR)
}

impl Asked {
    /// Whether no step asks for an event of this name.
    fn leaves(&self, name: &str) -> bool {
        !self.any && !self.names.contains(name)
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match &step.verb {
                Verb::Expect { events, .. } => events.iter().for_each(|event| self.name(event.first())),
                Verb::Receive { packets, json } => {
                    packets.iter().for_each(|packet| self.packet(packet, json.as_ref()));
                }
                Verb::Http { answer, .. } | Verb::Answer { answer, .. } => self.answer(answer),
                Verb::Repeat { steps, .. } | Verb::Together(steps) => self.steps(steps),
                _ => {}
            }
        }
    }

    fn name(&mut self, name: Option<&Template>) {
        match name {
            Some(Template::Text(pieces)) if let [Piece::Literal(name)] = pieces.as_slice() => {
                self.names.insert(name.clone());
            }
            _ => self.any = true,
        }
    }

    fn packet(&mut self, pattern: &RawPattern, json: Option<&Template>) {
        let RawPattern::Text(pieces) = pattern else { return };
        let Some(Piece::Literal(begin)) = pieces.first() else {
            self.any = true;
            return;
        };
        if !begin.starts_with("42") && !begin.starts_with("45") {
            return;
        }
        match json {
            Some(Template::Array(items)) => self.name(items.first()),
            _ if !self.literals(pieces) => self.any = true,
            _ => {}
        }
    }

    fn answer(&mut self, answer: &AnswerPattern) {
        self.literals(answer.body.as_deref().unwrap_or_default());
    }

    /// Takes the names that stand in a text as `["name"`; returns whether there was one.
    fn literals(&mut self, pieces: &[Piece]) -> bool {
        let mut found = false;
        for piece in pieces {
            let Piece::Literal(text) = piece else { continue };
            for rest in text.split("[\"").skip(1) {
                found |= rest.split_once('"').is_some_and(|(name, _)| self.names.insert(name.to_owned()));
            }
        }
        found
    }
}

/// The name of an EVENT packet, as text, and the number of its attachments.
fn event(text: &str) -> Option<(String, usize)> {
    let rest = text.strip_prefix('4')?;
    let (attachments, rest) = match rest.split_at_checked(1)? {
        ("2", rest) => (0, rest),
        ("5", rest) => rest.split_once('-').and_then(|(count, rest)| Some((count.parse().ok()?, rest)))?,
        _ => return None,
    };
    let rest = if rest.starts_with('/') { rest.split_once(',')?.1 } else { rest };
    let items: Vec<Json> = serde_json::from_str(rest.trim_start_matches(|c: char| c.is_ascii_digit())).ok()?;
    match items.into_iter().next()? {
        Json::String(name) => Some((name, attachments)),
        other => Some((other.to_string(), attachments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(names: &[&str]) -> Chatter {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Chatter { asked: Some(Rc::new(Asked { names, any: false })), attachments: 0 }
    }

    fn text(text: &str) -> Arrival {
        Arrival::Text(text.to_owned())
    }

    #[test]
    fn what_nobody_asked_for_is_the_applications_own_with_its_attachments() {
        let mut chatter = asking(&["pong"]);
        assert!(chatter.takes(&text(r#"42["hello",1]"#)));
        assert!(chatter.takes(&text(r#"452-/news,7["picture",{"_placeholder":true,"num":0}]"#)));
        let bytes = Arrival::Binary(Bytes::from_static(b"x"));
        assert!(chatter.takes(&bytes) && chatter.takes(&bytes) && !chatter.takes(&bytes));
        for packet in [r#"42["pong",1]"#, "40{}", "44/x,{}", "3probe", "42{}", "431[]", "2", ""] {
            assert!(!chatter.takes(&text(packet)), "{packet}");
        }
        let fixture = Chatter { asked: None, attachments: 0 };
        assert!(!fixture.clone().takes(&text(r#"42["hello"]"#)) && !fixture.is_own(Some(&Value::from("hello"))));
    }

    #[test]
    fn a_payload_keeps_the_rest() {
        let body = Bytes::from_static(b"42[\"hello\"]\x1e44/x,{}\x1e451-[\"a\",{}]\x1ebAQ==\x1ebAg==");
        let kept = asking(&[]).without(packets(&body));
        assert_eq!(kept, [&b"44/x,{}"[..], b"bAg=="]);
    }

    #[test]
    fn the_names_of_a_case_are_those_of_its_steps() {
        let source = r#"
            name = "x"
            [[case]]
            name    = "y"
            needs   = ["wire"]
            clients = { a = {}, w = { raw = "websocket" } }
            steps   = [
              { at = "a", expect = ["news", 1] },
              { repeat = 2, steps = [{ at = "w", receive = '42["time",${any}' }] },
              { at = "w", receive = "42", json = ["tick", 1] },
              { at = "w", receive = "44/x,${any}" },
            ]
        "#;
        let source = crate::scenario::source::Source { name: "x.toml".to_owned(), text: source.to_owned() };
        let loaded = crate::scenario::load(source, &[], None).unwrap();
        let chatter = Chatter::of(&loaded.scenario.cases[0], false);
        let own = |name: &str| chatter.is_own(Some(&Value::from(name)));
        assert!(!own("news") && !own("time") && !own("tick") && own("hello"));
    }
}
