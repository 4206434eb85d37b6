//! Cases that are played again and again while a load runs.

use std::cell::RefCell;
use std::time::Duration;

use super::shared::Shared;
use crate::clock;
use crate::play::{self, Stage};
use crate::record::CaseResult;
use crate::scenario::Loaded;
use crate::scenario::model::Case;

/// Plays each case that has an `every`, from its first interval on; one at a time, so that they do not disturb each
/// other. Never returns; what was played is in `results`.
pub(super) async fn play_again_and_again(loaded: &Loaded, shared: &Shared, results: &RefCell<Vec<CaseResult>>) {
    let cases = loaded.scenario.cases.iter();
    let mut due: Vec<(Duration, &Case, Duration)> =
        cases.filter_map(|case| case.every.map(|every| (every, case, every))).collect();
    let (false, Ok(origin)) = (due.is_empty(), shared.control.started().await) else {
        return std::future::pending().await;
    };
    loop {
        let Some((at, case, every)) = due.iter_mut().min_by_key(|(at, ..)| *at) else { continue };
        tokio::time::sleep_until((origin + *at).into()).await;
        let stage = Stage { endpoint: shared.endpoint(0), ..shared.stage.clone() };
        let result = play::play(loaded, case, &stage).await;
        results.borrow_mut().push(result);
        // What took longer than its interval leaves out the times that have passed.
        let now = clock::now().duration_since(origin);
        while *at <= now {
            *at += *every;
        }
    }
}
