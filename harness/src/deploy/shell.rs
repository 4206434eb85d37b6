//! Words for a POSIX shell.

/// A word that a shell reads as it is, whatever stands in it.
pub(super) fn quote(word: &str) -> String {
    // `a=b` is an assignment where a command begins; an option is none.
    let is_option = word.starts_with("--");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c) || (is_option && c == '=');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A command of these words.
pub(super) fn line<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Lines that set [`VIA`](super::VIA), or end the script where what it needs is not in the environment.
pub(super) fn settings(order: &super::Order, broker: &super::Broker) -> String {
    let via = match broker {
        super::Broker::At(address) => format!("{}={}\n", super::VIA, quote(address)),
        super::Broker::Secret => String::new(),
    };
    let wanted = |name: &str| format!(": \"${{{name}:?is not set, and the workers need it}}\"\n");
    let wanted: String = order.references(broker).into_iter().map(wanted).collect();
    format!("{via}{wanted}export {}\n", super::VIA)
}
