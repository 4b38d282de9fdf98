//! Keys and patterns of keys (JK4).

use crate::Pattern;
use crate::subject::relation;
use std::fmt;

/// A key is empty, begins or ends with a dot, has two dots in a row, or has a character other than `A` to `Z`, `a` to `z`, `0` to `9` and
/// `-`, `/`, `_`, `=`, `.` (JK4). In a pattern of keys, a token may be `*`, and the last one `>`. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKey(String);

impl InvalidKey {
    /// The key, or the pattern.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid key {:?}", self.0)
    }
}

impl std::error::Error for InvalidKey {}

fn is_token(token: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_' | b'=');
    !token.is_empty() && token.bytes().all(is_fine)
}

/// A key, if it is one.
pub(super) fn checked(key: &str) -> Result<&str, InvalidKey> {
    match key.split('.').all(is_token) {
        true => Ok(key),
        false => Err(InvalidKey(key.to_owned())),
    }
}

/// A pattern of keys, if it is one.
pub(super) fn checked_pattern(pattern: &str) -> Result<&str, InvalidKey> {
    let is_fine = pattern.split('.').all(|token| is_token(token) || relation::is_wildcard(token));
    match is_fine && Pattern::new(pattern).is_ok() {
        true => Ok(pattern),
        false => Err(InvalidKey(pattern.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JK4.
    #[test]
    fn keys_and_patterns_are_checked() {
        for key in ["a", "a.b.c", "-/_=", "A9/x=y_z-", "a.=.b"] {
            assert_eq!((checked(key), checked_pattern(key)), (Ok(key), Ok(key)));
        }
        for key in ["", ".", "a.", ".a", "a..b", "a b", "ä", "a:b", "a\n", "$a", "a*", "a>", "*b"] {
            assert_eq!(checked(key), Err(InvalidKey(key.to_owned())), "{key}");
            assert!(checked_pattern(key).is_err(), "{key}");
        }
        for pattern in ["*", ">", "a.*", "*.a.>", "a.>"] {
            assert!(checked(pattern).is_err());
            assert_eq!(checked_pattern(pattern), Ok(pattern));
        }
        assert!(checked_pattern("a.>.b").is_err());
    }
}
