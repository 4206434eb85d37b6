//! `sio-bench report`

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{complain, print, print_as, run};
use crate::baseline::{self, Earlier};
use crate::exit::Exit;
use crate::live::line;
use crate::load;
use crate::record::{self, Entry, Progress};
use crate::report::html::{self, Run};
use crate::report::{self, Format};
use crate::{output, secrets};

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
    let mut tail = record::Tail::open(run)?;
    let mut before = Progress::default();
    let mut clock = tokio::time::interval(LOOK);
    loop {
        clock.tick().await;
        for entry in tail.more()? {
            match entry {
                Entry::Progress(second) => {
                    if !print(&(line(second.connected.max(1), &second, &before) + "\n")) {
                        return record::read_for_report(run);
                    }
                    before = second;
                }
                Entry::Footer(_) => return record::read_for_report(run),
                _ => {}
            }
        }
    }
}

/// Puts the parts of one run together. Returns what the program is to end with: parts that could not be judged alone are judged here;
/// that records of their own could be added says nothing of what is in them.
pub(super) fn merge(parts: &[PathBuf], folder: &Path, clocks_within: Option<Duration>) -> Result<Exit, Exit> {
    let refused = |problem: &str| {
        complain(problem);
        Exit::Usage
    };
    let mut recorder = run::record_in(folder).ok_or(Exit::Usage)?;
    if let Err(problem) = load::merge(parts, &mut recorder, secrets::command(), clocks_within) {
        recorder.discard();
        return Err(refused(&problem));
    }
    let exit = run::finish(&mut recorder, None)
        .map_err(|error| refused(&format!("the record could not be written: {error}")))?;
    let is_judged = record::loads(recorder.entries()).any(|load| load.together.is_some());
    Ok(if is_judged { exit } else { Exit::Passed })
}

/// Shows a record that was put together, and returns what the program is to end with.
pub(super) fn put_together(
    ended: Result<(Exit, PathBuf), Exit>,
    html_file: Option<&Path>,
    format: Format,
    baseline: Option<&Path>,
) -> Exit {
    let (exit, folder) = match ended {
        Ok(ended) => ended,
        Err(exit) => return exit,
    };
    let shown = match html_file {
        Some(file) => html(&[folder], file, baseline),
        None => report(&[folder], format, baseline),
    };
    if shown == Exit::Passed { exit } else { shown }
}

/// Writes the page of several runs, each with what has changed since the baseline, if there is one.
pub(super) fn html(runs: &[PathBuf], file: &Path, baseline: Option<&Path>) -> Exit {
    let read = |path: &PathBuf| {
        let mut run = Run::read(path)?;
        if let Some(baseline) = baseline {
            since(&mut run.entries, path, baseline)?;
        }
        Ok(run)
    };
    let read: Result<Vec<_>, String> = runs.iter().map(read).collect();
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
    output::write(file, &html::render(runs)).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

pub(super) fn report(runs: &[PathBuf], format: Format, baseline: Option<&Path>) -> Exit {
    match try_report(runs, format, baseline) {
        Ok(()) => Exit::Passed,
        Err(problem) => {
            complain(&problem);
            Exit::Usage
        }
    }
}

fn try_report(runs: &[PathBuf], format: Format, baseline: Option<&Path>) -> Result<(), String> {
    // The record itself is shown whole.
    let is_whole = matches!(format, Format::Jsonl | Format::Json | Format::Csv);
    let read = if is_whole { record::read } else { record::read_for_report };
    let before = baseline.map(read).transpose()?;
    for run in runs {
        let mut entries = read(run)?;
        if let (Some(baseline), Format::Markdown) = (baseline, format) {
            since(&mut entries, run, baseline)?;
        }
        if !print_as(format, &report::format(format, &entries, before.as_deref())) {
            break;
        }
    }
    Ok(())
}

/// Adds what has changed since an earlier run, as far as both have loads.
fn since(entries: &mut Vec<Entry>, run: &Path, earlier: &Path) -> Result<(), String> {
    let loads: Vec<_> = record::loads(entries).cloned().collect();
    if loads.is_empty() {
        return Ok(());
    }
    let earlier = [Earlier::read(earlier)?];
    let known = record::header(entries).map(|header| earlier[0].entry(header, &[]));
    let folder = if run.is_dir() { run } else { run.parent().unwrap_or(Path::new(".")) };
    entries.retain(|entry| !matches!(entry, Entry::Baseline(_) | Entry::Change(_)));
    let end = entries.len().saturating_sub(1);
    let changes = loads.iter().flat_map(|load| baseline::changes(folder, load, &earlier));
    let added = known.map(Entry::Baseline).into_iter().chain(changes.map(Entry::Change));
    entries.splice(end..end, added.collect::<Vec<_>>());
    Ok(())
}
