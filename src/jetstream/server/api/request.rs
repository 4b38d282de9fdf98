//! What all requests have in common: the level that they require, and how their bodies are read.

use crate::Message;
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::header;
use crate::jetstream::json::info::API_LEVEL;
use crate::jetstream::json::read::{self, Decode};

/// A request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) body: &'a [u8],
    is_strict: bool,
    exceeds_level: bool,
}

impl<'a> Request<'a> {
    pub(super) fn of(message: &'a Message, is_strict: bool) -> Self {
        let head = message.header_block().unwrap_or_default();
        Request { body: message.payload(), is_strict, exceeds_level: exceeds_level(&head) }
    }

    /// Refuses a request that requires a level that is not there (JS14).
    ///
    /// # Errors
    ///
    /// 10185.
    pub(super) fn check_level(&self) -> Result<(), ApiError> {
        if self.exceeds_level { Err(codes::REQUIRED_API_LEVEL.error()) } else { Ok(()) }
    }

    /// Reads the body into a request.
    ///
    /// # Errors
    ///
    /// 10025.
    pub(super) fn read<T: Decode>(&self, mut into: T) -> Result<T, ApiError> {
        let strictly = read::decode(self.body, true, &mut into);
        let outcome = match strictly {
            // The server reads once more then, as it would have read before there was strictness.
            Err(_) if !self.is_strict => read::decode(self.body, false, &mut into),
            outcome => outcome,
        };
        outcome.map_err(|words| codes::INVALID_JSON.with(words))?;
        Ok(into)
    }

    /// As [`Request::read`], but a body that begins neither as an object nor as a list counts as empty (JS12).
    ///
    /// # Errors
    ///
    /// 10025.
    pub(super) fn read_if_json<T: Decode>(&self, into: T) -> Result<T, ApiError> {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{' | b'[') => self.read(into),
            _ => Ok(into),
        }
    }

    /// As [`Request::read`], where unknown keys are dropped in any case (JC6). An empty body may be a fault.
    ///
    /// # Errors
    ///
    /// 10025.
    pub(super) fn read_leniently<T: Decode>(&self, mut into: T, may_be_empty: bool) -> Result<T, ApiError> {
        if self.body.is_empty() && !may_be_empty {
            return Err(codes::INVALID_JSON.with("unexpected end of JSON input"));
        }
        read::decode(self.body, false, &mut into).map_err(|words| codes::INVALID_JSON.with(words))?;
        Ok(into)
    }

    /// Whether the body is empty, or an object without keys.
    pub(super) fn is_empty(&self) -> bool {
        let mut rest = self.body.iter().filter(|byte| !byte.is_ascii_whitespace());
        self.body.is_empty() || (rest.next() == Some(&b'{') && rest.next() == Some(&b'}') && rest.next().is_none())
    }
}

/// Whether a header block asks for a level that is not there: above ours, or no number.
pub(super) fn exceeds_level(head: &[u8]) -> bool {
    let Some(value) = header::get(head, "Nats-Required-Api-Level").filter(|value| !value.is_empty()) else {
        return false;
    };
    let level: Option<i64> = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    level.is_none_or(|level| level > API_LEVEL as i64)
}
