//! Cases: deterministic scripts over named clients.

mod client;
mod player;
mod senders;

use std::time::Duration;

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
}

/// Why a case stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The target did not do what the case says.
    Fail(String),
    /// The case could not be played.
    Error(String),
}

/// Plays one case.
pub async fn play(loaded: &Loaded, case: &Case, stage: &Stage) -> CaseResult {
    let started = clock::now();
    let mut player = player::Player::new(loaded, case, stage);
    let outcome = player.run().await;
    let (verdict, failure) = match outcome {
        Ok(()) => (CaseVerdict::Pass, None),
        Err((stop, span)) => {
            let (verdict, message) = match stop {
                Stop::Fail(message) => (CaseVerdict::Fail, message),
                Stop::Error(message) => (CaseVerdict::Error, message),
            };
            let text = &loaded.source.text;
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            let step = text.get(span).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            let place = format!("{}:{line}", loaded.source.name);
            (verdict, Some(Failure { message, place, step, transcript: player.transcript() }))
        }
    };
    player.leave().await;
    CaseResult {
        scenario: loaded.scenario.name.clone(),
        title: case.title(),
        rule: case.rule.clone(),
        verdict,
        millis: started.elapsed().as_secs_f64() * 1e3,
        failure,
    }
}

/// Deadlines of a step that names none.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// How long an expected event may take.
pub(crate) const EVENT: Duration = Duration::from_secs(2);
/// How long silence is listened to where there is no fence.
pub(crate) const QUIET: Duration = Duration::from_millis(200);
