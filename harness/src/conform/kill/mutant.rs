//! Something that a server does wrong on purpose, and who should notice.

use serde::Deserialize;
use sio_reference_server::faults::{Layer, Row, TABLE};

/// A fault of the reference server, or of a target that has some.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// A short id, such as `B01`; what `SIO_FAULT` says to switch it on.
    pub id: String,
    /// A name, such as `union-dup`.
    pub name: String,
    /// Where it is.
    pub layer: Layer,
    /// What the server does wrong.
    pub summary: String,
    /// The row or invariant that it violates, then others that are violated with it; a trailing `-` stands for a whole
    /// area, in which it does damage that says little about what is wrong.
    pub noticed: Vec<String>,
    /// Where such a bug really occurred, if it did.
    pub seen: Option<String>,
}

impl From<&Row> for Mutant {
    fn from(row: &Row) -> Self {
        Self {
            id: row.id.to_owned(),
            name: row.name.to_owned(),
            layer: row.layer,
            summary: row.summary.to_owned(),
            noticed: row.noticed.iter().map(|rule| (*rule).to_owned()).collect(),
            seen: row.seen.map(str::to_owned),
        }
    }
}

/// As the command `faults` of a target prints it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed {
    id: String,
    name: String,
    layer: String,
    wrong: String,
    noticed: Vec<String>,
    seen: Option<String>,
}

impl Printed {
    fn mutant(self) -> Result<Mutant, String> {
        let Self { id, name, layer, wrong, noticed, seen } = self;
        let known = Layer::ALL.into_iter().find(|known| known.name() == layer);
        let names = || Layer::ALL.map(Layer::name).join(", ");
        let layer = known.ok_or_else(|| format!("{id}: there is no layer `{layer}`; expected one of {}", names()))?;
        Ok(Mutant { id, name, layer, summary: wrong, noticed, seen })
    }
}

impl Mutant {
    /// What the reference server can be told to do wrong.
    pub fn of_reference() -> Vec<Self> {
        TABLE.iter().map(Self::from).collect()
    }

    /// What a target prints about itself.
    pub fn read(json: &str) -> Result<Vec<Self>, String> {
        let printed: Vec<Printed> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        printed.into_iter().map(Printed::mutant).collect()
    }

    /// Nobody promises otherwise, so nothing can notice it.
    pub fn is_equivalent(&self) -> bool {
        self.noticed.is_empty()
    }

    /// Whether a violation of `rule` is a reason that the table names, itself or with its area.
    pub fn explains(&self, rule: &str) -> bool {
        self.noticed.iter().any(|noticed| match noticed.strip_suffix('-') {
            Some(area) => rule.strip_prefix(area).is_some_and(|rest| rest.starts_with('-')),
            None => rule == noticed,
        })
    }

    /// Whether the table names `rule` itself.
    pub fn names(&self, rule: &str) -> bool {
        self.noticed.iter().any(|noticed| noticed == rule)
    }

    /// How far ahead the table names `rule` itself.
    pub(super) fn place_of(&self, rule: &str) -> usize {
        self.noticed.iter().position(|noticed| noticed == rule).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_rows_or_areas() {
        let all = Mutant::of_reference();
        let row = all.iter().find(|row| row.id == "B01").unwrap();
        assert!(row.explains("RM-03") && row.explains("RM-17") && row.explains("MD-11") && row.explains("I1"));
        assert!(!row.explains("MD-01") && !row.explains("RMX-01"));
        assert!(row.names("RM-03") && !row.names("RM-17"));
    }

    #[test]
    fn a_target_prints_its_own() {
        let row = |layer: &str| {
            format!(
                r#"[{{"layer": "{layer}", "id": "X1", "name": "x", "wrong": "it errs", "noticed": ["RM-01", "I6"]}}]"#
            )
        };
        let read = Mutant::read(&row("rooms")).unwrap();
        assert!(read[0].names("I6") && read[0].summary == "it errs" && read[0].seen.is_none());
        let refused = Mutant::read(&row("cellar")).unwrap_err();
        assert!(refused.starts_with("X1: there is no layer `cellar`; expected one of rooms, recovery"), "{refused}");
        assert!(Mutant::read("{}").is_err());
    }
}
