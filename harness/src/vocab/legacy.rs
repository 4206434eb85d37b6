//! Names that measures had before 0.1.0: the only place that knows them. Scenario files with one are refused with the new name
//! (`scenario::legacy`); in the records of then they are understood (`record::legacy`).

/// Measures of the whole run.
const MEASURES: [(&str, &str); 5] = [
    ("oracle.strength", "oracle.certainty"),
    ("ruler.late", "generator.late"),
    ("ruler.read", "generator.read_delay"),
    ("ruler.busy", "generator.cpu"),
    ("ruler.wait", "generator.cpu_wait"),
];

/// Distributions in the log of a run, without their phase.
const LOGGED: [(&str, &str); 3] =
    [("ruler.late", "generator.late"), ("ruler.read", "generator.read_delay"), ("ruler.queue", "generator.recv_queue")];

/// Counts of a traffic.
pub const COUNTS: [(&str, &str); 5] = [
    ("stray", "misdelivered"),
    ("disorder", "out_of_order"),
    ("missed", "missed_offline"),
    ("stray_across", "misdelivered_across"),
    ("disorder_across", "out_of_order_across"),
];

/// A threshold with the measure's name of today; `None` if it has no old one. A step of a flow may be called like an old count,
/// and is followed by a statistic, which no count is.
pub fn threshold(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (word, next) = (words.next()?, words.next().unwrap_or_default());
    let new = match lookup(&MEASURES, word) {
        Some(new) => new.to_owned(),
        None => {
            let (traffic, count) = word.rsplit_once('.')?;
            let is_count = next.starts_with(['<', '=', '>']);
            format!("{traffic}.{}", lookup(&COUNTS, count).filter(|_| is_count)?)
        }
    };
    Some(text.replacen(word, &new, 1))
}

/// The name of a distribution in the log of a run, as it is today.
pub fn logged(name: &str) -> &str {
    lookup(&LOGGED, name).unwrap_or(name)
}

fn lookup<'a>(table: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_measures_have_new_names_and_nothing_else_has() {
        for (old, new) in [
            ("t.stray = 0", Some("t.misdelivered = 0")),
            ("a.b.missed <= 5 in steady", Some("a.b.missed_offline <= 5 in steady")),
            ("ruler.read p99 < 1ms", Some("generator.read_delay p99 < 1ms")),
            ("oracle.strength >= 50%", Some("oracle.certainty >= 50%")),
            ("order.missed p99 < 1s", None),
            ("stray = 0", None),
            ("t.missing = 0", None),
            ("", None),
        ] {
            assert_eq!(threshold(old).as_deref(), new, "{old}");
        }
        assert_eq!([logged("ruler.queue"), logged("ruler.delivery")], ["generator.recv_queue", "ruler.delivery"]);
    }
}
