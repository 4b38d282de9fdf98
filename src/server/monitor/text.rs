//! How nats-server writes times and durations.

use serde::Serializer;
use std::time::{Duration, SystemTime};

/// A time in UTC with as many digits below the second as it has: `2026-11-21T02:07:25.2754Z` (RFC 3339).
pub(crate) fn rfc3339(time: SystemTime) -> String {
    // Only times past the year 9999 have no timestamp, and those before -9999.
    jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// Whole seconds, with the units from the largest that is not zero: `2s`, `1m3s`, `3d4h5m6s`, `1y0d0h0m0s`.
pub(crate) fn uptime(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days, years) = (seconds / 60, seconds / 3_600, seconds / 86_400, seconds / 86_400 / 365);
    let mut text = String::new();
    if years > 0 {
        text += &format!("{years}y");
    }
    if days > 0 {
        text += &format!("{}d", days % 365);
    }
    if hours > 0 {
        text += &format!("{}h", hours % 24);
    }
    if minutes > 0 {
        text += &format!("{}m", minutes % 60);
    }
    text + &format!("{}s", seconds % 60)
}

/// As Go prints a duration: `0s`, `397µs`, `1.5ms`, `20s`, `2m0s`, `1h0m0.25s`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 6)),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = decimal(rest, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A number of bytes as nats-server shows it: `64.00 MB`, `512 B`.
pub(crate) fn friendly_bytes(bytes: i64) -> String {
    let value = bytes as f64;
    if value < 1_024.0 {
        return format!("{bytes} B");
    }
    let exponent = (value.ln() / 1_024_f64.ln()) as usize;
    let unit = ["K", "M", "G", "T", "P", "E"][exponent.clamp(1, 6) - 1];
    format!("{:.2} {unit}B", value / 1_024_f64.powi(exponent as i32))
}

/// `value` with its last `digits` below the point, zeros at the end left away.
fn decimal(value: u128, digits: usize) -> String {
    let unit = 10u128.pow(digits as u32);
    let below = format!("{:0digits$}", value % unit);
    let below = below.trim_end_matches('0');
    if below.is_empty() { format!("{}", value / unit) } else { format!("{}.{below}", value / unit) }
}

pub(crate) fn as_rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

pub(crate) fn as_optional_rfc3339<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn as_uptime<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&uptime(*duration))
}

/// Round trip times between a microsecond and a millisecond are cut to whole microseconds.
pub(crate) fn as_rtt<S: Serializer>(rtt: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let cut =
        if (1_001..1_000_000).contains(&rtt.as_nanos()) { Duration::from_micros(rtt.as_micros() as u64) } else { *rtt };
    serializer.serialize_str(&go_duration(cut))
}

pub(crate) fn as_nanoseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

pub(crate) fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_have_all_units_below_the_largest() {
        let day = 86_400;
        let cases = [
            (0, "0s"),
            (2, "2s"),
            (63, "1m3s"),
            (3_600, "1h0m0s"),
            (3 * day + 4 * 3_600 + 5 * 60 + 6, "3d4h5m6s"),
            (365 * day, "1y0d0h0m0s"),
            (800 * day + 1, "2y70d0h0m1s"),
        ];
        for (seconds, text) in cases {
            assert_eq!(uptime(Duration::from_secs(seconds)), text);
        }
        assert_eq!(uptime(Duration::from_millis(2_999)), "2s");
    }

    #[test]
    fn durations_read_as_in_go() {
        let cases = [
            (0, "0s"),
            (999, "999ns"),
            (397_000, "397µs"),
            (1_500_001, "1.500001ms"),
            (20_000_000_000, "20s"),
            (120_000_000_000, "2m0s"),
            (3_600_250_000_000, "1h0m0.25s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn times_are_in_utc_without_zeros_at_the_end() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_795_226_845, 27_918_794 * 10);
        assert_eq!(rfc3339(time), "2026-11-21T02:07:25.27918794Z");
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn bytes_are_shown_as_the_server_shows_them() {
        let cases = [
            (-1, "-1 B"),
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.00 KB"),
            (64_000_000, "61.04 MB"),
            (1 << 30, "1.00 GB"),
            (16 << 30, "16.00 GB"),
            (i64::MAX, "8.00 EB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(friendly_bytes(bytes), text);
        }
    }
}
