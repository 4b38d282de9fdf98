//! Cutting a text into tokens, and the grammar of subjects and patterns.

use std::iter::FusedIterator;

use super::SubjectError;

/// The token that stands for exactly one token (S3).
pub(super) const ONE: &str = "*";
/// The token that stands for one or more tokens at the end (S3).
pub(super) const TAIL: &str = ">";

/// The longest subject or pattern in bytes. DIFFERENCE: nats-server has no bound but that of the control line, at most 2 GiB.
pub(super) const MAX_LEN: usize = 16 << 20;

/// The tokens of a subject or pattern, from left to right: the texts between the dots.
///
/// Made by [`Subject::tokens`](super::Subject::tokens) and [`Pattern::tokens`](super::Pattern::tokens), it yields
/// at least one token, and never an empty one but from a subject that a lenient connection made up. It can be walked from both
/// ends, and cloning it is free.
///
/// # Example
///
/// ```
/// use postroom::Subject;
/// use postroom::error::SubjectError;
///
/// let subject = Subject::new("orders.eu.new")?;
/// let mut tokens = subject.tokens();
/// assert_eq!(tokens.next(), Some("orders"));
/// assert_eq!(tokens.next_back(), Some("new"));
/// assert_eq!(tokens.collect::<Vec<_>>(), ["eu"]);
/// # Ok::<(), SubjectError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    /// The text still to be cut; `None` once the last token was returned.
    rest: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    /// Starts at the left end of `text`, which need not be valid: an empty text is one empty token.
    #[inline]
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The text that was not returned yet, dots included.
    #[inline]
    pub(super) fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        // A plain byte loop: tokens are short, and a searcher's set-up would cost more than it saves.
        match rest.bytes().position(|byte| byte == b'.') {
            Some(dot) => {
                self.rest = Some(&rest[dot + 1..]);
                Some(&rest[..dot])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.rest {
            // Every further token needs a dot.
            Some(rest) => (1, Some(rest.len() + 1)),
            None => (0, Some(0)),
        }
    }
}

impl<'a> DoubleEndedIterator for Tokens<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        match rest.bytes().rposition(|byte| byte == b'.') {
            Some(dot) => {
                self.rest = Some(&rest[..dot]);
                Some(&rest[dot + 1..])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

impl FusedIterator for Tokens<'_> {}

/// Checks `text` against the grammar of subjects without allocating.
///
/// # Errors
///
/// Every [`SubjectError`] except `AfterTail`, under the conditions given there.
#[inline]
pub(crate) fn check_subject(text: &str) -> Result<(), SubjectError> {
    check::<false>(text)
}

/// Checks `text` against the grammar of patterns without allocating.
///
/// # Errors
///
/// Every [`SubjectError`] except `Wildcard`, under the conditions given there.
#[inline]
pub(crate) fn check_pattern(text: &str) -> Result<(), SubjectError> {
    check::<true>(text)
}

/// Checks what even a lenient connection may not use as a subject, reply or queue name: a text that the wire can't carry, because
/// there it would be no argument or several (S1).
///
/// # Errors
///
/// [`SubjectError::Empty`] and [`SubjectError::Whitespace`].
pub(crate) fn check_word(text: &str) -> Result<(), SubjectError> {
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    match text.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        None => Ok(()),
        Some(position) => Err(SubjectError::Whitespace { position, found: char::from(text.as_bytes()[position]) }),
    }
}

fn check<const WILDCARDS: bool>(text: &str) -> Result<(), SubjectError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(SubjectError::Empty);
    }
    if bytes.len() > MAX_LEN {
        return Err(SubjectError::TooLong { len: bytes.len(), max: MAX_LEN });
    }
    let mut start = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        // Letters, digits and all of non-ASCII lie above the dot, everything this loop cares about does not:
        // one comparison settles most bytes. (`>` lies above it too, but only counts as a whole token.)
        if byte > b'.' {
            continue;
        }
        match byte {
            b'.' => {
                let token = &bytes[start..position];
                check_token::<WILDCARDS>(token, start)?;
                start = position + 1;
                // The dot means that another token follows, be it an empty one.
                if WILDCARDS && token == TAIL.as_bytes() {
                    return Err(SubjectError::AfterTail { position: start });
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                return Err(SubjectError::Whitespace { position, found: char::from(byte) });
            }
            _ => {}
        }
    }
    check_token::<WILDCARDS>(&bytes[start..], start)
}

/// Checks one token that starts at `position`; whitespace and what follows a `>` are the caller's business.
#[inline]
fn check_token<const WILDCARDS: bool>(token: &[u8], position: usize) -> Result<(), SubjectError> {
    match token {
        [] => Err(SubjectError::EmptyToken { position }),
        b"*" | b">" if !WILDCARDS => Err(SubjectError::Wildcard { position }),
        _ => Ok(()),
    }
}
