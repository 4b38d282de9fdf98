//! Durations as Go writes them: `1h30m`, `1.5s`, `-10ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nanoseconds, or what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration {text:?}, a number with a unit is needed, such as \"10s\" or \"1h30m\"");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("duration {text:?} has no unit, such as \"s\""));
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, nanos) = known.ok_or_else(|| format!("duration {text:?} has the unknown unit {unit:?}"))?;
        let whole = if whole.is_empty() { Some(0) } else { whole.parse::<i64>().ok() };
        let of_whole = i128::from(whole.ok_or_else(invalid)?) * i128::from(*nanos);
        sum += of_whole + i128::from(of_fraction(fraction, *nanos));
        // The least of all is one further from zero than the greatest.
        if sum > i128::from(i64::MAX) + i128::from(negative) {
            return Err(format!("duration {text:?} is too long"));
        }
        rest = after;
    }
    Ok(i64::try_from(if negative { -sum } else { sum }).expect("it was compared with the greatest"))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// That part of a unit of at most an hour; digits after the 18th are worth less than a nanosecond.
fn of_fraction(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let value = digits.bytes().fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let scale = 10_u128.pow(digits.len() as u32);
    u64::try_from(value * u128::from(unit) / scale).expect("less than a unit")
}

/// As Go shows it: `2m0s`, `1.5s`, `10ms`.
pub(super) fn show(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 && nanos > 0 {
        let (unit, size) = match nanos {
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("\u{b5}s", 1_000),
            _ => ("ns", 1),
        };
        return format!("{}{unit}", decimal(u64::from(nanos / size), nanos % size, size));
    }
    let below_minute = decimal(seconds % 60, nanos, 1_000_000_000);
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{below_minute}s"),
        (0, minutes) => format!("{minutes}m{below_minute}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{below_minute}s"),
    }
}

/// A number with a fraction, without zeros at its end.
fn decimal(whole: u64, part: u32, of: u32) -> String {
    let digits = of.ilog10() as usize;
    let text = format!("{whole}.{part:0digits$}");
    if part == 0 { whole.to_string() } else { text.trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{parse, show};
    use std::time::Duration;

    #[test]
    fn durations_show_as_in_go() {
        let shown = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (100_000_000, "100ms"),
            (1_500_000, "1.5ms"),
            (1_500_000_000, "1.5s"),
            (120_000_000_000, "2m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_430_050_000_000, "1h30m30.05s"),
        ];
        for (nanos, text) in shown {
            assert_eq!(show(Duration::from_nanos(nanos)), text);
            assert_eq!(parse(text), Ok(nanos as i64));
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        let good = [
            ("0", 0),
            ("-0", 0),
            ("1ns", 1),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("-10ms", -10_000_000),
            ("+2us", 2_000),
            ("2µs", 2_000),
            ("2μs", 2_000),
            ("1h30m", 5_400_000_000_000),
            ("1m1m", 120_000_000_000),
            ("0.000000000000000000000001h", 0),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ];
        for (text, nanos) in good {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
        for text in ["", "-", "s", ".s", "10", "1d", "1 s", "1s ", "1h30", "--1s", "9223372036854775808ns", "3000000h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
