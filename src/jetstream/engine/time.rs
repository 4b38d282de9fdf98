//! Instants and spans as JetStream writes them: RFC 3339 in UTC, and Go's durations.

use std::fmt;
use std::time::Duration;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// An instant, in nanoseconds since 1970-01-01T00:00:00Z; the caller's clock gives it.
///
/// It prints as RFC 3339 with up to 9 decimals and without trailing zeros (JS13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant so many nanoseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant so much later; the last one there is if that is later still.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Timestamp(self.0.saturating_add(saturated(span)))
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339, as Go does: an upper-case `T`, any number of decimals (those beyond 9 are dropped), `Z` or an offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let (year, month, day) = three(date, '-', [4, 2, 2])?;
        let (clock, zone_at) = match rest.find(['Z', '+', '-']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => return None,
        };
        let (clock, decimals) =
            clock.split_once('.').map_or((clock, None), |(clock, decimals)| (clock, Some(decimals)));
        let (hour, minute, second) = three(clock, ':', [2, 2, 2])?;
        let is_date = (1..=12).contains(&month) && day >= 1 && day <= days_of_month(year, month);
        if !is_date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let nanos = match decimals {
            None => 0,
            Some(digits) => {
                let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
                are_digits.then(|| nine.parse::<i64>().ok()).flatten()?
            }
        };
        let offset = match zone_at.split_at(1) {
            ("Z", "") => 0,
            (sign, zone) => {
                let (hours, minutes) =
                    zone.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
                let (hours, minutes) = (digits(hours)?, digits(minutes)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = (hours * 60 + minutes) * 60;
                if sign == "-" { -seconds } else { seconds }
            }
        };
        let seconds = days_from_date(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        let nanos = seconds.checked_mul(SECOND)?.checked_add(nanos)?;
        u64::try_from(nanos).ok().map(Timestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / SECOND as u64, self.0 % SECOND as u64);
        let (days, clock) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date_from_days(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", clock / 3_600, clock / 60 % 60, clock % 60)?;
        if nanos != 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// The nanoseconds of a span, at most `u64::MAX`.
const fn saturated(span: Duration) -> u64 {
    let nanos = span.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

/// A span of that many nanoseconds; none if the number is negative.
pub(crate) fn span(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// The nanoseconds of a span as configurations have them, at most `i64::MAX`.
pub(crate) fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// A count as configurations have it, at most `i64::MAX`.
pub(crate) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn three(text: &str, between: char, widths: [usize; 3]) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(between);
    let mut next = |width: usize| parts.next().filter(|part| part.len() == width).and_then(digits);
    let found = (next(widths[0])?, next(widths[1])?, next(widths[2])?);
    parts.next().is_none().then_some(found)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. The year begins in March here, so that a leap day is its last.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Reads a Go duration, such as `1m30s`, `1.5h` or `-2ms`, in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, left) = behind.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND.into(),
            "m" => i128::from(SECOND) * 60,
            "h" => i128::from(SECOND) * 3_600,
            _ => return None,
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let are_digits = [whole, decimals].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        if !are_digits || (whole.is_empty() && decimals.is_empty()) {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut scale = unit;
        total = total.checked_add(whole.checked_mul(unit)?)?;
        for digit in decimals.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        rest = left;
    }
    i64::try_from(total).ok().map(|nanos| nanos * sign)
}

/// Writes nanoseconds as a Go duration: `1m30s`, `1.5s`, `250ms`, `0s`.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let all = nanos.unsigned_abs();
    let decimal = |unit: u64, name: &str| {
        let decimals = format!("{:0width$}", all % unit, width = unit.ilog10() as usize);
        let decimals = decimals.trim_end_matches('0');
        let dot = if decimals.is_empty() || unit == 1 { "" } else { "." };
        let decimals = if unit == 1 { "" } else { decimals };
        format!("{sign}{}{dot}{decimals}{name}", all / unit)
    };
    match all {
        0 => "0s".to_owned(),
        1..1_000 => decimal(1, "ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let seconds = all / SECOND as u64;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let rest = (seconds % 60) * SECOND as u64 + all % SECOND as u64;
            let decimals = format!("{:09}", rest % SECOND as u64);
            let decimals = decimals.trim_end_matches('0');
            let dot = if decimals.is_empty() { "" } else { "." };
            let head = match (hours, minutes) {
                (0, 0) => String::new(),
                (0, minutes) => format!("{minutes}m"),
                (hours, minutes) => format!("{hours}h{minutes}m"),
            };
            format!("{sign}{head}{}{dot}{decimals}s", rest / SECOND as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JS13: UTC, up to 9 decimals, trailing zeros cut.
    #[test]
    fn instants_are_written_and_read() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_764_405_031_699_532_640, "2025-11-29T08:30:31.69953264Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (4_107_542_399_000_000_001, "2100-02-28T23:59:59.000000001Z"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_nanos(nanos)), "{text}");
        }
        let offset = Timestamp::parse("2025-11-29T10:30:31.5+02:00").unwrap();
        assert_eq!(offset.to_string(), "2025-11-29T08:30:31.5Z");
        for wrong in [
            "",
            "2025-11-29",
            "2025-02-29T00:00:00Z",
            "2025-11-29t00:00:00Z",
            "2025-11-29T24:00:00Z",
            "2025-11-29T00:00:00",
        ] {
            assert_eq!(Timestamp::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        let cases = [
            ("1m30s", 90 * SECOND, "1m30s"),
            ("1.5h", 5_400 * SECOND, "1h30m0s"),
            ("-2ms", -2_000_000, "-2ms"),
            ("1000ms", SECOND, "1s"),
            ("1.9s", 1_900_000_000, "1.9s"),
            ("60s", 60 * SECOND, "1m0s"),
            (".5us", 500, "500ns"),
            ("1500ns", 1_500, "1.5µs"),
            ("0", 0, "0s"),
            ("+1h", 3_600 * SECOND, "1h0m0s"),
        ];
        for (text, nanos, written) in cases {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(format_duration(nanos), written);
        }
        for wrong in ["", "1", "1d", "s", "1s ", "-", ".s", "1.2.3s", "99999999999h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
