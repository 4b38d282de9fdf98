//! Durations as Go writes them: `1h30m`, `1.5s`, `-10ms`.

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
        let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
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

/// The value of the digits after the point, for a unit of at most an hour; digits after the 18th
/// are worth less than a nanosecond.
fn of_fraction(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let value = digits.bytes().fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let scale = 10_u128.pow(digits.len() as u32);
    u64::try_from(value * u128::from(unit) / scale).expect("less than a unit")
}

#[cfg(test)]
mod tests {
    use super::parse;

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
