//! The suite against a server that does something wrong on purpose: which cases notice, and for which reason.
//!
//! A fault is looked for where its table row says it should be noticed, then in the areas of its layer, then by the
//! whole suite. A case that fails kills it only if the case checks a row that the table names: anything else fails
//! by accident, and would not help anybody to find the bug.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sio_oracle::Violation;
use sio_reference_server::faults::Row;
use tokio::sync::Notify;

use super::register::Register;
use super::run::{self, Listener, OWN, Settings};
use super::select::Suite;
use crate::clock;
use crate::explore::{self, Failure, Hunt, Outcome, Progress, Shape, Stage, Statistics};
use crate::record::{CapabilityResult, CaseResult, CaseVerdict, Entry, TargetInfo};
use crate::scenario::model::Class;
use crate::target::{self, Launch, Prepared};

/// Cases at a time against one faulty server; several are tried at once.
const JOBS: usize = 12;

/// A load that is not ended by then hangs.
const LOAD_LIMIT: Duration = Duration::from_secs(30);
/// Eighty users in two rooms, for two seconds.
const LOAD: &str = r#"
name = "self-test"
seed = 1

[actions]
"join(room)"       = { emit = ["join", "${room}"], ack = true }
"tell(room, what)" = { emit = ["emit", { via = "socket", to = ["${room}"], event = "msg", args = ["${what}"] }] }

[rooms.half]
count = 2
join  = ["join", "${room}"]

[users.people]
count   = 80
connect = "400/s"
in      = { half = 1 }

[traffic.tell]
by       = "people"
rate     = "100/s"
arrivals = "even"
do       = ["tell", "${room}", "${payload}"]
payload  = { size = "64B" }
reaches  = { event = "msg", rooms = ["${room}"], except = "sender" }

[[phase]]
name = "all"
for  = "2s"
"#;

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
    pub row: &'static Row,
    /// Failures, those for a stated reason first.
    pub kills: Vec<Kill>,
    /// Cases that were played against it.
    pub played: BTreeSet<String>,
    /// Cases that could not be decided, since sio-bench was late.
    pub undecided: BTreeSet<String>,
    pub took: Duration,
    /// Why the server could not be tried.
    pub problem: Option<String>,
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
        }
    }
}

impl Trial {
    /// Whether a row that the table names itself is among the failures.
    pub fn is_exact(&self) -> bool {
        self.kills.iter().any(|kill| !kill.info && self.row.names(&kill.rule))
    }

    /// What the trial comes to.
    pub fn fate(&self) -> Fate {
        match (self.row.is_equivalent(), self.kills.first()) {
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
    pub folder: &'a Path,
    /// The whole suite for every fault, instead of stopping at the first kill.
    pub matrix: bool,
    /// How long random programs are tried on a fault that the cases have not noticed, or on each with `matrix`.
    pub exploring: Duration,
    /// Cases that fail without any fault, and therefore say nothing.
    pub baseline: BTreeSet<String>,
    pub today: jiff::civil::Date,
}

impl Trials<'_> {
    /// The clean server: what does not pass there, not even when it is played again by itself.
    pub async fn clean(&self) -> Result<Vec<CaseResult>, target::Error> {
        let failed = self.failures(self.suite, JOBS).await?;
        let ids = failed.iter().map(|result| result.id.clone()).collect();
        let (again, others) = (self.suite.of_ids(&ids), failed.into_iter().filter(|result| result.scenario == OWN));
        let mut failed: Vec<_> = others.collect();
        if !again.picks.is_empty() {
            failed.extend(self.failures(&again, 1).await?);
        }
        Ok(failed)
    }

    async fn failures(&self, suite: &Suite, jobs: usize) -> Result<Vec<CaseResult>, target::Error> {
        let prepared = target::prepare(&target::Choice::Reference).await?;
        let mut heard = Heard::default();
        let settings = Settings { jobs, ..self.settings("clean") };
        run::run(suite, self.register, &prepared, &settings, &mut heard).await?;
        let passed = |result: &CaseResult| matches!(result.verdict, CaseVerdict::Pass | CaseVerdict::Skip);
        Ok(heard.results.into_iter().filter(|result| !passed(result)).collect())
    }

    /// One fault.
    pub async fn fault(&self, row: &'static Row) -> Trial {
        let started = clock::now();
        let mut trial = Trial {
            row,
            kills: Vec::new(),
            played: BTreeSet::new(),
            undecided: BTreeSet::new(),
            took: Duration::ZERO,
            problem: None,
        };
        for suite in self.rounds(row) {
            let suite = suite.without(&trial.played);
            if let Err(problem) = self.round(&mut trial, &suite, JOBS).await {
                trial.problem = Some(problem.to_string());
            }
            // What could not be decided because sio-bench was late is played again, one at a time.
            let late = std::mem::take(&mut trial.undecided);
            let again = suite.of_ids(&late);
            if trial.fate() != Fate::Killed
                && let Err(problem) = self.round(&mut trial, &again, 1).await
            {
                trial.problem = Some(problem.to_string());
            }
            if trial.fate() == Fate::Killed {
                break;
            }
        }
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
        trial.took = started.elapsed();
        trial
    }

    /// What is played, one round after the other.
    fn rounds(&self, row: &'static Row) -> Vec<Suite> {
        let all = self.suite.of_rows(|_| true);
        if self.matrix {
            return vec![all];
        }
        let named = self.suite.of_rows(|rule| row.noticed.contains(&rule));
        let near = self.suite.of_rows(|rule| row.layer.rows().iter().any(|area| rule.starts_with(area)));
        vec![named, near, all]
    }

    async fn round(&self, trial: &mut Trial, suite: &Suite, jobs: usize) -> Result<(), target::Error> {
        if suite.picks.is_empty() {
            return Ok(());
        }
        let prepared: Prepared = target::prepare(&target::Choice::Reference).await?.with_env("SIO_FAULT", trial.row.id);
        let wanted = (!self.matrix).then_some(trial.row);
        let mut heard = Heard { wanted, ..Heard::default() };
        let noticed = heard.noticed.clone();
        let settings = Settings { jobs, ..self.settings(trial.row.id) };
        // One good reason is enough; the servers go with their handles.
        tokio::select! {
            played = run::run(suite, self.register, &prepared, &settings, &mut heard) => played?,
            () = noticed.notified() => {}
        }
        for result in heard.results {
            let failed = matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash | CaseVerdict::Info);
            if failed && !self.baseline.contains(&result.id) {
                let rule = result.rule.clone().unwrap_or_default();
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
        trial.kills.sort_by_key(|kill| {
            (
                !kill.stated,
                kill.info,
                trial.row.noticed.iter().position(|rule| *rule == kill.rule).unwrap_or(usize::MAX),
            )
        });
        Ok(())
    }

    /// Random programs, judged by the oracle; the first violation ends it.
    async fn explore(&self, trial: &mut Trial) -> Result<(), target::Error> {
        let prepared = target::prepare(&target::Choice::Reference).await?.with_env("SIO_FAULT", trial.row.id);
        let env = [("SIO_RECOVERY".to_owned(), "10000".to_owned())].into();
        let stderr = self.folder.join(trial.row.id).join("explore.stderr");
        let launch = Launch { journal: true, stderr, program: None, env, trust: false, manner: Arc::default() };
        let target = prepared.start(None, &launch).await?;
        let stage = Stage {
            endpoint: target.endpoint,
            http: target.http,
            in_order: true,
            own_rooms: true,
            pid: target.info.pid,
            journal: Arc::default(),
            known: Arc::default(),
        };
        let hunt = Hunt {
            seed: 1,
            time: self.exploring,
            budget: u64::MAX,
            shape: Shape { recovery: true, process: true },
            shrinking: Duration::ZERO,
            failures: usize::MAX,
        };
        let mut found = Found::default();
        let noticed = found.noticed.clone();
        found.wanted = Some(trial.row);
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

    /// A short load with more sockets than any case has, by a process of its own: workers are threads.
    async fn load(&self, trial: &mut Trial) -> Result<(), String> {
        let folder = self.folder.join(trial.row.id);
        let scenario = folder.join("load.toml");
        let prepared = target::prepare(&target::Choice::Reference).await.map_err(|error| error.to_string())?;
        let prepared = prepared.with_env("SIO_FAULT", trial.row.id);
        std::fs::write(&scenario, LOAD).map_err(|error| error.to_string())?;
        let stderr = folder.join("load.stderr");
        let launch = Launch {
            journal: false,
            stderr,
            program: None,
            env: BTreeMap::new(),
            trust: false,
            manner: Arc::default(),
        };
        let target = prepared.start(None, &launch).await.map_err(|error| error.to_string())?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let out = folder.join("load");
        let mut command = tokio::process::Command::new(program);
        command.arg("run").arg(&scenario).args(["--target", &target.endpoint.url, "--quiet", "--out"]).arg(&out);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(LOAD_LIMIT, command.status()).await;
        if let Some(child) = target.child {
            child.stop().await;
        }
        ended.map_err(|_| "the load did not end".to_owned())?.map_err(|error| error.to_string())?;
        for entry in crate::record::read(&out)? {
            let Entry::Load(load) = entry else { continue };
            for violation in &load.violations {
                let (case, rule) = (format!("load: {}", violation.measure), violation.invariant.clone());
                let stated = trial.row.explains(&rule);
                trial.kills.push(Kill { case, rule, stated, crash: false, info: false });
            }
        }
        trial.kills.sort_by_key(|kill| (!kill.stated, kill.info));
        Ok(())
    }

    fn settings(&self, name: &str) -> Settings {
        Settings {
            path: None,
            manner: Arc::default(),
            jobs: JOBS,
            delay: Duration::ZERO,
            folder: self.folder.join(name),
            deviations: super::deviations::Deviations::default(),
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
    wanted: Option<&'static Row>,
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
            if self.wanted.is_some_and(|row| row.explains(rule)) {
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
    wanted: Option<&'static Row>,
    noticed: Rc<Notify>,
}

impl Listener for Heard {
    fn target(&mut self, _info: &TargetInfo, _capabilities: &[CapabilityResult]) {}

    fn case(&mut self, result: CaseResult) {
        let kills = |row: &Row| result.rule.as_ref().is_some_and(|rule| row.explains(rule));
        let red = matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Crash);
        if red && self.wanted.is_some_and(kills) {
            self.noticed.notify_one();
        }
        self.results.push(result);
    }
}
