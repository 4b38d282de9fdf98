//! The names in inboxes: numbers as digits of six bits, which no one can guess.

use crate::rng::{Secret, Use};

/// Digits that name a connection: 2^30 before one comes twice, which then costs a look at the key.
const CONNECTION_DIGITS: usize = 5;
/// Digits of a request's key: 48 bits.
pub(super) const KEY_DIGITS: usize = 8;
/// Digits of a subject that a user asks for: 60 bits.
const NEW_DIGITS: usize = 10;
/// Six bits each: all may stand in a token.
pub(super) const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
pub(super) const KEY_MASK: u64 = (1 << (KEY_DIGITS * 6)) - 1;
/// Digits of 64 bits.
pub(super) const DIGITS: usize = 11;

/// The digits of `number`, the highest first, without leading zeros.
pub(super) fn encode(mut number: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let mut at = DIGITS;
    loop {
        at -= 1;
        digits[at] = ALPHABET[(number & 63) as usize];
        number >>= 6;
        if number == 0 {
            return &digits[at..];
        }
    }
}

pub(super) fn decode(token: &str) -> Option<u64> {
    if token.is_empty() || token.len() > DIGITS {
        return None;
    }
    token.bytes().try_fold(0u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some(number << 6 | u64::from(value))
    })
}

/// The name in a connection's inboxes: no two connections of a bus have the same one, and one name does not
/// reveal the others.
pub(super) fn connection_name(secret: &Secret, connection: u64) -> String {
    const HALF: u32 = CONNECTION_DIGITS as u32 * 6 / 2;
    name(secret.permuted(Use::Connection.of(0), connection, HALF), CONNECTION_DIGITS)
}

/// The name in the `nth` inbox that the user of a connection asks for.
pub(super) fn new_name(secret: &Secret, connection: u64, nth: u64) -> String {
    name(secret.number(Use::Inbox.of(connection), nth), NEW_DIGITS)
}

/// `len` digits of `number`, the highest first; the rest of it is cut off.
fn name(number: u64, len: usize) -> String {
    let mut digits = [b'0'; DIGITS];
    encode(number, &mut digits);
    digits[DIGITS - len..].iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way_through_a_token() {
        for number in [0, 1, 63, 64, 64 * 64 - 1, 1 << 20, u64::MAX] {
            let mut digits = [0; DIGITS];
            let token = String::from_utf8(encode(number, &mut digits).to_vec()).unwrap();
            assert_eq!(decode(&token), Some(number), "{token}");
        }
        assert_eq!(decode(""), None);
        assert_eq!(decode("zzzzzzzzzzzz"), None);
        assert_eq!(decode("a+b"), None);
        assert_eq!(name(65, 3), "011");
    }
}
