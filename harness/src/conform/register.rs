//! The register of requirements: `scenarios/conformance/requirements.toml`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::record::RequirementInfo;
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
    pub requirements: IndexMap<String, Requirement>,
}

/// A text that rows refer to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub title: String,
    pub link: String,
    /// What a row of it may demand.
    #[serde(default)]
    pub kind: Kind,
    /// Its headings, as far as rows refer to them; none: any place may be named.
    #[serde(default)]
    pub places: Vec<String>,
}

/// What kind of text a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The protocol, or a standard that it builds on.
    Text,
    /// An official suite of the protocol.
    Suite,
    /// Documentation, code or an advisory: alone it makes nothing mandatory.
    #[default]
    Other,
}

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What holds, in one sentence.
    pub says: String,
    pub class: Class,
    pub origin: Origin,
    /// Key of a source, and the place in it.
    pub source: String,
    #[serde(default)]
    pub at: String,
    /// The sentence it rests on; for safety, what happens to a server that does otherwise.
    pub rests_on: Option<String>,
    /// Why there is no case for it.
    pub uncovered: Option<String>,
}

impl Register {
    /// The register inside the program, or beside the cases in `folder`.
    pub fn load() -> Result<Self, String> {
        let text = source::shipped("conformance/requirements.toml")
            .ok_or("the register of requirements is not in this program")?;
        Self::parse(&text)
    }

    /// Reads a register and checks that its rows hang together.
    pub fn parse(text: &str) -> Result<Self, String> {
        let register: Self = toml::from_str(text).map_err(|error| format!("requirements.toml: {error}"))?;
        for (id, rule) in &register.requirements {
            if register.area_of(id).is_none() {
                return Err(format!("requirements.toml: {id} belongs to none of [areas]"));
            }
            register.check(rule).map_err(|problem| format!("requirements.toml: {id} {problem}"))?;
        }
        Ok(register)
    }

    /// Whether a row names a place that there is, and demands no more than its source may.
    fn check(&self, rule: &Requirement) -> Result<(), String> {
        let Some(source) = self.sources.get(&rule.source) else {
            return Err(format!("cites the source {:?}, which is not in [sources]", rule.source));
        };
        if !source.places.is_empty() && !source.places.contains(&rule.at) {
            return Err(format!("names {:?} of {}, which has {}", rule.at, rule.source, source.places.join(", ")));
        }
        if rule.origin == Origin::Protocol && source.kind == Kind::Other {
            return Err(format!("is said to be protocol, but {} is neither its text nor its suite", rule.source));
        }
        if rule.class != Class::Must {
            return Ok(());
        }
        if !rule.origin.may_demand() {
            let origin = rule.origin.word();
            return Err(format!("must hold and comes from {origin}; only protocol and safety make it so"));
        }
        if rule.at.is_empty() {
            return Err("must hold and names no place in its source (`at`)".to_owned());
        }
        if rule.origin == Origin::Safety && rule.rests_on.is_none() {
            return Err("must hold for safety, and does not say what happens otherwise (`rests_on`)".to_owned());
        }
        Ok(())
    }

    /// The area a row belongs to: key and name.
    pub fn area_of(&self, id: &str) -> Option<(&str, &str)> {
        let prefix = id.rsplit_once('-')?.0;
        self.areas.get_key_value(prefix).map(|(key, name)| (key.as_str(), name.as_str()))
    }

    /// Where a row comes from, for people.
    pub fn citation(&self, rule: &Requirement) -> String {
        let source = self.sources.get(&rule.source);
        let title = source.map_or(rule.source.as_str(), |source| source.title.as_str());
        if rule.at.is_empty() { title.to_owned() } else { format!("{title}, {}", rule.at) }
    }

    /// Link to the text a row comes from.
    pub fn link(&self, rule: &Requirement) -> &str {
        self.sources.get(&rule.source).map_or("", |source| source.link.as_str())
    }
}

/// The register as it stands in a record.
pub fn rules(register: &Register) -> IndexMap<String, RequirementInfo> {
    let info = |id: &String, rule: &Requirement| RequirementInfo {
        area: register.area_of(id).map_or(String::new(), |(_, name)| name.to_owned()),
        says: rule.says.clone(),
        class: rule.class,
        origin: rule.origin,
        cites: register.citation(rule),
        link: register.link(rule).to_owned(),
        uncovered: rule.uncovered.clone(),
    };
    register.requirements.iter().map(|(id, rule)| (id.clone(), info(id, rule))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const HEAD: &str = r#"
        [sources]
        T = { title = "text", link = "", kind = "text", places = ["Here"] }
        D = { title = "docs", link = "" }
        [areas]
        A = "a"
        [requirements]
        A-1 = { says = "it holds", "#;

    fn refused(row: &str) -> String {
        Register::parse(&format!("{HEAD}{row} }}")).err().unwrap_or_default()
    }

    #[test]
    fn what_must_hold_comes_from_the_protocol_or_is_safety_and_says_where() {
        let cases = [
            (r#"class = "must", origin = "protocol", source = "T", at = "Here""#, ""),
            (r#"class = "must", origin = "protocol", source = "T", at = "There""#, "which has Here"),
            (r#"class = "must", origin = "protocol", source = "D", at = "x""#, "neither its text nor its suite"),
            (r#"class = "must", origin = "docs", source = "D", at = "x""#, "only protocol and safety"),
            (r#"class = "must", origin = "reference", source = "D", at = "x""#, "only protocol and safety"),
            (r#"class = "must", origin = "safety", source = "D", at = "x", rests_on = "it ends""#, ""),
            (r#"class = "must", origin = "safety", source = "D", at = "x""#, "what happens otherwise"),
            (r#"class = "must", origin = "safety", source = "D", rests_on = "it ends""#, "names no place"),
            (r#"class = "should", origin = "docs", source = "D""#, ""),
        ];
        for (row, problem) in cases {
            let said = refused(row);
            assert!(said.contains(problem) && said.is_empty() == problem.is_empty(), "{row}: {said}");
        }
    }

    #[test]
    fn cases_that_must_pass_rest_on_the_protocol_or_on_safety() {
        let register = Register::load().unwrap();
        let mut others = Vec::new();
        for source in source::find(Path::new("conformance")).unwrap() {
            let loaded = crate::scenario::load(source, &[], None).unwrap();
            for case in &loaded.scenario.cases {
                let Some(row) = case.rule.as_deref().and_then(|rule| register.requirements.get(rule)) else { continue };
                let origin = case.origin.unwrap_or(row.origin);
                if case.class.unwrap_or(row.class) == Class::Must && !origin.may_demand() {
                    others.push(case.id.clone());
                }
            }
        }
        assert!(others.is_empty(), "cases that must pass for a reason that demands nothing: {others:?}");
    }

    #[test]
    fn every_case_cites_a_row_and_every_row_has_a_case_or_a_reason() {
        let register = Register::load().unwrap();
        let mut cited = BTreeSet::new();
        for source in source::find(Path::new("conformance")).unwrap() {
            let loaded = crate::scenario::load(source, &[], None).unwrap();
            for case in &loaded.scenario.cases {
                let rule = case.rule.as_deref().unwrap_or_default();
                assert!(
                    register.requirements.contains_key(rule),
                    "{}: `{rule}` is no requirement of the register",
                    case.id
                );
                cited.insert(rule.to_owned());
            }
        }
        let idle = register.requirements.iter().filter(|(id, rule)| !cited.contains(*id) && rule.uncovered.is_none());
        let idle: Vec<_> = idle.map(|(id, _)| id.as_str()).collect();
        assert!(idle.is_empty(), "rows with neither case nor reason: {idle:?}");
        let both = register.requirements.iter().filter(|(id, rule)| cited.contains(*id) && rule.uncovered.is_some());
        let both: Vec<_> = both.map(|(id, _)| id.as_str()).collect();
        assert!(both.is_empty(), "rows with a case and a reason for having none: {both:?}");
    }
}
