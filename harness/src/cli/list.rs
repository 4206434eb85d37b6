//! `sio-bench list`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{complain, print};
use crate::conform::{Register, Suite};
use crate::exit::Exit;
use crate::vocab::text::plural;
use crate::{scenario, target};

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    /// Scenarios and targets
    All,
    /// Scenarios that come with sio-bench
    Scenarios,
    /// Servers that sio-bench can start
    Targets,
    /// Cases of the conformance suite: id, requirement, tags
    Cases,
    /// Requirements: id, class, origin, number of cases, what must hold
    Requirements,
    /// What the reference server can be told to do wrong: id, name, layer, what it is
    #[cfg(feature = "faults")]
    Faults,
}

pub(super) fn list(what: What) -> Exit {
    let text = match what {
        What::All => Ok(scenarios() + &targets()),
        What::Scenarios => Ok(scenarios()),
        What::Targets => Ok(targets()),
        What::Cases => cases(),
        What::Requirements => rules(),
        #[cfg(feature = "faults")]
        What::Faults => Ok(faults()),
    };
    match text {
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

#[cfg(feature = "faults")]
fn faults() -> String {
    let mut text = String::new();
    for row in sio_reference_server::faults::TABLE {
        let _ = writeln!(text, "{:<4} {:<26} {:<11} {}", row.id, row.name, row.layer.name(), row.summary);
    }
    text
}

fn scenarios() -> String {
    let mut text = "scenarios that come with sio-bench:\n".to_owned();
    for name in scenario::source::embedded_names() {
        let _ = writeln!(text, "  {name}");
    }
    text
}

fn targets() -> String {
    let mut text = "targets:\n  reference\n".to_owned();
    for name in target::names() {
        let _ = writeln!(text, "  {name}");
    }
    text
}

fn cases() -> Result<String, String> {
    let suite = Suite::load(&super::conform::default_suite()).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for (_, case) in suite.cases() {
        let rule = case.rule.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{rule:<10} {}   {}", case.full_id(), case.tags.join(" "));
    }
    Ok(text)
}

fn rules() -> Result<String, String> {
    let register = Register::load()?;
    let suite = Suite::load(&super::conform::default_suite()).map_err(|error| error.to_string())?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, case) in suite.cases() {
        *counts.entry(case.rule.as_deref().unwrap_or("")).or_default() += 1;
    }
    let mut text = String::new();
    let mut area = "";
    for (id, rule) in &register.requirements {
        let (_, name) = register.area_of(id).unwrap_or_default();
        if name != area {
            let _ = writeln!(text, "{}{name}", if area.is_empty() { "" } else { "\n" });
            area = name;
        }
        let (class, origin) = (format!("{:?}", rule.class), format!("{:?}", rule.origin));
        let cases = counts.get(id.as_str()).copied().unwrap_or(0);
        let cases = plural(cases as u64, "case");
        let _ = writeln!(text, "  {id:<10} {class:<7} {origin:<10} {cases:>9}   {}", rule.says);
        if let Some(reason) = &rule.uncovered {
            let _ = writeln!(text, "{:>38} no case: {reason}", "");
        }
    }
    let covered = register.requirements.keys().filter(|id| counts.contains_key(id.as_str())).count();
    let cases: usize = counts.values().sum();
    let _ = writeln!(text, "\n{covered} of {} requirements have cases, {cases} of them", register.requirements.len());
    Ok(text)
}
