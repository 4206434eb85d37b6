//! The register of rows: `scenarios/conformance/rules.toml`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::scenario::model::{Class, Origin};
use crate::scenario::source;

/// Everything a Socket.IO server must do, row by row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Texts that rows refer to.
    pub sources: BTreeMap<String, Source>,
    /// Areas: what the ids of their rows begin with, and their names.
    pub areas: IndexMap<String, String>,
    /// Rows by id.
    pub rules: IndexMap<String, Rule>,
}

/// A text that rows refer to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub title: String,
    pub link: String,
}

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What holds, in one sentence.
    pub says: String,
    pub class: Class,
    pub origin: Origin,
    /// Key of a source, and the place in it.
    pub source: String,
    #[serde(default)]
    pub at: String,
    /// Why there is no case for it.
    pub uncovered: Option<String>,
}

impl Register {
    /// The register inside the program, or beside the cases in `folder`.
    pub fn load() -> Result<Self, String> {
        let text = source::shipped("conformance/rules.toml").ok_or("the register of rules is not in this program")?;
        Self::parse(&text)
    }

    /// Reads a register and checks that its rows hang together.
    pub fn parse(text: &str) -> Result<Self, String> {
        let register: Self = toml::from_str(text).map_err(|error| format!("rules.toml: {error}"))?;
        for (id, rule) in &register.rules {
            if !register.sources.contains_key(&rule.source) {
                return Err(format!("rules.toml: {id} cites the source {:?}, which is not in [sources]", rule.source));
            }
            if register.area_of(id).is_none() {
                return Err(format!("rules.toml: {id} belongs to none of [areas]"));
            }
        }
        Ok(register)
    }

    /// The area a row belongs to: key and name.
    pub fn area_of(&self, id: &str) -> Option<(&str, &str)> {
        let prefix = id.rsplit_once('-')?.0;
        self.areas.get_key_value(prefix).map(|(key, name)| (key.as_str(), name.as_str()))
    }

    /// Where a row comes from, for people.
    pub fn citation(&self, rule: &Rule) -> String {
        let source = self.sources.get(&rule.source);
        let title = source.map_or(rule.source.as_str(), |source| source.title.as_str());
        if rule.at.is_empty() { title.to_owned() } else { format!("{title}, {}", rule.at) }
    }

    /// Link to the text a row comes from.
    pub fn link(&self, rule: &Rule) -> &str {
        self.sources.get(&rule.source).map_or("", |source| source.link.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_case_cites_a_row_and_every_row_has_a_case_or_a_reason() {
        let register = Register::load().unwrap();
        let mut cited = BTreeSet::new();
        for source in source::find(Path::new("conformance")).unwrap() {
            let loaded = crate::scenario::load(source, &[], None).unwrap();
            for case in &loaded.scenario.cases {
                let rule = case.rule.as_deref().unwrap_or_default();
                assert!(register.rules.contains_key(rule), "{}: `{rule}` is no row of the register", case.id);
                cited.insert(rule.to_owned());
            }
        }
        let idle = register.rules.iter().filter(|(id, rule)| !cited.contains(*id) && rule.uncovered.is_none());
        let idle: Vec<_> = idle.map(|(id, _)| id.as_str()).collect();
        assert!(idle.is_empty(), "rows with neither case nor reason: {idle:?}");
        let both = register.rules.iter().filter(|(id, rule)| cited.contains(*id) && rule.uncovered.is_some());
        let both: Vec<_> = both.map(|(id, _)| id.as_str()).collect();
        assert!(both.is_empty(), "rows with a case and a reason for having none: {both:?}");
    }
}
