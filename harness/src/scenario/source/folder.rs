//! The scenarios below a folder: what plainly is something else is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::kind::{self, Kind, WANTED};
use super::{Source, is_part_of_a_suite, read};

/// Names of other files that a message shows.
const SHOWN: usize = 3;

/// What has been found so far.
#[derive(Default)]
struct Found {
    scenarios: Vec<Source>,
    /// TOML files that are no scenarios.
    others: Vec<PathBuf>,
    /// Where one has been: a link may lead back.
    seen: BTreeSet<PathBuf>,
}

/// Every scenario below a folder, of which there must be one at least.
pub(super) fn scenarios(folder: &Path) -> Result<Vec<Source>, String> {
    let mut found = Found::default();
    walk(folder, &mut found)?;
    if !found.scenarios.is_empty() {
        return Ok(found.scenarios);
    }
    let what = match found.others.as_slice() {
        [] => "no .toml file at all".to_owned(),
        others => {
            let names: Vec<_> = others.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
            let more = if others.len() > SHOWN { ", …" } else { "" };
            format!("only {}{more}", names.join(", "))
        }
    };
    Err(format!("there is no scenario below {}: {what}\n  {WANTED}", folder.display()))
}

fn walk(folder: &Path, found: &mut Found) -> Result<(), String> {
    let cannot = |error| format!("cannot read {}: {error}", folder.display());
    if !found.seen.insert(folder.canonicalize().map_err(cannot)?) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(cannot)?;
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if !is_for_machines(&path) {
                walk(&path, found)?;
            }
        } else if path.is_file()
            && path.extension().is_some_and(|extension| extension == "toml")
            && !is_part_of_a_suite(&path)
        {
            let source = read(&path)?;
            match kind::of(&source.text) {
                Kind::Scenario => found.scenarios.push(source),
                Kind::Other(_) => found.others.push(path),
            }
        }
    }
    Ok(())
}

/// Folders that hold what programs have put there.
fn is_for_machines(path: &Path) -> bool {
    let is_named = |name: &str| name.starts_with('.') || name == "node_modules";
    path.file_name().and_then(|name| name.to_str()).is_some_and(is_named) || path.join("CACHEDIR.TAG").exists()
}
