//! The JSON Schema of a record's lines, for those who read records with programs of their own. It is made from the types
//! themselves and committed as `reports/record.schema.json`.

use super::entry::Entry;

/// The schema of one line.
pub fn text() -> String {
    let mut schema = schemars::schema_for!(Entry);
    schema.insert("title".to_owned(), "A line of run.jsonl".into());
    schema.insert("description".to_owned(), format!("Record schema {} of sio-bench", super::SCHEMA).into());
    let text = serde_json::to_string_pretty(schema.as_value()).unwrap_or_default();
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../reports/record.schema.json");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert!(committed == text(), "`sio-bench schema record > reports/record.schema.json` makes it again");
    }

    #[test]
    fn records_are_valid_and_nonsense_is_not() {
        let schema: serde_json::Value = serde_json::from_str(&text()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for record in ["load", "flow", "cases"] {
            let file = format!("{}/tests/records/schema-3/{record}/run.jsonl", env!("CARGO_MANIFEST_DIR"));
            for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let errors: Vec<_> = validator.iter_errors(&line).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{file}:{}: {errors:?}", number + 1);
            }
        }
        assert!(!validator.is_valid(&serde_json::json!({"type": "header"})));
        assert!(!validator.is_valid(&serde_json::json!({"type": "nonsense"})));
    }
}
