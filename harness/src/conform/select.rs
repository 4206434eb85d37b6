//! Which cases of a suite are played.

use std::path::PathBuf;
use std::rc::Rc;

use super::register::Register;
use crate::scenario::model::{Case, Class, Origin};
use crate::scenario::{self, LoadError, Loaded};
use crate::vocab::fnv::fnv1a;
use crate::vocab::pattern;

/// The files of a suite and the cases picked from them.
pub struct Suite {
    pub files: Rc<Vec<Loaded>>,
    /// File and case, in the order of the files.
    pub picks: Vec<(usize, usize)>,
}

impl Suite {
    /// Reads every file.
    pub fn load(paths: &[PathBuf]) -> Result<Self, LoadError> {
        let mut files: Vec<Loaded> = Vec::new();
        let mut problems = String::new();
        for path in paths {
            for source in scenario::source::find(path)? {
                match scenario::load(source, &[], None) {
                    Ok(file) => files.push(file),
                    Err(problem) => problems.push_str(&problem),
                }
            }
        }
        if problems.is_empty() { Ok(Self::of(files)?) } else { Err(LoadError::Diagnostics(problems)) }
    }

    /// A suite of these files.
    pub fn of(files: Vec<Loaded>) -> Result<Self, String> {
        let all = files.iter().enumerate();
        let picks = all.flat_map(|(file, loaded)| (0..loaded.scenario.cases.len()).map(move |case| (file, case)));
        let picks = picks.collect();
        let suite = Self { picks, files: Rc::new(files) };
        suite.check()?;
        Ok(suite)
    }

    /// Ids must name one case each.
    fn check(&self) -> Result<(), String> {
        let mut seen = std::collections::HashMap::new();
        for &(file, case) in &self.picks {
            let loaded = &self.files[file];
            let case = &loaded.scenario.cases[case];
            let place = loaded.place(case.span.start);
            if let Some(first) = seen.insert(case.full_id(), place.clone()) {
                return Err(format!(
                    "two cases have the id {}: {first} and {place}\n  give one another name",
                    case.full_id()
                ));
            }
        }
        Ok(())
    }

    /// A case that was picked.
    pub fn case(&self, pick: (usize, usize)) -> (&Loaded, &Case) {
        let loaded = &self.files[pick.0];
        (loaded, &loaded.scenario.cases[pick.1])
    }

    /// The picked cases.
    pub fn cases(&self) -> impl Iterator<Item = (&Loaded, &Case)> {
        self.picks.iter().map(|pick| self.case(*pick))
    }

    /// Whether one of the picked cases needs this capability.
    pub fn needs(&self, capability: &str) -> bool {
        self.cases().any(|(_, case)| case.needs.iter().any(|need| need == capability))
    }

    /// The picked cases whose row is wanted.
    #[must_use]
    pub fn of_rows(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let picks = self.picks.iter().copied();
        let picks = picks.filter(|pick| self.case(*pick).1.rule.as_deref().is_some_and(&wanted));
        Self { files: self.files.clone(), picks: picks.collect() }
    }

    /// The picked cases but those with these ids.
    #[must_use]
    pub fn without(&self, ids: &std::collections::BTreeSet<String>) -> Self {
        let picks = self.picks.iter().copied().filter(|pick| !ids.contains(&self.case(*pick).1.full_id()));
        Self { files: self.files.clone(), picks: picks.collect() }
    }

    /// Of the picked cases, those with these ids.
    #[must_use]
    pub fn of_ids(&self, ids: &std::collections::BTreeSet<String>) -> Self {
        let picks = self.picks.iter().copied().filter(|pick| ids.contains(&self.case(*pick).1.full_id()));
        Self { files: self.files.clone(), picks: picks.collect() }
    }

    /// What tells this suite from another: a hash of every file's text.
    pub fn hash(&self) -> String {
        format!("{:016x}", fnv1a(self.files.iter().flat_map(|file| file.source.text.bytes())))
    }
}

/// What a person asked for. An empty list asks for everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Patterns of ids, with or without the combination.
    pub ids: Vec<String>,
    pub areas: Vec<String>,
    pub rules: Vec<String>,
    pub tags: Vec<String>,
    pub classes: Vec<Class>,
    pub origins: Vec<Origin>,
    /// Part and number of parts, from 1.
    pub shard: Option<(usize, usize)>,
}

impl Filter {
    /// Whether it leaves anything out.
    pub fn is_whole(&self) -> bool {
        let Self { ids, areas, rules, tags, classes, origins, shard } = self;
        ids.is_empty()
            && areas.is_empty()
            && rules.is_empty()
            && tags.is_empty()
            && classes.is_empty()
            && origins.is_empty()
            && shard.is_none()
    }

    /// Keeps what was asked for.
    pub fn apply(&self, suite: &mut Suite, register: &Register) {
        let picks = std::mem::take(&mut suite.picks);
        let wanted = picks.into_iter().filter(|pick| self.wants(suite.case(*pick).1, register)).enumerate();
        // Every n-th case: areas are spread evenly, and slow neighbours end up apart.
        let mine = |index: usize| self.shard.is_none_or(|(part, parts)| index % parts == part - 1);
        suite.picks = wanted.filter(|(index, _)| mine(*index)).map(|(_, pick)| pick).collect();
    }

    fn wants(&self, case: &Case, register: &Register) -> bool {
        fn among<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        }
        let id = case.full_id();
        let by_id = |wanted: &String| pattern::matches(wanted, &id) || pattern::matches(wanted, &case.id);
        let area = case.id.split('/').next().map(ToOwned::to_owned);
        let rule = case.rule.as_ref().and_then(|rule| register.requirements.get(rule));
        (self.ids.is_empty() || self.ids.iter().any(by_id))
            && among(&self.areas, area.as_ref())
            && among(&self.rules, case.rule.as_ref())
            && (self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag)))
            && among(&self.classes, case.class.or(rule.map(|rule| rule.class)).as_ref())
            && among(&self.origins, case.origin.or(rule.map(|rule| rule.origin)).as_ref())
    }
}
