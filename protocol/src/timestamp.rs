//! Timestamps of MessagePack as JSON has them: what `Date.prototype.toISOString` of JavaScript says.

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Days of 400 years.
const ERA: i64 = 146_097;
/// Days from 1 March of the year 0 to the first day of 1970.
const EPOCH: i64 = 719_468;
/// The furthest that a date of JavaScript can be from 1970, in seconds.
const FURTHEST: i64 = 8_640_000_000_000;

/// The text of a timestamp with 4, 8 or 12 bytes; `None` for anything else, and for what is no date in JavaScript.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [_, _, _, _, _, _, _, _] => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            ((both & 0x3_FFFF_FFFF) as i64, (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => {
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes([a, b, c, d]))
        }
        _ => return None,
    };
    (seconds.abs() <= FURTHEST && nanos < 1_000_000_000).then(|| iso(seconds, nanos / 1_000_000))
}

fn iso(seconds: i64, millis: u32) -> String {
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let year = match year {
        0..=9_999 => format!("{year:04}"),
        _ => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day since 1970. A year begins in March here, so that the day that some years have more is
/// their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `new Date(…).toISOString()` says it.
    #[test]
    fn dates_are_those_of_javascript() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_795_736_460, "2026-11-26T23:41:00.007Z"),
            (-1, "1969-12-31T23:59:59.007Z"),
            (-62_167_219_200, "0000-01-01T00:00:00.007Z"),
            (-62_198_755_200, "-000001-01-01T00:00:00.007Z"),
            (253_402_300_800, "+010000-01-01T00:00:00.007Z"),
        ] {
            assert_eq!(iso(seconds, 7), expected);
        }
    }

    #[test]
    fn timestamps_have_three_widths() {
        assert_eq!(text(&[0, 0, 0, 60]).as_deref(), Some("1970-01-01T00:01:00.000Z"));
        let eight = ((5_000_000_u64 << 34) + 60).to_be_bytes();
        assert_eq!(text(&eight).as_deref(), Some("1970-01-01T00:01:00.005Z"));
        let twelve = [&5_000_000_u32.to_be_bytes()[..], &(-60_i64).to_be_bytes()].concat();
        assert_eq!(text(&twelve).as_deref(), Some("1969-12-31T23:59:00.005Z"));
        let far = [&0_u32.to_be_bytes()[..], &i64::MAX.to_be_bytes()].concat();
        for wrong in [&[][..], &[1, 2, 3], &far, &[0xff; 8]] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }

    /// Day by day through four centuries and their borders.
    #[test]
    fn the_calendar_is_that_of_gregory() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        // 1 January 1970 is day 0.
        let mut day = 0;
        for year in 1970..2410 {
            for (month, days) in (1..).zip([31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for of_month in 1..=days {
                    assert_eq!(date(day), (year, month, of_month));
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn a_second_has_fewer_nanoseconds_than_a_milliard() {
        let twelve = |nanos: u32| text(&[&nanos.to_be_bytes()[..], &0_i64.to_be_bytes()].concat());
        assert_eq!(twelve(999_999_999).as_deref(), Some("1970-01-01T00:00:00.999Z"));
        assert_eq!(twelve(1_000_000_000), None);
    }
}
