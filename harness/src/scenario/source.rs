//! Where scenario files come from: the disk, or the copy inside the binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use self::kind::{Kind, WANTED};
use crate::guess::{did_you_mean, nearest};
use crate::input;

mod folder;
mod kind;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// The schema of scenario files.
pub(super) const SCHEMA: &str = include_str!("../../scenarios/sio-bench.schema.json");

/// A file's name, as shown in messages, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// The files that a scenario reads, by the names that it has for them, where it came with them from another machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Brought(BTreeMap<String, String>);

impl Brought {
    /// Adds one.
    pub fn add(&mut self, name: &str, text: String) {
        self.0.insert(name.to_owned(), text);
    }

    /// Its text. No file of this machine stands in for one that did not come.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.0.get(name).cloned().ok_or_else(|| format!("{name} did not come with the scenario"))
    }
}

impl Source {
    /// The text of a file in the same folder, on the disk or inside the binary.
    pub fn beside(&self, name: &str) -> Result<String, String> {
        let path = Path::new(&self.name).with_file_name(name);
        match input::text(&path) {
            Ok(text) => Ok(text),
            Err(error) => {
                let text = path.strip_prefix("scenarios").ok().and_then(Path::to_str).and_then(shipped);
                text.ok_or_else(|| format!("cannot read {}: {error}", path.display()))
            }
        }
    }
}

/// The files that `path` names: a file, every scenario below a folder, or a scenario that comes with the
/// program, with or without `scenarios/` and `.toml`.
pub fn find(path: &Path) -> Result<Vec<Source>, String> {
    if path.is_dir() {
        return folder::scenarios(path);
    }
    if path.exists() {
        let source = read(path)?;
        return match kind::of(&source.text) {
            Kind::Scenario => Ok(vec![source]),
            Kind::Other(keys) => Err(format!("{} is no scenario: it has {keys}, and {WANTED}", path.display())),
        };
    }
    if let Some(folder) = embedded_folder(path) {
        return Ok(folder);
    }
    embedded(path).map(|source| vec![source]).ok_or_else(|| {
        let name = path.display().to_string();
        let bare = name.strip_prefix("scenarios/").unwrap_or(&name).trim_end_matches(".toml");
        let names = embedded_names();
        let here = fs::read_dir(".").into_iter().flatten().flatten().map(|entry| entry.path());
        let here = here.filter(|path| path.extension().is_some_and(|end| end == "toml"));
        let here: Vec<_> = here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
        let guess = match nearest(&name, here.iter().map(String::as_str)) {
            Some(file) => format!("; did you mean `{file}`?"),
            None => did_you_mean(bare, names.iter().map(String::as_str)),
        };
        format!("there is no file or folder {name}{guess}\n  `sio-bench list scenarios` shows those that come with it")
    })
}

/// A longer file is none of a scenario.
const MOST_BYTES: u64 = 256 << 20;

fn read(path: &Path) -> Result<Source, String> {
    let bytes = input::bytes(path, MOST_BYTES).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("{} is not UTF-8: byte {} cannot be read", path.display(), error.utf8_error().valid_up_to())
    })?;
    Ok(Source { name: path.display().to_string(), text })
}

/// Files of a suite that hold no cases of its own: the register of its rows, the probes of capabilities, and the contract of
/// the fixture.
fn is_part_of_a_suite(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "requirements.toml" || name == "capabilities.toml" || name == "fixture.toml")
}

/// The text of a file below `scenarios/` that comes with the program.
pub fn shipped(name: &str) -> Option<String> {
    EMBEDDED.get_file(name)?.contents_utf8().map(ToOwned::to_owned)
}

/// Every scenario of a folder that comes with the program.
fn embedded_folder(path: &Path) -> Option<Vec<Source>> {
    let text = path.to_str()?.trim_end_matches('/');
    let folder = EMBEDDED.get_dir(text.strip_prefix("scenarios/").unwrap_or(text))?;
    let mut files: Vec<_> = folder.files().filter(|file| !is_part_of_a_suite(file.path())).collect();
    files.sort_unstable_by_key(|file| file.path());
    let source = |file: &include_dir::File<'_>| {
        let name = format!("scenarios/{}", file.path().display());
        Some(Source { name, text: file.contents_utf8()?.to_owned() })
    };
    files.into_iter().map(source).collect()
}

fn embedded(path: &Path) -> Option<Source> {
    let text = path.to_str()?;
    let name = text.strip_prefix("scenarios/").unwrap_or(text);
    let with_extension = format!("{name}.toml");
    let file = EMBEDDED.get_file(name).or_else(|| EMBEDDED.get_file(&with_extension))?;
    Some(Source { name: format!("scenarios/{}", file.path().display()), text: file.contents_utf8()?.to_owned() })
}

/// Names of the scenarios inside the binary.
pub fn embedded_names() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![&EMBEDDED];
    while let Some(folder) = folders.pop() {
        let is_toml = |file: &&include_dir::File<'_>| file.path().extension().is_some_and(|end| end == "toml");
        let scenarios = folder.files().filter(is_toml).filter(|file| !is_part_of_a_suite(file.path()));
        names.extend(scenarios.map(|file| file.path().with_extension("").display().to_string()));
        folders.extend(folder.dirs());
    }
    names.sort_unstable();
    names
}
