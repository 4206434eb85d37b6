//! What was asked for by name and is not there: each misspelling is said, also beside names that are right.

use std::collections::BTreeSet;

use super::register::Register;
use super::select::{Filter, Suite};
use crate::guess::nearest;
use crate::vocab::pattern;

impl Filter {
    /// What is wrong with the names in it, one line each; `suite` is whole.
    pub fn unknown(&self, suite: &Suite, register: &Register) -> Vec<String> {
        let ids: Vec<String> = suite.cases().map(|(_, case)| case.id.clone()).collect();
        let full: Vec<String> = suite.cases().map(|(_, case)| case.full_id()).collect();
        let areas: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('/').next()).collect();
        let tags: BTreeSet<&str> = suite.cases().flat_map(|(_, case)| &case.tags).map(String::as_str).collect();
        let cited = suite.cases().filter_map(|(_, case)| case.rule.as_deref());
        let rows: BTreeSet<&str> = register.requirements.keys().map(String::as_str).chain(cited).collect();
        let mut problems = Vec::new();
        problems.extend(absent("area", &self.areas, &areas));
        problems.extend(absent("requirement", &self.rules, &rows));
        problems.extend(absent("tag", &self.tags, &tags));
        let known: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let named = |wanted: &String| ids.iter().chain(&full).any(|id| pattern::matches(wanted, id));
        for wanted in self.ids.iter().filter(|wanted| !named(wanted)) {
            problems.push(sentence("case", wanted, &known));
        }
        problems
    }
}

fn absent(what: &str, wanted: &[String], known: &BTreeSet<&str>) -> Vec<String> {
    let unknown = wanted.iter().filter(|name| !known.contains(name.as_str()));
    unknown.map(|name| sentence(what, name, known)).collect()
}

/// At most so many names are listed.
const LISTED: usize = 30;

fn sentence(what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    let names = || known.iter().copied();
    match nearest(name, names()) {
        Some(guess) => format!("there is no {what} `{name}`; did you mean `{guess}`?"),
        None if known.len() <= LISTED => {
            format!("there is no {what} `{name}`; there are: {}", names().collect::<Vec<_>>().join(", "))
        }
        None => format!("there is no {what} `{name}`"),
    }
}
