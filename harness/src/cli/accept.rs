//! `sio-bench accept`

use std::fs;
use std::path::PathBuf;

use super::{complain, print};
use crate::conform::deviations::Deviations;
use crate::conform::pattern;
use crate::exit::Exit;
use crate::record::{self, Entry};
use crate::report::coverage;
use crate::target;

/// Options of `accept`
#[derive(clap::Args)]
pub(super) struct AcceptArgs {
    /// Record of a conformance run
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Why these failures are known
    #[arg(long, value_name = "TEXT")]
    reason: String,

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
    if args.reason.trim().is_empty() {
        return Err("a deviation needs a reason; say it with --reason".to_owned());
    }
    let entries = record::read(&args.run)?;
    let Some(Entry::Header(header)) = entries.first() else {
        return Err(format!("{} has no header; is it a record?", args.run.display()));
    };
    let path = match &args.deviations {
        Some(path) => path.clone(),
        None => target::folder(&header.target.name).map(|folder| folder.join("deviations.toml")).ok_or_else(|| {
            format!("{} has no folder in targets/; name the file with --deviations", header.target.name)
        })?,
    };
    let wanted = |id: &str| args.ids.is_empty() || args.ids.iter().any(|pattern| pattern::matches(pattern, id));
    let results: Vec<_> = coverage::cases(&entries).into_iter().filter(|case| wanted(&case.id)).collect();
    if results.is_empty() {
        return Err("the record has no such case".to_owned());
    }
    let accepted = Deviations::read(&path)?.accept(&results, args.reason.trim())?;
    fs::write(&path, &accepted.text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(format!("{}: {} added, {} removed\n", path.display(), accepted.added, accepted.removed))
}
