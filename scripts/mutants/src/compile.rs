//! The build: mutants that the compiler refuses are taken out until the rest stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::list::Mutant;
use crate::rewrite;

/// What was built.
pub struct Built {
    /// The tests' programs, those of the library first.
    pub programs: Vec<PathBuf>,
    /// Mutants that are in them.
    pub written: BTreeSet<usize>,
    /// Mutants that the compiler refused.
    pub refused: BTreeSet<usize>,
}

/// Writes all mutants into the tree at `root` and builds the tests that `selection` (arguments of cargo) says.
pub fn compile(root: &Path, package: &str, mutants: &[Mutant], selection: &[String]) -> Result<Built, String> {
    let originals = originals(root, package, mutants)?;
    let mut refused = BTreeSet::new();
    for round in 1.. {
        let (texts, written) = write(root, &originals, mutants, &refused)?;
        eprintln!("build {round}: {} mutants, {} refused so far", written.len(), refused.len());
        let output = Command::new("cargo")
            .args(["test", "--no-run", "--message-format=json", "-p", package])
            .args(selection)
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|why| format!("cargo: {why}"))?;
        let messages: Vec<Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if output.status.success() {
            return Ok(Built { programs: programs(&messages), written, refused });
        }
        let found = owners(&messages, &texts);
        if found.is_empty() {
            return Err(format!("the build fails, and not for a mutant:\n{}", rendered(&messages)));
        }
        refused.extend(found);
    }
    unreachable!("the rounds have no end")
}

/// The files as they were, with the numbers of their mutants; the package's root is there for the module.
fn originals(root: &Path, package: &str, mutants: &[Mutant]) -> Result<BTreeMap<String, (String, Vec<usize>)>, String> {
    let mut files: BTreeMap<String, (String, Vec<usize>)> = BTreeMap::new();
    let first = mutants.first().ok_or_else(|| format!("no mutants of {package}"))?;
    let folder = first.file.split_once("/src/").ok_or_else(|| format!("{}: not below src", first.file))?.0;
    let lib = format!("{folder}/src/lib.rs");
    for file in mutants.iter().map(|mutant| &mutant.file).chain([&lib]) {
        if !files.contains_key(file) {
            let text = std::fs::read_to_string(root.join(file)).map_err(|why| format!("{file}: {why}"))?;
            files.insert(file.clone(), (text, Vec::new()));
        }
    }
    for (at, mutant) in mutants.iter().enumerate() {
        if let Some((_, numbers)) = files.get_mut(&mutant.file) {
            numbers.push(at + 1);
        }
    }
    if let Some((text, _)) = files.get_mut(&lib) {
        text.push_str(rewrite::MODULE);
    }
    Ok(files)
}

type Texts = BTreeMap<String, String>;

fn write(
    root: &Path,
    originals: &BTreeMap<String, (String, Vec<usize>)>,
    mutants: &[Mutant],
    refused: &BTreeSet<usize>,
) -> Result<(Texts, BTreeSet<usize>), String> {
    let (mut texts, mut written) = (Texts::new(), BTreeSet::new());
    for (file, (text, numbers)) in originals {
        let of: Vec<_> = numbers
            .iter()
            .filter(|number| !refused.contains(number))
            .map(|&number| (number, &mutants[number - 1]))
            .collect();
        let new = rewrite::rewrite(text, &of).map_err(|why| format!("{file}: {why}"))?;
        std::fs::write(root.join(file), &new.text).map_err(|why| format!("{file}: {why}"))?;
        texts.insert(file.clone(), new.text);
        written.extend(new.written);
    }
    Ok((texts, written))
}

/// The mutants in whose text an error stands.
fn owners(messages: &[Value], texts: &Texts) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for message in errors(messages) {
        let spans = message["spans"].as_array().into_iter().flatten();
        for span in spans.filter(|span| span["is_primary"] == true) {
            let (Some(file), Some(start)) = (span["file_name"].as_str(), span["byte_start"].as_u64()) else { continue };
            // Names are from the root of the workspace.
            if let Some(number) = texts.get(file).and_then(|text| rewrite::owner(text, start as usize)) {
                found.insert(number);
            }
        }
    }
    found
}

fn errors(messages: &[Value]) -> impl Iterator<Item = &Value> {
    messages
        .iter()
        .filter(|message| message["reason"] == "compiler-message" && message["message"]["level"] == "error")
        .map(|message| &message["message"])
}

fn rendered(messages: &[Value]) -> String {
    errors(messages).filter_map(|message| message["rendered"].as_str()).take(5).collect()
}

fn programs(messages: &[Value]) -> Vec<PathBuf> {
    let tests = messages
        .iter()
        .filter(|message| message["reason"] == "compiler-artifact" && message["profile"]["test"] == true);
    let mut all: Vec<(bool, PathBuf)> = tests
        .filter_map(|message| {
            Some((message["target"]["kind"][0] != "lib", PathBuf::from(message["executable"].as_str()?)))
        })
        .collect();
    all.sort();
    all.into_iter().map(|(_, program)| program).collect()
}
