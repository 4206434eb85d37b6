//! `sio-bench worker`: takes a part of a run that is led elsewhere, and runs it as far as whoever operates this machine lets it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::RunArgs;
use super::getting_in::GettingIn;
use super::run::{self, Job};
use crate::aside::aside;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::load::{Lead, Order, Share, Start};
use crate::record::{EndedBy, Entry, loads};
use crate::remote::bundle::Bundle;
use crate::remote::bus::Via;
use crate::remote::desk::Layout;
use crate::remote::files::{self, Undelivered};
use crate::remote::line::{self, Line};
use crate::remote::linger::{self, Offered};
use crate::remote::permit::Permit;
use crate::remote::slot::{MOST_PARTS, Slot};
use crate::remote::wire::{Cut, Id, Kind, State};
use crate::report::Format;
use crate::scenario::{LoadError, Loaded};
use crate::vocab::quantity;

/// Options of `worker`
#[derive(Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    via: Via,

    /// The run, as its coordinator has printed it (default: the newest that wants workers)
    #[arg(long, value_name = "ID", value_parser = Id::parse)]
    run: Option<Id>,

    /// Take this part, counted from 1, instead of any (default: what a launcher has put into the environment, counted from 0, as
    /// `JOB_COMPLETION_INDEX`, `NOMAD_ALLOC_INDEX`, `SLURM_PROCID` or `OMPI_COMM_WORLD_RANK`)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PARTS)))]
    slot: Option<u32>,

    /// Started by a scheduler, in any order and for once: a NATS server that is not there yet is waited for, as runs are (--wait), and
    /// a worker whose part the coordinator has ends with exit code 0, since the verdict is the coordinator's and schedulers take
    /// anything else for a failure
    #[arg(long)]
    scheduled: bool,

    #[command(flatten)]
    permit: Permit,

    /// How long a run is waited for
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = quantity::duration)]
    wait: Duration,

    /// How long the part is offered if its coordinator is gone, so that `report --run ID --via` can put the run together; 0s does not
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = quantity::duration)]
    linger: Duration,

    /// Threads that generate load (default: one less than there are cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Folder for the record of the part (default: runs/<time>-<name>-<part>)
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// How the program ends, and why, if that is not in a report.
type Failed = (Exit, LoadError);

pub(super) fn worker(args: &WorkerArgs) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work(args)),
        Err(error) => Err((Exit::NotValid, error.to_string().into())),
    };
    done.unwrap_or_else(|(exit, problem)| {
        run::complain_of(&problem);
        exit
    })
}

const NOTHING_SENT: &str = "; nothing was sent";

async fn work(args: &WorkerArgs) -> Result<Exit, Failed> {
    let nothing = |problem: String| (Exit::Usage, LoadError::Other(problem).and(NOTHING_SENT));
    if !args.via.is_given() {
        return Err(nothing("a worker needs the NATS server of its coordinator: --via nats://HOST:4222".to_owned()));
    }
    let not_valid = |error: std::io::Error| (Exit::NotValid, error.to_string().into());
    let mut interrupt = Interrupt::listen().map_err(not_valid)?;
    let slot = Slot::find(args.slot, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
    let slot = slot.map_err(nothing)?;
    let handle = line::thread().map_err(not_valid)?;
    let seated = async {
        let patience = if args.scheduled { args.wait } else { Duration::ZERO };
        let bus = line::connect(&handle, &args.via, patience).await?;
        let run = line::find(&bus, args.run.as_ref(), args.wait).await?;
        let joined = Line::join(bus, run, slot.as_ref().map(|slot| slot.number)).await;
        joined.map_err(|why| why + &slot.as_ref().map_or_else(String::new, Slot::hint))
    };
    let line = tokio::select! {
        line = seated => line.map_err(nothing)?,
        () = interrupt.wait() => return Ok(Exit::Interrupted),
    };
    aside(&format!("part {} of {} of run {}", line.number, line.of, line.run));
    let (lead, end) = Lead::new();
    let (says, state) = watch::channel(State::Preparing);
    let stops = end.stop.subscribe();
    handle.spawn(line.clone().talk(end, state));
    let part = Part { args, line: &line, says, stops };
    Box::pin(part.run(lead, &mut interrupt)).await
}

/// A part that this process has.
struct Part<'a> {
    args: &'a WorkerArgs,
    line: &'a Line,
    says: watch::Sender<State>,
    /// Why the run has ended, if it has.
    stops: watch::Receiver<Option<String>>,
}

impl Part<'_> {
    async fn run(&self, lead: Lead, interrupt: &mut Interrupt) -> Result<Exit, Failed> {
        let job = match self.prepare(lead).await {
            Ok(job) => job,
            Err((refuses, why)) => {
                self.line.leave(&why.to_string(), refuses).await;
                return Err((Exit::Usage, why.and(NOTHING_SENT)));
            }
        };
        if let Some(why) = self.stops.borrow().clone() {
            return Err((Exit::NotValid, why.into()));
        }
        let (folder, name) = (job.folder.clone(), job.loaded[0].scenario.name.clone());
        let executed = run::execute(job, interrupt).await;
        let (exit, entries) =
            executed.map_err(|error| (Exit::NotValid, format!("the part could not be recorded: {error}").into()))?;
        if !matches!(entries.last(), Some(Entry::Footer(_))) {
            let why = match exit {
                Exit::Interrupted => "it was interrupted",
                Exit::Target => "its target cannot be reached from there",
                _ => "it could not begin",
            };
            self.line.leave(why, false).await;
            return Ok(exit);
        }
        let cut = cut(&entries);
        self.says.send_replace(State::Ended { cut: cut.clone() });
        run::show(Format::Terminal, &entries, &folder);
        // What was stopped from elsewhere was given up there.
        let is_stopped = self.stops.borrow().is_some();
        let patience = if is_stopped { Duration::ZERO } else { self.args.linger };
        let has_delivered = self.deliver(&Layout { folder, scenario: name }, cut, patience, interrupt).await;
        Ok(if has_delivered && self.args.scheduled { Exit::Passed } else { exit })
    }

    /// Reads what is to be run and looks whether that may be; whether it is refused, and why, if not.
    async fn prepare(&self, lead: Lead) -> Result<Job, (bool, LoadError)> {
        let gave_up = |why: String| (false, LoadError::Other(why));
        let bundle = self.line.bundle().await.map_err(gave_up)?;
        let loaded = bundle.load().map_err(|error| (false, error))?;
        let permitted = self.args.permit.check(&bundle, &loaded);
        permitted
            .map_err(|why| (true, format!("the operator of this worker does not let it run that: {why}").into()))?;
        self.job(&bundle, loaded, lead).map_err(gave_up)
    }

    fn job(&self, bundle: &Bundle, loaded: Loaded, lead: Lead) -> Result<Job, String> {
        let (number, of) = (self.line.number, self.line.of);
        let share = Share::new(number, of).ok_or("it is no part")?;
        let name = format!("{}-{number}-of-{of}", loaded.scenario.name);
        let out = self.args.out.clone().unwrap_or_else(|| run::fresh_folder(&name));
        let run = RunArgs::unseen(PathBuf::from(&bundle.file), &bundle.target, bundle.overrides.clone(), out);
        let run = RunArgs {
            getting_in: GettingIn::from_way(&bundle.way)?,
            seed: Some(bundle.seed),
            connect_timeout: bundle.connect_timeout.map(Duration::from_millis),
            part: Some(share),
            workers: self.args.threads,
            quiet: self.args.quiet,
            ..run
        };
        let mut job = run::prepare_loaded(&run, vec![loaded], |_| {})?;
        job.part = Some(Order { share, start: Start::Told(Arc::new(lead)), name: self.line.run.to_string() });
        Ok(job)
    }

    /// Brings the part to the coordinator, or to whoever asks for it later, and says whether anybody has it; here it stays in any case.
    async fn deliver(&self, layout: &Layout, cut: Option<Cut>, patience: Duration, interrupt: &mut Interrupt) -> bool {
        let folder = &layout.folder;
        let paths: Vec<(Kind, PathBuf)> =
            Kind::ALL.iter().map(|kind| (*kind, folder.join(layout.name(*kind)))).collect();
        let files: Vec<(Kind, &Path)> = paths.iter().map(|(kind, path)| (*kind, path.as_path())).collect();
        let line = self.line;
        let undelivered = match files::deliver(&line.bus, &line.run, &line.worker, &files).await {
            Ok(()) => {
                aside("the coordinator has the part, and judges the run");
                return true;
            }
            Err(undelivered) => undelivered,
        };
        aside(&format!(
            "{}; the part stays in {}\n  where all {} parts are together, `sio-bench report PART... --merge FOLDER` judges the run",
            undelivered.why(),
            folder.display(),
            line.of
        ));
        if matches!(undelivered, Undelivered::Refused(_)) || patience.is_zero() {
            return false;
        }
        self.offer(cut, &files, patience, interrupt).await
    }

    /// Offers the part to whoever asks for it later, and says whether anybody has.
    async fn offer(
        &self,
        cut: Option<Cut>,
        files: &[(Kind, &Path)],
        patience: Duration,
        interrupt: &mut Interrupt,
    ) -> bool {
        let line = self.line;
        aside(&format!(
            "the part is offered for {patience:?}: `sio-bench report --run {} --via {}` puts the run together; Ctrl-C ends that",
            line.run, line.bus.address
        ));
        let offered = linger::offer(line, cut, files, patience, interrupt).await;
        let is_taken = matches!(offered, Offered::Taken);
        aside(&match offered {
            Offered::Taken => "the part was taken by whoever puts the run together".to_owned(),
            Offered::Refused(why) => format!("the part was not taken: {why}"),
            Offered::Unwanted => format!("nobody has asked for the part within {patience:?}"),
            Offered::Interrupted => "the part is not offered any more".to_owned(),
        });
        is_taken
    }
}

/// Why a load ended early of its own accord.
fn cut(entries: &[Entry]) -> Option<Cut> {
    let load = loads(entries).find(|load| load.aborted.is_some() && load.ended_by != EndedBy::Elsewhere)?;
    Some(Cut { why: load.aborted.clone().unwrap_or_default(), by: load.ended_by })
}
