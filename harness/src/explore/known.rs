//! What is known to be wrong with a target: the entries `[[explore]]` of its `deviations.toml`.
//!
//! An entry names a kind of violation and what its words say; it excuses nothing else. A random program may or may not
//! come upon it, so one that is not seen is no surprise; one that is over excuses nothing.

use serde::Deserialize;
use sio_oracle::{Invariant, Violation};

/// What stands for the kind of something that went wrong beside the history.
pub const SURPRISE: &str = "surprise";

/// One entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// As `explore` prints it behind FAIL: `I3 NO-PHANTOM Phantom`, or `surprise`.
    pub kind: String,
    /// What its words say, in parts: all of them.
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    pub reason: String,
    /// Where it is discussed.
    pub link: Option<String>,
    /// A date after which it is no excuse: `2027-01-31`.
    pub until: Option<String>,
}

impl Known {
    /// What is wrong with the entry itself.
    pub fn problem(&self) -> Option<&'static str> {
        let date = |until: &String| until.parse::<jiff::civil::Date>().is_ok();
        let invariant = |kind: &str| Invariant::ALL.iter().any(|known| kind.starts_with(&format!("{known} ")));
        if self.kind != SURPRISE && !invariant(&self.kind) {
            return Some(
                "`kind` is what explore prints behind FAIL, such as \"I3 NO-PHANTOM Phantom\", or \"surprise\"",
            );
        }
        if self.matches.is_empty() || self.matches.iter().any(|part| part.trim().is_empty()) {
            return Some("`match` is a list of what the words say, such as [\"which was not for it\"]");
        }
        if self.reason.trim().is_empty() {
            return Some("a deviation needs a `reason`");
        }
        if !self.until.as_ref().is_none_or(date) {
            return Some("`until` is a date such as \"2027-01-31\"");
        }
        None
    }

    /// Whether it excuses nothing any more.
    pub fn is_over(&self, today: jiff::civil::Date) -> bool {
        self.until.as_ref().and_then(|until| until.parse().ok()).is_some_and(|until: jiff::civil::Date| until < today)
    }

    fn says(&self, kind: &str, words: &str) -> bool {
        self.kind == kind && self.matches.iter().all(|part| words.contains(part.as_str()))
    }

    /// Whether it is this violation.
    pub(super) fn is(&self, violation: &Violation) -> bool {
        self.says(&kind(violation), &format!("{}\n{}", violation.summary, violation.because.join("\n")))
    }

    /// Whether it is this, which went wrong beside the history.
    pub(super) fn is_surprise(&self, words: &str) -> bool {
        self.says(SURPRISE, words)
    }
}

/// What a violation is, in a word: the same for those that are alike.
pub(super) fn kind(violation: &Violation) -> String {
    format!("{} {:?}", violation.invariant, violation.breach)
}

#[cfg(test)]
mod tests {
    use sio_oracle::Breach;

    use super::*;

    fn entry() -> Known {
        Known {
            kind: "I3 NO-PHANTOM Phantom".to_owned(),
            matches: vec!["which was not for it".to_owned(), "and recovered at".to_owned()],
            reason: "known".to_owned(),
            link: None,
            until: Some("2026-11-20".to_owned()),
        }
    }

    fn violation(because: &str) -> Violation {
        Violation {
            invariant: Invariant::NoPhantom,
            breach: Breach::Phantom,
            socket: None,
            message: None,
            summary: "c1 received message 3, which was not for it".to_owned(),
            because: vec![because.to_owned()],
            events: Vec::new(),
        }
    }

    #[test]
    fn only_what_says_so_is_known() {
        let recovered = violation("its connection was lost at 1 ms and recovered at 2 ms");
        assert!(entry().is(&recovered));
        assert!(!entry().is(&violation("it was never put into red")), "in another way");
        assert!(!entry().is(&Violation { breach: Breach::Duplicate, ..recovered.clone() }), "of another kind");
        assert!(!entry().is_surprise(&recovered.because[0]));
        assert!(entry().is_over(jiff::civil::date(2026, 11, 21)) && !entry().is_over(jiff::civil::date(2026, 11, 20)));
    }

    #[test]
    fn an_entry_that_cannot_be_is_named() {
        assert_eq!(entry().problem(), None);
        let wrong = |change: fn(&mut Known)| {
            let mut entry = entry();
            change(&mut entry);
            entry.problem().unwrap()
        };
        assert!(wrong(|entry| entry.kind = "I3".to_owned()).contains("`kind`"));
        assert!(wrong(|entry| entry.matches.clear()).contains("`match`"));
        assert!(wrong(|entry| entry.reason.clear()).contains("`reason`"));
        assert!(wrong(|entry| entry.until = Some("soon".to_owned())).contains("`until`"));
    }
}
