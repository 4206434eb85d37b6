//! `[vars]` and what `--set` makes of them.

use super::diagnostic::Diagnostics;
use super::node::{Kind, Node, parse_override};

/// Names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Vars(Vec<(String, Kind)>);

/// One `--set key=value`.
pub type Override = (String, String);

impl Vars {
    /// Reads the table `[vars]`; overrides of names it does not have are refused by name.
    pub fn read(node: Option<&Node>, overrides: &[Override], diagnostics: &mut Diagnostics) -> Self {
        let mut vars = Self::default();
        if let Some(node) = node {
            match &node.kind {
                Kind::Table(entries) => {
                    for (key, value) in entries {
                        if matches!(value.kind, Kind::Array(_) | Kind::Table(_)) {
                            let message =
                                format!("a variable is a string, number or boolean, not {}", value.describe());
                            diagnostics.error(value.span.clone(), message);
                        }
                        vars.0.push((key.name.clone(), value.kind.clone()));
                    }
                }
                _ => diagnostics.error(node.span.clone(), format_args!("[vars] is a table, not {}", node.describe())),
            }
        }
        for (name, text) in overrides {
            if let Some((_, value)) = vars.0.iter_mut().find(|(known, _)| known == name) {
                *value = parse_override(text);
            }
        }
        vars
    }

    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
