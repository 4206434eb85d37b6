//! Why a message took long to reach everybody, in words: what was seen of its last copy.

use super::text::{count, time};
use crate::record::Outlier;

/// One sentence of one message.
pub(super) fn says(outlier: &Outlier) -> String {
    let over = if outlier.polling { "over polling" } else { "over WebSocket" };
    let mut text = format!(
        "at {:.1} s: complete after {}; the last of {} was user {} of {}, {over}",
        outlier.second,
        time(outlier.complete as f64),
        count(u64::from(outlier.recipients)),
        outlier.user,
        outlier.population
    );
    if let Some(gap) = outlier.gap {
        text.push_str(&format!(", {} behind the one before", time(gap as f64)));
    }
    if let Some(after) = outlier.asked_after {
        text.push_str(&format!(
            "; no GET of it was waiting: the one that brought it was made {} after it was sent",
            time(after as f64)
        ));
    }
    if outlier.with_ping {
        text.push_str("; its copy was read together with a ping");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_is_said() {
        let plain = Outlier {
            second: 1.2,
            complete: 400_000_000,
            recipients: 80,
            user: 7,
            population: "people".to_owned(),
            ..Outlier::default()
        };
        assert_eq!(
            says(&plain),
            "at 1.2 s: complete after 400 ms; the last of 80 was user 7 of people, over WebSocket"
        );
        let all =
            Outlier { gap: Some(390_000_000), polling: true, asked_after: Some(380_000_000), with_ping: true, ..plain };
        let said = says(&all);
        assert!(said.contains("over polling, 390 ms behind the one before; no GET of it was waiting"), "{said}");
        assert!(said.ends_with("made 380 ms after it was sent; its copy was read together with a ping"), "{said}");
    }
}
