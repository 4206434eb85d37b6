//! Fields that records had up to schema 2, and what they are called since: the only place that knows them; names of measures are
//! in `vocab::legacy`.

use serde_json::{Map, Value};

use super::entry::Entry;
use super::load::EndedBy;
use crate::vocab::INTERRUPTED;
use crate::vocab::legacy::{self, COUNTS};

/// The first schema with today's names.
pub(super) const RENAMED_IN: u32 = 3;

/// Fields of a line of each type: where they are (`*` is any name or element), the old name and the new one.
const FIELDS: [(&str, &[&str], &str, &str); 12] = [
    ("case", &[], "rule", "requirement"),
    ("suite", &[], "rules", "requirements"),
    ("rule", &[], "rule", "threshold"),
    ("progress", &[], "open", "connected"),
    ("progress", &[], "visiting", "iterating"),
    ("load", &[], "journeys", "iterations"),
    ("load", &["users"], "asked", "requested"),
    ("load", &["users"], "open", "connected"),
    ("load", &["users"], "lost", "disconnected"),
    ("capacity", &[], "raise", "vary"),
    ("trial", &["judged", "*"], "rule", "threshold"),
    ("capacity", &["judged", "*"], "rule", "threshold"),
];
/// Counts of a traffic: where they are in a line of type `load`.
const COUNTS_AT: [&[&str]; 4] = [
    &["traffic", "*", "counts"],
    &["traffic", "*", "users", "*"],
    &["traffic", "*", "phases", "*", "counts"],
    &["traffic", "*", "phases", "*", "users", "*"],
];
/// Where thresholds stand as texts.
const THRESHOLDS_AT: [&[&str]; 2] = [&[], &["judged", "*"]];

/// A line as it would be written today.
pub(super) fn renamed(mut line: Value) -> Value {
    let Some(kind) = line.get("type").and_then(Value::as_str).map(ToOwned::to_owned) else { return line };
    for (_, path, old, new) in FIELDS.iter().filter(|(of, ..)| *of == kind) {
        at(&mut line, path, &mut |object| rename(object, old, new));
    }
    for path in THRESHOLDS_AT {
        at(&mut line, path, &mut |object| {
            if let Some(Value::String(text)) = object.get_mut("threshold")
                && let Some(new) = legacy::threshold(text)
            {
                *text = new;
            }
        });
    }
    match kind.as_str() {
        "rule" => {
            line["type"] = "threshold".into();
            let about = line.get_mut("about").filter(|about| about.as_str() == Some("ruler"));
            about.into_iter().for_each(|about| *about = "generator".into());
        }
        "load" => {
            for path in COUNTS_AT {
                at(&mut line, path, &mut |counts| COUNTS.iter().for_each(|(old, new)| rename(counts, old, new)));
            }
            at(&mut line, &["violations", "*"], &mut |violation| {
                let measure = violation.get_mut("measure");
                measure.into_iter().for_each(|measure| {
                    let new = COUNTS.iter().find(|(old, _)| measure.as_str() == Some(old));
                    new.into_iter().for_each(|(_, new)| *measure = (*new).into());
                });
            });
        }
        _ => {}
    }
    line
}

/// Puts right what a record says of its end: a run that was interrupted was told from a lost target by its words alone.
pub(super) fn ended(entry: &mut Entry) {
    if let Entry::Load(load) = entry
        && load.ended_by == EndedBy::Target
        && load.aborted.as_deref() == Some(INTERRUPTED)
    {
        load.ended_by = EndedBy::Interrupt;
    }
}

/// Calls `f` with every object that is there.
fn at(value: &mut Value, path: &[&str], f: &mut dyn FnMut(&mut Map<String, Value>)) {
    match (path, value) {
        ([], Value::Object(object)) => f(object),
        (["*", rest @ ..], Value::Object(object)) => object.values_mut().for_each(|value| at(value, rest, f)),
        (["*", rest @ ..], Value::Array(values)) => values.iter_mut().for_each(|value| at(value, rest, f)),
        ([name, rest @ ..], Value::Object(object)) => {
            object.get_mut(*name).into_iter().for_each(|value| at(value, rest, f));
        }
        _ => {}
    }
}

fn rename(object: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = object.remove(old) {
        object.insert(new.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LoadResult;

    #[test]
    fn an_interrupt_that_had_words_only_is_one() {
        let ended_by = |aborted: Option<&str>, by| {
            let load = LoadResult { aborted: aborted.map(ToOwned::to_owned), ended_by: by, ..LoadResult::default() };
            let mut entry = Entry::Load(Box::new(load));
            ended(&mut entry);
            match entry {
                Entry::Load(load) => load.ended_by,
                _ => unreachable!(),
            }
        };
        assert_eq!(ended_by(Some("interrupted"), EndedBy::Target), EndedBy::Interrupt);
        assert_eq!(ended_by(Some("interrupted"), EndedBy::Elsewhere), EndedBy::Elsewhere, "of another part");
        assert_eq!(ended_by(Some("the target ended"), EndedBy::Target), EndedBy::Target);
        assert_eq!(ended_by(None, EndedBy::Target), EndedBy::Target);
    }
}
