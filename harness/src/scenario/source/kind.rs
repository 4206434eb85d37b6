//! Whether a TOML file is meant to be a scenario. What is none by mistake must be told, so the doubt is in its favour.

use toml::de::DeTable;

/// What a scenario has, for messages.
pub(super) const WANTED: &str = "a scenario has a `name`, and [[case]] or [users.NAME]";

/// Tables that scenarios have and other files hardly do.
const OWN: [&str; 12] = [
    "case", "users", "phase", "traffic", "rooms", "clients", "actions", "slo", "feeds", "chaos", "defaults", "observe",
];
/// What both may have.
const COMMON: [&str; 8] = ["name", "about", "tags", "version", "seed", "target", "vars", "search"];

/// What a file is.
pub(super) enum Kind {
    /// A scenario, or meant to be one.
    Scenario,
    /// Plainly something else; its first keys.
    Other(String),
}

/// What the text of a TOML file is.
pub(super) fn of(text: &str) -> Kind {
    let (table, errors) = DeTable::parse_recoverable(text);
    let keys: Vec<String> = table.get_ref().keys().map(|key| key.get_ref().to_string()).collect();
    let is_own = |key: &String| OWN.iter().any(|own| strsim::damerau_levenshtein(own, key) <= 1);
    let is_common = |key: &String| COMMON.contains(&key.as_str());
    // A file that breaks off early has hardly any keys.
    let is_torn = !errors.is_empty() && keys.iter().all(is_common);
    let is_bare = keys.iter().any(|key| key == "name") && keys.iter().all(is_common);
    if keys.is_empty() || keys.iter().any(is_own) || is_torn || is_bare {
        return Kind::Scenario;
    }
    let shown: Vec<_> = keys.iter().take(3).map(|key| format!("`{key}`")).collect();
    Kind::Other(shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_scenario(text: &str) -> bool {
        matches!(of(text), Kind::Scenario)
    }

    #[test]
    fn what_is_plainly_something_else_is_no_scenario() {
        for other in [
            "[package]\nname = \"x\"\n[dependencies]\n",
            "[[deviation]]\ncase = \"a\"\nmatch = \"b\"\nreason = \"c\"\n",
            "about = \"x\"\nstart = [\"node\"]\nversion = [\"node\", \"-v\"]\nengine = 3\n",
            "[project]\nname = \"x\"\n[tool.ruff]\n",
            "name = \"worker\"\nmain = \"index.js\"\n[vars]\nA = 1\n",
        ] {
            assert!(!is_scenario(other), "{other}");
        }
    }

    #[test]
    fn what_is_meant_to_be_one_is_one() {
        for meant in [
            "",
            "name = \"x\"\n",
            "name = \"x\"\n[[cse]]\n",
            "[users.a]\ncount = 1\n",
            "name = \"x\"\nseed = = 3\n[users.a]\n",
            "name = \"x\nseed",
            "naem = \"x\"\n[[case]]\nname = \"c\"\n",
        ] {
            assert!(is_scenario(meant), "{meant}");
        }
        for name in super::super::embedded_names() {
            assert!(is_scenario(&super::super::shipped(&format!("{name}.toml")).unwrap()), "{name}");
        }
    }
}
