//! `sio-bench self-test`: a server with one fault after the other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::super::conform::{Trouble, today, wanted};
use super::super::{complain, print, run};
use super::SelfTestArgs;
use super::stages::Stages;
use crate::clock;
use crate::conform::Filter;
use crate::conform::deviations::Deviations;
use crate::conform::kill::{Fate, Mutant, Trial, Trials};
use crate::exit::Exit;
use crate::guess::did_you_mean;
use crate::output;
use crate::report::html::{Fault, matrix};
use crate::target::{self, Choice, Prepared};

/// Faulty servers at a time.
const AT_ONCE: usize = 4;
/// Cases at a time on the clean one.
const CLEAN_JOBS: usize = 12;

pub(super) async fn execute(args: &SelfTestArgs) -> Result<Exit, Trouble> {
    let prepared = target::prepare(&Choice::from(Some(&args.server), None)).await?;
    let all = mutants(&prepared).await?;
    let is_part = !args.only.is_empty() || args.sample.is_some();
    let rows = chosen(all, args)?;
    let wanted = wanted(&[], &Filter::default())?;
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder("self-test"));
    sio_reference_server::limits::raise_open_files();
    let started = clock::now();
    let deviations = prepared.folder().map(|folder| Deviations::read(&folder.join("deviations.toml")));
    let trials = Trials {
        suite: &wanted.suite,
        register: &wanted.register,
        prepared,
        deviations: deviations.transpose().map_err(Trouble::Usage)?.unwrap_or_default(),
        folder: &folder,
        matrix: args.matrix,
        exploring: args.explore,
        clean: RefCell::default(),
        today: today(),
    };
    // Of a few faults, what else is played is looked at when it fails.
    let first = if is_part { trials.named(&rows) } else { wanted.suite.of_rows(|_| true) };
    let stages = Stages::around(trials, &rows).await?;
    let failed = if first.picks.is_empty() { Vec::new() } else { stages.alone.play_clean(&first, CLEAN_JOBS).await? };
    if !failed.is_empty() {
        complain(&format!(
            "the clean server fails {} cases, {} first; nothing can be said about faults",
            failed.len(),
            failed[0].id
        ));
        return Ok(Exit::NotValid);
    }
    let terminal = args.format == "terminal";
    if terminal {
        let _ = print(&format!(
            "{:<34} {:<13} {:<60} {:>6} {:>8}\n",
            "fault", "verdict", "first noticed by", "cases", "time"
        ));
    }
    let mut done = Vec::new();
    let mut running = stream::iter(rows).map(|row| stages.fault(row)).buffered(AT_ONCE);
    while let Some(trial) = running.next().await {
        if terminal {
            let _ = print(&line(&trial));
        }
        done.push(trial);
    }
    drop(running);
    write(&folder.join("matrix.json"), &done)?;
    if let Some(file) = &args.html {
        output::write(file, &page(&done, args))?;
    }
    let score = Score::of(&done);
    let _ =
        print(&if terminal { summary(&done, &score, args.matrix, started.elapsed()) } else { markdown(&done, &score) });
    if terminal {
        let _ = print(&format!("matrix: {}\n", folder.join("matrix.json").display()));
    }
    Ok(if score.skipped == done.len() {
        Exit::NothingMatched
    } else if score.percent() >= args.threshold {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

/// What a server can be made to do wrong.
async fn mutants(prepared: &Prepared) -> Result<Vec<Mutant>, Trouble> {
    let printed = match prepared.folder() {
        Some(_) => prepared.faults().await?,
        None if prepared.is_managed() => return Ok(Mutant::of_reference()),
        None => None,
    };
    let name = prepared.name();
    let printed = printed.ok_or_else(|| {
        let hint = "`faults` in a target.toml names the command that prints them; targets/README.md says how";
        Trouble::Usage(format!("{name} has no list of faults\n  {hint}"))
    })?;
    Mutant::read(&printed).map_err(|why| Trouble::Usage(format!("the faults of {name} cannot be read: {why}")))
}

/// The faults that were asked for, in the order of the table.
fn chosen(all: Vec<Mutant>, args: &SelfTestArgs) -> Result<Vec<Rc<Mutant>>, Trouble> {
    let names = || all.iter().flat_map(|row| [row.id.as_str(), row.name.as_str()]);
    for text in &args.only {
        if !all.iter().any(|row| row.id == *text || row.name.contains(text)) {
            let guess = did_you_mean(text, names());
            let list = "`sio-bench list faults` has all of the reference server";
            return Err(Trouble::Nothing(format!("there is no fault `{text}`{guess}\n  {list}")));
        }
    }
    let named =
        |row: &Mutant| args.only.is_empty() || args.only.iter().any(|text| row.id == *text || row.name.contains(text));
    let mut rows: Vec<_> = all.into_iter().filter(named).map(Rc::new).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    while args.sample.is_some_and(|sample| rows.len() > sample) {
        rows.remove(rng.next_u64() as usize % rows.len());
    }
    Ok(rows)
}

/// How many faults were noticed.
struct Score {
    killed: usize,
    missed: Vec<Rc<Mutant>>,
    equivalent: usize,
    skipped: usize,
    /// Noticed only by rows of an area that the table names: damage, which says little about what is wrong.
    vague: Vec<Rc<Mutant>>,
}

impl Score {
    fn of(trials: &[Trial]) -> Self {
        let count = |fate| trials.iter().filter(|trial| trial.fate() == fate).count();
        let missed = trials.iter().filter(|trial| matches!(trial.fate(), Fate::Survived | Fate::WrongReason));
        let vague = trials.iter().filter(|trial| trial.fate() == Fate::Killed && !trial.is_exact());
        Self {
            vague: vague.map(|trial| Rc::clone(&trial.row)).collect(),
            killed: count(Fate::Killed),
            equivalent: count(Fate::Equivalent) + count(Fate::Remarked),
            skipped: count(Fate::Skipped),
            missed: missed.map(|trial| Rc::clone(&trial.row)).collect(),
        }
    }

    fn percent(&self) -> f64 {
        let all = self.killed + self.missed.len();
        if all == 0 { 100.0 } else { 100.0 * self.killed as f64 / all as f64 }
    }
}

fn line(trial: &Trial) -> String {
    let name = format!("{} {}", trial.row.id, trial.row.name);
    let kills = trial.kills.len();
    let time = format!("{:.1} s", trial.took.as_secs_f64());
    let mut text = format!("{name:<34} {:<13} {:<60} {kills:>6} {time:>8}\n", trial.fate().word(), first(trial));
    if trial.fate() == Fate::WrongReason {
        let rules: BTreeSet<&str> = trial.kills.iter().map(|kill| kill.rule.as_str()).collect();
        let _ = writeln!(
            text,
            "  fails {}; the table names {}",
            Vec::from_iter(rules).join(", "),
            trial.row.noticed.join(", ")
        );
    }
    if let Some(problem) = &trial.problem {
        let _ = writeln!(text, "  {problem}");
    }
    text
}

fn first(trial: &Trial) -> String {
    match trial.kills.first() {
        Some(kill) => format!("{} ({}{})", shorten(&kill.case), kill.rule, if kill.crash { ", crash" } else { "" }),
        None => "-".to_owned(),
    }
}

fn shorten(case: &str) -> String {
    if case.chars().count() <= 48 { case.to_owned() } else { case.chars().take(47).chain(['…']).collect() }
}

fn summary(trials: &[Trial], score: &Score, matrix: bool, took: Duration) -> String {
    let mut text = format!(
        "\nkilled {}   missed {}   equivalent {}   of {}   score {:.1} %   {:.0} s\n",
        score.killed,
        score.missed.len(),
        score.equivalent,
        trials.len(),
        score.percent(),
        took.as_secs_f64()
    );
    let named = score.killed - score.vague.len();
    let _ = writeln!(text, "of the killed, {named} fail a row that the table names itself");
    for row in &score.vague {
        let _ = writeln!(text, "  only in an area that it names: {} {}: {}", row.id, row.name, row.summary);
    }
    if score.skipped > 0 {
        let _ = writeln!(text, "skipped, since something is missing here: {}", score.skipped);
    }
    for row in &score.missed {
        let _ = writeln!(text, "  missed: {} {}: {}", row.id, row.name, row.summary);
    }
    if matrix {
        let (mut always, mut never) = (Vec::new(), Vec::new());
        for (case, kills) in per_case(trials) {
            if kills == trials.len() {
                always.push(case);
            } else if kills == 0 {
                never.push(case);
            }
        }
        let _ = writeln!(text, "cases that no fault fails: {}; that every fault fails: {}", never.len(), always.len());
        for case in always {
            let _ = writeln!(text, "  every fault fails {case}");
        }
    }
    text
}

/// For each case, how many faults it fails for.
fn per_case(trials: &[Trial]) -> BTreeMap<&str, usize> {
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in trials {
        trial.played.iter().for_each(|case| _ = cases.entry(case).or_default());
        trial.kills.iter().for_each(|kill| *cases.entry(&kill.case).or_default() += 1);
    }
    cases
}

fn markdown(trials: &[Trial], score: &Score) -> String {
    let mut text = format!(
        "{} of {} faults are noticed ({:.1} %); {} change nothing that anybody promises.\n\n",
        score.killed,
        score.killed + score.missed.len(),
        score.percent(),
        score.equivalent
    );
    text.push_str("| fault | what the server does wrong | verdict | first noticed by | cases | seen in |\n|---|---|---|---|---|---|\n");
    for trial in trials {
        let by = trial
            .kills
            .first()
            .map_or_else(String::new, |kill| format!("`{}` ({})", kill.case.replace('|', "\\|"), kill.rule));
        let _ = writeln!(
            text,
            "| {} `{}` | {} | {} | {by} | {} | {} |",
            trial.row.id,
            trial.row.name,
            trial.row.summary,
            trial.fate().word(),
            trial.kills.len(),
            trial.row.seen.as_deref().unwrap_or_default()
        );
    }
    text
}

/// The kill matrix for a browser.
fn page(trials: &[Trial], args: &SelfTestArgs) -> String {
    let fault = |trial: &Trial| {
        let mut failing: BTreeMap<String, usize> = BTreeMap::new();
        for kill in &trial.kills {
            *failing.entry(kill.case.split('/').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        Fault {
            id: trial.row.id.clone(),
            name: trial.row.name.clone(),
            summary: trial.row.summary.clone(),
            fate: trial.fate().word(),
            fine: !matches!(trial.fate(), Fate::Survived | Fate::WrongReason),
            first: trial.kills.first().map(|kill| kill.case.clone()),
            failing,
        }
    };
    let note = format!(
        "sio-bench {}, {}; {}",
        env!("CARGO_PKG_VERSION"),
        run::now(),
        if args.matrix { "the whole suite against every fault" } else { "each fault until it is noticed" }
    );
    matrix(&args.server, &note, &trials.iter().map(fault).collect::<Vec<_>>())
}

fn write(file: &Path, trials: &[Trial]) -> Result<(), Trouble> {
    let rows: Vec<_> = trials
        .iter()
        .map(|trial| {
            json!({
                "id": trial.row.id, "name": trial.row.name, "layer": trial.row.layer.name(), "summary": trial.row.summary,
                "noticed": trial.row.noticed, "seen": trial.row.seen, "fate": trial.fate(), "kills": trial.kills,
                "played": trial.played.len(), "seconds": trial.took.as_secs_f64(), "problem": trial.problem,
            })
        })
        .collect();
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    output::write(file, &format!("{:#}\n", json!({ "faults": rows })))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::kill::Kill;

    fn trial(name: &str, kills: &[(&str, bool)]) -> Trial {
        let kill = |(rule, stated): &(&str, bool)| Kill {
            case: format!("rooms/{rule}"),
            rule: (*rule).to_owned(),
            stated: *stated,
            crash: false,
            info: false,
        };
        Trial {
            row: Rc::new(Mutant::of_reference().into_iter().find(|row| row.name == name).unwrap()),
            kills: kills.iter().map(kill).collect(),
            played: ["rooms/RM-03".to_owned(), "rooms/RM-01".to_owned()].into(),
            undecided: BTreeSet::new(),
            took: Duration::from_secs(1),
            problem: None,
            skipped: false,
        }
    }

    /// What is missed, and what is noticed for a reason that has nothing to do with the fault, is named, and the score
    /// says so.
    #[test]
    fn what_is_missed_is_named() {
        let trials = [
            trial("union-dup", &[("RM-03", true)]),
            trial("recover-data", &[]),
            trial("except-ignored", &[("RM-01", false)]),
        ];
        let score = Score::of(&trials);
        assert_eq!((score.killed, score.missed.len()), (1, 2));
        let text = summary(&trials, &score, true, Duration::from_secs(3));
        assert!(text.contains("killed 1   missed 2   equivalent 0   of 3   score 33.3 %"), "{text}");
        assert!(text.contains("missed: R06 recover-data") && text.contains("missed: B07 except-ignored"), "{text}");
        assert!(line(&trials[1]).contains("SURVIVED"));
        assert!(line(&trials[2]).contains("WRONG REASON") && line(&trials[2]).contains("fails RM-01"));
        assert!(markdown(&trials, &score).contains("1 of 3 faults are noticed"));
    }
}
