//! Cases: deterministic scripts over named clients.

pub(crate) mod answer;
mod client;
mod http;
mod journal;
mod packets;
mod player;
mod raw;
mod senders;
mod transcript;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(crate) use player::unique;

use crate::client::{Endpoint, Http};
use crate::clock;
use crate::record::{CaseResult, CaseVerdict, Failure};
use crate::scenario::Loaded;
use crate::scenario::model::Case;

/// What a case needs to know about the target.
#[derive(Clone)]
pub struct Stage {
    pub endpoint: Endpoint,
    pub http: Http,
    /// Whether `message-with-ack` is answered, so that negative checks need no waiting.
    pub fence: bool,
    /// Added to the path of every client, in each direction.
    pub delay: Duration,
    /// The number of the last entry of the target's journal that anybody has seen.
    pub journal: Arc<AtomicU64>,
}

impl Stage {
    /// A target as it is, on the direct path.
    pub fn new(endpoint: Endpoint, http: Http, fence: bool) -> Self {
        Self { endpoint, http, fence, delay: Duration::ZERO, journal: Arc::default() }
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

/// Plays one case.
pub async fn play(loaded: &Loaded, case: &Case, stage: &Stage) -> CaseResult {
    let started = clock::now();
    let mut player = player::Player::new(loaded, case, stage);
    let outcome = match tokio::time::timeout(WHOLE, Box::pin(player.run())).await {
        Ok(outcome) => outcome,
        Err(_) => Err((Stop::Late(format!("the case did not end within {WHOLE:?}")), case.span.clone())),
    };
    let mut result = CaseResult { transcript: player.take_transcript(), ..blank(loaded, case) };
    if let Err((stop, span)) = outcome {
        let (verdict, message, late) = match stop {
            Stop::Fail(message) => (CaseVerdict::Fail, message, false),
            Stop::Late(message) => (CaseVerdict::Fail, message, true),
            Stop::Error(message) => (CaseVerdict::Error, message, false),
            Stop::Unsupported(message) => (CaseVerdict::Skip, message, false),
        };
        result.verdict = verdict;
        if verdict == CaseVerdict::Skip {
            result.reason = Some(format!("the fixture on this target answers `{message}`"));
        } else {
            let place = loaded.place(span.start);
            let step = loaded.source.text.get(span).unwrap_or_default();
            let step = step.split_whitespace().collect::<Vec<_>>().join(" ");
            result.failure = Some(Failure { message, place, step, late });
        }
    }
    player.leave().await;
    result.millis = started.elapsed().as_secs_f64() * 1e3;
    result
}

/// A case of which nothing is known yet but what the file says.
pub fn blank(loaded: &Loaded, case: &Case) -> CaseResult {
    CaseResult {
        id: case.full_id(),
        scenario: loaded.scenario.name.clone(),
        title: case.title(),
        place: loaded.place(case.span.start),
        rule: case.rule.clone(),
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

/// Deadlines of a step that names none.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// How long an expected event may take.
pub(crate) const EVENT: Duration = Duration::from_secs(2);
/// How long a server may take to close a connection that it must close.
pub(crate) const CLOSE: Duration = Duration::from_secs(1);
/// How long silence is listened to where there is no fence.
pub(crate) const QUIET: Duration = Duration::from_millis(200);
/// How long a whole case may take.
const WHOLE: Duration = Duration::from_secs(30);
