//! Status codes: what a message without a payload has to say.
//!
//! **Purpose.** A NATS server, or a stand-in for one, answers some requests not with a payload but with a number
//! in the first line of the header block, such as 503 when there is no subscriber. [`StatusCode`] is that
//! number.
//!
//! **Promises.** A value is always in 100..=999; it is a copy of two bytes, and so is an `Option` of it.
//!
//! **Limits.** The number need not be one that NATS uses: any of three digits may come in.
//!
//! **Where the rules come from.** H7 (three digits), H8 (the codes in use).

use crate::error::StatusCodeError;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// The three-digit number in the first line of a header block, such as 503 for "no responders".
///
/// # Example
///
/// ```
/// use postroom::StatusCode;
///
/// assert_eq!(StatusCode::new(503), Some(StatusCode::NO_RESPONDERS));
/// assert_eq!(StatusCode::NO_RESPONDERS.to_string(), "503");
/// assert_eq!(StatusCode::new(99), None);
/// assert_eq!("503".parse(), Ok(StatusCode::NO_RESPONDERS));
/// assert_eq!(StatusCode::try_from(99).unwrap_err().to_string(), "not a number from 100 to 999");
/// ```
///
/// Source: H7, H8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(NonZeroU16);

impl StatusCode {
    /// 100: a sign of life while there is nothing to deliver, or a request for flow control.
    pub const IDLE_HEARTBEAT: Self = Self::constant(100);
    /// 204: a batch of direct reads is complete.
    pub const END_OF_BATCH: Self = Self::constant(204);
    /// 400: the request cannot be understood.
    pub const BAD_REQUEST: Self = Self::constant(400);
    /// 404: there is no such message, or none now.
    pub const NOT_FOUND: Self = Self::constant(404);
    /// 408: the request ran out of time.
    pub const TIMEOUT: Self = Self::constant(408);
    /// 409: the request was ended by the other side.
    pub const REQUEST_TERMINATED: Self = Self::constant(409);
    /// 412: the server lacks what the request demands.
    pub const PRECONDITION_FAILED: Self = Self::constant(412);
    /// 413: the answer would hold too many messages.
    pub const TOO_MANY_RESULTS: Self = Self::constant(413);
    /// 423: the consumer is pinned to another client.
    pub const PIN_ID_MISMATCH: Self = Self::constant(423);
    /// 429: too many requests at once.
    pub const TOO_MANY_REQUESTS: Self = Self::constant(429);
    /// 500: the server failed.
    pub const INTERNAL_ERROR: Self = Self::constant(500);
    /// 503: there is no subscription to the subject of a request.
    pub const NO_RESPONDERS: Self = Self::constant(503);

    /// The status of this number, or `None` unless it has three digits (100..=999).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::StatusCode;
    ///
    /// assert_eq!(StatusCode::new(999).map(StatusCode::as_u16), Some(999));
    /// assert_eq!(StatusCode::new(1000), None);
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match NonZeroU16::new(code) {
            Some(number) if code >= 100 && code <= 999 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number, 100..=999.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::StatusCode;
    ///
    /// assert_eq!(StatusCode::TIMEOUT.as_u16(), 408);
    /// ```
    #[must_use]
    #[inline]
    pub const fn as_u16(self) -> u16 {
        self.0.get()
    }

    /// A text for people that fits the number, or `""` for a number that has no constant here.
    ///
    /// It is a default for when a status came without a text or is to be sent with one. Servers use several texts
    /// for some numbers (409 above all) and none for others: a real 503 comes as a bare number (R3).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::StatusCode;
    ///
    /// assert_eq!(StatusCode::NO_RESPONDERS.description(), "No Responders");
    /// assert_eq!(StatusCode::new(299).map(StatusCode::description), Some(""));
    /// ```
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self.as_u16() {
            100 => "Idle Heartbeat",
            204 => "EOB",
            400 => "Bad Request",
            404 => "No Messages",
            408 => "Request Timeout",
            409 => "Request Terminated",
            412 => "Precondition Failed",
            413 => "Too Many Results",
            423 => "Nats-Pin-Id mismatch",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            503 => "No Responders",
            _ => "",
        }
    }

    /// For the constants above: a number out of range stops the build.
    const fn constant(code: u16) -> Self {
        match Self::new(code) {
            Some(status) => status,
            None => panic!("a status code has three digits"),
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_u16(), f)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_u16(), f)
    }
}

impl TryFrom<u16> for StatusCode {
    type Error = StatusCodeError;

    fn try_from(code: u16) -> Result<Self, StatusCodeError> {
        StatusCode::new(code).ok_or(StatusCodeError)
    }
}

impl FromStr for StatusCode {
    type Err = StatusCodeError;

    fn from_str(text: &str) -> Result<Self, StatusCodeError> {
        let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let code = if is_number { text.parse().ok() } else { None };
        code.and_then(StatusCode::new).ok_or(StatusCodeError)
    }
}

impl From<StatusCode> for u16 {
    fn from(status: StatusCode) -> Self {
        status.as_u16()
    }
}

impl PartialEq<u16> for StatusCode {
    fn eq(&self, other: &u16) -> bool {
        self.as_u16() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H8: every code in use has a constant, a text, and survives the way through its number.
    #[test]
    fn every_code_in_use_is_named() {
        let in_use = [100, 204, 400, 404, 408, 409, 412, 413, 423, 429, 500, 503];
        for code in in_use {
            let status = StatusCode::new(code).expect("three digits");
            assert_eq!(status.as_u16(), code);
            assert_eq!(u16::from(status), code);
            assert!(!status.description().is_empty(), "{code} has no text");
        }
        let described = (100..=999).filter_map(StatusCode::new).filter(|status| !status.description().is_empty());
        assert_eq!(described.map(StatusCode::as_u16).collect::<Vec<_>>(), in_use);
    }

    /// H7: exactly the numbers of three digits are codes.
    #[test]
    fn only_three_digits() {
        for code in 0..=u16::MAX {
            assert_eq!(StatusCode::new(code).is_some(), (100..=999).contains(&code), "{code}");
        }
    }

    /// An optional status costs no more than a status.
    #[test]
    fn option_is_free() {
        assert_eq!(size_of::<Option<StatusCode>>(), 2);
    }
}
