//! Sums of any size, in decimal (JS58).

/// An integer of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// Least significant first, without leading zeros; none for 0.
    digits: Vec<u8>,
}

impl Decimal {
    /// A sign, if there is one, and digits: nothing else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Decimal::of(is_negative, digits.iter().rev().map(|digit| digit - b'0').collect()))
    }

    pub(crate) fn zero() -> Self {
        Decimal::of(false, Vec::new())
    }

    fn of(is_negative: bool, mut digits: Vec<u8>) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Decimal { is_negative: is_negative && !digits.is_empty(), digits }
    }

    pub(crate) fn plus(&self, other: &Decimal) -> Decimal {
        if self.is_negative == other.is_negative {
            return Decimal::of(self.is_negative, sum(&self.digits, &other.digits));
        }
        if is_below(&self.digits, &other.digits) {
            return Decimal::of(other.is_negative, difference(&other.digits, &self.digits));
        }
        Decimal::of(self.is_negative, difference(&self.digits, &other.digits))
    }

    /// The payload that a stored sum has.
    pub(crate) fn payload(&self) -> String {
        format!("{{\"val\":\"{self}\"}}")
    }

    /// The sum that a stored payload has: an object with the one key `val`, a text. `None` if it is anything else.
    pub(crate) fn of_payload(payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        for wanted in [&b"{"[..], b"\"val\"", b":", b"\""] {
            rest = rest.trim_ascii_start().strip_prefix(wanted)?;
        }
        let end = rest.iter().position(|&byte| byte == b'"')?;
        let (value, behind) = rest.split_at(end);
        let behind = behind[1..].trim_ascii_start().strip_prefix(b"}")?;
        if behind.trim_ascii().is_empty() { Decimal::parse(value) } else { None }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        let digits: String = self.digits.iter().rev().map(|digit| char::from(digit + b'0')).collect();
        write!(f, "{}{digits}", if self.is_negative { "-" } else { "" })
    }
}

fn is_below(a: &[u8], b: &[u8]) -> bool {
    (a.len(), a.iter().rev().collect::<Vec<_>>()) < (b.len(), b.iter().rev().collect::<Vec<_>>())
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits = Vec::with_capacity(a.len().max(b.len()) + 1);
    for at in 0..a.len().max(b.len()) {
        let all = a.get(at).unwrap_or(&0) + b.get(at).unwrap_or(&0) + carry;
        digits.push(all % 10);
        carry = all / 10;
    }
    digits.push(carry);
    digits
}

/// `a` − `b`, of which `a` is not the smaller.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits = Vec::with_capacity(a.len());
    for (at, digit) in a.iter().enumerate() {
        let less = b.get(at).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < less);
        digits.push(digit + 10 * borrow - less);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JS58: a decimal integer of any size with optional sign.
    #[test]
    fn increments_are_integers_alone() {
        for wrong in ["", "+", "1.5", "1_0", "0x1", "1 ", " 1", "--1", "a"] {
            assert_eq!(Decimal::parse(wrong.as_bytes()), None, "{wrong}");
        }
        let large = Decimal::parse(b"99999999999999999999999999999999999999999999").unwrap();
        assert_eq!(large.plus(&Decimal::parse(b"+1").unwrap()).to_string(), format!("1{}", "0".repeat(44)));
        assert_eq!(Decimal::parse(b"-0007").unwrap().payload(), r#"{"val":"-7"}"#);
    }

    #[test]
    fn a_stored_sum_is_read_or_broken() {
        let read = |payload: &str| Decimal::of_payload(payload.as_bytes()).map(|sum| sum.to_string());
        assert_eq!(read(r#"{"val":"-12"}"#).as_deref(), Some("-12"));
        assert_eq!(read(" { \"val\" : \"3\" } \n").as_deref(), Some("3"));
        for broken in ["", "3", r#"{"val":3}"#, r#"{"val":"x"}"#, r#"{"val":"1"} x"#, r#"{"value":"1"}"#] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_integers(a in any::<i64>(), b in any::<i64>()) {
            let of = |number: i128| Decimal::parse(number.to_string().as_bytes()).unwrap();
            prop_assert_eq!(of(a.into()).plus(&of(b.into())), of(i128::from(a) + i128::from(b)));
        }
    }
}
