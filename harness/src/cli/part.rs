//! `sio-bench run --part K/N`, and what runs of several workers are made of: what a part of a run can be.

use std::time::Duration;

use super::RunArgs;
use super::run::now;
use crate::load::{Order, Plan, Start};
use crate::scenario::Loaded;
use crate::scenario::model::{Disruption, Driver};
use crate::target::{Choice, Formation};

/// What is asked for, if it can be; otherwise why it cannot.
pub(super) fn order(
    args: &RunArgs,
    loaded: &[Loaded],
    plans: &[Option<Plan>],
    formation: &Formation,
) -> Result<Option<Order>, String> {
    if args.part.is_none() && !args.via.is_given() {
        return Ok(None);
    }
    let name = args.part.map_or_else(|| "--via".to_owned(), |share| share.to_string());
    let refused = |why: &str, instead: &str| Err(format!("{name}: {why}; nothing was sent\n  {instead}"));
    if args.via.is_given() && args.workers.is_none() {
        return refused("how many workers there are is not said", "say so with --workers, such as --workers 3");
    }
    let ([file], [Some(plan)]) = (loaded, plans) else {
        return refused(
            "a run of several parts is of one file, with a load",
            "give one file that has [traffic] or [users]",
        );
    };
    if formation.choices.iter().any(|choice| !matches!(choice, Choice::Url(_))) {
        return refused(
            "all parts load one server, so none of them can start it",
            "start the server, for example with `sio-bench serve`, and give its address as --target",
        );
    }
    if plan.is_cluster() || plan.nodes > 1 || formation.cluster.is_some() {
        return refused(
            "a run of several parts is against one server: what crosses between servers is judged by messages of its own, which parts do \
             not have yet",
            "give the address of one server, or run it in one process",
        );
    }
    let about_servers =
        |disruption: &Disruption| !matches!(disruption, Disruption::Drop { .. } | Disruption::Stall { .. });
    if file.scenario.chaos.iter().any(|chaos| about_servers(&chaos.upset)) {
        return refused(
            "no part can stop a server that it has not started",
            "leave out of [[chaos]] what is about servers",
        );
    }
    if file.scenario.populations.values().any(|users| users.driver == Driver::Goose) {
        return refused("users of another program cannot be shared among parts", "leave `driver` out");
    }
    let (Some(share), Some(start)) = (args.part, args.start_at) else { return Ok(None) };
    if !args.baseline.is_empty() {
        return refused("a part alone is no run to be held against another", "give --baseline to `report --merge`");
    }
    if start < now() + Duration::from_secs(1) {
        return refused(
            &format!("{start}, when the phases are to begin, is over, or too near for anybody to connect"),
            "`date -u +%FT%TZ -d '+30 sec'` prints a time that is to come; give the same one to all parts",
        );
    }
    let text = start.to_string();
    Ok(Some(Order { share, start: Start::At(start.into(), text.clone()), name: text }))
}
