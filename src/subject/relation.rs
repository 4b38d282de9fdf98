//! How patterns relate to subjects and to each other: the executable definition of routing.
//!
//! **Purpose.** Questions on plain texts: is a token or a pattern without wildcards ([`is_wildcard`], [`is_literal`]), does a pattern match a subject ([`matches()`]), does one pattern cover
//! another ([`includes`]), do two patterns share a subject ([`overlaps`]). Every faster engine has to give the same
//! answers as these functions.
//!
//! **Promises.** No allocation, no panic on any input, time linear in the length of the texts.
//!
//! **Limits.** The answer has no meaning where a text passed as a *pattern* is not a valid
//! [`Pattern`](super::Pattern). Texts passed as *subjects* may be anything.
//!
//! **Where the rules come from.** S2, S3, S6, S7 and S12.

use super::token::{ONE, TAIL, Tokens};

/// Whether a token of a pattern is a wildcard: exactly `*` or exactly `>`.
///
/// # Example
///
/// ```
/// use postroom::subject::relation::is_wildcard;
///
/// assert!(is_wildcard("*") && is_wildcard(">"));
/// assert!(!is_wildcard("e*"));
/// ```
///
/// Source: S2.
#[must_use]
#[inline]
pub fn is_wildcard(token: &str) -> bool {
    token == ONE || token == TAIL
}

/// Whether no token of a pattern is a wildcard, so that it matches one subject alone. `pattern` may be any text.
///
/// # Example
///
/// ```
/// use postroom::subject::relation::is_literal;
///
/// assert!(is_literal("orders.e*"));
/// assert!(!is_literal("orders.*"));
/// ```
///
/// Source: S2.
#[must_use]
pub fn is_literal(pattern: &str) -> bool {
    !Tokens::new(pattern).any(is_wildcard)
}

/// Whether a message published on `subject` reaches a subscription on `pattern`.
///
/// Tokens are compared in turn: `*` in the pattern accepts any one token, `>` any one or more up to the end, every
/// other token only itself. The subject is plain text: a published `*` or `>` is a token like any other, which only
/// a wildcard can match (S7). A subject with an empty token is matched by nothing, not even by `>` (S6); so is the
/// empty text.
///
/// `pattern` must be valid; `subject` may be any text.
///
/// # Example
///
/// ```
/// use postroom::subject::relation::matches;
///
/// assert!(matches("orders.*", "orders.eu"));
/// assert!(matches("orders.>", "orders.eu.new"));
/// assert!(!matches("orders.>", "orders")); // `>` needs at least one token
/// assert!(!matches("orders.eu", "orders.*")); // publishing to a wildcard does not fan out
/// assert!(!matches(">", "orders..eu"));
/// ```
///
/// Source: S2, S3, S6, S7.
#[must_use]
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut wanted = Tokens::new(pattern);
    let mut given = Tokens::new(subject);
    loop {
        match (wanted.next(), given.rest()) {
            (Some(TAIL), Some(rest)) => return has_no_empty_token(rest),
            (Some(want), Some(_)) => {
                let token = given.next().unwrap_or_default();
                if token.is_empty() || (want != ONE && want != token) {
                    return false;
                }
            }
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

/// Whether every subject that `inner` matches is also matched by `outer`.
///
/// A pattern includes itself. Both texts must be valid patterns; a literal one is a pattern without wildcards, and
/// then `includes(outer, literal)` and `matches(outer, literal)` agree.
///
/// # Example
///
/// ```
/// use postroom::subject::relation::includes;
///
/// assert!(includes("orders.>", "orders.*.new"));
/// assert!(includes("orders.*", "orders.eu"));
/// assert!(!includes("orders.*", "orders.>")); // `orders.eu.new` would be left out
/// assert!(!includes("orders.eu", "orders.*"));
/// ```
///
/// Source: S12 (subset).
#[must_use]
pub fn includes(outer: &str, inner: &str) -> bool {
    let mut outer = Tokens::new(outer);
    let mut inner = Tokens::new(inner);
    loop {
        match (outer.next(), inner.next()) {
            (Some(TAIL), Some(_)) => return true,
            // An inner tail stands for any number of tokens: nothing but an outer tail has room for that.
            (Some(_), Some(TAIL)) => return false,
            (Some(ONE), Some(_)) => {}
            // An inner `*` fails here as well, for the outer token is a plain one.
            (Some(out), Some(token)) if out == token => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Whether there is a subject that both patterns match.
///
/// Symmetric, and true of a pattern and itself. Both texts must be valid patterns.
///
/// # Example
///
/// ```
/// use postroom::subject::relation::overlaps;
///
/// assert!(overlaps("orders.*", "*.eu")); // both match `orders.eu`
/// assert!(overlaps("orders.>", "*.*.new"));
/// assert!(!overlaps("orders.>", "*")); // different numbers of tokens
/// assert!(!overlaps("orders.eu", "orders.us"));
/// ```
///
/// Source: S12 (collide). DIFFERENCE: nats-server takes a token for a wildcard by its first byte in this test alone,
/// so that for it `*x` and `y` overlap; here, as everywhere else, a wildcard is a whole token.
#[must_use]
pub fn overlaps(a: &str, b: &str) -> bool {
    let mut a = Tokens::new(a);
    let mut b = Tokens::new(b);
    loop {
        match (a.next(), b.next()) {
            (Some(TAIL), Some(_)) | (Some(_), Some(TAIL)) => return true,
            (Some(x), Some(y)) if x == ONE || y == ONE || x == y => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Whether `text` is a run of tokens of which each has at least one byte.
fn has_no_empty_token(text: &str) -> bool {
    // Starting as if after a dot makes a leading dot and the empty text the same case as two dots in a row.
    let mut after_dot = true;
    for byte in text.bytes() {
        if byte == b'.' && after_dot {
            return false;
        }
        after_dot = byte == b'.';
    }
    !after_dot
}
