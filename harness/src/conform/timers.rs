//! Timers of the fixture that a case has asked for: the target is bound to them as it is to its options, so a case may be
//! decided by one of them where its author thought of none.

use std::time::Duration;

/// What starts one, in packets as they are sent, each followed by its milliseconds (`targets/CONTRACT.md`).
const STARTS: [&str; 3] = ["\"timeout\":", "[\"later\",", "\"wait\":"];
/// The namespace that lets in late, and after how long.
const SLOW: (&str, Duration) = ("/slow", Duration::from_millis(300));
/// Ahead of what a client has sent, in a transcript.
const SENT: char = '▶';

/// The shortest of the timers that were started by what a transcript says was sent; `None` if there were none.
pub(super) fn shortest(transcript: &[String]) -> Option<Duration> {
    let sent = transcript.iter().filter_map(|line| line.split_once(SENT)).map(|(_, packet)| packet);
    sent.flat_map(started).min()
}

fn started(packet: &str) -> impl Iterator<Item = Duration> {
    let after = move |start: &'static str| packet.match_indices(start).map(move |(at, _)| &packet[at + start.len()..]);
    let timers = STARTS.into_iter().flat_map(after).filter_map(millis);
    timers.chain(packet.contains(SLOW.0).then_some(SLOW.1))
}

fn millis(text: &str) -> Option<Duration> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_says_which_timers_run() {
        let shortest = |lines: &[&str]| shortest(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        let millis = |millis| Some(Duration::from_millis(millis));
        let asked = [
            "  1.0 w ▶ 42/a,1[\"emit\",{\"via\":\"self\",\"timeout\":500,\"event\":\"short\"}]",
            "  1.0 w ▶ 42/a,2[\"emit\",{\"timeout\":3000}] 42/a,3[\"emit\",{\"timeout\": 400}]",
            "  2.0 w ◀ 43/a,1[{\"acks\":null,\"error\":\"timeout\",\"timeout\":5}]",
        ];
        assert_eq!(shortest(&asked), millis(400));
        assert_eq!(shortest(&["  1.0 a ▶ / [\"later\",50,\"message\"]   ack 0"]), millis(50));
        assert_eq!(shortest(&["  1.0 a ▶ 40/slow,", "  1.0 b ▶ CONNECT /fn-x {\"wait\":1000}"]), millis(300));
        assert_eq!(shortest(&["  1.0 a ▶ / [\"join\",\"later\"]   ack 0", "  1.0 w ▶ 42[\"timeout\"]"]), None);
    }
}
