//! What a reader has to know of how messages were recognised.

use super::text::{count, plural};
use crate::record::{TrafficResult, copies};

/// Bytes of a stamp, which is the smallest payload.
const STAMP: usize = crate::vocab::stamp::LENGTH;

/// One line for each thing that bears on which event was taken for which message.
pub(super) fn remarks(traffic: &TrafficResult) -> Vec<String> {
    let name = &traffic.name;
    let mut lines = Vec::new();
    if let Some(path) = &traffic.identify {
        lines.push(format!("{name}: its messages are recognised by the token at {path}, whatever else is in them"));
    }
    if let Some(others) = traffic.under_other_names() {
        let none = if is_missing_altogether(traffic) {
            format!("; nothing came as {:?}: is that the name?", traffic.event.as_deref().unwrap_or_default())
        } else {
            String::new()
        };
        lines.push(format!("{name}: {others}{none}"));
    }
    if traffic.counts.history > 0 {
        lines.push(format!(
            "{name}: {} of what was sent before reached users who had joined since, which the application may have meant as \
             history; with `history = false` in `delivers_to` each counts as misdelivered",
            copies(traffic.counts.history)
        ));
    }
    if traffic.counts.unidentified > 0 {
        lines.push(format!("{name}: {}; {}", unidentified(traffic), needed(traffic)));
    }
    lines
}

/// Why nothing is known of what a traffic owed, and what would help.
pub(super) fn undecided(traffic: &TrafficResult) -> Option<String> {
    traffic.undecided.then(|| {
        format!(
            "no copy of a message of {} could be identified: {}; {}",
            traffic.name,
            unidentified(traffic),
            needed(traffic)
        )
    })
}

fn is_missing_altogether(traffic: &TrafficResult) -> bool {
    let counts = traffic.counts;
    traffic.event.is_some() && counts.delivered + counts.may_delivered + counts.volatile_delivered == 0
}

fn unidentified(traffic: &TrafficResult) -> String {
    let event = traffic.event.as_deref().unwrap_or_default();
    let what = if traffic.identify.is_some() { "its token" } else { "a stamp that can be read" };
    let events = plural(traffic.counts.unidentified, "event");
    let known = traffic.counts.delivered + traffic.counts.may_delivered;
    let beside = if known > 0 { format!(", beside {} with one", count(known)) } else { String::new() };
    format!("{events} {event:?} came without {what}{beside}")
}

/// What a message needs to be recognised by.
fn needed(traffic: &TrafficResult) -> String {
    match &traffic.identify {
        Some(path) => format!("`${{token}}` must be found at {path} of one of the event's arguments, as it was sent"),
        None => format!(
            "the payload begins with a stamp of {STAMP} bytes, and must come back unchanged, anywhere within the event's arguments \
             or attachments; where the application changes it, let a field that it keeps carry `${{token}}`, and say which with \
             `identify = \"$.FIELD\"`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Counts;

    fn traffic(counts: Counts, others: &[(&str, u64)]) -> TrafficResult {
        let others = others.iter().map(|(name, copies)| ((*name).to_owned(), *copies)).collect();
        TrafficResult {
            name: "say".to_owned(),
            event: Some("message".to_owned()),
            counts,
            others,
            ..TrafficResult::default()
        }
    }

    #[test]
    fn other_names_are_said_with_what_they_may_mean() {
        let typo =
            traffic(Counts { owed: 9, missing: 9, ..Counts::default() }, &[("mesage", 1141), ("sent in /log", 1)]);
        assert_eq!(
            remarks(&typo),
            [
                r#"say: 1,141 copies came as "mesage", 1 copy came as "sent" in /log; nothing came as "message": is that the name?"#
            ]
        );
        let confirmed = traffic(Counts { owed: 9, delivered: 9, ..Counts::default() }, &[("sent", 3)]);
        assert_eq!(remarks(&confirmed), [r#"say: 3 copies came as "sent""#]);
    }

    #[test]
    fn what_cannot_be_recognised_is_explained() {
        let mut changed = traffic(Counts { unidentified: 7, ..Counts::default() }, &[]);
        assert_eq!(undecided(&changed), None);
        changed.undecided = true;
        let why = undecided(&changed).unwrap_or_default();
        assert!(why.contains(r#"7 events "message" came without a stamp"#), "{why}");
        assert!(why.contains("20 bytes") && why.contains("identify ="), "{why}");
        changed.identify = Some("$.id".to_owned());
        assert!(undecided(&changed).unwrap_or_default().contains("must be found at $.id"));
    }
}
