//! The mutants, as `cargo mutants --list --json` names them.

use serde_json::Value;

/// What is done to the place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Genre {
    /// The body of a function is one value.
    FnValue,
    /// Another operator between the same operands.
    Binary,
    /// Without the operator ahead of an operand.
    Unary,
    /// A guard that is always true, or never.
    Guard,
    /// Without an arm.
    Arm,
    /// Anything else: not written by this tool.
    Other,
}

/// One change to one place.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// As cargo-mutants prints it, with file, line and column.
    pub name: String,
    /// Below the root of the workspace.
    pub file: String,
    pub genre: Genre,
    /// What stands there instead.
    pub replacement: String,
    /// What its function returns, as it is written.
    pub returns: String,
    /// Line and column, both from 1.
    pub start: (usize, usize),
}

/// The mutants in the order of the list; their numbers begin with 1, since 0 is the code as it is.
pub fn read(path: &str) -> Result<Vec<Mutant>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{path}: {why}"))?;
    let list: Vec<Value> = serde_json::from_str(&text).map_err(|why| format!("{path}: {why}"))?;
    list.iter()
        .map(|entry| mutant(entry).ok_or_else(|| format!("{path}: not an entry of cargo-mutants: {entry}")))
        .collect()
}

fn mutant(entry: &Value) -> Option<Mutant> {
    let start = &entry["span"]["start"];
    Some(Mutant {
        name: entry["name"].as_str()?.to_owned(),
        file: entry["file"].as_str()?.to_owned(),
        genre: match entry["genre"].as_str()? {
            "FnValue" => Genre::FnValue,
            "BinaryOperator" => Genre::Binary,
            "UnaryOperator" => Genre::Unary,
            "MatchArmGuard" => Genre::Guard,
            "MatchArm" => Genre::Arm,
            _ => Genre::Other,
        },
        replacement: entry["replacement"].as_str()?.to_owned(),
        returns: entry["function"]["return_type"].as_str().unwrap_or_default().to_owned(),
        start: (start["line"].as_u64()? as usize, start["column"].as_u64()? as usize),
    })
}
