//! Counts that no run can have: a record may be a stranger's, and its numbers are added up.

use serde_json::Value;

/// No count, and no time in nanoseconds, is greater. So many of them can be added that no record has as many.
const MOST: u64 = 10_000_000_000_000_000;
/// Digits of the least number that is greater.
const DIGITS: usize = 17;
/// What is no count: any number will do for a seed, and clocks count since 1970.
const LEFT_ALONE: [&str; 2] = ["seed", "part"];

/// Whether a line has a whole number that may be one of these; almost none has.
pub(super) fn may_be_in(line: &[u8]) -> bool {
    let (mut digits, mut fraction) = (0, false);
    for byte in line {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if digits >= DIGITS && !fraction {
                    return true;
                }
            }
            _ => (digits, fraction) = (0, *byte == b'.'),
        }
    }
    false
}

/// The same with the greatest that can be in their places.
pub(super) fn bounded(value: Value) -> Value {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(count), _) => count.min(MOST).into(),
            (None, Some(difference)) => difference.max(-(MOST as i64)).into(),
            (None, None) => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(bounded).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = if LEFT_ALONE.contains(&name.as_str()) { value } else { bounded(value) };
                (name, value)
            };
            fields.into_iter().map(field).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_bounded_and_nothing_else_is() {
        for (line, may) in [
            (r#"{"mean":5892289.74423480001,"n":9999999999999999}"#, false),
            (r#"{"n":10000000000000000}"#, true),
            (r#"{"n":-10000000000000000}"#, true),
            (r#"{"n":0.10000000000000000}"#, false),
        ] {
            assert_eq!(may_be_in(line.as_bytes()), may, "{line}");
        }
        let line = json!({ "seed": u64::MAX, "counts": [u64::MAX, i64::MIN, 7, -7, 0.5, "18446744073709551615"], "part": { "wall": i64::MAX } });
        let expected = json!({ "seed": u64::MAX, "counts": [MOST, -(MOST as i64), 7, -7, 0.5, "18446744073709551615"], "part": { "wall": i64::MAX } });
        assert_eq!(bounded(line), expected);
    }
}
