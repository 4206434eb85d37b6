//! `sio-bench self-test --known-bugs`: old releases with documented bugs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::conform::{self, Session, Trouble, today, wanted};
use super::super::{print, run};
use super::SelfTestArgs;
use crate::conform::deviations::Deviations;
use crate::conform::known_bugs::{Bug, KnownBugs};
use crate::conform::{Filter, Settings};
use crate::exit::Exit;
use crate::output;
use crate::record::{CaseResult, CaseVerdict, Entry};
use crate::report::coverage;
use crate::target;

/// What came of one release.
struct Proof<'a> {
    bug: &'a Bug,
    version: String,
    /// Cases that fail on the broken release and pass on the fixed one, by row.
    caught: Vec<(String, Vec<String>)>,
    problem: Option<String>,
}

pub(super) async fn execute(args: &SelfTestArgs) -> Result<Exit, Trouble> {
    let Some(targets) = target::home() else {
        let problem = "no folder `targets` was found; start sio-bench in the repository or set SIO_BENCH_TARGETS";
        return Err(Trouble::Usage(problem.to_owned()));
    };
    let known_bugs = KnownBugs::read(&targets.join("known-bugs.toml")).map_err(Trouble::Usage)?;
    let wanted = |bug: &&Bug| args.only.is_empty() || args.only.iter().any(|text| bug.name.contains(text));
    let bugs: Vec<_> = known_bugs.bug.iter().filter(wanted).collect();
    if bugs.is_empty() {
        return Err(Trouble::Nothing("no known bug has such a release".to_owned()));
    }
    let folder = args.out.clone().unwrap_or_else(|| run::fresh_folder("known-bugs"));
    let mut proofs = Vec::new();
    for bug in bugs {
        let proof = match prove(bug, &targets, &folder).await {
            // One release that cannot be had does not take the others with it.
            Err(Trouble::Target(problem)) => {
                Proof { bug, version: String::new(), caught: Vec::new(), problem: Some(problem) }
            }
            proved => proved?,
        };
        let _ = print(&match args.format.as_str() {
            "markdown" => String::new(),
            _ => line(&proof),
        });
        proofs.push(proof);
    }
    let failed = proofs.iter().filter(|proof| proof.problem.is_some()).count();
    if args.format == "markdown" {
        let _ = print(&table(&proofs));
    } else {
        let _ = print(&format!("\n{} of {} releases are caught\n", proofs.len() - failed, proofs.len()));
    }
    Ok(if failed == 0 { Exit::Passed } else { Exit::Failed })
}

/// Where the releases are installed: beside the targets, or among the user's caches if nothing can be written there.
fn home(targets: &Path) -> PathBuf {
    let beside = targets.join(".known-bugs");
    let folder = if beside.is_dir() { beside.as_path() } else { targets };
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
        Ok(()) => beside,
        Err(_) => output::cache().join("known-bugs"),
    }
}

async fn prove<'a>(bug: &'a Bug, targets: &Path, folder: &Path) -> Result<Proof<'a>, Trouble> {
    let installed = home(targets);
    let base = targets.join(&bug.base);
    let mut runs = Vec::new();
    for fixed in [false, true] {
        let name = bug.cage(&base, &targets.join("known-bugs-locks"), &installed, fixed).map_err(Trouble::Usage)?;
        runs.push(play(bug, &installed.join(&name), &folder.join(&name)).await?);
    }
    let broken = failures(&runs[0]);
    let version = match runs[0].first() {
        Some(Entry::Header(header)) => header.target.version.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let passes: BTreeSet<&str> = verdicts(&runs[1], CaseVerdict::Pass).map(|case| case.id.as_str()).collect();
    let caught: Vec<_> = bug
        .requirements
        .iter()
        .map(|rule| {
            let of_rule = broken.iter().filter(|case| case.requirement.as_ref() == Some(rule) && bug.is_shown_by(case));
            let fresh = of_rule.filter(|case| passes.contains(case.id.as_str()));
            let mut cases: Vec<_> = fresh.map(|case| format!("{} {}", case.verdict.word(), case.id)).collect();
            // A crash says more than a failure.
            cases.sort_by_key(|case| !case.starts_with("CRASH"));
            (rule.clone(), cases)
        })
        .collect();
    let missed: Vec<_> = caught.iter().filter(|(_, cases)| cases.is_empty()).map(|(rule, _)| rule.as_str()).collect();
    let problem = (!missed.is_empty())
        .then(|| format!("no case of {} fails on it as it must and passes on the fixed release", missed.join(", ")))
        .map(|problem| problem + &otherwise(bug, &broken) + &undecided(&runs));
    Ok(Proof { bug, version, caught, problem })
}

/// How the broken release failed otherwise, to tell a bug that is missed from a release that does not run here.
fn otherwise(bug: &Bug, broken: &[&CaseResult]) -> String {
    let other = broken.iter().find(|case| !bug.is_shown_by(case)).and_then(|case| case.failure.as_ref());
    other.map_or(String::new(), |failure| {
        let said: String = failure.message.chars().take(120).collect();
        format!("; it fails in another way than {:?}: {said}", bug.matches)
    })
}

/// What a busy machine has left open, on either release.
fn undecided(runs: &[Vec<Entry>]) -> String {
    let open = runs.iter().flat_map(|entries| verdicts(entries, CaseVerdict::Inconclusive)).next();
    open.map_or(String::new(), |case| {
        let why = case.reason.as_deref().unwrap_or("without a reason");
        format!("; {} could not be decided ({why}): run it again when the machine has less to do", case.id)
    })
}

/// The rows of one bug against one release, without a word about known deviations.
async fn play(bug: &Bug, target: &Path, out: &Path) -> Result<Vec<Entry>, Trouble> {
    let filter = Filter { rules: bug.requirements.clone(), ..Filter::default() };
    let wanted = wanted(&[], &filter)?;
    let prepared = target::prepare_folder(target).await?;
    let settings = Settings {
        path: None,
        manner: Arc::default(),
        jobs: conform::JOBS,
        delay: Duration::ZERO,
        folder: out.to_owned(),
        deviations: Deviations::default(),
        today: today(),
    };
    let session = Session { wanted: &wanted, prepared: &prepared, settings: &settings, quiet: true };
    Ok(session.play().await?.0)
}

fn failures(entries: &[Entry]) -> Vec<&CaseResult> {
    let failed = |case: &&CaseResult| case.verdict.is_red() || case.verdict == CaseVerdict::Info;
    coverage::cases(entries).into_iter().filter(failed).collect()
}

fn verdicts(entries: &[Entry], verdict: CaseVerdict) -> impl Iterator<Item = &CaseResult> {
    coverage::cases(entries).into_iter().filter(move |case| case.verdict == verdict)
}

fn line(proof: &Proof<'_>) -> String {
    let mark = if proof.problem.is_none() { "✔" } else { "✖" };
    let mut text = format!("{mark} {}   {}\n", proof.bug.name, proof.bug.what);
    for (rule, cases) in &proof.caught {
        let more = if cases.len() > 1 { format!(" and {} more", cases.len() - 1) } else { String::new() };
        let _ = writeln!(text, "    {rule:<10} {}{more}", cases.first().map_or("nothing", String::as_str));
    }
    if let Some(problem) = &proof.problem {
        let ran = if proof.version.is_empty() { String::new() } else { format!(" (ran {})", proof.version) };
        let _ = writeln!(text, "    {problem}{ran}");
    }
    text
}

fn table(proofs: &[Proof<'_>]) -> String {
    let mut text = "| release | what it does wrong | rows | caught by |\n|---|---|---|---|\n".to_owned();
    for proof in proofs {
        let rows: Vec<_> = proof.caught.iter().map(|(rule, _)| rule.as_str()).collect();
        let cases: usize = proof.caught.iter().map(|(_, cases)| cases.len()).sum();
        let first = proof.caught.iter().find_map(|(_, cases)| cases.first());
        let more = if cases > 1 { format!(" and {} more", cases - 1) } else { String::new() };
        let by = match (&proof.problem, first) {
            (None, Some(first)) => format!("`{}`{more}", first.replace('|', "\\|")),
            _ => "**nothing**".to_owned(),
        };
        let _ = writeln!(text, "| {} | {} | {} | {by} |", proof.bug.name, proof.bug.what, rows.join(", "));
    }
    text
}
