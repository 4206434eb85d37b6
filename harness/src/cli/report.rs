//! `sio-bench report`

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{complain, print, run};
use crate::exit::Exit;
use crate::live::line;
use crate::load;
use crate::record::{self, Entry, Progress};
use crate::report::html::{self, Run};
use crate::report::{self, Format};

/// How often a record is looked at that is being written.
const LOOK: Duration = Duration::from_millis(500);

/// Shows a run's seconds as they come, and its report when it has ended.
pub(super) fn follow(run: &Path) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(until_its_end(run))) {
        Ok(entries) => {
            let _ = print(&report::format(Format::Terminal, &entries, None));
            Exit::Passed
        }
        Err(problem) => {
            complain(&problem);
            Exit::Usage
        }
    }
}

async fn until_its_end(run: &Path) -> Result<Vec<Entry>, String> {
    let mut shown = 0;
    let mut before = Progress::default();
    let mut clock = tokio::time::interval(LOOK);
    loop {
        clock.tick().await;
        let entries = record::read(run)?;
        let seconds: Vec<&Progress> = record::seconds(&entries).collect();
        for second in &seconds[shown.min(seconds.len())..] {
            if !print(&(line(second.open.max(1), second, &before) + "\n")) {
                return Ok(entries);
            }
            before = (*second).clone();
        }
        shown = seconds.len();
        if matches!(entries.last(), Some(Entry::Footer(_))) {
            return Ok(entries);
        }
    }
}

/// Puts the parts of one run together.
pub(super) fn merge(parts: &[PathBuf], folder: &Path) -> Result<(), Exit> {
    let refused = |problem: &str| {
        complain(problem);
        Exit::Usage
    };
    if parts.len() < 2 {
        return Err(refused("--merge puts several records together, and this is one"));
    }
    let mut recorder = run::record_in(folder).ok_or(Exit::Usage)?;
    if let Err(problem) = load::merge(parts, &mut recorder, std::env::args().collect()) {
        recorder.discard();
        return Err(refused(&problem));
    }
    run::finish(&mut recorder, None)
        .map(|_| ())
        .map_err(|error| refused(&format!("the record could not be written: {error}")))
}

/// Writes the page of several runs.
pub(super) fn html(runs: &[PathBuf], file: &Path) -> Exit {
    let read: Result<Vec<_>, _> = runs.iter().map(|run| Run::read(run)).collect();
    match read.and_then(|runs| write_html(&runs, file)) {
        Ok(()) => Exit::Passed,
        Err(problem) => {
            complain(&problem);
            Exit::Usage
        }
    }
}

/// Writes a page.
pub(super) fn write_html(runs: &[Run], file: &Path) -> Result<(), String> {
    std::fs::write(file, html::render(runs)).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

pub(super) fn report(runs: &[PathBuf], format: Format, baseline: Option<&Path>) -> Exit {
    let baseline = match baseline.map(record::read).transpose() {
        Ok(baseline) => baseline,
        Err(problem) => {
            complain(&problem);
            return Exit::Usage;
        }
    };
    for run in runs {
        match record::read(run) {
            Ok(entries) => {
                if !print(&report::format(format, &entries, baseline.as_deref())) {
                    return Exit::Passed;
                }
            }
            Err(problem) => {
                complain(&problem);
                return Exit::Usage;
            }
        }
    }
    Exit::Passed
}
