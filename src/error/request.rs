//! Errors of requests.

use super::{HeaderError, PublishError, SubscribeError};
use crate::subject::SubjectError;
use std::time::Duration;

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
    /// No answer came in time. One that comes later is counted in [`Traffic::late_replies`](crate::stats::Traffic::late_replies).
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

    /// The error of a request whose connection could not subscribe to its inbox.
    pub(crate) fn of_inbox(error: SubscribeError) -> Self {
        match error {
            SubscribeError::PermissionDenied { pattern, .. } => RequestError::InboxDenied { pattern },
            SubscribeError::MaxSubscriptionsExceeded { max } => RequestError::MaxSubscriptionsExceeded { max },
            // The pattern of an inbox is valid and has no queue group.
            _ => RequestError::Closed,
        }
    }
}

impl From<SubjectError> for RequestError {
    fn from(error: SubjectError) -> Self {
        RequestError::Publish(error.into())
    }
}

impl From<HeaderError> for RequestError {
    fn from(error: HeaderError) -> Self {
        RequestError::Publish(error.into())
    }
}
