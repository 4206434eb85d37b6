//! What was probably meant: the nearest of the names there are.

/// The name of `known` that was probably meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.is_empty() {
        return None;
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase());
    let (name, distance) = known.into_iter().map(|name| (name, distance(name))).min_by_key(|(_, far)| *far)?;
    // A third of the letters may differ; more is no misspelling, but it may say more than the name.
    let letters = found.chars().count();
    let says_more = name.len() >= 4 && found.contains(name) && distance <= letters / 2;
    (distance <= ((letters + 1) / 3).max(1) || says_more).then_some(name)
}

/// `; did you mean `x`?`, or nothing: for the end of a message.
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_near_and_another_word_is_not() {
        let known = ["rooms", "acks", "RM-01"];
        assert_eq!(nearest("romms", known), Some("rooms"));
        assert_eq!(nearest("rm-01", known), Some("RM-01"));
        assert_eq!(nearest("long-polling", ["polling", "websocket"]), Some("polling"));
        assert_eq!(nearest("nobody", ["node", "shop"]), None);
        assert_eq!(nearest("websocket", known), None);
        assert_eq!(did_you_mean("ack", known), "; did you mean `acks`?");
        assert_eq!(did_you_mean("x", []), "");
    }
}
