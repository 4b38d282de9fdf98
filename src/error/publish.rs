//! Errors of publishing and of responding.

use super::HeaderError;
use crate::subject::SubjectError;

/// Why a message was not published. No subscriber got it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The subject or the reply is not one (S4, S13); a wildcard is not published to. On a lenient connection: it is empty or holds
    /// a blank.
    #[error("invalid subject: {0}")]
    InvalidSubject(SubjectError),
    /// The header block of a [`RawMessage`](crate::publish::RawMessage) message, or of one that a lenient connection sent, can't be read (H7).
    #[error("invalid headers: {0}")]
    InvalidHeaders(HeaderError),
    /// The subject is longer than [`Limits::max_subject_len`](crate::Limits::max_subject_len).
    #[error("subject of {len} bytes is longer than the {max} allowed")]
    SubjectTooLong {
        /// Bytes of the subject.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The connection's permissions do not allow to publish there (P3), or it is lenient and the subject is reserved: below `$NRG.` or
    /// `_GR_.` (S9).
    #[error("permission to publish to {subject:?} denied")]
    PermissionDenied {
        /// Where to.
        subject: String,
    },
    /// The connection is lenient, and the reply is reserved: below `_R_.`, `$JS.ACK.` or `_GR_.` (S10).
    #[error("permission to publish with reply {reply:?} denied")]
    ReplyDenied {
        /// The reply.
        reply: String,
    },
    /// Payload and headers are larger than [`Limits::max_payload`](crate::Limits::max_payload) (L4).
    #[error("payload and headers of {size} bytes exceed the maximum of {max}")]
    MaxPayloadExceeded {
        /// Bytes of payload and encoded headers.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The client or the bus was closed.
    #[error("the client is closed")]
    Closed,
}

impl From<SubjectError> for PublishError {
    fn from(error: SubjectError) -> Self {
        PublishError::InvalidSubject(error)
    }
}

impl From<HeaderError> for PublishError {
    fn from(error: HeaderError) -> Self {
        PublishError::InvalidHeaders(error)
    }
}

/// Why a message could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// It asks for no answer, or it was made by hand and not received.
    #[error("the message asks for no answer")]
    NoReply,
    /// The answer was not published.
    #[error("{0}")]
    Publish(PublishError),
}

impl From<PublishError> for RespondError {
    fn from(error: PublishError) -> Self {
        RespondError::Publish(error)
    }
}

impl From<HeaderError> for RespondError {
    fn from(error: HeaderError) -> Self {
        RespondError::Publish(error.into())
    }
}
