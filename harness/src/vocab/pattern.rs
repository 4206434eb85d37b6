//! Patterns of case ids.

/// Whether `id` is what the pattern names: `*` stands for anything within one component, `**` for anything.
pub fn matches(pattern: &str, id: &str) -> bool {
    matches_bytes(pattern.as_bytes(), id.as_bytes())
}

fn matches_bytes(pattern: &[u8], id: &[u8]) -> bool {
    match pattern {
        [] => id.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=id.len()).any(|skipped| matches_bytes(rest, &id[skipped..])),
        [b'*', rest @ ..] => {
            let end = id.iter().position(|byte| *byte == b'/').unwrap_or(id.len());
            (0..=end).any(|skipped| matches_bytes(rest, &id[skipped..]))
        }
        [first, rest @ ..] => id.split_first().is_some_and(|(byte, id)| byte == first && matches_bytes(rest, id)),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn one_star_stays_within_a_component() {
        assert!(matches("rooms/a-case[ws]", "rooms/a-case[ws]"));
        assert!(matches("rooms/*[ws]", "rooms/a-case[ws]"));
        assert!(matches("rooms/**", "rooms/a/b"));
        assert!(matches("**", "rooms/a-case"));
        assert!(!matches("rooms/*", "rooms/a/b"));
        assert!(!matches("room", "rooms"));
        assert!(!matches("rooms/a", "rooms/ab"));
    }
}
