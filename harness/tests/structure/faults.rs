//! Which rows of the register no fault names: `docs/self-test.md` lists them.
//! The list is made again with `SIO_BLESS=1 cargo test --test structure`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use sio_reference_server::faults::TABLE;
use toml::Table;

const FILE: &str = "docs/self-test.md";
const REGISTER: &str = "scenarios/conformance/requirements.toml";
const BEGIN: &str = "<!-- rows -->\n";
const END: &str = "<!-- end of rows -->";

#[test]
fn the_rows_that_no_fault_names_are_published() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root.join(FILE);
    let committed = std::fs::read_to_string(&file).unwrap();
    let register: Table = std::fs::read_to_string(root.join(REGISTER)).unwrap().parse().unwrap();
    let (ahead, rest) = committed.split_once(BEGIN).unwrap();
    let (_, behind) = rest.split_once(END).unwrap();
    let made = format!("{ahead}{BEGIN}{}{END}{behind}", list(&register));
    if std::env::var_os("SIO_BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert!(committed == made, "`SIO_BLESS=1 cargo test --test structure` makes the list in {FILE} again");
}

/// What a fault names is a row, the area of some rows behind a dash, or an invariant of the oracle.
#[test]
fn every_fault_names_rows_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let register: Table = std::fs::read_to_string(root.join(REGISTER)).unwrap().parse().unwrap();
    let rows: Vec<_> = register["requirements"].as_table().unwrap().keys().collect();
    let is_invariant =
        |name: &str| name.strip_prefix('I').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    for fault in TABLE {
        for name in fault.noticed.iter().filter(|name| !is_invariant(name)) {
            let known = if name.ends_with('-') {
                rows.iter().any(|row| row.starts_with(name))
            } else {
                rows.iter().any(|row| row == name)
            };
            assert!(known, "{} names {name}, which is no row of {REGISTER}", fault.name);
        }
    }
}

fn list(register: &Table) -> String {
    let named: BTreeSet<&str> = TABLE.iter().flat_map(|row| row.noticed).copied().collect();
    let rows = register["requirements"].as_table().unwrap();
    let of_class = |class: &str| -> Vec<(&str, bool)> {
        let rows =
            rows.iter().filter(|(_, row)| row["class"].as_str() == Some(class) && row.get("uncovered").is_none());
        rows.map(|(id, _)| (id.as_str(), named.contains(id.as_str()))).collect()
    };
    let mut out = String::from("| Class | Rows with a case | Named by a fault | Not named |\n|---|---|---|---|\n");
    for class in ["must", "should", "may", "info"] {
        let rows = of_class(class);
        if rows.is_empty() {
            continue;
        }
        let missing: Vec<_> = rows.iter().filter(|(_, named)| !named).map(|(id, _)| format!("`{id}`")).collect();
        let count = rows.len() - missing.len();
        let _ = writeln!(out, "| {class} | {} | {count} | {}: {} |", rows.len(), missing.len(), missing.join(", "));
    }
    out
}
