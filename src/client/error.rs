//! The errors, one type for each operation.
//!
//! A message says the whole of it, what a part of it says included. Hence no error here has a `source`: a report that prints the chain
//! would say it twice.

use crate::bus::{InboxError, RegisterError, RouteError};
use crate::delivery::CloseReason;
use crate::message::HeaderError;
use crate::subject::SubjectError;
use std::time::Duration;

/// Why a message was not published. No subscriber got it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The subject or the reply is not one (S4, S13); a wildcard is not published to. On a lenient connection: it is empty or holds
    /// a blank.
    #[error("invalid subject: {0}")]
    InvalidSubject(SubjectError),
    /// The header block of a [`RawMessage`](crate::RawMessage) message, or of one that a lenient connection sent, can't be read (H7).
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

impl From<RouteError> for PublishError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Subject(error) => PublishError::InvalidSubject(error),
            RouteError::SubjectTooLong { len, max } => PublishError::SubjectTooLong { len, max },
            RouteError::PayloadTooLarge { size, max } => PublishError::MaxPayloadExceeded { size, max },
            RouteError::Denied { subject } => PublishError::PermissionDenied { subject },
            RouteError::ReplyDenied { reply } => PublishError::ReplyDenied { reply },
            RouteError::Closed => PublishError::Closed,
        }
    }
}

/// Why a subscription was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The pattern is not one (S4).
    #[error("invalid pattern: {0}")]
    InvalidPattern(SubjectError),
    /// The pattern is longer than [`Limits::max_subject_len`](crate::Limits::max_subject_len).
    #[error("pattern of {len} bytes is longer than the {max} allowed")]
    PatternTooLong {
        /// Bytes of the pattern.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The pattern has more tokens than [`Limits::max_subscription_tokens`](crate::Limits::max_subscription_tokens) (S11).
    #[error("pattern of {tokens} tokens has more than the {max} allowed")]
    TooManyTokens {
        /// Tokens of the pattern.
        tokens: usize,
        /// The limit.
        max: usize,
    },
    /// The queue group's name is empty or has a blank in it (S13).
    #[error("invalid queue group name {name:?}")]
    InvalidQueue {
        /// The name.
        name: String,
    },
    /// [`SubscribeOptions::fallback`](crate::SubscribeOptions::fallback) was asked for without a queue group to be a member of.
    #[error("a fallback member needs a queue group")]
    FallbackWithoutQueue,
    /// The connection's permissions do not allow the subscription (P5, P6), or it is lenient and the queue group is `_sys_`, which is
    /// reserved.
    #[error("permission to subscribe to {pattern:?}{} denied", in_queue(queue.as_deref()))]
    PermissionDenied {
        /// To what; on a lenient connection any text, for there permissions are asked first.
        pattern: String,
        /// The queue group.
        queue: Option<String>,
    },
    /// The connection has [`Limits::max_subscriptions`](crate::Limits::max_subscriptions) already (L5).
    #[error("maximum of {max} subscriptions exceeded")]
    MaxSubscriptionsExceeded {
        /// The limit.
        max: usize,
    },
    /// A capacity is 0 or more than can be counted.
    #[error("capacity {value} is not within 1 to {max}")]
    InvalidCapacity {
        /// The requested bound, in messages or bytes.
        value: usize,
        /// The most that can be asked for.
        max: usize,
    },
    /// [`OverflowPolicy::DropOldest`](crate::OverflowPolicy::DropOldest) was asked of a channel whose front is the user's.
    #[error("a user's channel can't drop its oldest message")]
    UnsupportedOverflow,
    /// The client or the bus is closed, or draining (D8).
    #[error("the client is closed or draining")]
    Closed,
}

fn in_queue(queue: Option<&str>) -> String {
    queue.map_or_else(String::new, |queue| format!(" in queue group {queue:?}"))
}

impl From<RegisterError> for SubscribeError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Denied { pattern, queue } => SubscribeError::PermissionDenied { pattern, queue },
            RegisterError::Closed => SubscribeError::Closed,
            RegisterError::TooMany { max } => SubscribeError::MaxSubscriptionsExceeded { max },
        }
    }
}

/// A subscription has ended and its queue is empty: no message will come any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription has ended: {reason}")]
#[non_exhaustive]
pub struct RecvError {
    /// Why it has ended.
    pub reason: CloseReason,
}

/// Why there was no message at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// None is there yet.
    #[error("no message is queued")]
    Empty,
    /// None will come any more.
    #[error("the subscription has ended: {0}")]
    Closed(CloseReason),
}

/// Why no message came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// The time was up.
    #[error("no message came in time")]
    Timeout,
    /// None will come any more.
    #[error("the subscription has ended: {0}")]
    Closed(CloseReason),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no subscription to the subject, or a responder passed on that news (R2, R8). Known at once.
    #[error("no responders on {subject}")]
    NoResponders {
        /// Where the request went.
        subject: String,
    },
    /// No answer came in time. One that comes later is counted in [`ClientStats::late_replies`](crate::ClientStats::late_replies).
    #[error("no answer within {after:?}")]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The request was not published.
    #[error("{0}")]
    Publish(PublishError),
    /// The connection's permissions do not allow it to subscribe to its inbox, so that no answer could come (P5). Nothing was published.
    #[error("permission to subscribe to the inbox {pattern:?} denied")]
    InboxDenied {
        /// The inbox.
        pattern: String,
    },
    /// The connection has [`Limits::max_requests`](crate::Limits::max_requests) waiting already.
    #[error("{max} requests wait for an answer already")]
    TooManyRequests {
        /// The limit.
        max: usize,
    },
    /// The connection has [`Limits::max_subscriptions`](crate::Limits::max_subscriptions) already, and this request, its first, needs one
    /// more for the answers (L5).
    #[error("maximum of {max} subscriptions exceeded")]
    MaxSubscriptionsExceeded {
        /// The limit.
        max: usize,
    },
    /// The client or the bus was closed, or is draining (D8).
    #[error("the client is closed or draining")]
    Closed,
}

impl From<PublishError> for RequestError {
    fn from(error: PublishError) -> Self {
        match error {
            // The same whether the close came before the request or between its steps.
            PublishError::Closed => RequestError::Closed,
            other => RequestError::Publish(other),
        }
    }
}

impl RequestError {
    /// Whether there are no responders.
    pub fn is_no_responders(&self) -> bool {
        matches!(self, RequestError::NoResponders { .. })
    }

    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, RequestError::Timeout { .. })
    }
}

impl From<RegisterError> for RequestError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Denied { pattern, .. } => RequestError::InboxDenied { pattern },
            RegisterError::Closed => RequestError::Closed,
            RegisterError::TooMany { max } => RequestError::MaxSubscriptionsExceeded { max },
        }
    }
}

impl From<InboxError> for RequestError {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Closed => RequestError::Closed,
            InboxError::Full { max } => RequestError::TooManyRequests { max },
        }
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

/// A drain did not come to its end in time; it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pending} messages were still to be taken, or requests to be answered, after {after:?}")]
#[non_exhaustive]
pub struct DrainTimeoutError {
    /// How long it was waited for.
    pub after: Duration,
    /// Messages queued or being handled, and requests under way.
    pub pending: usize,
}

/// Implements a conversion by way of a variant.
macro_rules! from {
    ($($from:ty => $to:ident::$variant:ident),* $(,)?) => {$(
        impl From<$from> for $to {
            fn from(error: $from) -> Self {
                $to::$variant(error.into())
            }
        }
    )*};
}

from! {
    SubjectError => PublishError::InvalidSubject,
    HeaderError => PublishError::InvalidHeaders,
    SubjectError => SubscribeError::InvalidPattern,
    SubjectError => RequestError::Publish,
    HeaderError => RequestError::Publish,
    PublishError => RespondError::Publish,
    HeaderError => RespondError::Publish,
}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        TryRecvError::Closed(error.reason)
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(error: RecvError) -> Self {
        RecvTimeoutError::Closed(error.reason)
    }
}
