//! Errors as nats-server words them: two numbers and a text, from one table.
//!
//! Clients branch on the code, on the `err_code` and on the text, so that all three must be those of the real server (JE2).

pub mod codes;

use std::borrow::Cow;

/// A row of the table: an error before its text is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    code: u16,
    err_code: u16,
    text: &'static str,
}

impl Code {
    const fn new(code: u16, err_code: u16, text: &'static str) -> Self {
        Code { code, err_code, text }
    }

    /// The number that says what kind of error it is, in the manner of HTTP.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// The number that says which error it is.
    #[must_use]
    pub const fn err_code(self) -> u16 {
        self.err_code
    }

    /// The text, with `{…}` where [`Code::with`] fills something in.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.text
    }

    /// The error, of a code whose text has nothing to fill in.
    #[must_use]
    pub const fn error(self) -> ApiError {
        ApiError { code: self.code, err_code: self.err_code, description: Cow::Borrowed(self.text) }
    }

    /// The error with `text` in the place of the first `{…}`.
    #[must_use]
    pub fn with(self, text: impl AsRef<str>) -> ApiError {
        self.filled(&[text.as_ref()])
    }

    /// The error with `texts` in the places of `{…}`, in their order.
    #[must_use]
    pub fn filled(self, texts: &[&str]) -> ApiError {
        let mut description = String::with_capacity(self.text.len());
        let mut rest = self.text;
        for text in texts {
            let Some((before, behind)) = rest.split_once('{') else { break };
            let (_, behind) = behind.split_once('}').unwrap_or(("", behind));
            description.extend([before, text]);
            rest = behind;
        }
        description.push_str(rest);
        ApiError { code: self.code, err_code: self.err_code, description: Cow::Owned(description) }
    }
}

/// An error as it goes to a client: in an API response, or in the place of a publish acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct ApiError {
    code: u16,
    err_code: u16,
    description: Cow<'static, str>,
}

impl ApiError {
    /// An error as it came from a server. Its numbers need not be in the table.
    pub(crate) const fn received(code: u16, err_code: u16, description: String) -> Self {
        ApiError { code, err_code, description: Cow::Owned(description) }
    }

    /// The number that says what kind of error it is, in the manner of HTTP: 400, 404, 409, 412, 429, 500 or 503.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The number that says which error it is.
    #[must_use]
    pub fn err_code(&self) -> u16 {
        self.err_code
    }

    /// The text.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it is this row of the table.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.err_code == code.err_code
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        code.error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// JE7, JE10: 190 errors can come from a single server, each with a number of its own.
    #[test]
    fn the_table_is_complete_and_each_number_stands_once() {
        let numbers: BTreeSet<_> = codes::ALL.iter().map(|code| code.err_code()).collect();
        assert_eq!((numbers.len(), codes::ALL.len()), (190, 190));
        assert!(codes::ALL.iter().all(|code| matches!(code.code(), 400 | 404 | 409 | 412 | 429 | 500 | 503)));
    }

    /// JE3: texts are fixed, with places to fill in.
    #[test]
    fn places_are_filled_in_order() {
        let error = codes::STREAM_EXTERNAL_API_OVERLAP.filled(&["$JS.x.API", "$JS.API.>"]);
        assert_eq!(error.description(), "stream external api prefix $JS.x.API must not overlap with $JS.API.>");
        assert_eq!(codes::STREAM_WRONG_LAST_SEQUENCE.with("7").to_string(), "wrong last sequence: 7");
        assert_eq!((error.code(), error.err_code()), (400, 10021));
        assert_eq!(codes::STREAM_NOT_FOUND.error().description(), "stream not found");
        assert!(codes::STREAM_NOT_FOUND.error().is(codes::STREAM_NOT_FOUND));
    }
}
