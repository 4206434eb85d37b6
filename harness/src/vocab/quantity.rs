//! Numbers with units, as people write them.

use std::time::Duration;

/// Something per time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How many each second.
    pub per_second: f64,
}

fn split_number(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = digits.replace('_', "").parse().map_err(|_| format!("`{text}` does not start with a number"))?;
    Ok((number, unit.trim()))
}

/// Nanoseconds in `unit`.
fn nanos_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    })
}

/// `30s`, `200ms`, `1.5m`; at most a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_number(text)?;
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; use ns us ms s m h"));
    }
    let nanos = nanos_of(unit).ok_or_else(|| format!("unknown unit `{unit}`; use ns us ms s m h"))? * number;
    if nanos > 365.0 * 24.0 * 3_600e9 {
        return Err(format!("`{text}` is more than a year"));
    }
    Ok(Duration::from_nanos(nanos as u64))
}

/// `500/s`, `30/min`; more than zero.
pub fn rate(text: &str) -> Result<Rate, String> {
    let (number, unit) = split_number(text)?;
    let Some(per) = unit.strip_prefix('/') else {
        return Err(format!("`{text}` has no unit; use /s /m /h"));
    };
    let nanos = nanos_of(per.trim()).ok_or_else(|| format!("unknown unit `{unit}`; use /s /m /h"))?;
    let per_second = number * 1e9 / nanos;
    if per_second <= 0.0 || per_second > 1e9 {
        return Err(format!("`{text}` is not between 0 and a billion each second"));
    }
    Ok(Rate { per_second })
}

/// `10/s..2_000/s`, or `100..5_000`: two numbers of one unit, the lower first.
pub fn range(text: &str) -> Result<(f64, f64, String), String> {
    let problem =
        || format!("expected two numbers of one unit with `..` in between, such as 10/s..2_000/s; found `{text}`");
    let (from, to) = text.split_once("..").ok_or_else(problem)?;
    let ((low, unit), (high, other)) = (split_number(from)?, split_number(to)?);
    if unit != other && !unit.is_empty() {
        return Err(problem());
    }
    if low <= 0.0 || high < low {
        return Err(format!("`{text}` must begin above zero and not end before it begins"));
    }
    Ok((low, high, other.to_owned()))
}

/// `5%`: how exactly something is to be known.
pub fn resolution(text: &str) -> Result<f64, String> {
    match percent(text)? {
        share if (0.005..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("expected 0.5% to 100%, found `{text}`")),
    }
}

/// `128B`, `64KiB`, `1MB`; at most 1 GiB.
pub fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split_number(text)?;
    let factor = match unit {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "KiB" => 1_024.0,
        "MiB" => 1_048_576.0,
        "" => return Err(format!("`{text}` has no unit; use B KB KiB MB MiB")),
        _ => return Err(format!("unknown unit `{unit}`; use B KB KiB MB MiB")),
    };
    let bytes = number * factor;
    if bytes > 1_073_741_824.0 {
        return Err(format!("`{text}` is more than 1 GiB"));
    }
    Ok(bytes as usize)
}

/// `100%` as 1.0.
pub fn percent(text: &str) -> Result<f64, String> {
    let (number, unit) = split_number(text)?;
    if unit == "%" { Ok(number / 100.0) } else { Err(format!("`{text}` is not a percentage such as 100%")) }
}

/// `100%`, or `20%..300%` as a ramp.
pub fn load(text: &str) -> Result<(f64, f64), String> {
    match text.split_once("..") {
        Some((from, to)) => Ok((percent(from)?, percent(to)?)),
        None => percent(text).map(|load| (load, load)),
    }
}

/// `1s..5s`, or `2s` for twice the same; the second is at least the first.
pub fn durations(text: &str) -> Result<(Duration, Duration), String> {
    match text.split_once("..") {
        Some((from, to)) => {
            let (from, to) = (duration(from)?, duration(to)?);
            if from > to { Err(format!("`{text}` runs backwards")) } else { Ok((from, to)) }
        }
        None => duration(text).map(|time| (time, time)),
    }
}

/// `1KiB/s`
pub fn throughput(text: &str) -> Result<usize, String> {
    let bytes = text.strip_suffix("/s").ok_or_else(|| format!("`{text}` does not end in `/s`"))?;
    match size(bytes)? {
        0 => Err("nothing would ever be read".to_owned()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(rate("1_000/s"), Ok(Rate { per_second: 1_000.0 }));
        assert_eq!(rate("30/min"), Ok(Rate { per_second: 0.5 }));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(load("20%..300%"), Ok((0.2, 3.0)));
        assert_eq!(durations("1s..5s"), Ok((Duration::from_secs(1), Duration::from_secs(5))));
        assert!(durations("5s..1s").is_err());
        assert_eq!(throughput("1KiB/s"), Ok(1024));
        assert!(throughput("1KiB").is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        for (problem, expected) in [
            (duration("30").unwrap_err(), "`30` has no unit; use ns us ms s m h"),
            (duration("30 parsecs").unwrap_err(), "unknown unit `parsecs`; use ns us ms s m h"),
            (rate("5").unwrap_err(), "`5` has no unit; use /s /m /h"),
            (size("128").unwrap_err(), "`128` has no unit; use B KB KiB MB MiB"),
            (load("100").unwrap_err(), "`100` is not a percentage such as 100%"),
        ] {
            assert_eq!(problem, expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = (duration(&text), rate(&text), size(&text), load(&text));
        }
    }
}
