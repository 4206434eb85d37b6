//! Playing a suite: in parallel, with replays where sio-bench was late and restarts where the target died.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use indexmap::IndexMap;
use tokio::sync::Semaphore;

use super::answers;
use super::capabilities::{Capabilities, option_name};
use super::deviations::Deviations;
use super::ending::{Ending, processes};
use super::fixture::Signs;
use super::managed_target::{ManagedTarget, SHOWN};
use super::register::Register;
use super::revision;
use super::scheduling_delay::{Lag, TOO_LATE};
use super::select::Suite;
use super::starved::{Starved, Waits, Watched};
use super::timers;
use crate::client::ConnectOptions;
use crate::clock;
use crate::play::{self, Played, Stage};
use crate::record::{CapabilityResult, CaseResult, CaseVerdict, Failure, TargetInfo};
use crate::scenario::model::{Case, Class, Options, Origin};
use crate::target::{self, Prepared};

/// How often a case is played again, beside others, when something else than the target may have decided it.
const REPLAYS: u32 = 4;
/// And how often after that, while nothing else is played, if a busy machine may have decided it.
const ALONE: u32 = 8;
/// A case that takes so long is played again once, whatever may have decided it.
const LONG: Duration = Duration::from_secs(20);
/// For how long cases are played so, all together: a target that is wrong everywhere, on a machine that is always busy, must not
/// take hours.
const ALONE_IN_ALL: Duration = Duration::from_mins(2);
/// What part of a case's own time sio-bench must have been late for, so that it may have decided the case.
const LATE_SHARE: u32 = 20;
/// A dying process resets its connections before it can be seen to have ended. That long a failure is held back.
const LAST_BREATH: Duration = Duration::from_millis(150);
/// How often a target is started again before its suite is given up.
const RESTARTS: u32 = 30;

/// How a suite is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Path of the engine on the target.
    pub path: Option<String>,
    /// How it is talked to.
    pub manner: Arc<ConnectOptions>,
    /// Cases at a time, over all sets of options.
    pub jobs: usize,
    /// Added to every client's path, in each direction.
    pub delay: Duration,
    /// Where the targets' standard errors go.
    pub folder: PathBuf,
    pub deviations: Deviations,
    pub today: jiff::civil::Date,
}

/// What is heard while a suite is played.
pub trait Listener {
    /// The target answers; nothing has been played yet.
    fn target(&mut self, info: &TargetInfo, capabilities: &[CapabilityResult]);
    /// A case has its verdict.
    fn case(&mut self, result: CaseResult);
}

/// Plays every picked case. The error says why nothing could be played.
pub async fn run(
    suite: &Suite,
    register: &Register,
    prepared: &Prepared,
    settings: &Settings,
    listener: &mut dyn Listener,
) -> Result<(), target::Error> {
    let lag = Lag::default();
    let permits = Semaphore::new(settings.jobs.max(1));
    let starts = Semaphore::new(2);
    let runner = Runner {
        suite,
        register,
        prepared,
        settings,
        lag: lag.clone(),
        permits,
        starts,
        listener: RefCell::new(listener),
        application: Cell::new(None),
        alone: Cell::new(ALONE_IN_ALL),
    };
    tokio::select! {
        outcome = runner.run() => outcome,
        () = lag.watch() => Ok(()),
    }
}

type Pick = (usize, usize);

struct Runner<'a> {
    suite: &'a Suite,
    register: &'a Register,
    prepared: &'a Prepared,
    settings: &'a Settings,
    lag: Lag,
    permits: Semaphore,
    /// Targets that start at the same time; more would only be in each other's way.
    starts: Semaphore,
    listener: RefCell<&'a mut dyn Listener>,
    /// Whether there is a fence, and the fixture, once that is known; it is so on every target of the suite.
    application: Cell<Option<(bool, bool)>>,
    /// For how long cases may still be played while nothing else is.
    alone: Cell<Duration>,
}

/// What was known when a case began.
struct Before {
    at: Instant,
    /// How long the target's threads had waited for a core.
    waits: Waits,
    /// How late sio-bench had been in all.
    late: Duration,
}

/// Cases that share a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Group {
    options: Options,
    exclusive: bool,
}

impl<'a> Runner<'a> {
    async fn run(&self) -> Result<(), target::Error> {
        let mut first = self.stand(&Options::default(), "target").await?;
        let managed = self.prepared.is_managed();
        let info = self.look(&mut first).await?;
        let (fixture, fence) = (first.stage().fixture, first.stage().fence);
        let mut capabilities =
            Capabilities::declared(self.prepared.lacks(), fixture, managed).of_nodes(first.stage().nodes());
        capabilities.can_end = self.prepared.is_one_server();
        let mut probed = Vec::new();
        // Probes rest on acknowledgements; without them the target has what it says it has.
        if fixture && fence && !self.prepared.is_old() {
            probed = capabilities.probe(&first.stage()).await.map_err(target::Error::Unreachable)?;
        }
        self.listener.borrow_mut().target(&info, &probed);
        if fixture && !fence && managed {
            self.judge(unkept("acknowledgements", "the fixture runs, and acknowledges nothing"));
        }
        for name in capabilities.undeclared().iter().filter(|name| self.suite.needs(name)) {
            self.judge(unkept(name, &capabilities.broken_promise(name)));
        }

        let mut groups: IndexMap<Group, Vec<Pick>> = IndexMap::new();
        let mut endings: IndexMap<&Options, Vec<Pick>> = IndexMap::new();
        for pick in &self.suite.picks {
            let (loaded, case) = self.suite.case(*pick);
            let other = self.prepared.is_old() && !revision::is_of_3(loaded, case);
            if let Some(reason) = other.then(|| revision::LEFT_OUT.to_owned()).or_else(|| capabilities.refuse(case)) {
                let skipped =
                    CaseResult { verdict: CaseVerdict::Skip, reason: Some(reason), ..play::blank(loaded, case) };
                self.judge(skipped);
                continue;
            }
            let unseen = (fixture && !fence).then(|| answers::undecided(case, &loaded.scenario.actions)).flatten();
            if let Some(reason) = unseen {
                let undecided = CaseResult {
                    verdict: CaseVerdict::Inconclusive,
                    reason: Some(reason),
                    ..play::blank(loaded, case)
                };
                self.judge(undecided);
                continue;
            }
            if case.ends_target() {
                endings.entry(&case.options).or_default().push(*pick);
                continue;
            }
            let group = Group { options: case.options.clone(), exclusive: case.exclusive };
            groups.entry(group).or_default().push(*pick);
        }
        let plain = groups.shift_remove(&Group { options: Options::default(), exclusive: false }).unwrap_or_default();
        let alone = groups.shift_remove(&Group { options: Options::default(), exclusive: true }).unwrap_or_default();
        let others: FuturesUnordered<_> =
            groups.into_iter().enumerate().map(|(number, (group, picks))| self.group(number, group, picks)).collect();
        let main = async {
            // Ahead of all others: a case may leave a session behind, which lives until its ping is not answered.
            self.play_all(&mut first, alone, 1).await;
            self.play_all(&mut first, plain, self.settings.jobs).await;
            first.stop().await;
        };
        tokio::join!(main, others.collect::<()>());
        for (number, (options, picks)) in endings.into_iter().enumerate() {
            self.endings(number, options, picks).await;
        }
        Ok(())
    }

    /// Finds out what runs on the target; what decided is among the remarks.
    async fn look(&self, first: &mut ManagedTarget<'a>) -> Result<TargetInfo, target::Error> {
        let mut info = first.info().clone();
        if self.prepared.is_old() {
            let fixture = revision::runs_fixture(&first.stage()).await.map_err(target::Error::Unreachable)?;
            (info.fence, info.fixture) = (fixture, Some(fixture));
            self.application.set(Some((fixture, fixture)));
            first.knows(fixture, fixture);
            return Ok(info);
        }
        let signs = Signs::look(&first.stage()).await.map_err(target::Error::Unreachable)?;
        info.fence = signs.fence();
        info.fixture = Some(signs.fixture());
        info.remarks.extend(signs.remarks());
        self.application.set(Some((signs.fence(), signs.fixture())));
        first.knows(signs.fence(), signs.fixture());
        Ok(info)
    }

    async fn stand(&self, options: &Options, name: &str) -> Result<ManagedTarget<'a>, target::Error> {
        let stderr = self.settings.folder.join(format!("{name}.stderr"));
        // A folder that cannot be made is reported by whoever writes into it.
        let _ = std::fs::create_dir_all(&self.settings.folder);
        let path = self.settings.path.as_deref();
        let mut stand = ManagedTarget::start(self.prepared, path, options, stderr, self.settings).await?;
        if let Some((fence, fixture)) = self.application.get() {
            stand.knows(fence, fixture);
        }
        Ok(stand)
    }

    /// Plays the cases of one set of options on a target of their own.
    async fn group(&self, number: usize, group: Group, picks: Vec<Pick>) {
        let started = {
            let _turn = self.starts.acquire().await;
            self.stand(&group.options, &format!("target-{}", number + 1)).await
        };
        match started {
            Ok(mut stand) => {
                let at_once = if group.exclusive { 1 } else { self.settings.jobs };
                self.play_all(&mut stand, picks, at_once).await;
                stand.stop().await;
            }
            Err(error) => self.did_not_start(picks, &group.options, &error),
        }
    }

    fn did_not_start(&self, picks: Vec<Pick>, options: &Options, error: &target::Error) {
        let why = format!("the target did not start with {options}: {error}");
        self.give_up(picks, &(why + &self.undeclared(options)));
    }

    /// Plays cases that end their target, one after the other, each on a fresh one.
    async fn endings(&self, number: usize, options: &Options, picks: Vec<Pick>) {
        let name = format!("target-that-ends-{}", number + 1);
        let application = self.application.get();
        let ending = match Ending::start(self.prepared, options, &name, application, self.settings).await {
            Ok(ending) => ending,
            Err(error) => return self.did_not_start(picks, options, &error),
        };
        let unknown = Rc::new(Watched::groups(&[]));
        for pick in picks {
            let (_, result) = self.play(pick, Rc::clone(&ending.stage), Rc::clone(&unknown)).await;
            let (loaded, case) = self.suite.case(pick);
            let failed = matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Error);
            let stderr = if failed { ending.stderr(SHOWN) } else { None };
            match ending.helm.died().await.filter(|_| failed) {
                Some(status) => self.judge(crashed(result, status, stderr, &loaded.place(case.span.start))),
                None => self.judge(CaseResult { stderr, ..result }),
            }
        }
        ending.helm.stop().await;
    }

    /// How a target says that it has no such options, if it is one of ours to mend.
    fn undeclared(&self, options: &Options) -> String {
        if self.prepared.folder().is_none() {
            return String::new();
        }
        let names: Vec<_> = options.0.keys().map(|variable| option_name(variable)).collect();
        let name = self.prepared.name();
        format!(
            "\n  if it has no such option, declare it in [lacks] of {name}'s target.toml: {} = \"why\"",
            names.join(" or ")
        )
    }

    fn give_up(&self, picks: impl IntoIterator<Item = Pick>, why: &str) {
        for pick in picks {
            let (loaded, case) = self.suite.case(pick);
            let place = loaded.place(case.span.start);
            let failure = Failure { message: why.to_owned(), place, step: String::new(), late: false };
            let result =
                CaseResult { verdict: CaseVerdict::Error, failure: Some(failure), ..play::blank(loaded, case) };
            self.judge(result);
        }
    }

    /// Plays cases side by side. When the target dies, those that were on it are played again one by one, on a
    /// fresh target, to find the one it died of.
    async fn play_all(&self, stand: &mut ManagedTarget<'a>, picks: Vec<Pick>, at_once: usize) {
        let mut queue = VecDeque::from(picks);
        let mut restarts = 0;
        while !queue.is_empty() {
            let stage = stand.stage();
            let written = stand.stderr_len();
            let mut flying = FuturesUnordered::new();
            // With where the target's standard error was when the case began.
            let mut aboard: BTreeMap<Pick, u64> = BTreeMap::new();
            let mut held: VecDeque<(Instant, Pick, CaseResult)> = VecDeque::new();
            let death = loop {
                while flying.len() < at_once
                    && let Some(pick) = queue.pop_front()
                {
                    aboard.insert(pick, stand.stderr_len());
                    flying.push(self.play(pick, Rc::clone(&stage), stand.watched()));
                }
                if flying.is_empty() && held.is_empty() {
                    break None;
                }
                let due = held.front().map(|(due, ..)| *due);
                tokio::select! {
                    biased;
                    status = stand.died() => break Some(status),
                    () = until(due) => if let Some((_, pick, result)) = held.pop_front() {
                        let began = aboard.remove(&pick).unwrap_or(written);
                        let stderr = stand.stderr_since(began).map(|text| beside(&text, aboard.len()));
                        self.judge(stand.without_broker(CaseResult { stderr, ..result }));
                    },
                    Some((pick, result)) = flying.next(), if !flying.is_empty() => {
                        if matches!(result.verdict, CaseVerdict::Fail | CaseVerdict::Error) {
                            held.push_back((clock::now() + LAST_BREATH, pick, result));
                        } else {
                            aboard.remove(&pick);
                            self.judge(result);
                        }
                    }
                }
            };
            drop(flying);
            let Some(status) = death else { continue };
            let suspects: Vec<_> = aboard.into_keys().collect();
            restarts += 1;
            let found = self.play_suspects(stand, suspects, &mut restarts).await;
            if restarts > RESTARTS {
                let why = format!("the target died {restarts} times; it was not started again");
                self.give_up(queue.drain(..), &why);
                return;
            }
            if !found {
                self.unexplained(status, stand.stderr_since(written));
            }
        }
    }

    /// Plays cases one at a time; returns whether the target died of one of them.
    async fn play_suspects(&self, stand: &mut ManagedTarget<'a>, suspects: Vec<Pick>, restarts: &mut u32) -> bool {
        let mut found = false;
        let mut dead = true;
        for (index, pick) in suspects.iter().enumerate() {
            if dead && let Err(error) = stand.restart().await {
                self.give_up(
                    suspects[index..].iter().copied(),
                    &format!("the target could not be started again: {error}"),
                );
                *restarts = RESTARTS + 1;
                return found;
            }
            dead = false;
            let written = stand.stderr_len();
            let (stage, watched) = (stand.stage(), stand.watched());
            let played = tokio::select! {
                biased;
                status = stand.died() => Err(status),
                (_, result) = self.play(*pick, stage, watched) => Ok(result),
            };
            let failed = matches!(&played, Ok(result) if result.verdict != CaseVerdict::Pass);
            let status = match &played {
                Err(status) => Some(*status),
                Ok(_) if failed => tokio::time::timeout(LAST_BREATH, stand.died()).await.ok(),
                Ok(_) => None,
            };
            let stderr = stand.stderr_since(written);
            let (loaded, case) = self.suite.case(*pick);
            match (status, played) {
                (Some(status), played) => {
                    (dead, found) = (true, true);
                    *restarts += 1;
                    let blank = played.unwrap_or_else(|_| play::blank(loaded, case));
                    self.judge(crashed(blank, status, stderr, &loaded.place(case.span.start)));
                }
                (None, Ok(result)) => self.judge(CaseResult { stderr: stderr.filter(|_| failed), ..result }),
                (None, Err(_)) => {}
            }
        }
        if dead && stand.restart().await.is_err() {
            *restarts = RESTARTS + 1;
        }
        found
    }

    /// The target died, and no case alone makes it do so again.
    fn unexplained(&self, status: ExitStatus, stderr: Option<String>) {
        let Some(pick) = self.suite.picks.first() else { return };
        let (loaded, case) = self.suite.case(*pick);
        let result = CaseResult {
            id: "target/stays-alive".to_owned(),
            scenario: "target".to_owned(),
            title: "the target stays alive while cases are played side by side".to_owned(),
            requirement: None,
            class: Some(Class::Must),
            ..play::blank(loaded, case)
        };
        self.judge(crashed(result, status, stderr, ""));
    }

    /// One case, and again while something else than the target may have decided it.
    async fn play(&self, pick: Pick, stage: Rc<Stage>, watched: Rc<Watched>) -> (Pick, CaseResult) {
        let (loaded, case) = self.suite.case(pick);
        // Closed only when everything is over.
        let mut permit = self.permits.acquire().await;
        let mut tries = 0;
        loop {
            if let Some(helm) = &stage.helm
                && let Err(error) = helm.fresh().await
            {
                let message = format!("the target could not be started again: {error}");
                let failure =
                    Failure { message, place: loaded.place(case.span.start), step: String::new(), late: false };
                let blank = play::blank(loaded, case);
                return (pick, CaseResult { verdict: CaseVerdict::Error, failure: Some(failure), ..blank });
            }
            let watched = processes(&stage, &watched).await;
            let before = Before { at: clock::now(), waits: watched.waits(), late: self.lag.whole() };
            let played = play::attempt(loaded, case, &stage).await;
            let watched = processes(&stage, &watched).await;
            let Some(doubt) = self.doubt(&played, case, &before, &watched) else { return (pick, played.result) };
            let about_time = limit(&played, case).is_some();
            tries += 1;
            if tries > REPLAYS + 1 {
                self.alone.set(self.alone.get().saturating_sub(before.at.elapsed()));
            }
            let is_long = before.at.elapsed() >= LONG;
            if tries <= if is_long { 1 } else { REPLAYS } {
                continue;
            }
            // On a busy machine the cases beside it may be what keeps it from being decided.
            let may_be_alone = about_time && !is_long && doubt.is_of_the_machine() && !self.alone.get().is_zero();
            if tries > REPLAYS + ALONE || !may_be_alone {
                let mut result = played.result;
                if let Some(why) = doubt.reason(about_time, tries) {
                    (result.verdict, result.reason) = (CaseVerdict::Inconclusive, Some(why));
                }
                return (pick, result);
            }
            if tries == REPLAYS + 1 {
                drop(permit);
                permit = self.permits.acquire_many(self.settings.jobs.max(1) as u32).await;
            }
        }
    }

    /// What else than the target may have decided a failure that is not known already.
    fn doubt(&self, played: &Played, case: &Case, before: &Before, watched: &Watched) -> Option<Doubt> {
        let result = &played.result;
        let judged = self.class_of(result).0 != Some(Class::Info);
        let known = || self.settings.deviations.know(result, self.settings.today);
        if result.verdict != CaseVerdict::Fail || !judged || known() {
            return None;
        }
        if let Some(why) = &played.disturbed {
            return Some(Doubt::Disturbed(why.clone()));
        }
        let late = self.lag.worst_since(before.at);
        // A few milliseconds do not decide about a deadline of seconds.
        if late >= TOO_LATE.max(before.at.elapsed() / LATE_SHARE) {
            return Some(Doubt::Late(late));
        }
        let limit = limit(played, case)?;
        // It costs whoever has to wait, which is what a missed deadline says; a timer is not waited for by sio-bench.
        let waits = played.deadline.is_some();
        let own = if waits { self.lag.whole().saturating_sub(before.late) } else { Duration::ZERO };
        watched.excuse(&before.waits, own, limit).map(|starved| Doubt::Starved(starved, limit))
    }

    /// How serious it is and where it comes from, by the case or by its row.
    fn class_of(&self, result: &CaseResult) -> (Option<Class>, Option<Origin>) {
        let rule = result.requirement.as_ref().and_then(|rule| self.register.requirements.get(rule));
        (result.class.or(rule.map(|rule| rule.class)), result.origin.or(rule.map(|rule| rule.origin)))
    }

    /// Gives a result its verdict and tells it.
    fn judge(&self, mut result: CaseResult) {
        (result.class, result.origin) = self.class_of(&result);
        if result.class == Some(Class::Info) && result.verdict == CaseVerdict::Fail {
            result.verdict = CaseVerdict::Info;
        }
        self.settings.deviations.apply(&mut result, self.settings.today);
        tracing::debug!(case = result.id, verdict = ?result.verdict, "a case is decided");
        self.listener.borrow_mut().case(result);
    }
}

/// What a target wrote while a case was played; whose words they are is not known for sure when others were under way.
fn beside(text: &str, others: usize) -> String {
    match others {
        0 => text.to_owned(),
        1 => format!("(another case was under way)\n{text}"),
        many => format!("({many} other cases were under way)\n{text}"),
    }
}

/// What else than the target may have decided a case.
#[derive(Debug)]
enum Doubt {
    /// sio-bench was so late.
    Late(Duration),
    /// The target had no core while a deadline ran.
    Starved(Starved, Duration),
    /// Something came in between.
    Disturbed(String),
}

impl Doubt {
    /// Whether it may be another matter when nothing else is played; what came in between comes again.
    fn is_of_the_machine(&self) -> bool {
        match self {
            Self::Late(_) | Self::Starved(Starved::Waited(_) | Starved::Both(_), _) => true,
            Self::Starved(Starved::Stopped, _) | Self::Disturbed(_) => false,
        }
    }

    /// Why a case is not decided after so many tries; `None` if it is, since it is not about time.
    fn reason(&self, about_time: bool, tries: u32) -> Option<String> {
        Some(match self {
            Self::Late(_) if !about_time => return None,
            Self::Late(by) => format!("sio-bench was up to {by:?} late, {tries} times in a row"),
            Self::Starved(Starved::Waited(waited), deadline) => format!(
                "the target was starved, {tries} times in a row: it waited {waited:?} for a core while it had {deadline:?}"
            ),
            Self::Starved(Starved::Both(kept), deadline) => format!(
                "the machine was busy, {tries} times in a row: the target and sio-bench were kept from their work for {kept:?} while \
                 there were {deadline:?}"
            ),
            Self::Starved(Starved::Stopped, _) => "the target was stopped by a signal while a deadline ran".to_owned(),
            Self::Disturbed(why) => format!("{why}, {tries} times in a row"),
        })
    }
}

/// What a case leaves the target to be late by: the deadline that was missed, or the shortest of the timers that the target was
/// started with or that the case has asked it for, since what came, or did not, may be the work of one of those.
fn limit(played: &Played, case: &Case) -> Option<Duration> {
    shortest(played.deadline, case).into_iter().chain(timers::shortest(&played.result.transcript)).min()
}

fn shortest(deadline: Option<Duration>, case: &Case) -> Option<Duration> {
    let timer = |(name, value): (&&str, &String)| {
        let is_timer = name.ends_with("_TIMEOUT") || name.ends_with("_INTERVAL");
        value.parse().ok().filter(|_| is_timer).map(Duration::from_millis)
    };
    case.options.0.iter().filter_map(timer).chain(deadline).min()
}

/// Where verdicts on the target's own declaration stand.
pub const OWN: &str = "capabilities";

/// What a target has, as it does not say otherwise, and cannot do: no row says so, its own declaration does.
fn unkept(capability: &str, message: &str) -> CaseResult {
    CaseResult {
        id: format!("{OWN}/{capability}"),
        scenario: OWN.to_owned(),
        title: format!("the target has {capability}, or declares that it has not"),
        place: String::new(),
        requirement: None,
        class: Some(Class::Must),
        origin: None,
        verdict: CaseVerdict::Fail,
        millis: 0.0,
        options: String::new(),
        reason: None,
        failure: Some(Failure { message: message.to_owned(), place: String::new(), step: String::new(), late: false }),
        transcript: Vec::new(),
        times: 1,
        stderr: None,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn crashed(result: CaseResult, status: ExitStatus, stderr: Option<String>, place: &str) -> CaseResult {
    let message = format!("the target ended while this was played: {status}");
    let (place, step) = match result.failure {
        Some(failure) => (failure.place, failure.step),
        None => (place.to_owned(), String::new()),
    };
    let failure = Failure { message, place, step, late: false };
    CaseResult { verdict: CaseVerdict::Crash, failure: Some(failure), stderr, ..result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::source::Source;

    #[test]
    fn timers_of_the_target_are_deadlines_too() {
        let case = |options: &str| {
            let text = format!(
                "name = 'x'\n[[case]]\nname = 'y'\nclients = {{ a = {{}} }}\noptions = {{ {options} }}\n\
                 steps = [{{ at = 'a', emit = ['x'] }}]\n"
            );
            let source = Source { name: "x.toml".to_owned(), text };
            crate::scenario::load(source, &[], None).unwrap().scenario.cases.remove(0)
        };
        let millis = |millis| Some(Duration::from_millis(millis));
        let heartbeat = case("ping_interval = '300ms', ping_timeout = '200ms'");
        assert_eq!(shortest(None, &heartbeat), millis(200));
        assert_eq!(shortest(millis(50), &heartbeat), millis(50));
        let other = case("max_payload = '100B', recovery = '10ms'");
        assert_eq!(shortest(None, &other), None);
        assert_eq!(shortest(millis(50), &other), millis(50));
    }

    #[test]
    fn what_is_not_about_time_is_decided_by_a_late_tester_too() {
        let late = Doubt::Late(Duration::from_millis(50));
        assert_eq!(late.reason(false, 5), None);
        assert_eq!(late.reason(true, 5).unwrap(), "sio-bench was up to 50ms late, 5 times in a row");
        let starved = Doubt::Starved(Starved::Waited(Duration::from_millis(600)), Duration::from_secs(1));
        assert!(starved.reason(true, 5).unwrap().contains("waited 600ms for a core while it had 1s"));
    }

    #[test]
    fn only_a_busy_machine_is_another_matter_when_nothing_else_is_played() {
        let second = Duration::from_secs(1);
        for busy in [Doubt::Late(second), Doubt::Starved(Starved::Both(second), second)] {
            assert!(busy.is_of_the_machine(), "{busy:?}");
        }
        for other in [Doubt::Starved(Starved::Stopped, second), Doubt::Disturbed("a ping".to_owned())] {
            assert!(!other.is_of_the_machine(), "{other:?}");
        }
    }
}
