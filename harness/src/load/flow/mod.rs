//! Users that follow a flow: when they come (`arrivals`), and what each of them does (`runner`) with its
//! connection (`connection`) and over HTTP (`http`).

mod arrivals;
mod connection;
mod http;
mod runner;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use sio_oracle::board::Nanos;
use sio_protocol::Value;

pub(super) use self::arrivals::{Iteration, Iterations, expected};
pub(crate) use self::http::Asker;
use self::runner::{FlowRunner, Trouble};
use super::admission::NotIn;
use super::credentials;
use super::local::Local;
use super::metrics::VisitEnd;
use super::random::UserRng;
use crate::client::ConnectOptions;
use crate::load::connect_options;
use crate::load::share::Share;
use crate::scenario::Loaded;
use crate::scenario::model::{ArrivalModel, Flow, FlowAction, FlowStep, HandOut, Transport};
use crate::scenario::template::{Scope, Template};

/// Who has failed, and comes again, waits for so long: a target that refuses is not to be hammered.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What all visitors of a run share.
pub(super) struct FlowConfig {
    journeys: IndexMap<String, Flow>,
    /// What every visitor knows: `[vars]`, and the rows that can be picked from.
    scope: Scope,
    /// What everybody shows at the target.
    shared: connect_options::Shared,
    /// How the rows of each feed are handed out, and how many have been.
    feeds: Vec<(String, HandOut, AtomicU64)>,
    /// The first of the rows that are this process's to hand out, and how far it is to the next.
    turns: (u64, u64),
    /// For each journey, whether some event is answered by a step and not at once.
    replies: Vec<bool>,
}

impl FlowConfig {
    /// Takes the journeys out of a scenario.
    pub(super) fn new(loaded: &Loaded, share: Share) -> Self {
        let scenario = &loaded.scenario;
        let scope = loaded.scope();
        let replies = scenario.journeys.values().map(|journey| {
            let mut replies = false;
            journey.visit(&mut |step| replies |= matches!(step.deed, FlowAction::Expect { reply: Some(_), .. }));
            replies
        });
        Self {
            replies: replies.collect(),
            turns: share.turns(),
            feeds: scenario
                .feeds
                .iter()
                .map(|(name, feed)| (name.clone(), feed.hand_out, handed(loaded, name)))
                .collect(),
            journeys: scenario.journeys.clone(),
            shared: connect_options::Shared::new(loaded),
            scope,
        }
    }

    /// How many follow each journey at a time; `None` where they come at a rate.
    pub(super) fn sizes(&self) -> impl Iterator<Item = Option<u64>> {
        self.journeys.values().map(|journey| match journey.coming {
            ArrivalModel::Closed { count, .. } => Some(u64::from(count)),
            ArrivalModel::Open { .. } => None,
        })
    }

    /// How often each transport is used by a journey's visitors.
    fn transports(&self, journey: usize) -> &[(Transport, u32)] {
        &self.journeys[journey].transport
    }

    /// How somebody talks to the target who is not as everybody is.
    fn manner(&self, usual: &ConnectOptions, scope: &mut Scope) -> Result<Option<Arc<ConnectOptions>>, String> {
        self.shared.for_user(usual, scope)
    }

    /// Whether events that want an answer wait for a step that gives it.
    fn keeps_questions(&self, journey: usize) -> bool {
        self.replies[journey]
    }

    /// What a new visitor knows. The error names a feed that has no row left.
    fn scope(&self, journey: usize, dice: &mut UserRng, visitor: u64) -> Result<Scope, String> {
        let mut scope = self.scope.clone();
        scope.random = dice.number();
        scope.vars.insert("iteration".to_owned(), Value::Number(visitor.into()));
        if self.shared.varies() {
            // The name that [target] has for whoever comes.
            scope.vars.insert("user".to_owned(), Value::Number(visitor.into()));
        }
        let own = &self.journeys[journey].feeds;
        let (first, step) = self.turns;
        let next = |handed: &AtomicU64| (handed.fetch_add(step, Ordering::Relaxed) + first) as usize;
        for (name, hand_out, handed) in self.feeds.iter().filter(|(name, ..)| own.contains(name)) {
            let rows = &self.scope.lists[name];
            let row = match hand_out {
                HandOut::AtRandom => (dice.unit() * rows.len() as f64) as usize % rows.len(),
                HandOut::InTurn => next(handed) % rows.len(),
                HandOut::Once => next(handed),
            };
            let row = rows.get(row).ok_or_else(|| format!("[feeds.{name}] has no row left of {}", rows.len()))?;
            scope.vars.insert(name.clone(), row.clone());
        }
        Ok(scope)
    }
}

/// Rows of a feed that are others', ahead of those who follow a flow.
fn handed(loaded: &Loaded, feed: &str) -> AtomicU64 {
    AtomicU64::new(credentials::rows_before(loaded, feed, usize::MAX) as u64)
}

/// Whether the flows can be followed; the error says which cannot, and why.
pub(super) fn check(loaded: &Loaded) -> Result<(), String> {
    enough_rows(loaded)?;
    for (name, journey) in &loaded.scenario.journeys {
        let mut problem = None;
        journey.visit(&mut |step| {
            if let Err(why) = check_step(step) {
                problem.get_or_insert(format!("[users.{name}] flow, {}: {why}", loaded.place(step.span.start)));
            }
        });
        problem.map_or(Ok(()), Err)?;
    }
    for (name, users) in &loaded.scenario.populations {
        let mut problem = None;
        users.visit_enter(&mut |step| {
            if let Err(why) = check_step(step) {
                problem.get_or_insert(format!("[users.{name}] enter, {}: {why}", loaded.place(step.span.start)));
            }
        });
        problem.map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// Whether feeds whose rows are handed out once have one for everybody.
fn enough_rows(loaded: &Loaded) -> Result<(), String> {
    let scenario = &loaded.scenario;
    for (name, feed) in scenario.feeds.iter().filter(|(_, feed)| feed.hand_out == HandOut::Once) {
        let journeys = scenario.journeys.values().filter(|journey| journey.feeds.contains(name));
        let wanted: f64 = journeys.map(|journey| expected(journey, &scenario.phases)).sum();
        let others = credentials::rows_before(loaded, name, usize::MAX) as f64;
        if wanted > 0.0 && wanted + others > feed.rows.len() as f64 {
            return Err(format!(
                "[feeds.{name}] at {}: about {wanted:.0} iterations begin{}, and there are {} rows, each to be handed out once; \
                 add rows, or say hand_out = \"in turn\"",
                loaded.place(feed.span.start),
                if others > 0.0 { format!(" beside {others:.0} users who stay") } else { String::new() },
                feed.rows.len()
            ));
        }
    }
    Ok(())
}

/// The environment is known before anything is sent.
fn check_step(step: &FlowStep) -> Result<(), String> {
    use crate::scenario::template::Expr;
    let mut missing = None;
    let mut look = |template: &Template| {
        template.visit(&mut |expr| match expr {
            Expr::Env(name) if std::env::var_os(name).is_none() => {
                missing.get_or_insert(format!("the environment variable {name} is not set"));
            }
            Expr::Payload | Expr::Seq => {
                missing.get_or_insert("`payload` and `seq` belong to [traffic]".to_owned());
            }
            _ => {}
        });
    };
    match &step.deed {
        FlowAction::Connect { nsp, auth, query, headers } => {
            look(nsp);
            auth.iter().for_each(&mut look);
            query.iter().chain(headers).for_each(|(_, value)| look(value));
        }
        FlowAction::Emit { args, .. } => args.iter().for_each(&mut look),
        FlowAction::Expect { events, .. } => events.iter().flatten().for_each(&mut look),
        FlowAction::Http { request, .. } => {
            look(&Template::Text(request.path.clone()));
            request.json.iter().for_each(&mut look);
            request.headers.iter().chain(&request.form).for_each(|(_, value)| look(value));
        }
        FlowAction::Disconnect | FlowAction::Drop(_) | FlowAction::Think(_) | FlowAction::Repeat { .. } => {}
    }
    missing.map_or(Ok(()), Err)
}

/// What a user does ahead of its connection; returns what it knows then. The error says which step failed, and why.
pub(super) async fn enter(local: &Local, user: u32, mut known: Scope, steps: &[FlowStep]) -> Result<Scope, NotIn> {
    let dice = UserRng::of(known.draw());
    let number = local.number_of(user).into();
    let mut walk = FlowRunner::new(local, None, number, known, dice, None);
    walk.jar = local.jars.jar(user);
    let (why, unreachable) = match Box::pin(walk.steps_of(steps)).await {
        Ok(()) => return Ok(walk.scope),
        Err(Trouble::Target(why) | Trouble::Own(why)) => (why, false),
        Err(Trouble::Unreachable(why)) => (why, true),
    };
    Err(NotIn { why: format!("enter: {why}"), unreachable })
}

/// The visits of one visitor: one after another if there are to be always so many, or one alone.
pub(super) async fn follow(local: Rc<Local>, visitor: Iteration) {
    let mut number = visitor.number;
    let mut intended = Some(visitor.at as Nanos);
    while !local.is_over() {
        let failed = visit(&local, visitor.journey, number, intended.take()).await;
        let ArrivalModel::Closed { count, .. } = local.guide().journeys[visitor.journey].coming else { break };
        number += u64::from(count);
        // Also when no step of the flow had to wait for anything: others want their turn.
        tokio::task::yield_now().await;
        if failed {
            tokio::select! {
                () = local.over() => {}
                () = tokio::time::sleep(AFTER_FAILURE) => {}
            }
        }
    }
    local.visitor_gone();
}

/// One visit; tells whether it failed.
async fn visit(local: &Local, journey: usize, number: u64, intended: Option<Nanos>) -> bool {
    let group = local.plan.populations.len() + journey;
    local.measurements.borrow_mut().visit_begins(journey, group, local.plan.phase_at(local.now()));
    let mut dice = UserRng::of_visit(local.plan.seed, journey, number);
    let end = match local.guide().scope(journey, &mut dice, number) {
        Err(why) => VisitEnd::Starved(why),
        Ok(scope) => {
            let mut walk = FlowRunner::new(local, Some(journey), number, scope, dice, intended);
            let walked = tokio::select! {
                biased;
                () = local.over() => None,
                walked = walk.steps_of(&local.guide().journeys[journey].steps) => Some(walked),
            };
            let polite = !matches!(walked, Some(Err(_)));
            Box::pin(walk.leave(polite)).await;
            match walked {
                None => VisitEnd::Cut,
                Some(Ok(())) => VisitEnd::Finished,
                Some(Err(Trouble::Target(why))) => VisitEnd::Failed(NotIn { why, unreachable: false }),
                Some(Err(Trouble::Unreachable(why))) => VisitEnd::Failed(NotIn { why, unreachable: true }),
                Some(Err(Trouble::Own(why))) => VisitEnd::Starved(why),
            }
        }
    };
    let failed = matches!(end, VisitEnd::Failed(_) | VisitEnd::Starved(_));
    if matches!(end, VisitEnd::Finished) {
        // A flow may have no connect in it.
        local.arrived(journey, number);
    }
    local.measurements.borrow_mut().visit_ends(journey, group, local.plan.phase_at(local.now()), end);
    failed
}
