//! Errors of subscribing.

use crate::subject::SubjectError;

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

impl From<SubjectError> for SubscribeError {
    fn from(error: SubjectError) -> Self {
        SubscribeError::InvalidPattern(error)
    }
}
