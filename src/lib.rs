//! Postroom: an embeddable, in-process message bus with NATS subject semantics.
#![forbid(unsafe_code)]

pub mod limits;
pub mod matcher;
pub mod message;
mod rng;
pub mod subject;
mod sync;

pub use limits::{Limits, LimitsError};
pub use matcher::{
    EntryId, LinearMatcher, Matcher, MatcherOptions, MatcherStats, Matches, QueueGroup,
};
pub use message::{HeaderError, HeaderMap, Message, Payload, StatusCode};
pub use subject::{Pattern, Subject, SubjectError, ToPattern, ToSubject};
