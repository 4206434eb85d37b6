//! The JSON Schema of scenario files, for editors. What is wrong with a file is said by the parser itself, since a
//! schema can only say that something is.

use super::source;

/// The committed schema.
pub fn text() -> &'static str {
    source::SCHEMA
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::scenario::lower::cases::OPTIONS;
    use crate::scenario::lower::steps::{MODIFIERS, VERBS};

    fn schema() -> Value {
        serde_json::from_str(text()).unwrap()
    }

    #[test]
    fn the_schema_knows_every_option_and_no_other() {
        let schema = schema();
        let known: BTreeSet<&str> =
            schema["$defs"]["options"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(known, OPTIONS.into_iter().map(|(name, ..)| name).collect());
    }

    #[test]
    fn the_schema_knows_every_key_of_a_step_and_no_other() {
        let schema = schema();
        let known: BTreeSet<&str> =
            schema["$defs"]["step"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let wanted: BTreeSet<&str> = VERBS.into_iter().chain(MODIFIERS).collect();
        assert_eq!(known, wanted);
    }

    #[test]
    fn every_scenario_that_is_shipped_is_valid() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let mut names = source::embedded_names();
        names.extend(["conformance/capabilities".to_owned(), "conformance/fixture".to_owned()]);
        for name in names {
            let source = source::find(Path::new(&name)).unwrap().remove(0);
            let file: toml::Table = toml::from_str(&source.text).unwrap();
            let instance = serde_json::to_value(file).unwrap();
            let errors: Vec<_> =
                validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }

    #[test]
    fn mistakes_are_not_valid() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        for mistake in [
            "name = 1",
            "name = 'x'\nnmae = 'y'",
            "name = 'x'\n[[case]]\nname = 'c'\nsteps = [{ at = 'a', expct = ['e'] }]",
            "name = 'x'\n[[case]]\nname = 'c'",
            "name = 'x'\n[traffic.t]\nfrom = 'u'\nrate = '1/s'\narrivals = 'possion'",
        ] {
            let file: toml::Table = toml::from_str(mistake).unwrap();
            assert!(!validator.is_valid(&serde_json::to_value(file).unwrap()), "{mistake}");
        }
    }
}
