//! Where a stamp comes back: in which events, at which place in them, to whom, and whether it is what was sent.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use sio_protocol::Value;

use super::events::Seen;
use super::findings::{Altered, Audience, Identity, Meanwhile, Return, Share};
use super::party::Role;
use crate::vocab::stamp::{self, Stamp};

/// Places in one event where the stamp is looked for.
const MOST_PLACES: usize = 16;
/// Kinds of events, and places in them, that are kept.
const MOST_ROWS: usize = 64;
/// Deeper values are not searched.
const MOST_DEPTH: usize = 32;

/// Something that came while a stamped event was on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) client: usize,
    pub(super) seen: Seen,
    pub(super) at: Instant,
}

/// One stamped event, and everything that came of it.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) stamp: Stamp,
    pub(super) payload: String,
    pub(super) sent: Instant,
    pub(super) letters: Vec<Letter>,
}

/// Namespace, event, argument, place in it, and what was found there.
type Key = (String, String, usize, String, Identity);

#[derive(Default)]
struct Row {
    /// Copies to each client, for each trial.
    copies: IndexMap<(usize, usize), u32>,
    altered: Option<Altered>,
    times: Option<(Duration, Duration)>,
}

/// What became of the stamps, and what else came meanwhile; `clients` says who is who.
pub(super) fn trace(trials: &[Trial], clients: &[Role]) -> (Vec<Return>, Vec<Meanwhile>) {
    let mut rows: IndexMap<Key, Row> = IndexMap::new();
    let mut others: IndexMap<(String, String), Row> = IndexMap::new();
    for (number, trial) in trials.iter().enumerate() {
        for letter in &trial.letters {
            let hits = find(&letter.seen.arguments, trial);
            let (namespace, name) = (&letter.seen.namespace, &letter.seen.name);
            if hits.is_empty() && others.len() < MOST_ROWS {
                let row = others.entry((namespace.clone(), name.clone())).or_default();
                *row.copies.entry((number, letter.client)).or_default() += 1;
            }
            for hit in hits {
                let key = (namespace.clone(), name.clone(), hit.argument, hit.place, hit.identity);
                if rows.len() < MOST_ROWS || rows.contains_key(&key) {
                    rows.entry(key).or_default().add(number, letter, trial, hit.altered);
                }
            }
        }
    }
    let returns = rows.into_iter().map(|(key, row)| row.into_return(key, trials.len(), clients));
    let meanwhile = others.into_iter().map(|((namespace, event), row)| Meanwhile {
        namespace,
        event,
        to: row.audience(trials.len(), clients),
    });
    (returns.collect(), meanwhile.collect())
}

impl Row {
    fn add(&mut self, number: usize, letter: &Letter, trial: &Trial, altered: Option<Altered>) {
        *self.copies.entry((number, letter.client)).or_default() += 1;
        self.altered = self.altered.take().or(altered);
        let time = letter.at.saturating_duration_since(trial.sent);
        let (least, most) = self.times.get_or_insert((time, time));
        (*least, *most) = ((*least).min(time), (*most).max(time));
    }

    fn audience(&self, trials: usize, clients: &[Role]) -> Audience {
        let share = |role: Role| Share {
            got: self.copies.keys().filter(|(_, client)| clients.get(*client) == Some(&role)).count() as u32,
            of: (clients.iter().filter(|other| **other == role).count() * trials) as u32,
        };
        Audience { sender: share(Role::Sender), others: share(Role::Other), outside: share(Role::Outside) }
    }

    fn into_return(
        self,
        (namespace, event, argument, place, identity): Key,
        trials: usize,
        clients: &[Role],
    ) -> Return {
        let (quickest, slowest) = self.times.unwrap_or_default();
        Return {
            to: self.audience(trials, clients),
            repeated: self.copies.values().map(|copies| copies - 1).sum(),
            unaltered: self.altered.is_none(),
            altered: self.altered,
            milliseconds: (quickest.as_secs_f64() * 1e3, slowest.as_secs_f64() * 1e3),
            namespace,
            event,
            argument,
            place,
            identity,
        }
    }
}

struct Hit {
    argument: usize,
    place: String,
    identity: Identity,
    altered: Option<Altered>,
}

/// Every place in the arguments that has the trial's stamp.
fn find(arguments: &[Value], trial: &Trial) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        search(argument, index + 1, &mut "$".to_owned(), trial, &mut hits, 0);
    }
    hits
}

fn search(value: &Value, argument: usize, place: &mut String, trial: &Trial, hits: &mut Vec<Hit>, depth: usize) {
    if hits.len() == MOST_PLACES || depth == MOST_DEPTH {
        return;
    }
    let length = place.len();
    let mut hit = |identity, altered, place: &str| {
        hits.push(Hit { argument, place: place.to_owned(), identity, altered });
    };
    let mut look = |text: &str, place: &str| match compare(text, trial) {
        Match::Absent if is_token(text, trial.stamp) => hit(Identity::Token, None, place),
        Match::Absent => {}
        Match::Whole => hit(Identity::Stamp, None, place),
        Match::Altered(how) => hit(Identity::Stamp, Some(how), place),
    };
    match value {
        Value::String(text) => look(text, place),
        Value::Binary(bytes) => look(&String::from_utf8_lossy(bytes), place),
        Value::Array(items) => {
            // A history grows; which item it is says nothing.
            place.push_str("[*]");
            items.iter().for_each(|item| search(item, argument, place, trial, hits, depth + 1));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                place.push('.');
                place.extend(name.chars().take(60));
                search(value, argument, place, trial, hits, depth + 1);
                place.truncate(length);
            }
        }
        Value::Number(number) => {
            if number.as_u64() == Some(trial.stamp.number()) {
                hit(Identity::Token, None, place);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    place.truncate(length);
}

/// Whether a text is the trial's token, or its number as a text: what a run would take for it.
fn is_token(text: &str, stamp: Stamp) -> bool {
    text == stamp.token() || text.parse() == Ok(stamp.number())
}

/// What has become of a payload, as far as a text tells.
enum Match {
    Absent,
    Whole,
    Altered(Altered),
}

fn compare(text: &str, trial: &Trial) -> Match {
    if text == trial.payload {
        return Match::Whole;
    }
    if text.contains(&trial.payload) {
        return Match::Altered(Altered::Within { bytes: text.len() });
    }
    if Stamp::find(text.as_bytes()).is_some_and(|found| found.stamp == trial.stamp) {
        return Match::Altered(Altered::Around { sent: trial.payload.len(), came: text.len() });
    }
    // Applications trim, shorten and change the case of what people write.
    let stamp = trial.payload[..stamp::LENGTH].to_lowercase();
    let lower = text.to_lowercase();
    if lower.contains(&stamp) {
        return Match::Altered(Altered::Case);
    }
    if lower.len() >= 8 && stamp.starts_with(&lower) {
        return Match::Altered(Altered::Cut { bytes: text.len(), needed: stamp.len() });
    }
    Match::Absent
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::Sender, Role::Other, Role::Other, Role::Outside];

    fn trial(letters: &[(usize, &str, &str)]) -> Trial {
        let stamp = Stamp { run: 0xabcd, emission: 1 };
        let (payload, sent) = (stamp.payload(30), crate::clock::now());
        let letter = |(client, name, json): &(usize, &str, &str)| {
            let arguments: Vec<Value> = serde_json::from_str(&json.replace("PAYLOAD", &payload)).unwrap();
            let seen = Seen { namespace: "/".to_owned(), name: (*name).to_owned(), arguments };
            Letter { client: *client, seen, at: sent + Duration::from_millis(2) }
        };
        Trial { letters: letters.iter().map(letter).collect(), stamp, payload, sent }
    }

    #[test]
    fn a_stamp_is_told_by_event_place_and_who_got_it() {
        let trials = [trial(&[
            (1, "edited", r#"["x",{"text":"PAYLOAD"}]"#),
            (2, "edited", r#"["x",{"text":"PAYLOAD"}]"#),
            (2, "edited", r#"["x",{"text":"PAYLOAD"}]"#),
            (0, "saved", r#"[{"ok":true}]"#),
        ])];
        let (returns, others) = trace(&trials, &ROLES);
        let [edited] = returns.as_slice() else { panic!("{returns:?}") };
        assert_eq!((edited.event.as_str(), edited.argument, edited.place.as_str()), ("edited", 2, "$.text"));
        assert_eq!(edited.to.others, Share { got: 2, of: 2 });
        assert_eq!(edited.to.sender, Share { got: 0, of: 1 });
        assert_eq!((edited.repeated, edited.unaltered), (1, true));
        assert_eq!((others[0].event.as_str(), others[0].to.sender.got), ("saved", 1));
    }

    #[test]
    fn tokens_are_found_as_texts_and_as_numbers() {
        let stamp = trial(&[]).stamp;
        let (token, number) = (stamp.token(), stamp.number());
        let json = format!(r#"[{{"id":{number},"key":"{token}","n":"{number}","other":[1,"{token}x"]}}]"#);
        let (returns, _) = trace(&[trial(&[(1, "edited", &json)])], &ROLES);
        let found: Vec<_> = returns.iter().map(|back| (back.place.as_str(), back.identity)).collect();
        assert_eq!(found, ["$.id", "$.key", "$.n"].map(|place| (place, Identity::Token)));
    }

    #[test]
    fn what_has_become_of_a_payload_is_said() {
        let (upper, cut) = (trial(&[]).payload.to_uppercase(), trial(&[]).payload[..12].to_owned());
        let said = |json: &str| trace(&[trial(&[(1, "m", json)])], &ROLES).0.first().and_then(|it| it.altered);
        assert_eq!(said(r#"["PAYLOAD"]"#), None);
        assert_eq!(said(r#"["<b>PAYLOAD</b>"]"#), Some(Altered::Within { bytes: trial(&[]).payload.len() + 7 }));
        assert_eq!(said(&format!("[\"{upper}\"]")), Some(Altered::Case));
        assert_eq!(said(&format!("[\"{cut}\"]")), Some(Altered::Cut { bytes: 12, needed: stamp::LENGTH }));
        assert!(trace(&[trial(&[(1, "m", r#"["~"]"#)])], &ROLES).0.is_empty());
    }
}
