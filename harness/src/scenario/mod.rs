//! Scenario files: one step grammar for cases and load.
//!
//! A file is parsed into a tree that knows where everything stands ([`node`]), lowered into its meaning
//! ([`model`]) while every problem is collected ([`diagnostic`]), and only then run. Unknown keys are errors.

pub mod diagnostic;
mod legacy;
mod lower;
pub mod model;
pub mod node;
mod reach;
pub mod schema;
pub mod source;
pub mod starter;
mod table;
pub mod template;
pub mod vars;

pub use lower::Lowered;
pub use lower::cases::options_text;
pub use model::Scenario;
pub use reach::reach;
pub use table::not_a_name;
pub use vars::{Override, Vars};

use std::sync::Arc;

use diagnostic::Diagnostics;
use source::{Brought, Source};
use template::Scope;

use crate::secrets;

/// Why files cannot be run. Nothing has been sent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What is wrong in files: diagnostics as they are shown, each with its own `error:`.
    #[error("{0}")]
    Diagnostics(String),
    /// Anything else, such as a file that is not there.
    #[error("{0}")]
    Other(String),
}

impl From<String> for LoadError {
    fn from(problem: String) -> Self {
        Self::Other(problem)
    }
}

impl LoadError {
    /// With something said behind it.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        match self {
            Self::Diagnostics(text) => Self::Diagnostics(text + more),
            Self::Other(text) => Self::Other(text + more),
        }
    }
}

/// A file that can be run.
#[derive(Debug)]
pub struct Loaded {
    pub source: Source,
    pub scenario: Scenario,
    /// `[vars]` with the overrides applied, for the record.
    pub vars: Vec<(String, String)>,
    /// The same, each with its own type, and the rows of `[feeds]`.
    known: Scope,
}

impl Loaded {
    /// What every template of the file may name: `[vars]`; and what `${pick …}` may pick from: the rows of `[feeds]`.
    pub fn scope(&self) -> Scope {
        Scope { random: self.scenario.seed, ..self.known.clone() }
    }

    /// File and line of a byte of the text.
    pub fn place(&self, at: usize) -> String {
        let text = &self.source.text;
        let line = text[..text.floor_char_boundary(at)].matches('\n').count() + 1;
        format!("{}:{line}", self.source.name)
    }
}

/// Parses and checks a file. The error is the text to show; nothing has been sent.
pub fn load(source: Source, overrides: &[Override], seed: Option<u64>) -> Result<Loaded, String> {
    let mut diagnostics = Diagnostics::of(source.text.as_str());
    let lowered = parse(&source, overrides, &mut diagnostics);
    checked(source, lowered, diagnostics, seed)
}

/// As [`load`], of the file inside of a record: names that it had when it was run are understood.
pub fn load_recorded(source: Source, overrides: &[Override], seed: Option<u64>) -> Result<Loaded, String> {
    let mut diagnostics = Diagnostics::of(source.text.as_str());
    let lowered = match node::parse(&source.text, &mut diagnostics) {
        Some(mut root) => {
            legacy::accept(&mut root);
            lower::lower(&root, (&source, None), overrides, &mut diagnostics)
        }
        None => Lowered::nothing(),
    };
    checked(source, lowered, diagnostics, seed)
}

/// As [`load`], of a file that came from another machine together with all that it reads: no file of this one is looked at.
pub fn load_brought(source: Source, brought: &Brought, overrides: &[Override], seed: u64) -> Result<Loaded, String> {
    let mut diagnostics = Diagnostics::of(source.text.as_str());
    let lowered = match node::parse(&source.text, &mut diagnostics) {
        Some(mut root) => {
            legacy::refuse(&mut root, &mut diagnostics);
            lower::lower(&root, (&source, Some(brought)), overrides, &mut diagnostics)
        }
        None => Lowered::nothing(),
    };
    checked(source, lowered, diagnostics, Some(seed))
}

fn checked(
    source: Source,
    lowered: Lowered,
    mut diagnostics: Diagnostics,
    seed: Option<u64>,
) -> Result<Loaded, String> {
    secrets::learn_scenario(&source.text);
    if diagnostics.is_empty() {
        for (problem, span) in &lowered.not_yet {
            diagnostics.error(span.clone(), problem);
        }
        if !lowered.not_yet.is_empty() {
            diagnostics.note("the file is well-formed, and cannot be run as things are");
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics.render(&source.name));
    }
    let mut scenario = lowered.scenario;
    scenario.seed = seed.unwrap_or(scenario.seed);
    let vars = lowered.vars.iter().map(|(name, kind)| (name.to_owned(), show(kind))).collect();
    let lists = scenario.feeds.iter().map(|(name, feed)| (name.clone(), feed.rows.clone())).collect();
    let known = Scope { lists: Arc::new(lists), ..lowered.vars.scope() };
    Ok(Loaded { source, scenario, vars, known })
}

/// Parses and lowers a file; `diagnostics` are of its text.
pub fn parse(source: &Source, overrides: &[Override], diagnostics: &mut Diagnostics) -> Lowered {
    match node::parse(&source.text, diagnostics) {
        Some(mut root) => {
            legacy::refuse(&mut root, diagnostics);
            lower::lower(&root, (source, None), overrides, diagnostics)
        }
        None => Lowered::nothing(),
    }
}

fn show(kind: &node::Kind) -> String {
    match kind {
        node::Kind::Bool(value) => value.to_string(),
        node::Kind::Int(value) => value.to_string(),
        node::Kind::Float(value) => value.to_string(),
        node::Kind::Str(value) => value.clone(),
        node::Kind::Array(_) | node::Kind::Table(_) => String::new(),
    }
}

/// Names that `--set` gives and no file has in its `[vars]`: a misspelling that must not pass silently.
pub fn unknown_overrides<'a>(loaded: &[Loaded], overrides: &'a [Override]) -> Vec<&'a str> {
    let known = |name: &str| loaded.iter().any(|file| file.vars.iter().any(|(var, _)| var == name));
    overrides.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect()
}

#[cfg(test)]
mod tests;
