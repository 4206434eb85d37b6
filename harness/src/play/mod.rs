//! Cases: deterministic scripts over named clients.

pub(crate) mod answer;
mod chatter;
mod client;

mod http;
mod journal;
mod order_tracker;
mod packets;
mod player;
mod raw;
mod rows;
mod server;
pub(crate) mod shown;
mod transcript;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(crate) use player::{too_few_nodes, unique};
pub(crate) use transcript::clip;

use crate::client::{Endpoint, Http};
use crate::clock;
use crate::record::{CaseResult, CaseVerdict, Failure};
use crate::scenario::Loaded;
use crate::scenario::model::Case;
use crate::scenario::node::Span;
use crate::target::Helm;

/// What a case needs to know about the target.
#[derive(Clone)]
pub struct Stage {
    pub endpoint: Endpoint,
    /// The other nodes of a fleet.
    pub peers: Vec<Endpoint>,
    pub http: Http,
    /// Whether `message-with-ack` is answered, so that negative checks need no waiting.
    pub fence: bool,
    /// Whether the application there is the fixture. Any other may speak without being asked.
    pub fixture: bool,
    /// Added to the path of every client, in each direction.
    pub delay: Duration,
    /// The number of the last entry of the target's journal that anybody has seen.
    pub journal: Arc<AtomicU64>,
    /// What ends and starts the target, where it is there for one case alone.
    pub helm: Option<Arc<Helm>>,
}

impl Stage {
    /// A target as it is, on the direct path; with a fence, it runs the fixture.
    pub fn new(endpoint: Endpoint, http: Http, fence: bool) -> Self {
        Self {
            endpoint,
            peers: Vec::new(),
            http,
            fence,
            fixture: fence,
            delay: Duration::ZERO,
            journal: Arc::default(),
            helm: None,
        }
    }

    /// How many servers there are.
    pub fn nodes(&self) -> usize {
        1 + self.peers.len()
    }

    /// Where a node is; counted from 0.
    pub fn node(&self, node: usize) -> Option<&Endpoint> {
        node.checked_sub(1).map_or(Some(&self.endpoint), |peer| self.peers.get(peer))
    }
}

/// Why a case stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The target did not do what the case says.
    Fail(String),
    /// It did not do so in time, or did so too early.
    Late(String),
    /// The case could not be played.
    Error(String),
    /// The target's interface has no words for it.
    Unsupported(String),
}

/// What came of a case, and what decides whether that can be believed.
pub(crate) struct Played {
    pub(crate) result: CaseResult,
    /// The deadline that was missed, if it failed for want of time.
    pub(crate) deadline: Option<Duration>,
    /// Something came in between of which the steps cannot know.
    pub(crate) disturbed: Option<String>,
}

/// Plays one case.
pub async fn play(loaded: &Loaded, case: &Case, stage: &Stage) -> CaseResult {
    let Played { mut result, disturbed, .. } = attempt(loaded, case, stage).await;
    if let (CaseVerdict::Fail, Some(why)) = (result.verdict, disturbed) {
        (result.verdict, result.reason) = (CaseVerdict::Inconclusive, Some(why));
    }
    result
}

/// Plays one case, which may have to be played again.
pub(crate) async fn attempt(loaded: &Loaded, case: &Case, stage: &Stage) -> Played {
    let started = clock::now();
    let mut player = player::Player::new(loaded, case, stage);
    let ended = tokio::time::timeout(WHOLE, Box::pin(player.run())).await;
    let unended = ended.is_err();
    let (outcome, deadline) = match ended {
        Ok(outcome) => (outcome, player.deadline()),
        Err(_) => (Err((Stop::Late(format!("the case did not end within {WHOLE:?}")), case.span.clone())), WHOLE),
    };
    let mut result = CaseResult { transcript: player.take_transcript(), ..blank(loaded, case) };
    let late = matches!(outcome, Err((Stop::Late(_), _)));
    if let Err((stop, span)) = outcome {
        tell(&mut result, stop, loaded, span, player.other_row());
    }
    // Whatever a step waits for has a time of its own, which no step has missed: that the sum was too long accuses nobody.
    let disturbed =
        player.take_disturbance().or_else(|| unended.then(|| format!("the case did not end within {WHOLE:?}")));
    player.leave().await;
    result.millis = started.elapsed().as_secs_f64() * 1e3;
    Played { result, deadline: late.then_some(deadline), disturbed }
}

/// Writes down why a case stopped. What it is not about is told as a failure of its own `row`.
fn tell(result: &mut CaseResult, stop: Stop, loaded: &Loaded, span: Span, row: Option<&'static str>) {
    let (verdict, message, late) = match stop {
        Stop::Fail(message) => (CaseVerdict::Fail, message, false),
        Stop::Late(message) => (CaseVerdict::Fail, message, true),
        Stop::Error(message) => (CaseVerdict::Error, message, false),
        Stop::Unsupported(message) => {
            (result.verdict, result.reason) = (CaseVerdict::Skip, Some(message));
            return;
        }
    };
    let message = match (row, &result.requirement) {
        (Some(row), Some(rule)) if verdict == CaseVerdict::Fail => {
            let message = format!("ahead of what the case is about ({rule}): {message}");
            (result.requirement, result.class, result.origin) = (Some(row.to_owned()), None, None);
            message
        }
        _ => message,
    };
    let place = loaded.place(span.start);
    let step = loaded.source.text.get(span).unwrap_or_default();
    let step = step.split_whitespace().collect::<Vec<_>>().join(" ");
    result.verdict = verdict;
    result.failure = Some(Failure { message, place, step, late });
}

/// A case of which nothing is known yet but what the file says.
pub fn blank(loaded: &Loaded, case: &Case) -> CaseResult {
    CaseResult {
        id: case.full_id(),
        scenario: loaded.scenario.name.clone(),
        title: case.title(),
        place: loaded.place(case.span.start),
        requirement: case.rule.clone(),
        class: case.class,
        origin: case.origin,
        verdict: CaseVerdict::Pass,
        millis: 0.0,
        options: case.options.to_string(),
        reason: None,
        failure: None,
        transcript: Vec::new(),
        times: 1,
        stderr: None,
    }
}

#[cfg(test)]
mod tests;

pub(crate) use crate::vocab::patience::{ANSWER, EVENT};
/// How long a server may take to close a connection that it must close.
pub(crate) const CLOSE: Duration = Duration::from_secs(1);
/// How long a server may take to end when it is told to, or to be there when it is started.
pub(crate) const SERVER: Duration = Duration::from_secs(10);
/// How long silence is listened to where there is no fence.
pub(crate) const QUIET: Duration = Duration::from_millis(200);
/// How long a whole case may take.
const WHOLE: Duration = Duration::from_secs(30);
