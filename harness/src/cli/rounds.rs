//! `conform --repeat`: one suite several times, and what differs from time to time.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::conform::{Session, Trouble};
use crate::aside::aside;
use crate::conform::Settings;
use crate::conform::deviations::Deviation;
use crate::exit::Exit;
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::{coverage, text::plural};

/// Several rounds of a suite.
pub(super) struct Rounds {
    /// The first that did not pass, or the last one.
    pub(super) shown: Vec<Entry>,
    pub(super) exit: Exit,
    /// What differs between them.
    pub(super) summary: String,
}

/// Plays a suite so often, each round with fresh servers and a record of its own.
pub(super) async fn play(session: &Session<'_>, rounds: usize) -> Result<Rounds, Trouble> {
    let mut played: Vec<(Vec<Entry>, Exit)> = Vec::new();
    for round in 1..=rounds {
        let folder = session.settings.folder.join(format!("round-{round}"));
        let settings = Settings { folder, ..session.settings.clone() };
        let (entries, exit) = Session { settings: &settings, ..*session }.play().await?;
        if let Some(Entry::Footer(footer)) = entries.last() {
            aside(&format!("round {round} of {rounds}: {}", footer.verdict));
        }
        let over = matches!(exit, Exit::Interrupted | Exit::Target);
        played.push((entries, exit));
        if over {
            break;
        }
    }
    let runs: Vec<_> = played.iter().map(|(entries, _)| coverage::cases(entries)).collect();
    let summary = summary(&runs, &session.settings.deviations.idle(&runs));
    let shown = played.iter().position(|(_, exit)| *exit != Exit::Passed).unwrap_or(played.len().saturating_sub(1));
    let (shown, exit) = played.swap_remove(shown);
    Ok(Rounds { shown, exit, summary })
}

/// Cases that did not always come to the same, and entries that never applied.
fn summary(runs: &[Vec<&CaseResult>], idle: &[&Deviation]) -> String {
    let rounds = plural(runs.len() as u64, "round");
    let mut out = String::new();
    let differing = differing(runs);
    let _ = writeln!(out, "\nin {rounds}, {} with more than one verdict", plural(differing.len() as u64, "case"));
    for (id, verdicts) in differing {
        let _ = writeln!(out, "  {id}: {verdicts}");
    }
    if !idle.is_empty() {
        let number = idle.len();
        let _ =
            writeln!(out, "\n{number} deviations that are said to happen `sometimes` happened in none of {rounds}:");
        for entry in idle {
            let _ = writeln!(out, "  {} ({:?})\n      {}", entry.case, entry.matches, entry.reason);
        }
        out.push_str("  `sio-bench accept` with the records of these rounds takes them out\n");
    }
    out.push('\n');
    out
}

/// Cases whose verdict changed, and how often each was theirs.
fn differing(runs: &[Vec<&CaseResult>]) -> Vec<(String, String)> {
    let mut cases: IndexMap<&str, IndexMap<CaseVerdict, usize>> = IndexMap::new();
    for case in runs.iter().flatten() {
        *cases.entry(&case.id).or_default().entry(case.verdict).or_default() += 1;
    }
    let told = |verdicts: &IndexMap<CaseVerdict, usize>| {
        let parts: Vec<_> = verdicts.iter().map(|(verdict, times)| format!("{} {times}", verdict.word())).collect();
        parts.join(", ")
    };
    let several = cases.iter().filter(|(_, verdicts)| verdicts.len() > 1);
    several.map(|(id, verdicts)| ((*id).to_owned(), told(verdicts))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::deviations::Deviations;
    use crate::conform::deviations::tests::{ENTRY, deviations, result};

    #[test]
    fn what_differs_from_round_to_round_is_named_and_what_never_happened_too() {
        let (passed, known) = (result(CaseVerdict::Pass, ""), result(CaseVerdict::Xfail, "bob got nothing"));
        let text = summary(&[vec![&passed], vec![&known], vec![&passed]], &[]);
        assert_eq!(text, "\nin 3 rounds, 1 case with more than one verdict\n  rooms/a[ws]: PASS 2, XFAIL 1\n\n");
        let entries: Deviations = deviations(&format!("{ENTRY}sometimes = true\n"));
        let runs = [vec![&passed], vec![&passed]];
        let text = summary(&runs, &entries.idle(&runs));
        assert!(text.contains("0 cases with more") && text.contains("happened in none of 2 rounds"), "{text}");
        assert!(text.contains("rooms/* (\"got nothing\")\n      known"), "{text}");
    }
}
