//! `sio-bench run --workers N --via URL`: leads a run whose users live in other processes, and judges what these bring.

use std::path::PathBuf;
use std::time::Duration;

use super::run::{self, Job};
use super::{RunArgs, complain, report as writer};
use crate::aside::aside;
use crate::clock;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::live::{Frame, Live};
use crate::load;
use crate::record::{Entry, Progress, Recorder};
use crate::remote::bundle::Bundle;
use crate::remote::coordinator::Coordinator;
use crate::remote::desk::{Desk, Layout, Outcome};
use crate::remote::wire::{Cut, Id};
use crate::report::cut_off;
use crate::report::html::Run;
use crate::scenario::source::Brought;
use crate::scenario::{self, Loaded};
use crate::secrets;
use crate::target::Choice;
use crate::vocab::Trust;

/// How long workers are waited for, unless it is said.
const WAIT: Duration = Duration::from_mins(5);

/// Leads a run; what is wrong has been said.
pub(super) fn coordinate(args: &RunArgs, mut job: Job) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the run could not be begun: {error}"));
            return Exit::NotValid;
        }
    };
    let Some(loaded) = job.loaded.pop() else { return Exit::Usage };
    let bundle = match pack(args, &job, &loaded) {
        Ok(bundle) => bundle,
        Err(problem) => {
            complain(&problem);
            return Exit::Usage;
        }
    };
    let (exit, entries) = match runtime.block_on(lead(args, &mut job, &loaded, &bundle)) {
        Ok(done) => done,
        Err((exit, problem)) => {
            complain(&problem);
            return exit;
        }
    };
    run::show(args.format, &entries, &job.folder);
    if let Some(file) = &args.html
        && let Err(problem) = Run::read(&job.folder).and_then(|run| writer::write_html(&[run], file))
    {
        complain(&problem);
        return if exit == Exit::Passed { Exit::NotValid } else { exit };
    }
    exit
}

/// What the workers get.
fn pack(args: &RunArgs, job: &Job, loaded: &Loaded) -> Result<Bundle, String> {
    let Some(Choice::Url(target)) = job.formation.choices.first() else {
        return Err("there is no address of a server that workers could load; give one as --target".to_owned());
    };
    let mut brought = Brought::default();
    for name in scenario::reach(loaded).files {
        let is_ca = matches!(&loaded.scenario.target.trust, Trust::File(path) if path.as_os_str() == name.as_str());
        let text = if is_ca {
            crate::input::text(name.as_ref()).map_err(|error| format!("cannot read {name}: {error}"))
        } else {
            loaded.source.beside(&name)
        };
        brought.add(&name, text?);
    }
    Ok(Bundle {
        file: loaded.source.name.clone(),
        text: loaded.source.text.clone(),
        overrides: args.overrides.clone(),
        seed: loaded.scenario.seed,
        brought,
        target: target.clone(),
        way: args.getting_in.way(),
        connect_timeout: args.connect_timeout.map(|time| time.as_millis() as u64),
    })
}

pub(super) type Failed = (Exit, String);

async fn lead(args: &RunArgs, job: &mut Job, loaded: &Loaded, bundle: &Bundle) -> Result<(Exit, Vec<Entry>), Failed> {
    let usage = |problem: String| (Exit::Usage, problem);
    let mut interrupt = Interrupt::listen().map_err(|error| (Exit::NotValid, error.to_string()))?;
    let Some(plan) = job.plans.pop().flatten() else { return Err(usage("there is no load to share".to_owned())) };
    let frame = frame(loaded, &plan);
    let mut live = Live::new(&job.audience, frame).await.map_err(|problem| (Exit::NotValid, problem))?;
    let (bytes, bundled) = bundle.pack().map_err(usage)?;
    let bus = args.via.connect().await.map_err(|problem| (Exit::Usage, format!("{problem}; nothing was sent")))?;
    let layout = Layout { folder: job.folder.join("parts"), scenario: loaded.scenario.name.clone() };
    let id = Id::fresh();
    let coordinator = Coordinator::new(&bus, id.clone(), bytes).await;
    let coordinator = coordinator.map_err(|problem| (Exit::NotValid, problem))?;
    let mut recorder = run::record_in(&job.folder).ok_or_else(|| usage("there is no place for a record".to_owned()))?;
    announce(&id, job.workers, &bus.address);
    let (of, length) = (job.workers as u32, Duration::from_nanos(plan.length()));
    let mut desk = Desk::new(of, bundled, layout.clone(), length, clock::now(), args.wait.unwrap_or(WAIT));
    let show = |seconds: &[(u32, Progress)]| {
        let each: Vec<&Progress> = seconds.iter().map(|(_, second)| second).collect();
        if !each.is_empty() {
            live.show_all(&load::sum_of_seconds(&each), seconds);
        }
    };
    let outcome = coordinator.lead(&mut desk, &mut interrupt, show).await;
    drop(live);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(problem) => {
            recorder.discard();
            return Err((
                Exit::NotValid,
                format!(
                    "{problem}; workers that had begun finish by themselves, and keep and offer their parts\n  `sio-bench report --run {id} --via {}` takes and \
                     judges them; where they are together, `sio-bench report PART... --merge FOLDER` does",
                    bus.address
                ),
            ));
        }
    };
    let known = (run::start(loaded), loaded);
    if let Err(failed) = put_together(&outcome, &layout, &mut recorder, known) {
        recorder.discard();
        return Err(failed);
    }
    run::hold_against(&job.earlier, loaded, &mut recorder).map_err(|error| unwritten(&error))?;
    let exit = run::finish(&mut recorder, None).map_err(|error| unwritten(&error))?;
    Ok((exit, recorder.entries().to_vec()))
}

pub(super) fn unwritten(error: &std::io::Error) -> Failed {
    (Exit::NotValid, format!("the run could not be recorded: {error}"))
}

fn announce(id: &Id, workers: usize, address: &str) {
    aside(&format!(
        "run {id} waits for {workers} workers at {address}; on each machine: sio-bench worker --via {address} --run {id}"
    ));
}

fn frame(loaded: &Loaded, plan: &load::Plan) -> Frame {
    let phases = plan.phases.iter().map(|phase| (phase.name.clone(), phase.end as f64 / 1e9));
    Frame { scenario: loaded.scenario.name.clone(), asked: plan.users.len() as u64, phases: phases.collect() }
}

/// Judges a run of which all parts are here, and adds up what there is of any other.
pub(super) fn put_together(
    outcome: &Outcome,
    layout: &Layout,
    recorder: &mut Recorder,
    (start, loaded): (crate::record::ScenarioStart, &Loaded),
) -> Result<(), Failed> {
    let paths: Vec<PathBuf> = outcome.delivered.iter().map(|number| layout.part(*number)).collect();
    let where_they_are = || format!("the parts that came are in {}", layout.folder.display());
    let Some(Cut { why, by }) = &outcome.trouble else {
        let judged = load::merge_sent(&paths, recorder, secrets::command(), (start, loaded));
        return judged.map_err(|problem| (Exit::NotValid, format!("{problem}\n  {}", where_they_are())));
    };
    if paths.is_empty() {
        let exit = cut_off(*by).map_or(Exit::NotValid, |(exit, _)| exit);
        return Err((exit, format!("{why}; no part of the run has come in")));
    }
    let put = load::merge_rest(&paths, recorder, secrets::command(), (start, loaded), (*by, why));
    put.map_err(|problem| (Exit::NotValid, format!("{why}; besides, {problem}\n  {}", where_they_are())))
}
