//! `sio-bench accept`

use std::fs;
use std::path::PathBuf;

use super::{complain, print};
use crate::conform::deviations::Deviations;
use crate::exit::Exit;
use crate::record::{self, Entry};
use crate::report::coverage;
use crate::target;
use crate::vocab::pattern;

/// Options of `accept`
#[derive(clap::Args)]
pub(super) struct AcceptArgs {
    /// Records of conformance runs against one target; of several, what failed in some only is said to fail sometimes
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Why these failures are known, when all are of one kind (default: each says what was seen)
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Only cases with this id; `*` stands for anything within a component, `**` for anything; may be repeated
    #[arg(long = "id", value_name = "PATTERN")]
    ids: Vec<String>,

    /// The file to rewrite (default: deviations.toml of the target)
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,
}

pub(super) fn accept(args: &AcceptArgs) -> Exit {
    match rewrite(args) {
        Ok(text) => {
            let _ = print(&text);
            Exit::Passed
        }
        Err(problem) => {
            complain(&problem);
            Exit::Usage
        }
    }
}

fn rewrite(args: &AcceptArgs) -> Result<String, String> {
    let reason = args.reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err("--reason is empty; leave it out, and each entry says what was seen".to_owned());
    }
    let records = args.runs.iter().map(|run| record::read(run)).collect::<Result<Vec<_>, _>>()?;
    let target = target_of(&args.runs, &records)?;
    let path = match &args.deviations {
        Some(path) => path.clone(),
        None => target::folder(target)
            .map(|folder| folder.join("deviations.toml"))
            .ok_or_else(|| format!("{target} has no folder in targets/; name the file with --deviations"))?,
    };
    let wanted = |id: &str| args.ids.is_empty() || args.ids.iter().any(|pattern| pattern::matches(pattern, id));
    let of = |entries| coverage::cases(entries).into_iter().filter(|case| wanted(&case.id)).collect::<Vec<_>>();
    let runs: Vec<_> = records.iter().map(|entries| of(entries)).collect();
    if runs.iter().all(Vec::is_empty) {
        return Err("the record has no such case".to_owned());
    }
    let accepted = Deviations::read(&path)?.accept(&runs, reason)?;
    fs::write(&path, &accepted.text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(format!("{}: {} added, {} removed\n", path.display(), accepted.added, accepted.removed))
}

/// The target of all these records.
fn target_of<'a>(runs: &[PathBuf], records: &'a [Vec<Entry>]) -> Result<&'a str, String> {
    let mut target: Option<&str> = None;
    for (run, entries) in runs.iter().zip(records) {
        let Some(Entry::Header(header)) = entries.first() else {
            return Err(format!("{} has no header; is it a record?", run.display()));
        };
        match target {
            Some(other) if other != header.target.name => {
                let name = &header.target.name;
                return Err(format!("{} is a run against {name}, and another against {other}", run.display()));
            }
            _ => target = Some(&header.target.name),
        }
    }
    target.ok_or_else(|| "there is no record".to_owned())
}
