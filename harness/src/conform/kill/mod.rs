//! The suite against a server that does something wrong on purpose: which cases notice, and for which reason.
//!
//! A fault is looked for where its table row says it should be noticed, by cases, random programs and loads, then in the areas
//! of its layer, then by the whole suite. A case that fails kills it only if the case checks a row that the table names: anything else fails
//! by accident, and would not help anybody to find the bug.
//!
//! The server is the reference server or a target that has faults of its own (`mutant`).

mod load;
mod mutant;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sio_oracle::Violation;
use tokio::sync::Notify;

pub use self::mutant::Mutant;
use super::deviations::Deviations;
use super::register::Register;
use super::run::{self, Listener, OWN, Settings};
use super::select::Suite;
use crate::clock;
use crate::explore::{self, Failure, Hunt, Known, Outcome, Progress, Shape, Stage, Statistics};
use crate::record::{CapabilityResult, CaseResult, CaseVerdict, TargetInfo};
use crate::scenario::model::Class;
use crate::target::{self, Launch, Prepared};

/// Cases at a time against one faulty server; several are tried at once.
const JOBS: usize = 12;

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Kill {
    pub case: String,
    pub rule: String,
    /// Whether the table names this rule.
    pub stated: bool,
    pub crash: bool,
    /// The row is recorded without a judgement.
    pub info: bool,
}

/// What became of one fault.
#[derive(Clone, Debug)]
pub struct Trial {
    pub row: Rc<Mutant>,
    /// Failures, those for a stated reason first.
    pub kills: Vec<Kill>,
    /// Cases that were played against it.
    pub played: BTreeSet<String>,
    /// Cases that could not be decided, since sio-bench was late.
    pub undecided: BTreeSet<String>,
    pub took: Duration,
    /// Why the server could not be tried.
    pub problem: Option<String>,
    /// It was not tried, since something is missing here, which `problem` names.
    pub skipped: bool,
}

/// The verdict on a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Noticed, for a reason that the table names.
    Killed,
    /// Seen, in rows that are recorded without a judgement.
    Remarked,
    /// Cases fail, none of them for a stated reason.
    WrongReason,
    /// Nothing fails.
    Survived,
    /// Nothing can fail: nobody promises otherwise.
    Equivalent,
    /// It was not tried here.
    Skipped,
}

impl Fate {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Killed => "KILLED",
            Self::Remarked => "REMARKED",
            Self::WrongReason => "WRONG REASON",
            Self::Survived => "SURVIVED",
            Self::Equivalent => "EQUIVALENT",
            Self::Skipped => "SKIPPED",
        }
    }
}

impl Trial {
    /// Nothing has been played yet.
    fn of(row: Rc<Mutant>) -> Self {
        Self {
            row,
            kills: Vec::new(),
            played: BTreeSet::new(),
            undecided: BTreeSet::new(),
            took: Duration::ZERO,
            problem: None,
            skipped: false,
        }
    }

    /// It cannot be tried here.
    pub fn skipped(row: Rc<Mutant>, why: &str) -> Self {
        Self { problem: Some(why.to_owned()), skipped: true, ..Self::of(row) }
    }

    /// Whether a row that the table names itself is among the failures.
    pub fn is_exact(&self) -> bool {
        self.kills.iter().any(|kill| !kill.info && self.row.names(&kill.rule))
    }

    /// What the trial comes to.
    pub fn fate(&self) -> Fate {
        match (self.row.is_equivalent(), self.kills.first()) {
            _ if self.skipped => Fate::Skipped,
            (true, _) => Fate::Equivalent,
            (false, Some(kill)) if kill.stated && !kill.info => Fate::Killed,
            (false, Some(kill)) if kill.stated => Fate::Remarked,
            (false, Some(_)) => Fate::WrongReason,
            (false, None) => Fate::Survived,
        }
    }
}

/// Plays faults against a suite.
pub struct Trials<'a> {
    pub suite: &'a Suite,
    pub register: &'a Register,
    /// The server without a fault.
    pub prepared: Prepared,
    /// What is known of it.
    pub deviations: Deviations,
    pub folder: &'a Path,
    /// The whole suite for every fault, instead of stopping at the first kill.
    pub matrix: bool,
    /// How long random programs are tried on a fault that the cases have not noticed, or on each with `matrix`.
    pub exploring: Duration,
    /// How cases come out without any fault.
    pub clean: RefCell<Clean>,
    pub today: jiff::civil::Date,
}

/// How cases come out on the server without a fault.
#[derive(Default)]
pub struct Clean {
    /// They pass, so that their failure says something.
    passed: BTreeSet<String>,
    /// They do not, and therefore say nothing.
    other: BTreeSet<String>,
}

impl Trials<'_> {
    /// Plays cases on the clean server; returns what is red there, also when it is played again by itself.
    pub async fn play_clean(&self, suite: &Suite, jobs: usize) -> Result<Vec<CaseResult>, target::Error> {
        let results = self.results(suite, jobs).await?;
        let doubtful = |result: &&CaseResult| result.verdict.is_red() || result.verdict == CaseVerdict::Inconclusive;
        let ids = results.iter().filter(doubtful).map(|result| result.id.clone()).collect();
        let again = self.suite.of_ids(&ids);
        let mut all: Vec<_> =
            results.into_iter().filter(|result| result.scenario == OWN || !ids.contains(&result.id)).collect();
        if !again.picks.is_empty() {
            all.extend(self.results(&again, 1).await?);
        }
        let mut clean = self.clean.borrow_mut();
        for result in &all {
            let passed = matches!(result.verdict, CaseVerdict::Pass | CaseVerdict::Skip);
            if passed { &mut clean.passed } else { &mut clean.other }.insert(result.id.clone());
        }
        all.retain(|result| result.verdict.is_red());
        Ok(all)
    }

    async fn results(&self, suite: &Suite, jobs: usize) -> Result<Vec<CaseResult>, target::Error> {
        let mut heard = Heard::default();
        let settings = Settings { jobs, ..self.settings("clean") };
        run::run(suite, self.register, &self.prepared, &settings, &mut heard).await?;
        Ok(heard.results)
    }

    /// The rows that these faults name.
    pub fn named(&self, mutants: &[Rc<Mutant>]) -> Suite {
        self.suite.of_rows(|rule| mutants.iter().any(|row| row.names(rule)))
    }

    /// The server with a fault.
    fn faulty(&self, row: &Mutant) -> Prepared {
        self.prepared.clone().with_env("SIO_FAULT", &row.id)
    }

    /// Which of these failures do not happen without the fault; cases of which that is unknown are played.
    async fn by_the_fault(&self, failed: &BTreeSet<String>) -> Result<BTreeSet<String>, target::Error> {
        let unknown = |id: &&String| {
            let clean = self.clean.borrow();
            !clean.passed.contains(*id) && !clean.other.contains(*id)
        };
        let unknown = self.suite.of_ids(&failed.iter().filter(unknown).cloned().collect());
        if !unknown.picks.is_empty() {
            self.play_clean(&unknown, JOBS).await?;
        }
        let clean = self.clean.borrow();
        Ok(failed.iter().filter(|id| !clean.other.contains(*id)).cloned().collect())
    }

    /// One fault: the cases that the table names, random programs and a load if it names an invariant, and then, to tell a
    /// fault that is noticed elsewhere from one that is not noticed at all, the rest.
    pub async fn fault(&self, row: Rc<Mutant>) -> Trial {
        let started = clock::now();
        let mut trial = Trial::of(Rc::clone(&row));
        // A folder that cannot be made is reported by whoever writes into it.
        let _ = std::fs::create_dir_all(self.folder.join(&row.id));
        let (first, others) = self.rounds(&row);
        self.play(&mut trial, &first).await;
        let by_invariant = row.noticed.iter().any(|rule| is_invariant(rule));
        let explores = by_invariant && (self.matrix || trial.fate() != Fate::Killed);
        if explores && let Err(problem) = self.explore(&mut trial).await {
            trial.problem = Some(problem.to_string());
        }
        if by_invariant
            && trial.fate() != Fate::Killed
            && let Err(problem) = self.load(&mut trial).await
        {
            trial.problem = Some(problem);
        }
        for suite in others {
            if trial.fate() != Fate::Killed {
                self.play(&mut trial, &suite).await;
            }
        }
        trial.took = started.elapsed();
        trial
    }

    /// Plays what was not played yet; what could not be decided because sio-bench was late is played again, one at a time.
    async fn play(&self, trial: &mut Trial, suite: &Suite) {
        let suite = suite.without(&trial.played);
        if let Err(problem) = self.round(trial, &suite, JOBS).await {
            trial.problem = Some(problem.to_string());
        }
        let late = std::mem::take(&mut trial.undecided);
        let again = suite.of_ids(&late);
        if trial.fate() != Fate::Killed
            && let Err(problem) = self.round(trial, &again, 1).await
        {
            trial.problem = Some(problem.to_string());
        }
    }

    /// What is played first, and what then.
    fn rounds(&self, row: &Mutant) -> (Suite, Vec<Suite>) {
        let all = self.suite.of_rows(|_| true);
        if self.matrix {
            return (all, Vec::new());
        }
        let named = self.suite.of_rows(|rule| row.names(rule));
        let near = self.suite.of_rows(|rule| row.layer.rows().iter().any(|area| rule.starts_with(area)));
        (named, vec![near, all])
    }

    async fn round(&self, trial: &mut Trial, suite: &Suite, jobs: usize) -> Result<(), target::Error> {
        if suite.picks.is_empty() {
            return Ok(());
        }
        let prepared = self.faulty(&trial.row);
        let wanted = (!self.matrix).then(|| Rc::clone(&trial.row));
        let mut heard = Heard { wanted, ..Heard::default() };
        let noticed = heard.noticed.clone();
        let settings = Settings { jobs, ..self.settings(&trial.row.id) };
        // One good reason is enough; the servers go with their handles.
        tokio::select! {
            played = run::run(suite, self.register, &prepared, &settings, &mut heard) => played?,
            () = noticed.notified() => {}
        }
        let failed =
            |result: &&CaseResult| matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash | CaseVerdict::Info);
        let failed = heard.results.iter().filter(failed).map(|result| result.id.clone()).collect();
        let failed = self.by_the_fault(&failed).await?;
        for result in heard.results {
            if failed.contains(&result.id) {
                let rule = result.requirement.clone().unwrap_or_default();
                let stated = trial.row.explains(&rule);
                let crash = result.verdict == CaseVerdict::Crash;
                let info = result.class == Some(Class::Info);
                trial.kills.push(Kill { case: result.id.clone(), rule, stated, crash, info });
            }
            if result.verdict == CaseVerdict::Inconclusive {
                trial.undecided.insert(result.id.clone());
            }
            trial.played.insert(result.id);
        }
        let row = Rc::clone(&trial.row);
        trial.kills.sort_by_key(|kill| (!kill.stated, kill.info, row.place_of(&kill.rule)));
        Ok(())
    }

    /// Random programs, judged by the oracle; the first violation ends it.
    async fn explore(&self, trial: &mut Trial) -> Result<(), target::Error> {
        let prepared = self.faulty(&trial.row);
        let recovery = !prepared.lacks().contains_key("recovery");
        let env = recovery.then(|| ("SIO_RECOVERY".to_owned(), "10000".to_owned())).into_iter().collect();
        let stderr = self.folder.join(&trial.row.id).join("explore.stderr");
        let launch = Launch { journal: true, stderr, program: None, env, trust: false, manner: Arc::default() };
        let target = prepared.start(None, &launch).await?;
        let stage = Stage {
            endpoint: target.endpoint,
            peers: Vec::new(),
            http: target.http,
            in_order: prepared.is_in_order(),
            own_rooms: !prepared.lacks().contains_key("own_room"),
            pid: target.info.pid,
            journal: Arc::default(),
            known: self.known(),
        };
        let hunt = Hunt {
            seed: 1,
            time: self.exploring,
            budget: u64::MAX,
            shape: Shape { recovery, process: true },
            shrinking: Duration::ZERO,
            failures: usize::MAX,
        };
        let mut found = Found::default();
        let noticed = found.noticed.clone();
        found.wanted = Some(Rc::clone(&trial.row));
        tokio::select! {
            _ = explore::hunt(&hunt, &stage, &mut found) => {}
            () = noticed.notified() => {}
        }
        for (rule, info) in found.rules {
            let stated = trial.row.explains(&rule);
            trial.kills.push(Kill { case: "explore".to_owned(), rule, stated, crash: false, info });
        }
        trial.kills.sort_by_key(|kill| (!kill.stated, kill.info));
        if let Some(child) = target.child {
            child.stop().await;
        }
        Ok(())
    }

    /// What random programs are known to find.
    fn known(&self) -> Arc<[Known]> {
        self.deviations.explore.iter().filter(|entry| !entry.is_over(self.today)).cloned().collect()
    }

    fn settings(&self, name: &str) -> Settings {
        Settings {
            path: None,
            manner: Arc::default(),
            jobs: JOBS,
            delay: Duration::ZERO,
            folder: self.folder.join(name),
            deviations: self.deviations.clone(),
            today: self.today,
        }
    }
}

/// `I6`, `I5b`.
fn is_invariant(rule: &str) -> bool {
    rule.strip_prefix('I').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What random programs have found.
#[derive(Default)]
struct Found {
    /// With whether they only remark.
    rules: BTreeSet<(String, bool)>,
    wanted: Option<Rc<Mutant>>,
    noticed: Rc<Notify>,
}

impl Progress for Found {
    fn played(&mut self, outcome: &Outcome, _statistics: &Statistics) {
        self.hear(&outcome.findings.remarks, true);
    }

    fn found(&mut self, outcome: &Outcome) {
        self.hear(&outcome.findings.violations, false);
    }

    fn failure(&mut self, _failure: Failure) {}
}

impl Found {
    fn hear(&mut self, violations: &[Violation], info: bool) {
        for violation in violations {
            let rule = violation.invariant.id();
            self.rules.insert((rule.to_owned(), info));
            if self.wanted.as_ref().is_some_and(|row| row.explains(rule)) {
                self.noticed.notify_one();
            }
        }
    }
}

/// What was heard.
#[derive(Default)]
struct Heard {
    results: Vec<CaseResult>,
    /// The fault whose first kill is waited for.
    wanted: Option<Rc<Mutant>>,
    noticed: Rc<Notify>,
}

impl Listener for Heard {
    fn target(&mut self, _info: &TargetInfo, _capabilities: &[CapabilityResult]) {}

    fn case(&mut self, result: CaseResult) {
        let kills = |row: &Rc<Mutant>| result.requirement.as_ref().is_some_and(|rule| row.explains(rule));
        let red = matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash);
        if red && self.wanted.as_ref().is_some_and(kills) {
            self.noticed.notify_one();
        }
        self.results.push(result);
    }
}
