//! The reasons why a subscription has ended, and the errors of receiving.

use std::fmt;

/// Why a subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum CloseReason {
    /// It was unsubscribed, or its last handle was dropped.
    Unsubscribed = 1,
    /// It got as many messages as `unsubscribe_after` allowed it.
    LimitReached,
    /// It, its client or its bus was drained.
    Drained,
    /// Its client was closed.
    ClientClosed,
    /// Its bus was closed.
    BusClosed,
    /// It was too slow, and its policy is [`OverflowPolicy::Close`](crate::OverflowPolicy::Close).
    SlowConsumer,
    /// The receiving end of the user's channel is gone.
    Disconnected,
    /// The permissions of its client were changed and do not allow it any more (P5).
    PermissionDenied,
}

impl CloseReason {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        use CloseReason::*;
        [Unsubscribed, LimitReached, Drained, ClientClosed, BusClosed, SlowConsumer, Disconnected, PermissionDenied]
            .into_iter()
            .find(|reason| *reason as u8 == code)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Unsubscribed => "unsubscribed",
            CloseReason::LimitReached => "limit of messages reached",
            CloseReason::Drained => "drained",
            CloseReason::ClientClosed => "client closed",
            CloseReason::BusClosed => "bus closed",
            CloseReason::SlowConsumer => "slow consumer",
            CloseReason::Disconnected => "channel disconnected",
            CloseReason::PermissionDenied => "permission denied",
        })
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
